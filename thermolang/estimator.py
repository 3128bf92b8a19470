"""The whole path from a question and its answer to a confidence."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from thermolang.answers.equivalence import Equivalence
from thermolang.applying import applied, lessons, option_probabilities, reading_of
from thermolang.calibration import registry
from thermolang.calibration.calibrator import Calibrator
from thermolang.calibration.fitting import Fit
from thermolang.calibration.learner import AnswerReading
from thermolang.calibration.state import TaskState, TaskVersion
from thermolang.errors import InvalidInputError, ThermolangError
from thermolang.hashing import digest
from thermolang.models.reading import MIN_ANSWER_MASS
from thermolang.paths import data_dir
from thermolang.protocols import ScoringModel
from thermolang.readings import EMPTY, is_empty, mean_probability, read_checks, read_choice
from thermolang.thorough import SAMPLES, Thorough, check_annotate
from thermolang.types import Confidence, Generation, Message, Mode, OptionScores, Source

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
        for (messages, answer), reading in zip(items, readings, strict=True):
            name = task or task_of(messages)
            if isinstance(reading, str):
                found.append(Confidence(None, task=name, source=source, reason=reading))
            else:
                found.append(self._calibrate(*reading, messages, name, source, mean_probability(answer, reading[0])))
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

    def learn(self, verdicts: Iterable[tuple[Confidence, bool]]) -> int:
        """Learn from people's verdicts: the next confidences of the same tasks are better calibrated.

        Each verdict moves the temperature, the bias or the level of its task by Bayes' rule, starting from what the
        calibrator predicts. Giving the same verdicts again changes nothing, so all that a store holds can be given
        each time. It does no harm that mostly doubtful answers were judged; where doubt came from sampled answers
        (``mode="thorough"``) it does, as what is learned here knows only one pass: judge some at random there.

        Args:
            verdicts: The confidence that each judged answer had (``ReviewItem.confidence``, or ``confidence_of`` a
                LangChain message), and whether the answer is right.

        Returns:
            How many of them could be used. The others, which a warning counts, are of another calibrator or of one that
            is too old to learn, have no confidence, or are on an option that was not the model's own answer.

        Raises:
            InvalidInputError: A verdict is neither right nor wrong; then nothing is learned.
        """
        given = list(verdicts)
        fits = self.calibrator.fits if self.calibrator else {}
        found = lessons(given, self.calibrator.id) if self.calibrator else {}
        # A calibrator from before verdicts could teach does not know how far a task may be from what it predicts.
        tasks = {key: judged for key, judged in found.items() if fits[key[1]].verdicts}
        for key, judged in tasks.items():
            cast("TaskState", self.state(*key)).learn(judged)
        used = sum(map(len, tasks.values()))
        if used < len(given):
            logger.warning("%d of %d verdicts teach this calibrator nothing", len(given) - used, len(given))
        return used

    def state(self, task: str, source: Source) -> TaskState | None:
        """The state of a task, or None without a calibrator for this source."""
        fit = self.calibrator.fits.get(source) if self.calibrator else None
        if fit is None or self.calibrator is None:
            return None
        with self._lock:
            if (task, source) not in self._states:
                name = digest(f"{source}:{task}")
                folder = Path(self._state_dir) / self.calibrator.id if self._state_dir else None
                path = folder / f"{name}.json" if folder else None
                self._states[task, source] = TaskState(task, fit.prior, learner=fit.learner, path=path)
            return self._states[task, source]

    def _calibrate(
        self,
        scores: OptionScores,
        given: int,
        messages: Sequence[Message],
        task: str,
        source: Source,
        logprob: float = math.nan,
    ) -> Confidence:
        """From a reading to a confidence; ``given`` is the option whose probability is asked for."""
        if not all(np.isfinite(x).all() for x in (scores.logits, scores.hidden, scores.answer_mass)):
            return Confidence(
                None, task=task, source=source, reason="the model's logits or hidden state are not finite"
            )
        raw = option_probabilities(scores.logits, source, 1.0, 0.0)
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
        reading = reading_of(fit, scores, given, logprob)
        try:
            version = self._observed(fit, scores.hidden, reading, messages, task, source)
        except InvalidInputError as error:
            return replace(unscored, reason=str(error))
        found = applied(unscored, fit, version, scores, reading, given)
        return replace(found, reason=self.warning or version.warning, calibrator=self.calibrator.id)

    def _observed(
        self,
        fit: Fit,
        hidden: FloatArray,
        reading: AnswerReading,
        messages: Sequence[Message],
        task: str,
        source: Source,
    ) -> TaskVersion:
        state = cast("TaskState", self.state(task, source))
        inverse, bias = fit.network.predict(hidden)
        # The whole conversation: after a prefilled answer, or "Why?", the last message alone is the same for all.
        text = "\0".join(m["content"] for m in messages)
        state.observe(text, float(inverse), float(bias), reading)
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
