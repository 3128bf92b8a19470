"""Making a calibrator for a model: collect features, fit, measure on tasks that were held out, write the card."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from thermolang.answers.equivalence import Equivalence
from thermolang.answers.judging import judge_for
from thermolang.calibration.calibrator import Calibrator
from thermolang.calibration.features import TaskFeatures
from thermolang.calibration.fit import MIN_TASKS, Fit, fit, log_odds
from thermolang.calibration.given import GivenFit, GivenTask, fit_given
from thermolang.calibration.kinds import SELF_CHECK, AnswerKind, KindName
from thermolang.calibration.semantic import ROUNDS, SemanticFit, fit_semantic
from thermolang.calibration.training import TrainingConfig
from thermolang.errors import InvalidInputError, NotEnoughDataError
from thermolang.models.local import LocalModel
from thermolang.training.card import Comparison, card, compare, compare_left_out
from thermolang.training.collect import Report, collect_all, steps
from thermolang.training.features import is_choice
from thermolang.training.given import collect_given
from thermolang.training.labels import regrade
from thermolang.training.samples import sampled_task, with_samples
from thermolang.types import Task

logger = logging.getLogger(__name__)

MOST_SAMPLED = 4
"""Questions of a task that answers are sampled to: that is slow, and more questions tell little more of a task."""

Progress = Callable[[str, int, int], None]
"""Called with (what is being done, done, total)."""


@dataclass(frozen=True)
class Calibrated:
    """A new calibrator and how it did on the held-out tasks, by source."""

    calibrator: Calibrator
    comparisons: dict[str, Comparison]


def calibrate(
    model: LocalModel,
    train_tasks: Sequence[Task],
    test_tasks: Sequence[Task] = (),
    *,
    config: TrainingConfig | None = None,
    features: Path | None = None,
    samples: int = 0,
    given: bool = True,
    report: Report | None = None,
) -> Calibrated:
    """Train a calibrator for a model.

    Args:
        model: The model whose answers are to be calibrated.
        train_tasks: Labelled tasks; at least three multiple-choice or three free-form ones. Fewer of the other
            kind are left out with a warning.
        test_tasks: Tasks the calibrator is measured on and never sees.
        config: How to train; the paper's settings by default, with a bias for self-checks.
        features: Folder where the features are kept, so that an interrupted run goes on; None keeps none. Labels of
            answers that lie there already are graded anew.
        samples: Also sample so many answers to the first 4 questions of each free-form training task, for the
            confidence of meanings; that takes ``features``.
        given: Also read texts that stand for answers written elsewhere, a few a free-form task, for
            ``ConfidenceEstimator.score(..., written_elsewhere=True)``.
        report: Called as the work goes on, with items of the whole run and then with steps of training.

    Raises:
        NotEnoughDataError: Neither kind has three tasks.
        InvalidInputError: Samples are wanted, but fewer than eight, or without a folder.
    """
    if samples and (features is None or samples < max(ROUNDS)):
        msg = f"sampled answers need a folder (features=) and at least {max(ROUNDS)} samples, got {features}, {samples}"
        raise InvalidInputError(msg)
    if features is None:
        with tempfile.TemporaryDirectory() as folder:
            kept = Path(folder)
            return calibrate(model, train_tasks, test_tasks, config=config, features=kept, given=given, report=report)
    report = report or (lambda _at: None)
    # Before the model reads anything, which takes hours: a malformed task, or too few of them.
    wanted, held_out = _enough(_by_source(train_tasks)), _by_source(test_tasks)
    training = [task for of in wanted.values() for task in of]
    testing = [task for source in wanted for task in held_out.get(source, ())]
    regrade(features, model.name)
    every = [*training, *testing]
    free = wanted.get("self_check", [])
    sampled = [replace(task, examples=task.examples[:MOST_SAMPLED]) for task in free]
    read = collect_all(model, every, features, form="chat", report=report, samples=samples, sampled=sampled)
    progress, same = steps(report), Equivalence(judge=judge_for(model))
    if samples:
        read = with_samples(
            read,
            features,
            model.name,
            samples=samples,
            equivalence=same,
            progress=lambda _task, done, total: progress("grouping the sampled answers", done, total),
        )
    learned, measured = read[: len(training)], read[len(training) :]
    texts = _texts(model, free, features, same, progress) if given else []
    judged = same.judge is not None
    calibrator, comparisons = _trained(model, learned, measured, config or TrainingConfig(), progress, texts, judged)
    return Calibrated(calibrator, comparisons)


def train_calibrator(
    model: LocalModel,
    tasks: Sequence[TaskFeatures],
    *,
    config: TrainingConfig | None = None,
    progress: Progress | None = None,
    judged: bool = False,
) -> Calibrator:
    """Train a calibrator on features that were collected before.

    Args:
        model: The model they were collected with; its probe tells later whether a copy is the same.
        tasks: Features of at least three choices or three self-checks.
        config: How to train; a bias is added for self-checks.
        progress: Called as the work goes on.
        judged: Whether the model judged which sampled answers mean the same (``answers.judging.judge_for``); then it
            does so in use, too.

    Raises:
        NotEnoughDataError: Neither kind has three tasks.
    """
    report = progress or (lambda _what, _done, _total: None)
    return _trained(model, tasks, (), config or TrainingConfig(), report, judged=judged)[0]


def _trained(
    model: LocalModel,
    training: Sequence[TaskFeatures],
    testing: Sequence[TaskFeatures],
    config: TrainingConfig,
    report: Progress,
    texts: Sequence[GivenTask] = (),
    judged: bool = False,
) -> tuple[Calibrator, dict[str, Comparison]]:
    fits: dict[KindName, Fit] = {}
    comparisons: dict[str, Comparison] = {}
    by_kind: dict[AnswerKind, list[TaskFeatures]] = {}
    for task in training:
        by_kind.setdefault(task.kind, []).append(task)
    for kind, tasks in by_kind.items():
        settings = replace(config, bias=kind.has_bias)
        fits[kind.name] = fit(tasks, settings, progress=partial(report, f"training ({kind.name})"))
        if held_out := [t for t in testing if t.kind == kind]:
            comparisons[kind.name] = compare(fits[kind.name], held_out)
        # With any test tasks, the card says of all kinds that figures are from held-out tasks.
        elif not testing:
            comparisons[kind.name] = compare_left_out(fits[kind.name], tasks)
    semantic = _semantic(by_kind.get(SELF_CHECK, []), fits.get("self_check"))
    given = _given(texts)
    calibrator = Calibrator(
        model.identity,
        fits,
        model.probe(),
        model_name=model.name,
        semantic=semantic,
        given=given,
        judged=judged,
    )
    training_tasks = {kind.name: tasks for kind, tasks in by_kind.items()}
    calibrator.card = card(calibrator, training_tasks, comparisons, left_out=not testing)
    return calibrator, comparisons


def _semantic(tasks: Sequence[TaskFeatures], fit: Fit | None) -> SemanticFit | None:
    """What sampled answers tell, if the tasks have some."""
    if fit is None:
        return None
    odds = [np.clip(o, log_odds(0.0), log_odds(1.0)) for o in fit.odds]  # in use they are clipped, too
    sampled = [s for t, o in zip(tasks, odds, strict=True) if (s := sampled_task(t, o)) is not None]
    return fit_semantic(sampled) if sampled else None


def _texts(
    model: LocalModel, tasks: Sequence[Task], folder: Path, same: Equivalence, progress: Progress
) -> list[GivenTask]:
    found = []
    for i, task in enumerate(tasks):
        progress("texts written elsewhere", i, len(tasks))
        found.append(collect_given(model, task, folder, equivalence=same))
    progress("texts written elsewhere", len(tasks), len(tasks))
    return found


def _given(texts: Sequence[GivenTask]) -> GivenFit | None:
    """What texts that were written elsewhere tell; None if too few tasks have some."""
    try:
        return fit_given(texts) if texts else None
    except NotEnoughDataError as error:
        logger.warning("texts written elsewhere will have no confidence: %s", error)
        return None


def _by_source(tasks: Sequence[Task]) -> dict[str, list[Task]]:
    found: dict[str, list[Task]] = {}
    for task in tasks:
        found.setdefault("choice" if is_choice(task) else "self_check", []).append(task)
    return found


def _enough(tasks: dict[str, list[Task]]) -> dict[str, list[Task]]:
    """The kinds of which there are enough tasks to train on."""
    names = {source: [t.name for t in of] for source, of in tasks.items()}
    enough = {source: of for source, of in tasks.items() if len(of) >= MIN_TASKS}
    if not enough:
        msg = f"at least {MIN_TASKS} multiple-choice or {MIN_TASKS} free-form tasks are needed to train on, got {names}"
        raise NotEnoughDataError(msg)
    for source in tasks.keys() - enough.keys():
        logger.warning("no fit for %s: %d tasks are needed, got %s", source, MIN_TASKS, names[source])
    return enough
