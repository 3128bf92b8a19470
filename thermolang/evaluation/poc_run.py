"""What a proof of concept needs the model for: answers, their readings, and the time that a confidence takes.

All of it is kept on disk as it comes, so a run that was stopped goes on.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from filelock import FileLock, Timeout

from thermolang.calibration.calibrator import Calibrator
from thermolang.calibration.kinds import CHOICE, SELF_CHECK
from thermolang.errors import InvalidInputError, NotEnoughDataError
from thermolang.estimator import ConfidenceEstimator
from thermolang.models.decoding import SHORT
from thermolang.models.local import LocalModel
from thermolang.models.prompts import LETTERS, question_messages
from thermolang.storage import digest, write_atomically
from thermolang.training.collect import Collected, Report, collect_all
from thermolang.training.features import is_choice, item_key
from thermolang.training.samples import with_samples
from thermolang.training.store import CollectedItem, rows_of
from thermolang.types import Confidence, OptionScores, Task

if TYPE_CHECKING:
    from thermolang.calibration.features import TaskFeatures

FORMAT = 1
RUN, FEATURES, PAIRS = "run.json", "features", "latency.jsonl"

PAIRED = 30
"""Questions that are timed with and without a confidence: the interval of the median is narrow enough by then."""


@dataclass(frozen=True, eq=False)
class Answered:
    """The questions with the model's answers.

    Attributes:
        task: The questions, without their right answers.
        features: Readings of the answers; the labels mean nothing.
        rows: The same, one by one, in the task's order.
        confidences: Of each answer, under the state of the task that rests on all its questions.
    """

    task: Task
    features: TaskFeatures
    rows: tuple[CollectedItem, ...]
    confidences: tuple[Confidence, ...]

    @property
    def answers(self) -> list[str]:
        """What the model said; the letter of an option."""
        return [row.answer for row in self.rows]


@contextmanager
def run_folder(out: Path, task: Task, model: LocalModel) -> Iterator[None]:
    """Take a folder for a run, and keep others out of it meanwhile.

    Raises:
        InvalidInputError: It belongs to a run on other questions or with another model, holds other things, or another
            run is going on in it.
    """
    asked = digest("\n".join(sorted(item_key(model, example) for example in task.examples)))
    mine = {"format": FORMAT, "questions": asked, "identity": asdict(model.identity)}
    remedy = "give another --out"
    if out.exists() and not out.is_dir():
        msg = f"{out} is a file, and the folder of a run is needed: {remedy}"
        raise InvalidInputError(msg)
    known = out / RUN
    if known.is_file():
        found = _record(known)
        if any(found.get(name) != value for name, value in mine.items()):
            same_model = found.get("identity") == mine["identity"]
            what = "other questions" if same_model else "another model or other questions"
            msg = f"{out} holds a run with {what} ({found.get('file')}, {found.get('model')}): {remedy}"
            raise InvalidInputError(msg)
    elif out.is_dir() and any(p.name != f"{RUN}.lock" for p in out.iterdir()):
        msg = f"{out} holds other files and no run of thermolang poc: {remedy}"
        raise InvalidInputError(msg)
    out.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(out / f"{RUN}.lock", timeout=0):
            if not known.is_file():
                about = mine | {"file": task.name, "model": model.name}
                write_atomically(known, json.dumps(about, indent=1, ensure_ascii=False))
            yield
    except Timeout as error:
        msg = f"another run is writing to {out}: wait until it is finished, or {remedy}"
        raise InvalidInputError(msg) from error


def _record(path: Path) -> dict[str, object]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        msg = f"{path} is damaged: delete it if the folder is from this run, or give another --out"
        raise InvalidInputError(msg)
    return found


def ready(estimator: ConfidenceEstimator, task: Task) -> tuple[LocalModel, Calibrator]:
    """Find out before the long job that there will be confidences; returns what they come from.

    Raises:
        InvalidInputError: The model is not local, has no calibrator, or has none for this kind of answers.
    """
    model = estimator.model
    if not isinstance(model, LocalModel):
        msg = f"a proof of concept needs a LocalModel, not {type(model).__name__}"
        raise InvalidInputError(msg)
    kind = CHOICE if is_choice(task) else SELF_CHECK
    missing, calibrator = estimator.why_no_calibrator(), estimator.calibrator
    if calibrator is None:
        raise InvalidInputError(missing.text if missing else "no calibrator was found for this model")
    if kind.name not in calibrator.fits:
        remedy = f"thermolang calibrate --model {model.name} --tasks FILE makes one that does"
        msg = f"the calibrator {calibrator.id} knows nothing of {kind.plural}: {remedy}"
        raise InvalidInputError(msg)
    return model, calibrator


def answered(estimator: ConfidenceEstimator, task: Task, out: Path, *, samples: int = 0, report: Report) -> Answered:
    """Let the model answer all questions and read each answer, or take from disk what was done before.

    Args:
        estimator: Over a ``LocalModel``, with a calibrator and without remembered task states.
        task: The questions, without their right answers.
        out: The run's folder.
        samples: Also sample so many answers to each free-form question.
        report: Called after every batch.
    """
    (model, _), folder = ready(estimator, task), out / FEATURES
    features = collect_all(model, [task], folder, form="chat", report=report, samples=samples)[0]
    if samples:
        features = with_samples([features], folder, model.name, samples=samples)[0]
    known = rows_of(folder, model.name)[task.name]
    rows = tuple(known[item_key(model, example)] for example in task.examples)
    return Answered(task, features, rows, tuple(_confidences(estimator, task, rows)))


def _confidences(estimator: ConfidenceEstimator, task: Task, rows: Sequence[CollectedItem]) -> Iterator[Confidence]:
    """The confidences as in use once the task has settled: its state first sees all questions, none of their labels."""
    kind = CHOICE if is_choice(task) else SELF_CHECK
    for score in (estimator.calibrate, estimator.snapshot().calibrate):
        found = []
        for example, row in zip(task.examples, rows, strict=True):
            options = LETTERS[: len(row.logits)] if kind.is_choice else ("yes", "no")
            given = int(np.argmax(row.logits)) if kind.is_choice else 0
            scores = OptionScores(tuple(options), row.logits, row.hidden, row.mass)
            logprob = row.signals.get("mean_logprob", float("nan"))
            found.append(score(scores, given, question_messages(example), task.name, kind, logprob))
        if state := estimator.state(task.name, kind.name):
            state.refresh()
    yield from found


@dataclass(frozen=True)
class Pair:
    """One question answered twice, alone and with a confidence, in seconds.

    Attributes:
        item: Its place among the questions.
        alone: The answer alone.
        together: The answer and its confidence.
        confidence: Of these, the confidence.
        same: Whether both answers are the same text.
    """

    item: int
    alone: float
    together: float
    confidence: float
    same: bool

    @property
    def overhead(self) -> float:
        """By which share the confidence lengthens the answer."""
        return self.together / self.alone - 1


def timed_pairs(
    estimator: ConfidenceEstimator, task: Task, out: Path, *, count: int = PAIRED, report: Report
) -> list[Pair]:
    """Time the answers to some questions alone and with a confidence, in turn; which comes first alternates.

    Questions come one at a time, as from a single user, and are answered as if nothing of them were known.

    Args:
        estimator: As in ``answered``.
        task: The questions; those that are timed are spread over all of them.
        out: The run's folder.
        count: How many.
        report: Called after each pair.
    """
    places = np.unique(np.linspace(0, len(task.examples) - 1, min(count, len(task.examples))).astype(int)).tolist()
    known = {pair.item: pair for pair in _kept(out / PAIRS)}
    missing = [i for i in places if i not in known]
    once = _timer(estimator, task)
    if missing:
        once(missing[0], alone=False)  # the first pass of a process is slower
    started = time.monotonic()
    for done, i in enumerate(missing):
        left = (time.monotonic() - started) / done * (len(missing) - done) if done else None
        rate = 1 / max((time.monotonic() - started) / done, 1e-9) if done else 0.0
        report(Collected("timing pairs", len(places) - len(missing) + done, len(places), rate, left))
        order = (True, False) if places.index(i) % 2 else (False, True)
        found = {alone: once(i, alone=alone) for alone in order}
        (text, alone_s, _), (again, together, confidence) = found[True], found[False]
        known[i] = Pair(i, alone_s, together, confidence, text == again)
        with (out / PAIRS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(known[i])) + "\n")
    report(Collected("timing pairs", len(places), len(places), 0.0, 0.0))
    if not places:
        raise NotEnoughDataError("there are no questions to time")
    return [known[i] for i in places]


def _kept(path: Path) -> list[Pair]:
    """Pairs that were timed before; a torn line is timed again."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            found.append(Pair(**json.loads(line)))
        except (ValueError, TypeError):
            continue
    return found


def _timer(estimator: ConfidenceEstimator, task: Task) -> Callable[..., tuple[str, float, float]]:
    """Answers one question; returns the text, the seconds in all, and those that the confidence took."""
    (model, _), choice = ready(estimator, task), is_choice(task)

    def once(i: int, *, alone: bool) -> tuple[str, float, float]:
        example = task.examples[i]
        messages = question_messages(example)
        model.scheduler.forget_prompts()
        start = time.perf_counter()
        if choice:  # the answer is the most probable option, so its confidence needs no second pass
            letters = list(LETTERS[: len(example.choices)])
            if alone:
                scores = model.choice_logits(messages, letters)
                return letters[int(np.argmax(scores.logits))], time.perf_counter() - start, 0.0
            letter, confidence = estimator.choose(messages, letters, task=task.name)
            return letter or "", time.perf_counter() - start, confidence.seconds
        generation = model.generate_batch([messages], SHORT)[0]
        answer_s = time.perf_counter() - start
        if not alone:
            estimator.score(messages, generation, task=task.name)
        seconds = time.perf_counter() - start
        return generation.text, seconds, seconds - answer_s

    return once
