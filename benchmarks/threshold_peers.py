"""Other packages that choose a threshold from labels, each through the interface that it offers.

    pip install --no-deps --target PEERS "mapie==1.6.*" "deferguard==0.3.0" "cci-sdk==0.1.1"
    python benchmarks/guarantees.py --peers PEERS

What each promises of the error among accepted answers, from its own documentation and code:

MAPIE 1.6: at most alpha with probability 1 - delta, by its p-values and its control of the family-wise error (Holm's,
or fixed sequences with 20 starts), on our grid of thresholds.

deferguard 0.3.0: at most alpha with probability 1 - alpha; there is no delta of its own. Exact binomial bounds at six
sizes of the accepted set, Bonferroni. It refuses fewer labels than ten times the least that could do: 940 at alpha .05,
390 at .1, 160 at .2.

cci-sdk 0.1.1: its Gate with ``guarantee="fdr"``: at most alpha with probability 1 - delta, by Hoeffding-Bentkus
p-values in five fixed sequences over a grid of 101 thresholds. Its other two guarantees bound the share of all answers
that are accepted and wrong, which is another thing.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from thermolang.routing.guarantees import GRID, acceptance_counts

Draw = tuple[Any, Any]
"""Confidences, and which answers are right."""

Rule = Callable[[Draw, float, float], float]
"""From a draw, alpha and delta to a threshold; infinite where nothing is accepted."""


def mapie(procedure: str) -> Rule:
    """MAPIE's p-values and control of the family-wise error, on the counts at our thresholds."""
    control = import_module("mapie.risk_control")
    p_value = import_module("mapie.risk_control.methods").compute_hoeffding_bentkus_p_value

    def choose(draw: Draw, alpha: float, delta: float) -> float:
        accepted, errors = acceptance_counts(*draw, GRID)
        rate = np.divide(errors, accepted, out=np.ones(len(GRID)), where=accepted > 0)
        p = p_value(rate, np.maximum(accepted, 1).astype(float), alpha, binary=True)
        if procedure == "Holm":
            places = control.control_fwer(p, delta)
        else:
            sequences = control.FWERFixedSequenceTesting(n_starts=20)
            places = len(GRID) - 1 - control.control_fwer(p[::-1], delta, sequences)
        return float(GRID[places.min()]) if len(places) else np.inf

    return choose


def deferguard() -> Rule:
    """``Calibrator(alpha).fit(examples).threshold``; its delta is alpha."""
    package = import_module("deferguard")

    def choose(draw: Draw, alpha: float, _delta: float) -> float:
        examples = [
            package.CalibrationExample(signal=float(confidence), correct=bool(right))
            for confidence, right in zip(*draw, strict=True)
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", package.MonotonicityWarning)
            try:
                return float(package.Calibrator(alpha=alpha).fit(examples).threshold)
            except package.InsufficientCalibrationDataError:
                return np.inf

    return choose


def cci() -> Rule:
    """A ``Gate`` of the local client, calibrated on the draw; its answer to any context names the threshold."""
    package = import_module("cli_sdk")
    local, backends = import_module("cli_sdk.local"), import_module("cli_sdk.backends.base")

    class Scores(backends.CustomBackend):
        """Knows the confidence of each context, which holds it."""

        access_level = backends.ACCESS_LEVEL_L1

        def score_options(self, context: Any, instructions: Any, options: Any) -> dict[str, float]:
            return {"true": context["confidence"], "false": 1 - context["confidence"]}

    client = local.LocalCLIClient(Scores(), store=tempfile.mkdtemp())
    kept: list[Draw] = []

    def choose(draw: Draw, alpha: float, delta: float) -> float:
        gate = package.Gate("Accept the answer?", "draw", guarantee="fdr", target=alpha, delta=delta)
        # One profile serves all targets, as its evidence is the same.
        if not kept or kept[0] is not draw:
            kept[:] = [draw]
            pairs = zip(*draw, strict=True)
            client.calibrate(gate, [{"context": {"confidence": float(c)}, "label": bool(r)} for c, r in pairs])
        answer = client.evaluate({"confidence": 0.5}, {"gate": gate}).answers["gate"]
        threshold = answer.raw.get("threshold")
        return np.inf if threshold is None else float(threshold)

    return choose


def peers(folder: Path) -> dict[str, Rule]:
    """The rules of all packages in a folder, by name.

    Raises:
        ModuleNotFoundError: One of them is not there.
    """
    sys.path.append(str(folder))
    return {
        "MAPIE, Holm": mapie("Holm"),
        "MAPIE, 20 starts": mapie("20 starts"),
        "deferguard": deferguard(),
        "cci-sdk": cci(),
    }


def thresholds(rule: Rule, draws: Sequence[Draw], alpha: float, delta: float) -> Any:
    """What a rule chooses in each draw, shape (draws,)."""
    return np.array([rule(draw, alpha, delta) for draw in draws])
