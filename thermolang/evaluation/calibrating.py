"""Making a calibrator for a model: collect features, fit, measure on tasks that were held out, write the card."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from thermolang._version import __version__
from thermolang.calibration.calibrator import Calibrator
from thermolang.calibration.fitting import Fit, fit
from thermolang.calibration.training import TaskFeatures, TrainingConfig
from thermolang.errors import NotEnoughDataError
from thermolang.evaluation.benchmark import Comparison, compare, markdown_table
from thermolang.models.features import collect, is_choice
from thermolang.models.local import LocalModel
from thermolang.types import Task

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
    progress: Progress | None = None,
) -> Calibrated:
    """Train a calibrator for a model.

    Args:
        model: The model whose answers are to be calibrated.
        train_tasks: Labelled tasks; at least three multiple-choice or three free-form ones.
        test_tasks: Tasks the calibrator is measured on and never sees.
        config: How to train; the paper's settings by default, with a bias for self-checks.
        features: Folder where the readings are kept, so that an interrupted run goes on; None keeps none.
        progress: Called as the work goes on.

    Raises:
        NotEnoughDataError: Neither kind has three tasks.
    """
    report = progress or (lambda _what, _done, _total: None)
    training = _by_source(model, train_tasks, features, report)
    testing = _by_source(model, test_tasks, features, report)
    fits: dict[str, Fit] = {}
    comparisons = {}
    for source, tasks in training.items():
        settings = replace(config or TrainingConfig(), bias=source == "self_check")
        fits[source] = fit(tasks, settings, progress=partial(report, f"training ({source})"))
        if testing.get(source):
            comparisons[source] = compare(fits[source], testing[source], self_check=source == "self_check")
    if not fits:
        counts = f"{len(train_tasks)} tasks"
        msg = f"three multiple-choice tasks or three free-form tasks are needed to train on, got {counts}"
        raise NotEnoughDataError(msg)
    calibrator = Calibrator(model.identity, fits, model.probe(), model_name=model.name)
    calibrator.card = card(calibrator, training, comparisons)
    return Calibrated(calibrator, comparisons)


def _by_source(
    model: LocalModel, tasks: Sequence[Task], features: Path | None, progress: Progress
) -> dict[str, list[TaskFeatures]]:
    found: dict[str, list[TaskFeatures]] = {}
    for task in tasks:
        source = "choice" if is_choice(task) else "self_check"
        found.setdefault(source, []).append(collect(model, task, features, progress=progress))
    return {source: tasks for source, tasks in found.items() if tasks}


def card(calibrator: Calibrator, training: dict[str, list[TaskFeatures]], comparisons: dict[str, Comparison]) -> str:
    """The README of a calibrator: what it was trained on, what was measured, what it does not promise."""
    parts = [
        f"# Calibrator of {calibrator.model_name}",
        f"Made by `thermolang calibrate` {__version__} on {datetime.now(timezone.utc):%Y-%m-%d} with the method of "
        "Thermometer (Shen et al., ICML 2024, arXiv 2403.08819). It belongs to these weights: hidden states on eight "
        "fixed prompts are compared when it is loaded, and another quantisation or a fine-tuned copy is refused.",
        *[_trained_on(source, tasks) for source, tasks in training.items()],
        *[_measured(source, comparison) for source, comparison in comparisons.items()],
        "## What it does not promise",
        "A confidence is an expectation over many answers to similar questions, not a fact about one. It is honest for "
        "inputs like those above; `supported` and `novelty` warn when they are not. It does not make the answers any "
        "better, and one temperature a task cannot tell the right from the wrong answers within it.",
    ]
    return "\n\n".join(parts) + "\n"


def _trained_on(source: str, tasks: Sequence[TaskFeatures]) -> str:
    rows = [f"| {t.name} | {len(t.labels)} | {_right(t, source).mean():.3f} |" for t in tasks]
    return "\n".join([f"## Trained on ({source})", "", "| task | items | accuracy |", "|---|---|---|", *rows])


def _measured(source: str, comparison: Comparison) -> str:
    names = ", ".join(comparison.tasks)
    figures = f"{comparison.items} items of {names}; accuracy {comparison.accuracy:.3f}."
    head = f"## Measured on held-out tasks ({source})\n\n{figures} Brackets: 95 % bootstrap intervals over items."
    return f"{head}\n\n{markdown_table(comparison)}"


def _right(task: TaskFeatures, source: str) -> np.ndarray[Any, np.dtype[np.bool_]]:
    return task.labels == 0 if source == "self_check" else task.right
