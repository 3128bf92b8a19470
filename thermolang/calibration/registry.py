"""Where calibrators lie and which one belongs to a model: the user's own first, then the shipped ones."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import thermolang.pretrained
from thermolang.calibration.calibrator import Calibrator
from thermolang.errors import CalibratorFormatError, CalibratorMismatchError
from thermolang.hashing import digest
from thermolang.paths import data_dir
from thermolang.types import ModelIdentity

if TYPE_CHECKING:
    from thermolang.types import FloatArray

logger = logging.getLogger(__name__)


def user_dir() -> Path:
    """Folder of the calibrators made on this machine."""
    return data_dir() / "calibrators"


def shipped_dir() -> Path:
    """Folder of the calibrators that come with the package."""
    return Path(thermolang.pretrained.__path__[0])


def folder_for(identity: ModelIdentity, model_name: str) -> Path:
    """Where the calibrator of a model is saved so that ``find`` finds it."""
    key = digest(json.dumps(asdict(identity), sort_keys=True), 8)
    short = "".join(c if c.isalnum() or c in ".-" else "-" for c in model_name.rsplit("/", 1)[-1].lower())
    return user_dir() / f"{short.lstrip('.')}-{key}"


def find(identity: ModelIdentity) -> Iterator[Calibrator]:
    """Calibrators made for a model of this identity, best first.

    The weights are not compared here; ``Calibrator.check`` does that with the model's probe.
    """
    for root in (user_dir(), shipped_dir()):
        for config in sorted(root.glob("[!.]*/config.json")):
            try:
                calibrator = Calibrator.load(config.parent)
            except CalibratorFormatError as error:
                logger.warning("%s", error)
                continue
            if calibrator.identity == identity:
                yield calibrator


def matching(
    identity: ModelIdentity, probe: Callable[[], tuple[FloatArray, FloatArray]] | None
) -> tuple[Calibrator | None, str]:
    """The first calibrator that was made for these very weights, and a warning about it or about why there is none.

    Args:
        identity: The model's.
        probe: Measures the model's functional probe; only called if there is a candidate.
    """
    measured, warning = None, ""
    for candidate in find(identity):
        measured = measured or (probe() if probe else candidate.probe)
        try:
            return candidate, candidate.check(identity, measured)
        except CalibratorMismatchError as error:
            warning = str(error)
            logger.warning("%s", error)
    return None, warning


def chosen(
    given: Calibrator | str | Path | None,
    identity: ModelIdentity,
    probe: Callable[[], tuple[FloatArray, FloatArray]] | None,
    *,
    allow_mismatch: bool,
) -> tuple[Calibrator | None, str]:
    """The calibrator that was given, or the one found for the model; and a warning about it.

    Args:
        given: A calibrator or a folder of one; None looks for one.
        identity: The model's.
        probe: Measures the model's functional probe.
        allow_mismatch: Take a given one although it belongs to other weights.

    Raises:
        CalibratorMismatchError: A calibrator was given that belongs to another model.
        CalibratorFormatError: The folder holds no readable calibrator.
    """
    if given is None:
        return matching(identity, probe)
    calibrator = given if isinstance(given, Calibrator) else Calibrator.load(given)
    try:
        return calibrator, calibrator.check(identity, probe() if probe else calibrator.probe)
    except CalibratorMismatchError as error:
        if not allow_mismatch or calibrator.identity.hidden_size != identity.hidden_size:
            raise
        return calibrator, f"used against its identity: {error}"
