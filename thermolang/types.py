"""The frozen records that travel between thermolang's layers, and what its parts agree on."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pydantic import TypeAdapter
    from typing_extensions import Self

    FloatArray = NDArray[np.floating[Any]]

Message = dict[str, Any]
"""One chat message as Hugging Face templates take it: ``{"role": "user", "content": "..."}``; ``content`` is text, and
``tool_calls`` may stand beside it."""

Source = Literal["choice", "self_check", "meaning", "given", "fields"]
Mode = Literal["fast", "thorough", "adaptive"]
"""How a free-form answer is scored: with one pass; with sampled answers beside it; with as many samples as the decision
needs."""

Action = Literal["accept", "review", "reject"]
"""What a policy does with an answer."""

PolicyMode = Literal["shadow", "enforce"]
"""In shadow a policy decides and its decisions are recorded, but every answer goes on as if there were none."""

DecisionCode = Literal[
    "accepted",
    "below_threshold",
    "below_rejection",
    "unsupported",
    "no_confidence",
    "not_a_probability",
    "review_all",
    "other_task",
    "doubtful_field",
]
"""Why a policy decided as it did, for programs; the sentences beside it are for people."""

ReasonCode = Literal[
    "no_calibrator",
    "other_model",
    "no_fit",
    "empty_question",
    "empty_answer",
    "unfinished",
    "cut",
    "no_fields",
    "not_a_choice",
    "bad_choices",
    "off_options",
    "not_finite",
    "model_error",
    "bad_input",
    "calls_tools",
    "invalid_call",
    "not_scored",
    "scoring_failed",
    "few_inputs",
    "no_logprobs",
    "new_kind",
    "weights_differ",
    "no_samples",
    "no_semantic_fit",
    "given_text",
    "refusal",
    "edited",
]
"""Why an answer has no confidence, for programs; the sentence beside it is for people.

Without a value: ``no_calibrator`` (none for this model), ``other_model`` (the calibrator belongs to other weights),
``no_fit`` (it has none for this kind of answers), ``empty_question``, ``empty_answer``, ``unfinished`` (the answer
ended at the token limit within a reasoning model's thoughts or within a tool call), ``cut`` (a structured answer
reached the token limit before it was complete), ``no_fields`` (of a structured answer, none that could have been
different), ``not_a_choice`` (the answer is none of the choices), ``bad_choices``, ``off_options`` (the model wants to
say something else than the options), ``not_finite`` (NaN in logits or hidden state), ``model_error`` (such as a
conversation that is too long), ``bad_input`` (such as a line of a file that cannot be read), ``calls_tools``,
``invalid_call`` (a call of a tool that cannot be read), ``not_scored`` (nothing in the chain scored it),
``scoring_failed`` (an unexpected error; the log has it), ``given_text`` (a text written elsewhere, for which the
calibrator has no fit or which cannot be compared with an answer of the model's own).

With a value, as warnings: ``few_inputs`` (the task's temperature still moves), ``no_logprobs`` (without token
probabilities a free-form answer's level is the training tasks'), ``new_kind`` (a question unlike the task's others),
``weights_differ`` (slightly, or on the user's own wish), ``no_samples``, ``no_semantic_fit`` (the value is that of one
pass), ``given_text`` (it is longer than what could be read of it), ``refusal``, ``edited`` (a person replaced the
answer).
"""

FinishReason = Literal["stop", "length"]


_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {}


def _adapter(record: type[Any]) -> TypeAdapter[Any]:
    # Built at first use: pydantic takes a moment to import, and most programs only read the records' fields.
    from pydantic import TypeAdapter

    if record not in _ADAPTERS:
        _ADAPTERS[record] = TypeAdapter(record)
    return _ADAPTERS[record]


class JsonRecord:
    """A dataclass that is written as JSON: its fields are the schema, for writing and for reading."""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; every field is always there."""
        record: dict[str, Any] = _adapter(type(self)).dump_python(self, mode="json")
        return record

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Self:
        """Rebuild what ``to_dict`` wrote; other keys, such as those of newer versions, are ignored.

        Raises:
            ValueError: A field is missing or of another type (pydantic's ``ValidationError``).
        """
        found: Self = _adapter(cls).validate_python(record)
        return found


class Reason(NamedTuple):
    """A reason code and the sentence that says the same to people."""

    code: ReasonCode
    text: str


class Scale(NamedTuple):
    """The two numbers that calibrate a task: its temperature, as 1/T, and its bias.

    Attributes:
        inverse_temperature: 1/T, > 0.
        bias: Added to the log-odds of a right answer; 0 for choices without verdicts.
    """

    inverse_temperature: float
    bias: float = 0.0


@dataclass(frozen=True)
class Example:
    """One question with its gold answer.

    Either ``choices`` and ``label`` are given (multiple choice), or ``answers`` (free form).

    Attributes:
        question: The question as a person would ask it.
        answers: Accepted answers (aliases), best first.
        choices: The options of a multiple-choice question, as texts.
        label: Index of the right option in ``choices``.
        context: A passage the question is about; empty without one.
    """

    question: str
    answers: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    label: int | None = None
    context: str = ""


@dataclass(frozen=True)
class Task:
    """A stream of similar questions that share one temperature.

    Attributes:
        name: The task's name.
        examples: Its questions.
        group: Tasks of one group ask about the same facts and are left out together; the task alone if empty.
    """

    name: str
    examples: tuple[Example, ...]
    group: str = ""


@dataclass(frozen=True)
class Generation:
    """An answer of a local model.

    Attributes:
        text: The answer, without special tokens and without the stop string.
        token_ids: The sampled ids, including an end-of-turn token if one was sampled.
        logprobs: Natural log of each sampled token's probability before temperature and top-p; same length.
        finish_reason: ``"stop"`` (end token or stop string) or ``"length"``.
        prompt_tokens: Tokens of the prompt.
        cache: Opaque handle with which ``LocalModel.self_check`` continues without a second prefill.
    """

    text: str
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    finish_reason: FinishReason
    prompt_tokens: int
    cache: Any = field(default=None, repr=False, compare=False)

    @property
    def mean_probability(self) -> float:
        """Exp of the mean token log-probability (the geometric mean of the probabilities); NaN without tokens."""
        return math.exp(math.fsum(self.logprobs) / len(self.logprobs)) if self.logprobs else math.nan

    @property
    def usage(self) -> dict[str, int]:
        """Token counts under LangChain's ``usage_metadata`` names."""
        new = len(self.token_ids)
        return {
            "input_tokens": self.prompt_tokens,
            "output_tokens": new,
            "total_tokens": self.prompt_tokens + new,
        }


@dataclass(frozen=True, eq=False)
class OptionScores:
    """What a model thinks of K options at one position, and the hidden state it thinks it with.

    Attributes:
        options: The K options; a self-check has ``("yes", "no")``.
        logits: Shape (K,), float; unnormalised log-probabilities (natural log) of the options.
        hidden: Shape (d,), float32; last layer after the final norm, at the same position.
        answer_mass: Share of the next-token probability that falls on the options, in [0, 1].
        tokens_computed: Tokens the model had to process for this reading.
        cache_reused: Whether the KV cache of the generation was continued.
        middle: Shape (d,), float32; output of a middle layer at the same position, where it was asked for.
        answer_logprob: Exp of the mean log-probability of the tokens of an answer that was given as text, in [0, 1];
            None where it was not read.
        answer_cut: Whether that answer has more tokens than are read: then it is that of the last ones.
    """

    options: tuple[str, ...]
    logits: FloatArray
    hidden: FloatArray = field(repr=False)
    answer_mass: float
    tokens_computed: int = 0
    cache_reused: bool = False
    middle: FloatArray | None = field(default=None, repr=False)
    answer_logprob: float | None = None
    answer_cut: bool = False


@dataclass(frozen=True)
class ModelIdentity:
    """What a calibrator must share with the model it is applied to.

    Attributes:
        architecture: Class name of the model, such as ``"LlamaForCausalLM"``.
        hidden_size: Width d of the hidden state.
        num_layers: Number of decoder layers.
        vocab_size: Rows of the output embedding.
        tokenizer: Hash of what the tokenizer makes of a fixed text.
        template: Hash of the chat template as it renders a fixed conversation.
        prompt_version: Version of thermolang's own prompts.
    """

    architecture: str
    hidden_size: int
    num_layers: int
    vocab_size: int
    tokenizer: str
    template: str
    prompt_version: str

    def differences(self, other: ModelIdentity) -> list[str]:
        """Name each field that differs, with both values (self first)."""
        pairs = [(f.name, getattr(self, f.name), getattr(other, f.name)) for f in dataclasses.fields(self)]
        return [f"{name}: {mine!r} against {theirs!r}" for name, mine, theirs in pairs if mine != theirs]


@dataclass(frozen=True)
class Alternative:
    """Another answer that was considered: a meaning among samples, or another option.

    Attributes:
        text: The answer.
        share: Its share of the samples or its probability, in [0, 1].
        count: Number of samples with this meaning; 1 for an option.
    """

    text: str
    share: float
    count: int = 1


@dataclass(frozen=True)
class SentenceSupport:
    """How many sampled answers say what one sentence of an answer says. Experimental.

    Attributes:
        start: Where the sentence begins in the answer.
        end: Where it ends.
        text: The sentence.
        share: Share of the sampled answers that support it, in [0, 1]. It is NOT a calibrated probability.
    """

    start: int
    end: int
    text: str
    share: float


@dataclass(frozen=True)
class Basis:
    """The numbers that a confidence was computed from, so that a verdict on the answer can teach its task.

    Attributes:
        logits: Of the options, the given answer's first; of a self-check yes, no.
        logit_offset: What the per-answer head added to the log-odds for this answer; 0 without a head.
        intercept: What it added for the task.
        half_width: Of the predictive interval, in log-odds.
        inputs: Number of the task's inputs that its state rested on.
        mean_probability: Exp of the answer's mean token log-probability; None where unknown.
        place: Where its hidden state lies among the kinds of input; empty where these are not told apart.
    """

    logits: tuple[float, ...]
    logit_offset: float = 0.0
    intercept: float = 0.0
    half_width: float = 0.0
    inputs: int = 0
    mean_probability: float | None = None
    place: tuple[float, ...] = ()


@dataclass(frozen=True)
class Confidence(JsonRecord):
    """The probability that an answer is right, and what it rests on.

    Attributes:
        value: Calibrated P(the answer is right) in [0, 1]; None if it cannot be computed (see ``reason``).
        raw: The same number before calibration, in [0, 1]: the options' or the self-check's probability, or the share
            of the sampled answers that mean the same; None if unknown.
        temperature: T* of the task, > 0.
        bias: Added to the log-odds; 0 for choices without verdicts.
        interval: Predictive 90 % interval of the task's accuracy at this confidence, from how far the calibrator was
            off on tasks held out in training, and narrower after verdicts; not the sampling error of a mean.
        source: Where the number comes from: the options of a choice, one self-check, the meanings of sampled answers,
            the fields of a structured answer, or, for a text that was written elsewhere, a comparison with the model's
            own answer (``"given"``).
        task: Name of the task whose temperature was used.
        task_version: Version of the task's state.
        supported: False if the input is unlike what the calibrator was trained on.
        novelty: Distance from the training inputs; 1 is the 99th percentile of held-out training inputs.
        alternatives: Other answers that were considered.
        reason: Why ``value`` is None, or a warning about it; a sentence for people.
        reason_code: The same for programs, see ``ReasonCode``; of several warnings the first.
        calibrator: Id of the calibrator.
        seconds: Time spent on computing the confidence.
        sentences: For each sentence of the answer the share of the sampled answers that support it, where that was
            asked for (experimental; those shares are NOT calibrated probabilities).
        basis: What ``ConfidenceEstimator.learn`` needs to learn from a verdict on this answer.
        fields: Of a structured answer, the confidence of each field by its path, such as ``"items[0].price"``.
    """

    value: float | None
    raw: float | None = None
    temperature: float | None = None
    bias: float | None = None
    interval: tuple[float, float] | None = None
    source: Source | None = None
    task: str = ""
    task_version: int = 0
    supported: bool = True
    novelty: float | None = None
    alternatives: tuple[Alternative, ...] = ()
    reason: str = ""
    reason_code: ReasonCode | None = None
    calibrator: str = ""
    seconds: float = 0.0
    sentences: tuple[SentenceSupport, ...] = ()
    basis: Basis | None = None
    fields: Mapping[str, Confidence] = field(default_factory=dict, hash=False)

    def meanings(self, answer: str) -> tuple[Alternative, ...]:
        """What was said when the model was asked again: the answer's own meaning first; empty if it was not asked.

        Args:
            answer: The answer that this is the confidence of.

        Example:
            >>> found = Confidence(0.8, raw=0.75, source="meaning", alternatives=(Alternative("Rome", 0.25, 2),))
            >>> found.meanings("Paris")[0]
            Alternative(text='Paris', share=0.75, count=6)
        """
        share = sum(a.share for a in self.alternatives)
        if self.source in ("choice", "given") or not (self.source == "meaning" or share):
            return ()
        said = sum(a.count for a in self.alternatives)
        samples = round(said / share) if share else 0
        return (Alternative(answer, max(0.0, 1 - share), samples - said), *self.alternatives)

    def doubtful_fields(self, threshold: float, *, unsupported: bool = True) -> tuple[str, ...]:
        """Paths of the fields that alone would not be accepted.

        Args:
            threshold: A field with less confidence is doubtful, as is one without.
            unsupported: Whether one whose input is unlike the calibrator's training is doubtful, too.

        Example:
            >>> Confidence(0.5, fields={"name": Confidence(0.9), "age": Confidence(0.6)}).doubtful_fields(0.7)
            ('age',)
        """

        def accepted(one: Confidence) -> bool:
            return one.value is not None and threshold <= one.value <= 1 and (one.supported or not unsupported)

        return tuple(path for path, one in self.fields.items() if not accepted(one))

    def because(self, *reasons: Reason | None) -> Confidence:
        """A copy with further reasons; the code is that of the first reason it ever got."""
        given = [r for r in reasons if r is not None and r.text]
        texts = dict.fromkeys([*filter(None, [self.reason]), *(r.text for r in given)])
        code = self.reason_code or next((r.code for r in given), None)
        return dataclasses.replace(self, reason="; ".join(texts), reason_code=code)

    @classmethod
    def missing(cls, reason: Reason, **known: Any) -> Confidence:
        """A confidence without a value, and why."""
        return cls(None, reason=reason.text, reason_code=reason.code, **known)


@dataclass(frozen=True)
class Decision(JsonRecord):
    """What to do with an answer.

    Attributes:
        action: ``"accept"``, ``"review"`` or ``"reject"``.
        reason: One sentence for the operator.
        threshold: The confidence at or above which answers are accepted; 1 where all go to review.
        code: The reason for programs; None for decisions that no policy made.
        value: The confidence that was judged; None without one.
        novelty: How unlike the training inputs the question is, usually below 1; None where unknown.
        mode: ``"shadow"`` if the answer goes on whatever the action says.
        reason_ja: The sentence in Japanese; empty where there is none.
        fields: Paths of a structured answer's fields that keep it from being accepted.
        calibrator: Id of the calibrator whose confidence was judged; empty without one.
        task_version: Version of the task's state that it was computed under; None where unknown.
        policy: Fingerprint of the policy that decided; empty for decisions that no policy made.
    """

    action: Action
    reason: str
    threshold: float
    code: DecisionCode | None = None
    value: float | None = None
    novelty: float | None = None
    mode: PolicyMode = "enforce"
    reason_ja: str = ""
    fields: tuple[str, ...] = ()
    calibrator: str = ""
    task_version: int | None = None
    policy: str = ""

    @property
    def holds(self) -> bool:
        """Whether the answer must wait: it was not accepted, and the policy is enforced."""
        return self.action != "accept" and self.mode == "enforce"


class ScoringModel(Protocol):
    """What the estimator needs of a model; ``LocalModel`` and the tests' fakes provide it."""

    @property
    def name(self) -> str:
        """Short name for people."""

    @property
    def identity(self) -> ModelIdentity:
        """What a calibrator is matched against."""

    def generate(
        self,
        messages: Sequence[Message],
        *,
        max_new_tokens: int = ...,
        temperature: float = ...,
        top_p: float = ...,
        seed: int | None = ...,
        stop: Sequence[str] = ...,
    ) -> Generation:
        """Answer a conversation."""

    def generate_batch(self, conversations: Sequence[Sequence[Message]], sampling: Any) -> list[Generation]:
        """Answer several conversations in one padded batch; ``sampling`` is a ``models.decoding.Sampling``."""

    def sample(
        self,
        messages: Sequence[Message],
        n: int = ...,
        *,
        max_new_tokens: int = ...,
        temperature: float = ...,
        top_p: float = ...,
        seed: int | None = ...,
        stop: Sequence[str] = ...,
        answer: Generation | None = ...,
        after: int = ...,
    ) -> list[Generation]:
        """Answer a conversation N times, independently; of these the ones after the first ``after``."""

    def choice_logits(
        self,
        messages: Sequence[Message],
        choices: Sequence[str],
        answer: Generation | None = ...,
        *,
        rotations: int = ...,
    ) -> OptionScores:
        """Read the options' logits at the answer position, of the answer's own pass if it is given.

        With ``rotations`` above 1 they are the mean over so many orders of the options.
        """

    def choice_logits_batch(
        self, conversations: Sequence[Sequence[Message]], choices: Sequence[str]
    ) -> Sequence[OptionScores]:
        """Read the options' logits of several conversations with the same options."""

    def self_check_batch(
        self, pairs: Sequence[tuple[Sequence[Message], Generation | str]], *, questions: Sequence[str] = ...
    ) -> list[OptionScores]:
        """Ask the model of each (conversation, answer) pair whether the answer is right; options ``("yes", "no")``.

        ``questions`` may ask something else of each pair, such as whether one field of the answer is right.
        """

    def spelled(self, answer: Generation) -> Any:
        """The answer token by token: a ``models.fields.SpelledAnswer``."""
