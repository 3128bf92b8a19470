"""One call of the chat model: its options, the confidences of its answers, and the messages they become."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import invalid_tool_call, tool_call, tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk

from thermolang.errors import InvalidInputError
from thermolang.langchain.messages import CALLS_TOOLS, Scoring
from thermolang.langchain.structured import FORM_OPTIONS, Form
from thermolang.models.decoding import Sampling
from thermolang.models.local import LocalModel
from thermolang.models.tool_calls import Parsed, new_call_id, visible
from thermolang.types import Confidence, Generation, Message, Reason

OPTIONS = ("temperature", "top_p", "max_tokens", "seed", "timeout", "n", "logprobs")
"""Of a call and of the chat model, besides `stop`."""
_MEANT_FOR_OTHERS = ("stream", "ls_structured_output_format", "structured_output_format", *FORM_OPTIONS)
ALIASES = {"max_new_tokens": "max_tokens", "stop_sequences": "stop"}
"""Hugging Face's names for some options."""

_ALWAYS = {"skip_prompt": True, "return_full_text": False}

Answered = tuple[Generation, Confidence | None]


@dataclass(frozen=True)
class Call:
    """One conversation and how it is to be answered.

    Attributes:
        unread: What of it the model cannot read, if anything.
        asked: The conversation without what the model is told of a form; empty if it is told nothing.
        run: The callback manager of the run that the call is.
    """

    messages: list[Message]
    sampling: Sampling
    n: int = 1
    logprobs: bool = False
    tools: tuple[dict[str, Any], ...] = ()
    form: Form | None = None
    unread: str = ""
    asked: tuple[Message, ...] = ()
    run: Any = field(default=None, compare=False, repr=False)

    @property
    def seeds(self) -> list[int | None]:
        """One for each answer; consecutive ones, so that the n answers differ."""
        seed = self.sampling.seed
        return [None if seed is None else seed + i for i in range(self.n)]

    @property
    def together(self) -> tuple[Any, ...]:
        """Calls for which this is equal may share a batch."""
        # Each answer has a seed of its own, so seeds may differ within a batch; dicts of tools have no hash.
        return replace(self.sampling, seed=None), repr(self.tools)


def call_of(
    messages: list[Message], defaults: Mapping[str, Any], stop: Sequence[str], given: Mapping[str, Any]
) -> Call:
    """A call with the model's own options where none are given.

    Raises:
        InvalidInputError: An option is unknown: it would be ignored.
        ModelError: An option means nothing, such as a negative temperature.
    """
    given = renamed(given)
    check_options({k: v for k, v in given.items() if k not in _MEANT_FOR_OTHERS}, ["stop", *OPTIONS])
    used = {name: given.get(name, defaults[name]) for name in OPTIONS}
    if not isinstance(used["n"], int) or used["n"] < 1:
        msg = f"n is a number of answers, at least 1, not {used['n']!r}"
        raise InvalidInputError(msg)
    stop = given.get("stop") or stop
    ends = (stop,) if isinstance(stop, str) else tuple(stop)
    sampling = Sampling(
        used["max_tokens"], used["temperature"], used["top_p"], used["seed"], ends, timeout=used["timeout"]
    )
    return Call(messages, sampling, used["n"], bool(used["logprobs"]), tuple(given.get("tools") or ()))


def renamed(given: Mapping[str, Any]) -> dict[str, Any]:
    """Options under this class's names; those of Hugging Face that ask for what is always done are left out.

    Raises:
        InvalidInputError: One is given under both names, or asks for the contrary.
    """
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name in _ALWAYS:
            if value is not _ALWAYS[name]:
                msg = f"{name}={value!r} is not possible: the prompt is never part of an answer; leave it out"
                raise InvalidInputError(msg)
            continue
        if ALIASES.get(name, name) in found or (name in ALIASES and ALIASES[name] in given):
            msg = f"{name} and {ALIASES.get(name, name)} are one option: give it once"
            raise InvalidInputError(msg)
        found[ALIASES.get(name, name)] = value
    return found


def check_options(given: Mapping[str, Any], known: Sequence[str], *, shown: Sequence[str] = (), hint: str = "") -> None:
    """Refuse a name that would be ignored.

    Args:
        given: Options of a call or of a new chat model.
        known: Names that are taken.
        shown: Those of them that the error lists; all by default.
        hint: What else to do.

    Raises:
        InvalidInputError: There is one.
    """
    unknown = sorted(set(given) - set(known))
    if unknown:
        msg = f"ChatThermolang does not know {', '.join(unknown)}; it knows {', '.join(sorted(shown or known))}{hint}"
        raise InvalidInputError(msg)


def scored(
    scoring: Scoring | None, calls: Sequence[Call], answers: Sequence[Sequence[Generation]], model: LocalModel
) -> list[list[Answered]]:
    """The answers of each call with their confidences, all computed at once; one that calls tools is not scored."""
    if scoring is None:
        return [[(answer, None) for answer in found] for found in answers]
    flat = [(call, answer) for call, found in zip(calls, answers, strict=True) for answer in found]
    forms = [call.form.structured(call.messages, answer) if call.form else None for call, answer in flat]
    reasons = [
        None if form else why_unscored(call, answer, model) for form, (call, answer) in zip(forms, flat, strict=True)
    ]
    free = zip(flat, forms, reasons, strict=True)
    pairs = [(call.messages, answer) for (call, answer), form, reason in free if form is None and reason is None]
    confidences = iter(scoring.confidences(pairs) if pairs else [])
    structured = iter(scoring.structured([form for form in forms if form]) if any(forms) else [])
    task = scoring.task or ""
    # Answers without a confidence get the reason in its place, the others the next of the confidences of their kind.
    rest = iter(
        [
            next(structured) if form else Confidence.missing(reason, task=task) if reason else next(confidences)
            for form, reason in zip(forms, reasons, strict=True)
        ]
    )
    return [[(answer, next(rest)) for answer in found] for found in answers]


def why_unscored(call: Call, answer: Generation, model: LocalModel) -> Reason | None:
    """Why an answer cannot have a confidence, as far as it is known without a forward pass."""
    if call.unread:
        return Reason("model_error", call.unread)
    parsed = parsed_answer(call, answer, model)
    return CALLS_TOOLS if parsed.calls else parsed.reason(cut=answer.finish_reason == "length")


def parsed_answer(call: Call, answer: Generation, model: LocalModel) -> Parsed:
    """An answer and the tool calls in it; without tools there are none."""
    parsed = call.form.parsed(answer) if call.form else None
    if parsed is not None:
        return parsed
    return model.parse(call.messages, answer.text, call.tools) if call.tools else Parsed(answer.text)


def answer_message(call: Call, answered: Answered, model: LocalModel, scoring: Scoring | None) -> AIMessage:
    """A finished answer as a message."""
    generation, confidence = answered
    parsed = parsed_answer(call, generation, model)
    why = parsed.reason(cut=generation.finish_reason == "length")
    message = AIMessage(
        content=generation.text if parsed.broken else parsed.text,
        tool_calls=[tool_call(name=name, args=arguments, id=new_call_id()) for name, arguments in parsed.calls],
        invalid_tool_calls=[
            invalid_tool_call(name=None, args=text, id=None, error=why.text if why else None) for text in parsed.broken
        ],
        usage_metadata=UsageMetadata(**generation.usage),  # type: ignore[typeddict-item]  # its keys are these
        response_metadata=_metadata(call, generation, model, calls_tools=bool(parsed.calls)),
    )
    if confidence is not None and scoring is not None:
        scoring.write(message, confidence, call.asked or call.messages, call.run)
    return message


def answer_chunk(call: Call, answered: Answered, model: LocalModel, scoring: Scoring | None) -> ChatGenerationChunk:
    """The last chunk of a stream: everything but the text that has been yielded."""
    whole = answer_message(call, answered, model, scoring)
    calls = [
        tool_call_chunk(name=c["name"], args=json.dumps(c["args"], ensure_ascii=False), id=c["id"], index=i)
        for i, c in enumerate(whole.tool_calls)
    ]
    # What has been held back as a call, or as the beginning of one, and is none.
    shown = "" if call.form and call.form.calls else visible(answered[0].text, model.family)
    yielded = shown if call.tools or (call.form and call.form.calls) else str(whole.content)
    held_back = str(whole.content)[len(yielded) :]
    message = AIMessageChunk(
        content=held_back,
        tool_call_chunks=calls,
        usage_metadata=whole.usage_metadata,
        response_metadata=whole.response_metadata,
        chunk_position="last",
    )
    return ChatGenerationChunk(message=message)


def _metadata(call: Call, generation: Generation, model: LocalModel, *, calls_tools: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        "model_name": model.name,
        "model_provider": "thermolang",
        "finish_reason": "tool_calls" if calls_tools else generation.finish_reason,
    }
    if call.logprobs:
        pairs = zip(generation.token_ids, generation.logprobs, strict=True)
        found["logprobs"] = {"content": [{"token": model.token(i), "logprob": value} for i, value in pairs]}
    return found
