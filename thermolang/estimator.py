"""The whole path from a question and its answer to a confidence."""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from thermolang.answers.equivalence import Equivalence
from thermolang.answers.judging import judge_for
from thermolang.applying import TaskKey, applied, lessons, scores_of
from thermolang.calibration import calibrator as registry
from thermolang.calibration.calibrator import Calibrator
from thermolang.calibration.fit import Fit
from thermolang.calibration.kinds import CHOICE, SELF_CHECK, AnswerKind, KindName
from thermolang.calibration.learner import AnswerScores
from thermolang.calibration.task_state import TaskState, TaskVersion
from thermolang.errors import InvalidInputError, ThermolangError
from thermolang.given import compare, given_confidence, why_not_given
from thermolang.models.rotations import check_rotations
from thermolang.models.scoring import MIN_ANSWER_MASS
from thermolang.readings import EMPTY, is_empty, mean_probability, read_checks, read_choices, unscored
from thermolang.sampling import SAMPLES, Thorough, check_annotate
from thermolang.storage import Lock, data_dir, digest
from thermolang.types import (
    Confidence,
    Generation,
    Message,
    Mode,
    OptionScores,
    Reason,
    Scale,
    ScoringModel,
)

if TYPE_CHECKING:
    from thermolang.types import FloatArray

logger = logging.getLogger(__name__)

UNCALIBRATED = Scale(1.0, 0.0)

NOT_FINITE = Reason("not_finite", "the model's logits or hidden state are not finite")


class ConfidenceEstimator:
    """Calibrated confidence of a local model's answers.

    Args:
        model: Reads option logits and self-checks; usually a ``LocalModel``.
        calibrator: The calibrator, or a folder of one. By default the one found for this model: first among
            those made on this machine, then among the shipped ones.
        allow_mismatch: Use a calibrator of other weights all the same; every confidence then says so.
        state_dir: Where task states are kept; ``None`` keeps them in memory. By default below the data folder.
        mode: How free-form answers are scored: ``"fast"`` with one more forward pass, ``"thorough"`` with sampled
            answers grouped by meaning, ``"adaptive"`` with samples only as long as the decision can change.
        samples: How many answers are sampled.
        equivalence: Decides which answers mean the same. By default the model itself judges where no rule is sure, if
            it did so when the calibrator was made (``thermolang calibrate`` with a model of 1B parameters or more).

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
        self._states: dict[TaskKey, TaskState] = {}
        self._frozen: dict[TaskKey, TaskVersion] | None = None
        self._lock = Lock()
        self._state_dir = data_dir() / "states" if state_dir == "default" else state_dir
        probe: Callable[[], tuple[FloatArray, FloatArray]] | None = getattr(model, "probe", None)
        self.calibrator, self.warning = registry.chosen(
            calibrator, model.identity, probe, allow_mismatch=allow_mismatch
        )
        self.mode, self.samples = mode, samples
        judged = self.calibrator is not None and self.calibrator.judged
        self.equivalence = equivalence or Equivalence(judge=judge_for(model) if judged else None)

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
        rotations: int = 1,
        written_elsewhere: bool = False,
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
            rotations: As for ``choose``. The answer stays what was given, even if the average prefers another option.
            written_elsewhere: Another system or a person wrote the answer. Its wording is improbable under the model
                for that alone, so the model answers, too, and the two are compared. The task learns nothing from it.
                With ``choices`` it makes no difference.

        Returns:
            A confidence; ``value`` is None with a ``reason`` if it cannot be computed. Never raises for what
            the model or the question is like.

        Raises:
            InvalidInputError: ``annotate`` without sampled answers, samples for an answer written elsewhere, or more
                ``rotations`` than choices.
        """
        return self.score_many(
            [(messages, answer)],
            task=task,
            choices=choices,
            samples=None if samples is None else [samples],
            annotate=annotate,
            rotations=rotations,
            written_elsewhere=written_elsewhere,
        )[0]

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
        rotations: int = 1,
        written_elsewhere: bool = False,
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
            rotations: As for ``score``.
            written_elsewhere: As for ``score``; it holds for all items, and ``mode`` plays no part then.

        Raises:
            InvalidInputError: ``annotate`` without sampled answers, samples for answers written elsewhere, or more
                ``rotations`` than choices.
        """
        check_rotations(rotations, choices)
        if written_elsewhere and not choices:
            if annotate or samples is not None:
                msg = (
                    "annotate= and samples= are for the model's own answers, not for those that were written elsewhere"
                )
                raise InvalidInputError(msg)
            return self._given(items, task)
        if annotate:
            check_annotate(mode or self.mode, choices=bool(choices), given=samples is not None)
        start = time.perf_counter()
        kind = CHOICE if choices else SELF_CHECK
        read = read_choices(self.model, items, list(choices), rotations) if choices else read_checks(self.model, items)
        found = []
        for (messages, answer), one in zip(items, read, strict=True):
            name = task or task_of(messages)
            if isinstance(one, Reason):
                found.append(Confidence.missing(one, task=name, source=kind.name))
            else:
                found.append(self.calibrate(*one, messages, name, kind, mean_probability(answer, one[0])))
        seconds = (time.perf_counter() - start) / max(len(items), 1)
        found = [replace(confidence, seconds=seconds) for confidence in found]
        if choices or ((mode or self.mode) == "fast" and samples is None):
            return found
        thorough = self._thorough(mode or self.mode, threshold, annotate)
        return [
            fast if isinstance(one, Reason) else thorough.confidence(*item, fast, samples[i] if samples else None)
            for i, (item, one, fast) in enumerate(zip(items, read, found, strict=True))
        ]

    def _given(self, items: Sequence[tuple[Sequence[Message], Generation | str]], task: str | None) -> list[Confidence]:
        """Confidences of texts that were written elsewhere; no task state is asked or told."""
        start = time.perf_counter()
        # As texts: how probable the tokens were where they were written says nothing here.
        texts = [(messages, a.text if isinstance(a, Generation) else a) for messages, a in items]
        read = read_checks(self.model, texts)
        why = self._why_uncalibrated(SELF_CHECK) if self.calibrator is None else why_not_given(self.calibrator)
        found = [
            Confidence.missing(one, task=task or task_of(messages))
            if isinstance(one, Reason)
            else self._unscored(*one, task or task_of(messages), SELF_CHECK).because(why)
            for (messages, _), one in zip(texts, read, strict=True)
        ]
        usable = {i: one[0] for i, one in enumerate(read) if not isinstance(one, Reason) and not found[i].reason}
        checked = [(*texts[i], scores) for i, scores in usable.items()]
        for i, one in zip(usable, compare(self.model, checked, self.equivalence), strict=True):
            valued = (
                one if isinstance(one, Reason) else given_confidence(found[i], cast("Calibrator", self.calibrator), one)
            )
            found[i] = found[i].because(valued) if isinstance(valued, Reason) else valued.because(self.warning)
        seconds = (time.perf_counter() - start) / max(len(items), 1)
        return [replace(confidence, source="given", seconds=seconds) for confidence in found]

    def _thorough(self, mode: Mode, threshold: float | None, annotate: bool) -> Thorough:
        fit = self.calibrator.semantic if self.calibrator else None
        usual = fit.base_rate if fit else 0.5
        limit = (usual if threshold is None else threshold) if mode == "adaptive" else None
        return Thorough(self.model, fit, self.equivalence, self.samples, limit, annotate)

    def choose(
        self, messages: Sequence[Message], choices: Sequence[str], *, task: str | None = None, rotations: int = 1
    ) -> tuple[str | None, Confidence]:
        """Answer with the most probable option (the argmax; calibration cannot change it) and its confidence.

        Args:
            messages: The conversation up to the question.
            choices: Texts the answer may start with, such as ``["A", "B", "C"]``.
            task: Name of the stream of questions this one belongs to.
            rotations: Average the options' logits over so many orders of the options before anything else, which may
                change the answer; as many as there are choices cancel a model's liking for a letter. The last user
                message then holds a line ``A. text`` for each option. Use one number for all questions of a task.

        Returns:
            The option and its confidence; None and a confidence without a value where no option could be scored.

        Raises:
            InvalidInputError: ``rotations`` is no whole number from 1 to the number of choices.
        """
        check_rotations(rotations, choices)
        start = time.perf_counter()
        task = task or task_of(messages)
        if is_empty(messages):
            return None, Confidence.missing(EMPTY, task=task, source="choice")
        try:
            scores = self.model.choice_logits(messages, choices, rotations=rotations)
            best = int(np.argmax(scores.logits))
            confidence = self.calibrate(scores, best, messages, task, CHOICE)
            if confidence.raw is None:  # the logits are no numbers, so no option is the best
                return None, confidence
        except ThermolangError as error:
            return None, Confidence.missing(unscored(error), task=task, source="choice")
        return choices[best], replace(confidence, seconds=time.perf_counter() - start)

    def learn(self, verdicts: Iterable[tuple[Confidence, bool]]) -> int:
        """Learn from people's verdicts: the next confidences of the same tasks are better calibrated.

        Each verdict moves the temperature, the bias or the intercept of its task by Bayes' rule, starting from what the
        calibrator predicts. Giving the same verdicts again changes nothing, so all that a store holds can be given
        each time. The answers to judge may be selected by their confidence, such as doubtful ones first. With
        ``mode="thorough"`` such a selection biases what is learned, because only the scores of one pass are used here:
        judge some answers at random there.

        Args:
            verdicts: The confidence that each judged answer had (``ReviewItem.confidence``, or ``confidence_of`` a
                LangChain message), and whether the answer is right.

        Returns:
            How many of them could be used. The others, which a warning counts, are of another calibrator or of one that
            is too old to learn, have no confidence, or are on an option that was not the model's own answer.

        Raises:
            InvalidInputError: A verdict is neither right nor wrong, or this is a snapshot; then nothing is learned.
        """
        if self._frozen is not None:
            msg = "a snapshot does not learn: give the verdicts to the estimator that it was taken from"
            raise InvalidInputError(msg)
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

    def state(self, task: str, kind: KindName) -> TaskState | None:
        """The state of a task, or None without a calibrator for answers of this kind."""
        fit = self.calibrator.fits.get(kind) if self.calibrator else None
        if fit is None or self.calibrator is None:
            return None
        with self._lock:
            if (task, kind) not in self._states:
                name = digest(f"{kind}:{task}")
                folder = Path(self._state_dir) / self.calibrator.id if self._state_dir else None
                path = folder / f"{name}.json" if folder else None
                self._states[task, kind] = TaskState(task, fit.prior, learner=fit.learner, path=path)
            return self._states[task, kind]

    def snapshot(self, versions: Mapping[TaskKey, TaskVersion] | None = None) -> ConfidenceEstimator:
        """An estimator over the same model and calibrator whose task states never change.

        It scores the same answer with the same confidence however often and in whatever order it is asked, and leaves
        the states of this estimator, and their files, alone. ``learn`` is refused.

        Args:
            versions: By task and kind, versions to score under, such as those an earlier run ended with. A task that is
                not there is scored under the newest version it has when it is first asked for.
        """
        # A shallow copy: model, calibrator and task states are shared.
        frozen = copy.copy(self)
        frozen._frozen = dict(versions or {})
        return frozen

    def calibrate(
        self,
        scores: OptionScores,
        given: int,
        messages: Sequence[Message],
        task: str,
        kind: AnswerKind,
        logprob: float = math.nan,
    ) -> Confidence:
        """From the scores of the options to a confidence in the option ``given``; counts as an input of the task.

        Args:
            scores: What the model thinks of the options.
            given: Index of the option that is the answer; of a self-check 0, which is yes.
            messages: The conversation; the same one again is no new input.
            task: Name of the stream of questions.
            kind: Of the answer.
            logprob: Exp of the mean log-probability of a free-form answer's tokens; NaN where unknown.
        """
        unscored = self._unscored(scores, given, task, kind)
        if unscored.reason:
            return unscored
        fit = self.calibrator.fits.get(kind.name) if self.calibrator else None
        if fit is None or self.calibrator is None:
            return unscored.because(self._why_uncalibrated(kind))
        answer = scores_of(fit, scores, given, logprob)
        try:
            version = self._observed(fit, scores.hidden, answer, messages, task)
        except InvalidInputError as error:
            return unscored.because(Reason("not_finite", str(error)))
        found = applied(unscored, fit, version, scores, answer, given)
        return replace(found, calibrator=self.calibrator.id).because(self.warning or version.warning)

    def _unscored(self, scores: OptionScores, given: int, task: str, kind: AnswerKind) -> Confidence:
        """What is known without a calibrator; with a reason if the scores are of no use."""
        if not all(np.isfinite(x).all() for x in (scores.logits, scores.hidden, scores.answer_mass)):
            return Confidence.missing(NOT_FINITE, task=task, source=kind.name)
        raw = kind.option_probabilities(scores.logits, UNCALIBRATED)
        unscored = Confidence(None, raw=float(raw[given]), task=task, source=kind.name)
        if scores.answer_mass < MIN_ANSWER_MASS:
            share = f"only {scores.answer_mass:.2%} of the model's next-token probability"
            return unscored.because(Reason("off_options", f"{share} is on the options {scores.options}"))
        return unscored

    def _observed(
        self, fit: Fit, hidden: FloatArray, answer: AnswerScores, messages: Sequence[Message], task: str
    ) -> TaskVersion:
        """The version of the task's state to score under, with this input counted in."""
        key = task, fit.kind.name
        if self._frozen is not None and key in self._frozen:
            return self._frozen[key]
        state = cast("TaskState", self.state(*key))
        if self._frozen is not None:
            # The first version that was used stays, however far the live state moves.
            return self._frozen.setdefault(key, state.current)
        inverse, bias = fit.network.predict(hidden)
        # The whole conversation: after a prefilled answer, or "Why?", the last message alone is the same for all.
        text = "\0".join(m["content"] for m in messages)
        state.observe(text, float(inverse), float(bias), answer)
        return state.current

    def why_no_calibrator(self) -> Reason | None:
        """Why no answer will get a confidence; None if there is a calibrator."""
        if self.calibrator is not None:
            return None
        missing = f"no calibrator for this model: thermolang calibrate --model {self.model.name}"
        return self.warning or Reason("no_calibrator", missing)

    def _why_uncalibrated(self, kind: AnswerKind) -> Reason:
        answers = "multiple-choice answers" if kind.is_choice else "free-form answers"
        no_fit = f"this calibrator has no fit for {answers}: thermolang calibrate --model {self.model.name}"
        return self.why_no_calibrator() or Reason("no_fit", no_fit)


def task_of(messages: Sequence[Message]) -> str:
    """A name for conversations without one: a hash of their system messages, which streams of questions share."""
    system = "\n".join(m["content"] for m in messages if m["role"] == "system")
    return f"unnamed-{digest(system, 8)}"
