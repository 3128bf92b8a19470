"""A calibrator on disk: the same after loading, refused when damaged, foreign or another model's."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.calibration.synthetic import IDENTITY, calibrator
from thermolang.calibration import calibrator as module
from thermolang.calibration.calibrator import PROBE_OK, PROBE_REFUSE, Calibrator, probe_similarity
from thermolang.calibration.head import Head, Hyperparameters
from thermolang.calibration.kinds import SELF_CHECK
from thermolang.calibration.posterior import VerdictPrior
from thermolang.errors import CalibratorFormatError, CalibratorMismatchError

HIDDEN = np.random.default_rng(9).normal(0, 1, (6, 8))


@pytest.fixture
def folder(tmp_path):
    return calibrator().save(tmp_path / "saved")


def edit_config(folder, change):
    path = folder / "config.json"
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config))


def edit_tensors(folder, change):
    path = folder / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)


def turned(hidden, cosine):
    """Each row turned so far that its cosine with the old one is ``cosine``."""
    rng = np.random.default_rng(0)
    unit = hidden / np.linalg.norm(hidden, axis=1, keepdims=True)
    other = rng.normal(0, 1, hidden.shape)
    other -= (other * unit).sum(1, keepdims=True) * unit
    other /= np.linalg.norm(other, axis=1, keepdims=True)
    return cosine * unit + np.sqrt(1 - cosine**2) * other


# Saved and loaded


def assert_same(one, other):
    assert other.id == one.id
    assert other.identity == one.identity
    assert other.model_name == one.model_name
    assert other.card == one.card
    assert other.fits.keys() == one.fits.keys()
    for kind, fit in one.fits.items():
        for mine, theirs in zip(fit.network.predict(HIDDEN), other.fits[kind].network.predict(HIDDEN), strict=True):
            np.testing.assert_array_equal(mine, theirs)
        assert other.fits[kind].prior == fit.prior
        np.testing.assert_allclose(other.fits[kind].inputs.novelty(HIDDEN), fit.inputs.novelty(HIDDEN), rtol=1e-6)
    for mine, theirs in zip(one.probe, other.probe, strict=True):
        np.testing.assert_allclose(theirs, mine, rtol=1e-6)


def test_round_trip(tmp_path):
    one = calibrator()
    folder = one.save(tmp_path / "deep" / "saved")
    assert sorted(p.name for p in folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    assert_same(one, Calibrator.load(folder))
    assert_same(one, Calibrator.load(str(folder)))


def test_who_decided_what_means_the_same_comes_back(tmp_path):
    one = calibrator()
    plain, one.judged = one.id, True
    del one.id  # it is computed once
    other = Calibrator.load(one.save(tmp_path / "saved"))
    assert other.judged
    assert other.id == one.id != plain


def taught(*, width=8):
    """A calibrator that knows how to learn from verdicts, with a head for self-checks."""
    one = calibrator()
    weights = np.random.default_rng(3).normal(0, 1, width).astype(np.float32)
    head = Head(
        np.ones(4, np.float32), weights, SELF_CHECK, 0.5, 0.4, Hyperparameters(4, 0.3), 0.1, 0.01, 0.02, 1.5, 0.6
    )
    fits = {kind: replace(fit, verdicts=VerdictPrior(0.4, 0.8, 0.1)) for kind, fit in one.fits.items()}
    fits["self_check"] = replace(fits["self_check"], head=head)
    return Calibrator(one.identity, fits, one.probe, model_name=one.model_name, card=one.card)


def test_head_and_verdict_prior_come_back(tmp_path):
    one = taught()
    other = Calibrator.load(one.save(tmp_path / "saved"))
    assert_same(one, other)
    assert one.id != calibrator().id
    for kind, fit in one.fits.items():
        assert other.fits[kind].verdicts == fit.verdicts
    head = other.fits["self_check"].head
    assert other.fits["choice"].head is None
    saved = one.fits["self_check"].head
    np.testing.assert_array_equal(head.weights, saved.weights)
    np.testing.assert_array_equal(head.coefficients, saved.coefficients)
    numbers = set(Head.__dataclass_fields__) - {"weights", "coefficients"}
    assert {n: getattr(head, n) for n in numbers} == {n: getattr(saved, n) for n in numbers}


@pytest.mark.parametrize(
    "change",
    [
        lambda fit: fit["head"].update(tau="wide"),
        lambda fit: fit["head"].update(tau=0.0),
        lambda fit: fit["head"].update(tau=None),
        lambda fit: fit["head"].update(hyperparameters={"layers": 3}),
        lambda fit: fit["head"].update(colour="red"),
        lambda fit: fit["head"].update(usual_logprob=float("nan")),
        lambda fit: fit["verdicts"].update(sd_bias=-1.0),
        lambda fit: fit["verdicts"].pop("sd_log_temperature"),
        lambda fit: fit["verdicts"].update(colour="red"),
        lambda fit: fit["prior"].update(colour="red"),
    ],
)
def test_a_damaged_head_or_verdict_prior_is_refused(tmp_path, change):
    folder = taught().save(tmp_path / "saved")
    edit_config(folder, lambda config: change(config["fits"]["self_check"]))
    with pytest.raises(CalibratorFormatError):
        Calibrator.load(folder)


@pytest.mark.parametrize("damage", ["weights", "coefficients", "not finite"])
def test_a_head_with_damaged_arrays_is_refused(tmp_path, damage):
    folder = taught().save(tmp_path / "saved")

    def change(tensors):
        if damage == "weights":
            del tensors["self_check.head.weights"]
        elif damage == "coefficients":
            tensors["self_check.head.coefficients"] = torch.zeros(3)
        else:
            tensors["self_check.head.weights"][0] = float("nan")

    edit_tensors(folder, change)
    with pytest.raises(CalibratorFormatError, match="calibrate"):
        Calibrator.load(folder)


def test_a_head_for_another_width_is_refused(tmp_path):
    folder = taught(width=9).save(tmp_path / "saved")
    with pytest.raises(CalibratorFormatError, match=r"\(9,\)"):
        Calibrator.load(folder)


def test_a_second_round_trip_changes_no_byte(tmp_path, folder):
    again = Calibrator.load(folder).save(tmp_path / "again")
    for name in ("README.md", "config.json", "model.safetensors"):
        assert (again / name).read_bytes() == (folder / name).read_bytes()


def test_from_pretrained_and_save_pretrained(tmp_path):
    one = calibrator()
    one.save_pretrained(tmp_path / "saved")
    assert_same(one, Calibrator.from_pretrained(tmp_path / "saved"))
    assert_same(one, Calibrator.from_pretrained(str(tmp_path / "saved")))


def test_from_pretrained_takes_a_repository_of_the_hub(folder, monkeypatch):
    monkeypatch.setattr("huggingface_hub.hub_mixin.hf_hub_download", lambda **_: str(folder / "config.json"))
    monkeypatch.setattr(module, "snapshot_download", lambda *_, **__: str(folder))
    assert_same(calibrator(), Calibrator.from_pretrained("acme/tiny-chat-calibrator", revision="main"))
    (folder / "config.json").write_text("{not json")
    with pytest.raises(CalibratorFormatError, match="acme/tiny-chat-calibrator"):
        Calibrator.from_pretrained("acme/tiny-chat-calibrator")


def test_without_a_card_the_readme_names_the_model(tmp_path):
    one = calibrator()
    one.card = ""
    assert "acme/Tiny-Chat" in (one.save(tmp_path / "saved") / "README.md").read_text()


def test_the_folder_can_be_read_by_others(folder):
    assert folder.stat().st_mode & 0o777 == 0o755


def test_id_is_short_and_follows_the_weights():
    assert calibrator().id == calibrator().id
    assert calibrator().id.startswith("tiny-chat@")
    assert len(calibrator().id) == len("tiny-chat@") + 8
    assert calibrator(seed=5).id != calibrator().id


def test_id_follows_the_prior_too():
    one, other = calibrator(), calibrator()
    fit = other.fits["choice"]
    other.fits["choice"] = replace(fit, prior=replace(fit.prior, bias=fit.prior.bias + 0.1))
    assert other.id != one.id


def test_id_is_the_same_in_another_process(folder):
    code = (
        "import sys; from thermolang.calibration.calibrator import Calibrator; print(Calibrator.load(sys.argv[1]).id)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONHASHSEED": "7"},
    )
    assert done.stdout.strip() == calibrator().id


# Damage


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def poison(name, value):
    def change(tensors):
        tensors[name].view(-1)[0] = value

    return change


def drop(name):
    def change(mapping):
        del mapping[name]

    return change


def reshape(name, *shape):
    def change(tensors):
        tensors[name] = torch.zeros(*shape)

    return change


def put(*keys, value):
    def change(config):
        for key in keys[:-1]:
            config = config[key]
        config[keys[-1]] = value

    return change


DAMAGE = {
    "no folder": shutil.rmtree,
    "no config": lambda f: (f / "config.json").unlink(),
    "no weights": lambda f: (f / "model.safetensors").unlink(),
    "empty config": lambda f: (f / "config.json").write_text(""),
    "bad JSON": lambda f: (f / "config.json").write_text("{'format': 1}"),
    "half a config": lambda f: truncate(f / "config.json"),
    "config of bytes": lambda f: (f / "config.json").write_bytes(b"\xff\xfe\x00"),
    "config is a list": lambda f: (f / "config.json").write_text("[]"),
    "config is null": lambda f: (f / "config.json").write_text("null"),
    "truncated weights": lambda f: truncate(f / "model.safetensors"),
    "empty weights": lambda f: (f / "model.safetensors").write_bytes(b""),
    "text as weights": lambda f: (f / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1"),
    "foreign format": lambda f: edit_config(f, put("format", value="other-1")),
    "no format": lambda f: edit_config(f, drop("format")),
    "no identity": lambda f: edit_config(f, drop("identity")),
    "an identity of another shape": lambda f: edit_config(f, put("identity", value={"name": "x"})),
    "fits is a list": lambda f: edit_config(f, put("fits", value=["choice"])),
    "no prior": lambda f: edit_config(f, lambda c: c["fits"]["choice"].pop("prior")),
    "prior of text": lambda f: edit_config(f, put("fits", "choice", "prior", "bias", value="much")),
    "prior of NaN": lambda f: edit_config(f, put("fits", "choice", "prior", "half_width", value=float("nan"))),
    "radius of zero": lambda f: edit_config(f, put("fits", "choice", "radius", value=0.0)),
    "another branch width": lambda f: edit_config(f, put("fits", "choice", "hidden_size", value=3)),
    "another input width": lambda f: edit_config(f, put("identity", "hidden_size", value=9)),
    "NaN in the network": lambda f: edit_tensors(f, poison("choice.network.mix.weight", float("nan"))),
    "infinity in the support": lambda f: edit_tensors(f, poison("self_check.inputs.scale", float("inf"))),
    "NaN in the probe": lambda f: edit_tensors(f, poison("probe.hidden", float("nan"))),
    "no probe": lambda f: edit_tensors(f, drop("probe.hidden")),
    "no mix": lambda f: edit_tensors(f, drop("choice.network.mix.weight")),
    "no support": lambda f: edit_tensors(f, drop("choice.inputs.center")),
    "a network of another shape": lambda f: edit_tensors(f, reshape("choice.network.mix.weight", 2, 7)),
    "a support of another shape": lambda f: edit_tensors(f, reshape("choice.inputs.center", 3)),
    "a probe of another shape": lambda f: edit_tensors(f, reshape("probe.hidden", 8, 3)),
}


@pytest.mark.parametrize("read", [Calibrator.load, Calibrator.from_pretrained])
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_damage_is_one_clear_error_that_names_the_folder(folder, damage, read):
    damage(folder)
    with pytest.raises(CalibratorFormatError) as caught:
        read(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value).split("Error(s) in loading")[0]


def test_from_pretrained_of_a_damaged_folder_given_as_text(folder):
    (folder / "config.json").write_text("{")
    with pytest.raises(CalibratorFormatError, match="saved"):
        Calibrator.from_pretrained(str(folder))


def test_a_missing_card_is_no_damage(folder):
    (folder / "README.md").unlink()
    assert Calibrator.load(folder).card == ""


# The model it belongs to


def test_its_own_model_passes_without_a_word():
    one = calibrator()
    assert one.check(IDENTITY, one.probe) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("architecture", "Qwen2ForCausalLM"),
        ("hidden_size", 16),
        ("num_layers", 3),
        ("vocab_size", 101),
        ("tokenizer", "ffff"),
        ("template", "eeee"),
        ("prompt_version", "2"),
    ],
)
def test_another_model_is_refused_naming_what_differs(field, value):
    one = calibrator()
    with pytest.raises(CalibratorMismatchError) as caught:
        one.check(replace(IDENTITY, **{field: value}), one.probe)
    message = str(caught.value)
    assert f"{field}: {getattr(IDENTITY, field)!r} against {value!r}" in message
    assert all(other not in message for other in ("vocab_size", "tokenizer", "template") if other != field)
    assert "thermolang calibrate" in message


@pytest.mark.parametrize("cosine", [1.0, 0.9998, PROBE_OK + 1e-5])
def test_the_same_weights_pass(cosine):
    one = calibrator()
    assert one.check(IDENTITY, (turned(one.probe[0], cosine), one.probe[1])) is None


@pytest.mark.parametrize("cosine", [PROBE_OK - 1e-5, 0.995, PROBE_REFUSE + 1e-5])
def test_slightly_different_weights_warn(cosine):
    one = calibrator()
    warning = one.check(IDENTITY, (turned(one.probe[0], cosine), one.probe[1]))
    assert warning.code == "weights_differ"
    assert f"cosine {cosine:.4f}" in warning.text


@pytest.mark.parametrize("cosine", [PROBE_REFUSE - 1e-5, 0.9, 0.1, -1.0])
def test_other_weights_are_refused(cosine):
    one = calibrator()
    with pytest.raises(CalibratorMismatchError, match=rf"other weights.*cosine {cosine:.4f}.*at least 0.99"):
        one.check(IDENTITY, (turned(one.probe[0], cosine), one.probe[1]))


def test_one_probe_that_differs_is_enough():
    one = calibrator()
    hidden = one.probe[0].copy()
    hidden[3] = turned(hidden, 0.5)[3]
    with pytest.raises(CalibratorMismatchError, match=r"cosine 0\.5"):
        one.check(IDENTITY, (hidden, one.probe[1]))


@pytest.mark.parametrize("bad", [np.full((8, 8), np.nan), np.ones((7, 8)), np.ones((8, 9))])
def test_a_probe_that_cannot_be_compared_is_refused(bad):
    one = calibrator()
    with pytest.raises(CalibratorMismatchError, match="cosine nan"):
        one.check(IDENTITY, (bad, one.probe[1]))


def test_the_length_of_a_hidden_state_does_not_matter():
    hidden = calibrator().probe[0]
    assert probe_similarity(hidden, 3 * hidden) == pytest.approx(1)


# Saving over another one, and saving that fails


def test_saving_over_an_old_one_replaces_it_whole(tmp_path, folder):
    (folder / "notes.txt").write_text("of the old one")
    new = calibrator(seed=5)
    assert new.save(folder) == folder
    assert Calibrator.load(folder).id == new.id
    assert sorted(p.name for p in folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    assert [p.name for p in tmp_path.iterdir() if p.name != "home"] == ["saved"]


def refuse(*_args, **_kwargs):
    raise OSError(28, "No space left on device")


def test_a_failing_save_leaves_the_old_one(tmp_path, folder, monkeypatch):
    monkeypatch.setattr(module, "save_file", refuse)
    with pytest.raises(OSError, match="No space left"):
        calibrator(seed=5).save(folder)
    assert Calibrator.load(folder).id == calibrator().id
    assert [p.name for p in tmp_path.iterdir() if p.name != "home"] == ["saved"]


def test_a_failing_first_save_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "save_file", refuse)
    with pytest.raises(OSError, match="No space left"):
        calibrator().save(tmp_path / "new")
    assert not [p for p in tmp_path.iterdir() if p.name != "home"]


def test_a_failing_last_step_brings_the_old_one_back(tmp_path, folder, monkeypatch):
    rename = module.Path.rename

    def sometimes(self, target):
        if self.name.startswith(".saved-") and "-old-" not in self.name:
            refuse()
        return rename(self, target)

    monkeypatch.setattr(module.Path, "rename", sometimes)
    with pytest.raises(OSError, match="No space left"):
        calibrator(seed=5).save(folder)
    assert Calibrator.load(folder).id == calibrator().id
    assert [p.name for p in tmp_path.iterdir() if p.name != "home"] == ["saved"]


def test_format_1_is_still_read(tmp_path):
    """Calibrators take hours to make: what an earlier version wrote is read under today's names."""
    one = taught()
    folder = one.save(tmp_path / "saved")

    def as_before(config):
        config["format"] = "thermolang-calibrator-1"
        config["meaning"] = config.pop("semantic")
        for kind, fit in config["fits"].items():
            fit["bias"] = kind == "self_check"
            fit["prior"]["trust"] = fit["prior"].pop("shrinkage_weight")
            if head := fit["head"]:
                new = head.pop("hyperparameters")
                head["recipe"] = {"cues": new.pop("features"), "cue_spread": new.pop("feature_spread"), **new}
                head["self_check"] = fit["bias"]
            else:
                del fit["head"]

    def renamed(tensors):
        for name in [n for n in tensors if ".inputs." in n]:
            tensors[name.replace(".inputs.", ".support.")] = tensors.pop(name)

    edit_config(folder, as_before)
    edit_tensors(folder, renamed)
    other = Calibrator.load(folder)
    assert_same(one, other)
    assert other.id == one.id
