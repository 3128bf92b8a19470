"""Versions of a calibrator: a new one takes the place of the old, which is kept, and can come back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from thermolang.calibration import calibrator as registry
from thermolang.calibration.calibrator import Calibrator
from thermolang.calibration.kinds import KindName
from thermolang.calibration.learner import AnswerScores
from thermolang.calibration.task_state import carry, task_in
from thermolang.errors import CalibratorFormatError, InvalidInputError, complaint
from thermolang.storage import data_dir, digest, write_atomically
from thermolang.types import JsonRecord

KEPT = ".versions"
"""Folder beside a calibrator's; its name has a dot, so that nobody takes an old version for a current one."""


@dataclass(frozen=True)
class Version(JsonRecord):
    """One version of a calibrator.

    Attributes:
        id: ``Calibrator.id``.
        parent: Id of the version before it; empty for the first.
        date: When it came into use, in UTC, as ISO 8601.
        why: What it was made from, and how it did, as a sentence.
    """

    id: str
    parent: str
    date: str
    why: str


def in_use(id: str) -> tuple[Path, Calibrator]:  # noqa: A002
    """The folder and the calibrator of this id, or the version that took its place, among those of this machine.

    Raises:
        InvalidInputError: There is none.
    """
    known = []
    # The user's own folders come first, so that a version goes before the shipped calibrator that it was made from.
    for folder in _folders():
        try:
            found = Calibrator.load(folder)
        except CalibratorFormatError:
            continue
        if id in {found.id, *(version.id for version in history(folder))}:
            return folder, found
        known.append(found.id)
    msg = f"no calibrator {id!r} is in use on this machine, only {', '.join(known) or 'none'}: give its folder"
    raise InvalidInputError(msg)


def adopt(
    folder: Path,
    calibrator: Calibrator,
    why: str,
    *,
    stretch: Mapping[KindName, float] | None = None,
    states: Path | None = None,
) -> Path:
    """Put a new version in the place of the one in a folder, which is kept.

    Task states go with it: what was seen and judged under the old version counts under the new one, too.

    Args:
        folder: Of the calibrator that is in use. A shipped one stays where it is; the new one goes before it.
        calibrator: The new version.
        why: What it was made from, and how it did.
        stretch: By what the new version's heads multiply the old one's logit offsets; 1 by default.
        states: Folder of all task states; the estimators' default one if not given.

    Returns:
        The folder of the new version.

    Raises:
        OSError: It cannot be written; then the old one is still in use.
    """
    old = Calibrator.load(folder)
    home = _home(folder, old)
    old.save(_place(home, old.id))
    calibrator.save(_place(home, calibrator.id))
    _carry_states(old, calibrator, states or data_dir() / "states", stretch or {})
    calibrator.save(home)
    known = history(home) or [Version(old.id, "", _now(), "in use before")]
    _write(home, [*known, Version(calibrator.id, old.id, _now(), why)])
    return home


def history(folder: Path) -> list[Version]:
    """The versions that were in use in a folder, the current one last; empty if there was never another one.

    Raises:
        InvalidInputError: The file that holds them is damaged.
    """
    path = _records(folder)
    if not path.is_file():
        return []
    try:
        return [Version.from_dict(one) for one in json.loads(path.read_bytes())]
    except (ValueError, TypeError) as error:
        msg = f"{path} is damaged: {complaint(error)}"
        raise InvalidInputError(msg) from error


def rollback(folder: Path) -> Version:
    """Bring the version before the current one back. Its task states are as they were when it went.

    Returns:
        The version that is in use now.

    Raises:
        InvalidInputError: There is no older version.
        CalibratorFormatError: It was kept, but cannot be read.
    """
    home = _home(folder, Calibrator.load(folder))
    current = Calibrator.load(home if home.is_dir() else folder)
    known = history(home)
    parents = {version.id: version.parent for version in known}
    if not (parent := parents.get(current.id)):
        msg = f"{current.id} in {folder} is the first version: there is none to go back to"
        raise InvalidInputError(msg)
    Calibrator.load(_place(home, parent)).save(home)
    # Its own parent is still the one it had, so that one can go back further.
    back = Version(parent, parents.get(parent, ""), _now(), f"rolled back from {current.id}")
    _write(home, [*known, back])
    return back


def _folders() -> Iterator[Path]:
    for root in (registry.user_dir(), registry.shipped_dir()):
        yield from (config.parent for config in sorted(root.glob("[!.]*/config.json")))


def _home(folder: Path, calibrator: Calibrator) -> Path:
    """Where versions of a calibrator go: its folder, or for a shipped one the user's own."""
    shipped = folder.resolve().parent == registry.shipped_dir().resolve()
    return registry.folder_for(calibrator.identity, calibrator.model_name) if shipped else folder


def _place(home: Path, id: str) -> Path:  # noqa: A002
    return home.parent / KEPT / home.name / id.replace("@", "-")


def _records(home: Path) -> Path:
    return home.parent / KEPT / home.name / "history.json"


def _write(home: Path, versions: list[Version]) -> None:
    write_atomically(_records(home), json.dumps([v.to_dict() for v in versions], indent=2) + "\n")


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _carry_states(old: Calibrator, new: Calibrator, states: Path, stretch: Mapping[KindName, float]) -> None:
    """Task states of the new version, from the inputs and verdicts of the old one's."""
    for kind, fit in new.fits.items():
        factor = stretch.get(kind, 1.0)

        def change(answer: AnswerScores, factor: float = factor) -> AnswerScores:
            return replace(answer, logit_offset=factor * answer.logit_offset)

        for path in sorted((states / old.id).glob("*.json")):
            # The name of a state's file tells the kind of its answers.
            if path.stem == digest(f"{kind}:{task_in(path)}"):
                carry(path, states / new.id / path.name, prior=fit.prior, learner=fit.learner, change=change)
