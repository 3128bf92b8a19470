"""A decision model for LangChain: calibrated answers to yes/no questions, choices and scores about one state."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from langchain_core.messages import BaseMessage
from langchain_core.messages.ai import UsageMetadata
from pydantic import ConfigDict, Field, model_validator

from thermolang.calibration.kinds import CHOICE
from thermolang.errors import InvalidInputError, MissingExtraError, ModelError
from thermolang.estimator import ConfidenceEstimator
from thermolang.langchain.messages import text_only, to_messages
from thermolang.models.local import LocalModel
from thermolang.models.prompts import LETTERS, choice_messages
from thermolang.types import Confidence, Message

try:
    from langchain_core.decisions import BaseDecisionModel
    from langchain_core.decisions import types as decisions
except ImportError as error:
    msg = 'decision models need langchain-core 1.8 or newer: pip install "langchain-core>=1.8"'
    raise MissingExtraError(msg) from error

YES_NO = ("Yes", "No")


@dataclass(frozen=True)
class Asked:
    """One question as a multiple-choice question.

    Attributes:
        text: The question.
        options: Texts of the options.
        labels: What the options are called in the answer.
    """

    text: str
    options: tuple[str, ...]
    labels: tuple[Any, ...]

    def messages(self, state: str) -> list[Message]:
        """The conversation that asks it; states come first, so that questions about one share its KV cache."""
        return choice_messages(self.text, self.options, context=state)

    @property
    def letters(self) -> list[str]:
        """The choices that the model answers with."""
        return list(LETTERS[: len(self.options)])


class ThermometerDecisionModel(BaseDecisionModel):
    """Answers typed questions about a state with calibrated probabilities of a local model.

    Each question becomes a multiple-choice question whose letters' logits are scaled by the task's temperature. All
    questions about one state are read in one batch, and the state is computed once. Works wherever LangChain takes a
    decision model, such as in ``AutoModeMiddleware`` and ``ModelRouterMiddleware``.

    ``noul`` is the calibrated P(yes). The ``confidence`` of a choice is the calibrated probability that its label is
    right, that of a score the probability of its most probable level; ``score`` is the mean over all levels.

    Attributes:
        estimator: Scores with the weights of its ``LocalModel``; it needs a calibrator with a fit for choices.
        task: Name of the stream of decisions; each question is a task below it, by its id.
        rotations: Average the logits over so many orders of a question's options, or as many as it has. This may change
            an answer, since a small model may prefer a letter; 1 is the given order alone.

    Raises:
        InvalidInputError: ``rotations`` is below 1.
        ModelError: The estimator has no ``LocalModel``, or no calibrator for choices.

    Example:
        >>> model = ThermometerDecisionModel.from_model("smollm2-135m")  # doctest: +SKIP
        >>> asked = {"urgent": Noul(instructions="Does this message need an answer at once?")}  # doctest: +SKIP
        >>> model.invoke({"state": "Production is down.", "questions": asked}).nouls["urgent"].noul  # doctest: +SKIP
        0.83
    """

    estimator: ConfidenceEstimator = Field(exclude=True, repr=False)
    model: str = ""
    task: str = "decisions"
    rotations: int = Field(default=1, ge=1)

    model_config = ConfigDict(arbitrary_types_allowed=True, protected_namespaces=())

    @classmethod
    def from_model(cls, name: str, **options: Any) -> ThermometerDecisionModel:
        """Load a model by path, short name or hub id, and the calibrator made for it."""
        return cls(estimator=ConfidenceEstimator(LocalModel.load(name)), **options)

    @model_validator(mode="after")
    def _checked(self) -> ThermometerDecisionModel:
        estimator = self.estimator
        if not isinstance(estimator.model, LocalModel):
            msg = f"decisions need a LocalModel, which {type(estimator.model).__name__} is not"
            raise ModelError(msg)
        if estimator.calibrator is None or CHOICE.name not in estimator.calibrator.fits:
            why = estimator.why_no_calibrator()
            hint = f"thermolang calibrate --model {estimator.model.name}"
            raise ModelError(why.text if why else f"this calibrator has no fit for choices: {hint}")
        self.model = self.model or estimator.model.name
        return self

    @property
    def _provider(self) -> str:
        return "thermolang"

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """It holds a model, so no."""
        return False

    def decide(
        self, state: decisions.State, questions: Mapping[str, decisions.Question]
    ) -> dict[str, tuple[Any, Confidence]]:
        """The most probable answer to each question and its confidence, by the question's id.

        An answer is True or False, a label, or the number of a level; ``alternatives`` has the other options with their
        calibrated probabilities. Where none could be computed, the confidence says why.

        Raises:
            ModelError: The state holds images or is too long.
            InvalidInputError: A question is of another type, or has more than 26 options.
        """
        return self._decided(state, questions)[0]

    def _classify(
        self, state: decisions.State, questions: dict[str, decisions.Question]
    ) -> decisions.ClassifierResponse:
        decided, tokens = self._decided(state, questions)
        answers = {name: answer_to(questions[name], *found) for name, found in decided.items()}
        usage = UsageMetadata(input_tokens=tokens, output_tokens=0, total_tokens=tokens)
        return decisions.ClassifierResponse(model=self.model, answers=answers, usage=usage)

    def _decided(
        self, state: decisions.State, questions: Mapping[str, decisions.Question]
    ) -> tuple[dict[str, tuple[Any, Confidence]], int]:
        """What is decided, and how many tokens were computed for it."""
        text, asked = state_text(state), {name: asked_as(question) for name, question in questions.items()}
        model: LocalModel = self.estimator.model  # type: ignore[assignment]  # ``_checked`` has seen to it
        several = [(one.messages(text), one.letters) for one in asked.values() if len(one.options) > 1]
        scores = iter(model.choices_at_once(several, rotations=self.rotations) if several else [])
        found: dict[str, tuple[Any, Confidence]] = {}
        tokens = 0
        for name, one in asked.items():
            if len(one.options) == 1:  # nothing to decide
                found[name] = one.labels[0], Confidence(1.0, source="choice")
                continue
            read = next(scores)
            tokens += read.tokens_computed
            best = int(np.argmax(read.logits))
            confidence = self.estimator.calibrate(read, best, one.messages(text), f"{self.task}/{name}", CHOICE)
            others = tuple(replace(a, text=str(one.labels[LETTERS.index(a.text)])) for a in confidence.alternatives)
            found[name] = one.labels[best], replace(confidence, alternatives=others)
        return found, tokens


def answer_to(question: decisions.Question, label: Any, confidence: Confidence) -> decisions.Answer:
    """An answer in LangChain's words.

    Raises:
        ModelError: There is no calibrated probability.
    """
    if confidence.value is None:
        msg = f"no decision without a calibrated probability: {confidence.reason}"
        raise ModelError(msg)
    # Rounding may leave the sum of the probabilities a little above 1.
    shares = {str(label): confidence.value} | {a.text: a.share for a in confidence.alternatives}
    if isinstance(question, decisions.Noul):
        return decisions.NoulAnswer(type="noul", noul=min(max(shares["True"], 0.0), 1.0))
    if isinstance(question, decisions.Choice):
        named = {name: shares[name] for name in question.criteria}
        return decisions.ChoiceAnswer(type="choice", choice=label, probabilities=named, confidence=confidence.value)
    if not isinstance(question, decisions.Score):
        msg = f"this model reads text only, not {type(question).__name__}"
        raise InvalidInputError(msg)
    levels = {i: shares[str(i)] for i in range(len(question.criteria))}
    return decisions.ScoreAnswer(
        type="score",
        score=math.fsum(level * p for level, p in levels.items()),
        legend=dict(enumerate(question.criteria)),
        probabilities=levels,
        confidence=confidence.value,
    )


def asked_as(question: decisions.Question) -> Asked:
    """A typed question as a multiple-choice question.

    Raises:
        InvalidInputError: It is of another type, or has more options than there are letters.
    """
    if isinstance(question, decisions.Noul):
        criteria = question.criteria
        means = (criteria.true, criteria.false) if criteria else (None, None)
        return Asked(as_text(question.instructions), tuple(map(described, YES_NO, means)), (True, False))
    labels: tuple[Any, ...]
    if isinstance(question, decisions.Choice):
        labels = tuple(question.criteria)
        options = tuple(described(label, meaning) for label, meaning in question.criteria.items())
    elif isinstance(question, decisions.Score):
        labels, options = tuple(range(len(question.criteria))), tuple(map(as_text, question.criteria))
    else:
        msg = f"a question is a Noul, a Choice or a Score, as this model reads text only; not {type(question).__name__}"
        raise InvalidInputError(msg)
    if len(options) > len(LETTERS):
        msg = f"a question has at most {len(LETTERS)} options, one for each letter, not {len(options)}: split it"
        raise InvalidInputError(msg)
    return Asked(as_text(question.instructions), options, labels)


def described(label: str, meaning: Any) -> str:
    """An option with what is said of it; on one line, as each option is one."""
    return label if meaning is None else f"{label}: {as_text(meaning)}"


def as_text(content: Any) -> str:
    """Text on one line, or JSON of something else."""
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, default=str)
    return " ".join(text.split())


def state_text(state: decisions.State) -> str:
    """A state as text: itself, the turns of a conversation, or JSON with messages in their places.

    Raises:
        ModelError: A message in it holds an image, a sound or a file.
    """
    if isinstance(state, str):
        return state
    if isinstance(state, BaseMessage):
        return as_turns([state])
    if isinstance(state, Sequence) and state and all(isinstance(one, BaseMessage) for one in state):
        return as_turns(state)
    return json.dumps(state, ensure_ascii=False, default=_plain)


def as_turns(messages: Sequence[Any]) -> str:
    """Each message in a line of its own, behind who said it."""
    return "\n".join(f"{turn['role']}: {turn['content']}{calls_of(turn)}" for turn in _turns(messages))


def calls_of(turn: Message) -> str:
    """The tool calls of a turn as JSON."""
    calls = [call["function"] for call in turn.get("tool_calls", ())]
    return f" {json.dumps(calls, ensure_ascii=False)}" if calls else ""


def _turns(messages: Sequence[BaseMessage]) -> list[Message]:
    text_only(messages)
    return to_messages(messages)


def _plain(value: Any) -> Any:
    """A message within JSON as its role and text; other things that JSON does not know as text."""
    if not isinstance(value, BaseMessage):
        return str(value)
    (turn,) = _turns([value])
    return {key: turn[key] for key in ("role", "content", "tool_calls") if turn.get(key)}
