"""The commands that turn verdicts into better confidences: learn, refit, rollback."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from thermolang.cli.common import StoreOption, console, opened, to_json
from thermolang.errors import InvalidInputError

if TYPE_CHECKING:
    from thermolang.calibration.calibrator import Calibrator
    from thermolang.review.feedback import Learned
    from thermolang.review.store import ReviewStore
    from thermolang.training.refit import Refitted
    from thermolang.types import ModelIdentity

CalibratorOption = Annotated[
    Path | None,
    typer.Option(help="Folder of the calibrator; by default the one that scored the newest answer in the database."),
]
TaskOption = Annotated[str | None, typer.Option(help="Only verdicts on answers of this task.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def learn(
    store: StoreOption = None,
    calibrator: CalibratorOption = None,
    task: TaskOption = None,
    states: Annotated[
        Path | None, typer.Option(help="Folder of the task states; by default the one that all estimators use.")
    ] = None,
    every: Annotated[
        float | None, typer.Option(min=1, help="Go on for ever, and look for new verdicts after so many seconds.")
    ] = None,
    refit_too: Annotated[
        bool, typer.Option("--refit", help="Then also fit the per-answer head anew, as `thermolang refit` does.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Let tasks learn from the verdicts of a review database, each verdict once.

    The confidences of the next answers are better calibrated: for each task, and each field of structured answers, a
    verdict moves the level. No model is needed, and programs that are running take it in by themselves. Verdicts of the
    last minute wait, as they can still be undone. Answers that people judged differently teach nothing.

    For example:

    thermolang learn --store sqlite:///reviews.db

    thermolang learn --store sqlite:///reviews.db --task contracts --every 60
    """
    if every and refit_too:
        msg = "--refit is a decision, --every goes on by itself: run thermolang refit when you want a new version"
        raise InvalidInputError(msg)
    with opened(store) as reviews:
        _, found = _calibrator(reviews, calibrator)
        estimator = _teachable(found, states)
        while True:
            _show_learned(_learn(reviews, estimator, task), found.id, as_json)
            if every is None:
                break
            time.sleep(every)
    if refit_too:
        refit(store=store, calibrator=calibrator, task=task, states=states, as_json=as_json)


def refit(
    store: StoreOption = None,
    calibrator: CalibratorOption = None,
    task: TaskOption = None,
    states: Annotated[
        Path | None, typer.Option(help="Folder of the task states; by default the one that all estimators use.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how it would do.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Fit the calibrator's per-answer head anew to verdicts; a new version, if it is better.

    A third of the verdicts is held out. The new head takes the old one's place only if its NLL there is lower by more
    than noise (one-sided, 95 %). Each verdict counts as many answers as it stands for, so some of them must be from
    the audit, or from a time when all answers went to review. The old version is kept: `thermolang rollback`.

    For example:

    thermolang refit --store sqlite:///reviews.db --dry-run
    """
    from thermolang.calibration.versions import adopt
    from thermolang.review.feedback import weighted_verdicts
    from thermolang.training.refit import refit as fitted_anew

    with opened(store) as reviews:
        folder, current = _calibrator(reviews, calibrator)
        found = fitted_anew(current, weighted_verdicts(reviews, task=task))
    adopted = found.better and not dry_run
    if adopted:
        adopt(folder, found.calibrator, _why(found), stretch={"self_check": found.stretch}, states=states)
    _show_refit(found, current.id, adopted, as_json)
    if not found.better:
        raise typer.Exit(1)


def rollback(
    store: StoreOption = None,
    calibrator: CalibratorOption = None,
) -> None:
    """Bring back the version of the calibrator that was in use before the last refit.

    Answers scored from now on name it again. Its task states are as they were when it was replaced: let it learn the
    verdicts since with `thermolang learn`.
    """
    from thermolang.calibration.versions import rollback as back

    if calibrator is not None:
        version = back(calibrator)
    else:
        with opened(store) as reviews:
            version = back(_calibrator(reviews, None)[0])
    _say(f"{version.id} is in use again ({version.why})")


@dataclass(frozen=True)
class _Unread:
    """Stands for the model, which nobody asks anything: verdicts carry all that is needed."""

    identity: ModelIdentity
    name: str


def _teachable(calibrator: Calibrator, states: Path | None) -> Any:
    from thermolang.estimator import ConfidenceEstimator

    model = cast("Any", _Unread(calibrator.identity, calibrator.model_name))
    return ConfidenceEstimator(model, calibrator, state_dir=states or "default")


def _calibrator(reviews: ReviewStore, folder: Path | None) -> tuple[Path, Calibrator]:
    """The calibrator of a folder, or the one whose answers the database holds."""
    from thermolang.calibration.calibrator import Calibrator
    from thermolang.calibration.versions import in_use

    if folder is not None:
        return folder, Calibrator.load(folder)
    if not (name := reviews.newest_calibrator()):
        msg = f"no answer in {reviews.url} names its calibrator, so there is nothing to learn: give --calibrator FOLDER"
        raise InvalidInputError(msg)
    return in_use(name)


def _learn(reviews: ReviewStore, estimator: Any, task: str | None) -> Learned:
    from thermolang.review.feedback import learn_from

    return learn_from(reviews, estimator, task=task)


def _show_learned(found: Learned, name: str, as_json: bool) -> None:
    if as_json:
        print(to_json({"calibrator": name, **vars(found)}))  # noqa: T201
        return
    for of, count in found.tasks.items():
        _say(f"{of or 'unnamed'}: {count} verdicts")
    _say(f"{found.verdicts} new verdicts, {found.lessons} lessons for {name}")
    for count, why in (
        (found.waiting, "wait for the next time: they can still be undone"),
        (found.contradicted, "teach nothing: the same answer was also judged otherwise"),
        (found.thinned, "teach nothing: sampled answers made them doubtful, and of these a random share is learned"),
    ):
        if count:
            _say(f"{count} verdicts {why}")


def _show_refit(found: Refitted, before: str, adopted: bool, as_json: bool) -> None:
    if as_json:
        names = ("verdicts", "held_out", "before", "after", "gain", "noise", "better")
        record = {name: getattr(found, name) for name in names}
        print(to_json({**record, "old": before, "new": found.calibrator.id, "adopted": adopted}))  # noqa: T201
        return
    _say(_why(found))
    if adopted:
        _say(f"{found.calibrator.id} is in use now; {before} is kept: thermolang rollback")
    else:
        _say(f"{before} stays in use" + ("" if found.better else ": the new head is not better by more than noise"))


def _why(found: Refitted) -> str:
    used = found.verdicts - found.held_out
    return (
        f"fitted to {used} verdicts; on {found.held_out} others the NLL is {found.after:.4f} "
        f"in place of {found.before:.4f}, a gain of {found.gain:.4f} (by chance alone up to {found.noise:.4f})"
    )


def _say(text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
