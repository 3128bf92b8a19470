"""The whole path from a question and its answer to a confidence."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from thermolang.answers.equivalence import Equivalence
from thermolang.calibration import registry
from thermolang.calibration.calibrator import Calibrator
from thermolang.calibration.fitting import Fit, predictive_interval
from thermolang.calibration.state import TaskState, TaskVersion
from thermolang.calibration.thermometer import choice_probabilities, self_check_probability
from thermolang.errors import InvalidInputError, ThermolangError
from thermolang.hashing import digest
from thermolang.models.reading import MIN_ANSWER_MASS
from thermolang.paths import data_dir
from thermolang.protocols import ScoringModel
from thermolang.readings import EMPTY, is_empty, read_checks, read_choice
from thermolang.thorough import SAMPLES, Thorough, check_annotate
from thermolang.types import Alternative, Confidence, Generation, Message, Mode, OptionScores, Source

if TYPE_CHECKING:
    from thermolang.types import FloatArray

logger = logging.getLogger(__name__)


class ConfidenceEstimator:
    """Calibrated confidence of a local model's answers.

    Args:
        model: Reads option logits and self-checks; usually a ``LocalModel``.
        calibrator: The calibrator, or a folder of one. By default the one found for this model: first among
            those made on this machine, then among the shipped ones.
        allow_mismatch: Use a calibrator of other weights all the same; every confidence then says so.
        state_dir: Where task states are kept; ``None`` keeps them in memory. By default below the data folder.
        mode: How free-form answers are scored: ``"fast"`` with one pass more, ``"thorough"`` with sampled answers
            grouped by meaning, ``"adaptive"`` with samples only as long as the decision can change.
        samples: How many answers are sampled.
        equivalence: Decides which answers mean the same.

    Raises:
        CalibratorMismatchError: A calibrator was given that belongs to another model.
        CalibratorFormatError: The folder holds no readable calibrator.
    """

    def __init__(
        self,
        model: ScoringModel,
        calibrator: Calibrator | str | Path | None = None,
        *,
        allow_mismatch: bool = False,
        state_dir: Path | str | None = "default",
        mode: Mode = "fast",
        samples: int = SAMPLES,
        equivalence: Equivalence | None = None,
    ) -> None:
        self.model = model
        self._states: dict[tuple[str, str], TaskState] = {}
        self._lock = threading.Lock()
        self._state_dir = data_dir() / "states" if state_dir == "default" else state_dir
        probe: Callable[[], tuple[FloatArray, FloatArray]] | None = getattr(model, "probe", None)
        self.calibrator, self.warning = registry.chosen(
            calibrator, model.identity, probe, allow_mismatch=allow_mismatch
        )
        self.mode, self.samples = mode, samples
        self.equivalence = equivalence or Equivalence()

    @classmethod
    def from_pretrained(cls, name: str, calibrator: Calibrator | str | Path | None = None) -> ConfidenceEstimator:
        """Load a model by path, short name or hub id, and the calibrator made for it."""
        from thermolang.models.local import LocalModel

        return cls(LocalModel.load(name), calibrator)

    def score(
        self,
        messages: Sequence[Message],
        answer: Generation | str,
        *,
        task: str | None = None,
        choices: Sequence[str] | None = None,
        samples: Sequence[Generation | str] | None = None,
        annotate: bool = False,
    ) -> Confidence:
        """Compute the confidence of an answer to a conversation.

        Args:
            messages: The conversation up to the question.
            answer: The model's answer, or its text. With ``choices`` it must be one of them.
            task: Name of the stream of questions this one belongs to.
            choices: Texts of the options, if the answer is one of a few.
            samples: Other answers of the model to the same conversation, sampled elsewhere; then the confidence is that
                of the answer's meaning, in any mode.
            annotate: Also tell for each sentence which share of the sampled answers supports it (experimental; that
                share is NOT a calibrated probability).

        Returns:
            A confidence; ``value`` is None with a ``reason`` if it cannot be computed. Never raises for what
            the model or the question is like.

        Raises:
            InvalidInputError: ``annotate`` without sampled answers.
        """
        given = None if samples is None else [samples]
        items = [(messages, answer)]
        return self.score_many(items, task=task, choices=choices, samples=given, annotate=annotate)[0]

    def score_many(
        self,
        items: Sequence[tuple[Sequence[Message], Generation | str]],
        *,
        task: str | None = None,
        choices: Sequence[str] | None = None,
        samples: Sequence[Sequence[Generation | str]] | None = None,
        mode: Mode | None = None,
        threshold: float | None = None,
        annotate: bool = False,
    ) -> list[Confidence]:
        """Compute the confidences of several (conversation, answer) pairs, with one forward pass for self-checks.

        Args:
            items: As ``score`` takes them; one that cannot be scored does not harm the others.
            task: Name of the stream of questions they belong to.
            choices: Texts of the options, if the answers are one of a few.
            samples: For each item, other answers of the model that were sampled elsewhere.
            mode: As for the estimator, for these items.
            threshold: What an adaptive confidence must be clearly above or below of; the training tasks' mean accuracy
                by default.
            annotate: As for ``score``; an adaptive confidence tells of sentences only where it sampled.

        Raises:
            InvalidInputError: ``annotate`` without sampled answers.
        """
        if annotate:
            check_annotate(mode or self.mode, choices=bool(choices), given=samples is not None)
        start = time.perf_counter()
        source: Source = "choice" if choices else "self_check"
        readings: list[tuple[OptionScores, int] | str] = (
            [read_choice(self.model, m, a, list(choices)) for m, a in items]
            if choices
            else read_checks(self.model, items)
        )
        found = []
        for (messages, _), reading in zip(items, readings, strict=True):
            name = task or task_of(messages)
            if isinstance(reading, str):
                found.append(Confidence(None, task=name, source=source, reason=reading))
            else:
                found.append(self._calibrate(*reading, messages, name, source))
        seconds = (time.perf_counter() - start) / max(len(items), 1)
        found = [replace(confidence, seconds=seconds) for confidence in found]
        if choices or ((mode or self.mode) == "fast" and samples is None):
            return found
        thorough = self._thorough(mode or self.mode, threshold, annotate)
        return [
            one if isinstance(reading, str) else thorough.confidence(*item, one, samples[i] if samples else None)
            for i, (item, reading, one) in enumerate(zip(items, readings, found, strict=True))
        ]

    def _thorough(self, mode: Mode, threshold: float | None, annotate: bool) -> Thorough:
        fit = self.calibrator.meaning if self.calibrator else None
        usual = fit.base_rate if fit else 0.5
        limit = (usual if threshold is None else threshold) if mode == "adaptive" else None
        return Thorough(self.model, fit, self.equivalence, self.samples, limit, annotate)

    def choose(
        self, messages: Sequence[Message], choices: Sequence[str], *, task: str | None = None
    ) -> tuple[str | None, Confidence]:
        """Answer with the most probable option (the argmax; calibration cannot change it) and its confidence."""
        start = time.perf_counter()
        task = task or task_of(messages)
        if is_empty(messages):
            return None, Confidence(None, task=task, source="choice", reason=EMPTY)
        try:
            scores = self.model.choice_logits(messages, choices)
            best = int(np.argmax(scores.logits))
            confidence = self._calibrate(scores, best, messages, task, "choice")
            if confidence.raw is None:  # the logits are no numbers, so no option is the best
                return None, confidence
        except ThermolangError as error:
            return None, Confidence(None, task=task, source="choice", reason=str(error))
        return choices[best], replace(confidence, seconds=time.perf_counter() - start)

    def state(self, task: str, source: Source) -> TaskState | None:
        """The state of a task, or None without a calibrator for this source."""
        fit = self.calibrator.fits.get(source) if self.calibrator else None
        if fit is None or self.calibrator is None:
            return None
        with self._lock:
            if (task, source) not in self._states:
                name = digest(f"{source}:{task}")
                folder = Path(self._state_dir) / self.calibrator.id if self._state_dir else None
                self._states[task, source] = TaskState(
                    task, fit.prior, path=folder / f"{name}.json" if folder else None
                )
            return self._states[task, source]

    def _calibrate(
        self, scores: OptionScores, given: int, messages: Sequence[Message], task: str, source: Source
    ) -> Confidence:
        """From a reading to a confidence; ``given`` is the option whose probability is asked for."""
        if not all(np.isfinite(x).all() for x in (scores.logits, scores.hidden, scores.answer_mass)):
            return Confidence(
                None, task=task, source=source, reason="the model's logits or hidden state are not finite"
            )
        probability = choice_probabilities if source == "choice" else _yes_no_probabilities
        raw = probability(scores.logits, 1.0)
        unscored = Confidence(None, raw=float(raw[given]), task=task, source=source)
        if scores.answer_mass < MIN_ANSWER_MASS:
            share = f"{scores.answer_mass:.2%}"
            return replace(
                unscored,
                reason=f"only {share} of the model's next-token probability is on the options {scores.options}",
            )
        fit = self.calibrator.fits.get(source) if self.calibrator else None
        if fit is None or self.calibrator is None:
            return replace(unscored, reason=self._why_uncalibrated(source))
        try:
            version = self._observed(fit, scores.hidden, messages, task, source)
        except InvalidInputError as error:
            return replace(unscored, reason=str(error))
        if source == "choice":
            calibrated = choice_probabilities(scores.logits, version.inverse_temperature)
        else:
            calibrated = _yes_no_probabilities(scores.logits, version.inverse_temperature, version.bias)
        return self._confidence(unscored, fit, version, scores, calibrated, given)

    def _confidence(
        self,
        unscored: Confidence,
        fit: Fit,
        version: TaskVersion,
        scores: OptionScores,
        calibrated: FloatArray,
        given: int,
    ) -> Confidence:
        value = float(calibrated[given])
        novelty = float(fit.support.novelty(scores.hidden))
        others = [i for i in np.argsort(-calibrated) if i != given] if unscored.source == "choice" else []
        return replace(
            unscored,
            value=value,
            temperature=1.0 / version.inverse_temperature,
            bias=version.bias,
            interval=predictive_interval(value, fit.prior.half_width),
            task_version=version.version,
            supported=novelty <= 1.0,
            novelty=novelty,
            alternatives=tuple(Alternative(scores.options[i], float(calibrated[i])) for i in others),
            reason=self.warning or version.warning,
            calibrator=self.calibrator.id if self.calibrator else "",
        )

    def _observed(
        self, fit: Fit, hidden: FloatArray, messages: Sequence[Message], task: str, source: Source
    ) -> TaskVersion:
        state = cast("TaskState", self.state(task, source))
        inverse, bias = fit.network.predict(hidden)
        # The whole conversation: after a prefilled answer, or "Why?", the last message alone is the same for all.
        text = "\0".join(m["content"] for m in messages)
        state.observe(text, float(inverse), float(bias))
        return state.current

    def _why_uncalibrated(self, source: Source) -> str:
        if self.warning and self.calibrator is None:
            return self.warning
        kind = "multiple-choice answers" if source == "choice" else "free-form answers"
        what = "no calibrator for this model" if self.calibrator is None else f"this calibrator has no fit for {kind}"
        return f"{what}: thermolang calibrate --model {self.model.name}"


def task_of(messages: Sequence[Message]) -> str:
    """A name for conversations without one: a hash of their system messages, which streams of questions share."""
    system = "\n".join(m["content"] for m in messages if m["role"] == "system")
    return f"unnamed-{digest(system, 8)}"


def _yes_no_probabilities(logits: FloatArray, inverse_temperature: float, bias: float = 0.0) -> FloatArray:
    yes = float(self_check_probability(logits, inverse_temperature, bias))
    return np.array([yes, 1.0 - yes])
