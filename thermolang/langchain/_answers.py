"""Between LangChain's calls and results and a LocalModel's: options of a call, messages and chunks of an answer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import invalid_tool_call, tool_call, tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk

from thermolang.errors import InvalidInputError
from thermolang.langchain.scoring import CALLS_TOOLS, Scoring
from thermolang.models.decoding import Sampling
from thermolang.models.local import LocalModel
from thermolang.models.tools import Parsed, parse
from thermolang.types import Confidence, Generation, Message

OPTIONS = ("temperature", "top_p", "max_tokens", "seed", "n", "logprobs")
_MEANT_FOR_OTHERS = ("tools", "stream", "ls_structured_output_format", "structured_output_format", "tool_choice")

Answered = tuple[Generation, Confidence | None]


@dataclass(frozen=True)
class Call:
    """One conversation and how it is to be answered."""

    messages: list[Message]
    sampling: Sampling
    n: int = 1
    logprobs: bool = False
    tools: tuple[dict[str, Any], ...] = ()

    @property
    def seeds(self) -> list[int | None]:
        """One for each answer."""
        seed = self.sampling.seed
        return [None if seed is None else seed + i for i in range(self.n)]

    @property
    def together(self) -> tuple[Any, ...]:
        """Calls with the same of these may share a batch."""
        return replace(self.sampling, seed=None), repr(self.tools)


def call_of(
    messages: list[Message], defaults: Mapping[str, Any], stop: Sequence[str], given: Mapping[str, Any]
) -> Call:
    """A call with the model's own options where none are given.

    Raises:
        InvalidInputError: An option is unknown: it would be ignored.
        ModelError: An option means nothing, such as a negative temperature.
    """
    check_options({k: v for k, v in given.items() if k not in _MEANT_FOR_OTHERS}, ["stop", *OPTIONS])
    used = {name: given.get(name, defaults[name]) for name in OPTIONS}
    if not isinstance(used["n"], int) or used["n"] < 1:
        msg = f"n is a number of answers, at least 1, not {used['n']!r}"
        raise InvalidInputError(msg)
    ends = (stop,) if isinstance(stop, str) else tuple(stop)
    sampling = Sampling(used["max_tokens"], used["temperature"], used["top_p"], used["seed"], ends)
    return Call(messages, sampling, used["n"], bool(used["logprobs"]), tuple(given.get("tools") or ()))


def check_options(given: Mapping[str, Any], known: Sequence[str]) -> None:
    """Refuse a name that would be ignored.

    Raises:
        InvalidInputError: There is one.
    """
    unknown = sorted(set(given) - set(known))
    if unknown:
        msg = f"ChatThermolang does not know {', '.join(unknown)}; it knows {', '.join(sorted(known))}"
        raise InvalidInputError(msg)


def scored(
    scoring: Scoring | None, calls: Sequence[Call], answers: Sequence[Sequence[Generation]]
) -> list[list[Answered]]:
    """The answers of each call with their confidences, all computed at once; one that calls tools is not scored."""
    if scoring is None:
        return [[(answer, None) for answer in found] for found in answers]
    flat = [(call, answer) for call, found in zip(calls, answers, strict=True) for answer in found]
    speaks = [not (call.tools and parse(answer.text).calls) for call, answer in flat]
    pairs = [(call.messages, answer) for (call, answer), wanted in zip(flat, speaks, strict=True) if wanted]
    confidences = iter(scoring.confidences(pairs) if pairs else [])
    unsaid = Confidence(None, task=scoring.task or "", reason=CALLS_TOOLS)
    rest = iter([next(confidences) if wanted else unsaid for wanted in speaks])
    return [[(answer, next(rest)) for answer in found] for found in answers]


def answer_message(call: Call, answered: Answered, model: LocalModel, scoring: Scoring | None) -> AIMessage:
    """A finished answer as a message."""
    generation, confidence = answered
    parsed = parse(generation.text) if call.tools else Parsed(generation.text)
    message = AIMessage(
        content=generation.text if parsed.broken else parsed.text,
        tool_calls=[tool_call(name=n, args=a, id=f"call_{i}") for i, (n, a) in enumerate(parsed.calls)],
        invalid_tool_calls=[
            invalid_tool_call(name=None, args=text, id=None, error="this is no JSON call") for text in parsed.broken
        ],
        usage_metadata=UsageMetadata(**generation.usage),  # type: ignore[typeddict-item]  # its keys are these
        response_metadata=_metadata(call, generation, model, calls_tools=bool(parsed.calls)),
    )
    if confidence is not None and scoring is not None:
        scoring.write(message, confidence, call.messages)
    return message


def answer_chunk(call: Call, answered: Answered, model: LocalModel, scoring: Scoring | None) -> ChatGenerationChunk:
    """The last chunk of a stream: everything but the text that has been yielded."""
    whole = answer_message(call, answered, model, scoring)
    calls = [
        tool_call_chunk(name=c["name"], args=json.dumps(c["args"], ensure_ascii=False), id=c["id"], index=i)
        for i, c in enumerate(whole.tool_calls)
    ]
    # A broken call has been held back like a whole one, but chunks would make a call of it again.
    held_back = str(whole.content)[len(parse(str(whole.content)).text) :] if whole.invalid_tool_calls else ""
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
