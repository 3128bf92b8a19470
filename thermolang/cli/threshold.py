"""The command that finds the threshold on the confidence that a guarantee allows."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from thermolang.cli.common import console, errors, to_json, writable
from thermolang.errors import InvalidInputError, NotEnoughDataError, require

if TYPE_CHECKING:
    from thermolang.routing.certificates import Certified, Label
    from thermolang.routing.guarantees import GuaranteedThreshold, Kind


def threshold(
    labels: Annotated[
        Path | None,
        typer.Option(help='JSONL file of judged answers: {"confidence": 0.93, "correct": true} in each line.'),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(
            help="Or a review database, such as sqlite:///reviews.db: the verdicts on answers that the audit drew, and "
            "on those that all went to review. Others, on doubtful answers, certify nothing and are left out."
        ),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(help="With --store: only answers from before this date; choose it without looking at verdicts."),
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="Only the answers of this task; by default each has its own.")
    ] = None,
    max_error: Annotated[
        float, typer.Option("--max-error", help="Largest share of wrong answers among those that are accepted.")
    ] = 0.05,
    certainty: Annotated[
        float, typer.Option(help="Probability with which the promise holds, over the draw of the labels.")
    ] = 0.95,
    expected: Annotated[
        bool,
        typer.Option("--expected", help="Promise less: the error is at most that on average over draws of the labels."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="Write a policy file, in shadow mode, and beside it the certificate.")
    ] = None,
) -> None:
    """Find the lowest threshold at which accepted answers are wrong in at most a given share, guaranteed.

    The labels must be a random sample of the answers to come, judged by people. Two guarantees: with high probability
    (the default), or on average over draws of the labels (--expected), which accepts far more on few labels and
    exceeds the share in up to half of the draws. Lines may also have "task", for thresholds of their own; "calibrator"
    and "task_version", which the certificate then names; "supported"; and "above", if only answers of at least that
    confidence were drawn.

    If no threshold qualifies, it says how many labels would be needed, writes nothing, and exits with 1.

    For example:

    thermolang threshold --labels judged.jsonl --max-error 0.05 --certainty 0.95 --out policy.toml

    thermolang threshold --store sqlite:///reviews.db --max-error 0.05 --until 2026-11-01
    """
    from thermolang.routing.certificates import certify, read_labels, save_certificates
    from thermolang.routing.guarantees import check_share, must_review

    if (labels is None) == (store is None):
        msg = "give either --labels FILE or --store URL: the judged answers to learn from"
        raise InvalidInputError(msg)
    check_share("--max-error", max_error)
    check_share("--certainty", certainty)
    certificate = out.with_suffix(".certificate.json") if out else None
    for path in (out, certificate):
        _new(path)
    judged = read_labels(labels) if labels else _labels_in(store, task, until)
    judged = [label for label in judged if task is None or label.task == task]
    if not judged:
        msg = f"there are no judged answers of the task {task!r}"
        raise NotEnoughDataError(msg)
    if not as_json:
        wrong = sum(not label.correct for label in judged) / len(judged)
        above = max(label.above for label in judged)
        if above:
            _say(_audited(len(judged), wrong, above))
        else:
            _say(_feasible(len(judged), wrong, must_review(wrong, max_error), max_error))
    kind: Kind = "expected_error" if expected else "high_probability"
    found = certify(judged, kind=kind, alpha=max_error, delta=1 - certainty)
    if as_json:
        print(to_json(_record(found), indent=2))  # noqa: T201
    else:
        _show(found, expected)
    if not found.certificates:
        raise typer.Exit(1)
    if out and certificate:
        _shadow(found).policy.save(out)
        save_certificates(certificate, found.certificates)
        errors.print(f"{out} (in shadow mode) and {certificate} written", markup=False, soft_wrap=True)


def _new(path: Path | None) -> None:
    """Refuse to overwrite a policy that somebody may rely on."""
    writable(path)
    if path is not None and path.exists():
        msg = f"{path} exists and is not overwritten: name another file, or move it away"
        raise InvalidInputError(msg)


def _labels_in(url: str | None, task: str | None, until: datetime | None) -> list[Label]:
    """The verdicts of a store that are on a random sample."""
    require("sqlalchemy", "store")
    require("alembic", "store")
    from sqlalchemy.engine import make_url

    from thermolang.review.feedback import random_sample
    from thermolang.review.store import ReviewStore

    file = make_url(url or "").database
    if (url or "").startswith("sqlite") and file and not Path(file).exists():
        msg = f"there is no review database {file}"
        raise InvalidInputError(msg)
    with ReviewStore(url) as opened:
        found = random_sample(opened, task=task, until=until.astimezone() if until else None)
    if found.contradicted:
        said = f"{found.contradicted} verdicts contradict another one on the same answer; they count as wrong answers"
        errors.print(said, markup=False, soft_wrap=True)
    return list(found.labels)


def _shadow(found: Certified) -> Certified:
    tasks = {name: replace(policy, mode="shadow") for name, policy in found.policy.tasks.items()}
    return replace(found, policy=replace(found.policy, mode="shadow", tasks=tasks))


def _record(found: Certified) -> dict[str, object]:
    return {
        "tasks": {task: f.to_dict() for task, f in found.found.items()},
        "certificates": [c.to_dict() for c in found.certificates],
        "left_out": found.left_out,
    }


def _say(text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _feasible(labels: int, wrong: float, least: float, alpha: float) -> str:
    from thermolang.routing.policy import percent

    said = f"{labels} labelled answers, {percent(wrong, 1)} of them wrong."
    if not least:
        return f"{said} That is within the {percent(alpha, 1)} allowed already."
    needed = f"at least {percent(least, 1)} must be reviewed, whatever the confidence knows"
    return f"{said} For at most {percent(alpha, 1)} {needed}."


def _audited(labels: int, wrong: float, above: float) -> str:
    from thermolang.routing.policy import percent

    said = (
        f"{labels} labelled answers, {percent(wrong, 1)} of them wrong. Only accepted ones were drawn, so no threshold"
    )
    return f"{said} below {above:g} can be certified."


def _show(found: Certified, expected: bool) -> None:
    for task, one in found.found.items():
        name = f"{task}: " if task else ""
        _say(name + (_none(one) if one.threshold is None else _some(one)))
    if found.left_out:
        _say(f"{found.left_out} labels were left out: they were scored under older versions of their task's state.")
    if found.certificates and expected:
        _say("In single draws the error is larger in up to half of the cases; a high probability promises more.")
    if found.certificates and not all(c.calibrator for c in found.certificates):
        _say("The labels name no calibrator, so the certificate cannot tell when another one is used.")


def _some(one: GuaranteedThreshold) -> str:
    from thermolang.routing.policy import percent

    at_most = f"the error among accepted answers is at most {percent(one.alpha, 1)}"
    high = (
        "" if one.delta is None else f"High probability: {at_most} with a probability of {percent(1 - one.delta, 1)}."
    )
    return (
        f"accept from {one.threshold:g}. {high or f'Expected error: {at_most} on average over draws of the labels.'} "
        f"Of the labels it accepts {one.accepted} ({percent(one.coverage)}), {one.errors} of them wrong."
    )


def _none(one: GuaranteedThreshold) -> str:
    if one.more_labels is None:
        return "no threshold qualifies, and at the errors seen here more labels would not help."
    return f"no threshold qualifies. About {one.more_labels} labels would be needed, if the errors stay as seen here."
