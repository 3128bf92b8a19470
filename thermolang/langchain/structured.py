"""Answers of a given form: JSON of a schema, or calls of given tools, by constrained decoding.

LangChain asks for a form in three ways: ``with_structured_output``, ``bind_tools(tool_choice=...)`` and the
``response_format`` of agents. All three become a ``Form``: a grammar, what the model is told of it, and how the answer
is read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from operator import itemgetter
from typing import Any, TypeVar

from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.output_parsers import BaseCumulativeTransformOutputParser
from langchain_core.outputs import ChatGeneration
from langchain_core.outputs import Generation as LangChainGeneration
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_json_schema, convert_to_openai_tool
from langchain_core.utils.json import parse_partial_json
from pydantic import BaseModel, SkipValidation

from thermolang.answers.json_schema import holds_itself
from thermolang.errors import InvalidInputError, complaint
from thermolang.fields import StructuredAnswer
from thermolang.models.constrained import Grammar, call_grammar, either_grammar, json_grammar
from thermolang.models.local import LocalModel
from thermolang.models.prompts import call_messages, json_messages
from thermolang.models.tool_calls import Parsed
from thermolang.types import Generation, Message

AnyCall = TypeVar("AnyCall")

ANY_OBJECT: dict[str, Any] = {"type": "object"}
"""The form of ``method="json_mode"``: any JSON object."""

FORM_OPTIONS = ("tools", "tool_choice", "parallel_tool_calls", "strict", "response_format", "answer_tools")
"""Options of a call that say which form its answer has; ``answer_tools`` are names of tools that nothing executes."""


@dataclass(frozen=True)
class Form:
    """The form that an answer must have.

    Attributes:
        grammar: The same for the decoder.
        schema: Of an answer that is JSON; None where it must be a call.
        calls: Schemas of the arguments by the names of the tools, of which one must be called.
        answers: Names of those tools whose arguments are the answer, as nothing executes them.
        beside_tools: Whether the model may also call a tool in its own way, in place of the JSON.
    """

    grammar: Grammar
    schema: Mapping[str, Any] | None = None
    calls: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    answers: frozenset[str] = frozenset()
    beside_tools: bool = False

    def parsed(self, answer: Generation) -> Parsed | None:
        """What an answer says and calls; None where it is in the model's own words."""
        if self.calls:
            calls = _calls(answer.text)
            return Parsed("", calls) if calls else Parsed("", broken=[answer.text])
        if self.beside_tools and not answer.text.startswith("{"):
            return None
        return Parsed(answer.text)

    def structured(self, messages: Sequence[Message], answer: Generation) -> StructuredAnswer | None:
        """The answer as one whose fields can be scored; None for a call that something executes."""
        if not self.calls:
            return None if self.parsed(answer) is None else StructuredAnswer(messages, answer, self.schema)
        calls = _calls(answer.text)
        if len(calls) > 1 or (calls and calls[0][0] not in self.answers) or not (calls or self.answers):
            return None
        if not calls:  # it was cut
            return StructuredAnswer(messages, answer)
        start = answer.text.index(_ARGUMENTS) + len(_ARGUMENTS)
        return StructuredAnswer(messages, answer, self.calls[calls[0][0]], start)


_ARGUMENTS = '"arguments": '


def _calls(text: str) -> list[tuple[str, dict[str, Any]]]:
    """The calls of an answer whose form is one call in each line; none if it was cut."""
    try:
        found = [json.loads(line) for line in text.splitlines()]
        return [(call["name"], call["arguments"]) for call in found]
    except ValueError:
        return []


def formed(call: AnyCall, given: Mapping[str, Any], model: LocalModel) -> AnyCall:
    """A call (with ``messages`` and ``tools``) with its form, and with what the model must be told of it.

    Args:
        call: As it is without a form.
        given: Options of the call.
        model: Answers it.

    Raises:
        InvalidInputError: The form cannot be enforced.
    """
    tools, choice = given.get("tools") or (), given.get("tool_choice")
    if choice == "none":
        return _with(call, tools=())
    schema = response_schema(given.get("response_format"))
    if choice not in (None, "auto"):
        form = forced(
            tools, choice, several=bool(given.get("parallel_tool_calls")), answers=given.get("answer_tools", ())
        )
        told = [tool for tool in tools if tool["function"]["name"] in form.calls]
        if model.rules.tools is None:
            return _with(call, form=form, tools=(), messages=call_messages(_messages(call), told))
        return _with(call, form=form, tools=tuple(told))
    if schema is None:
        return call
    untold = given["response_format"]["type"] == "json_object"
    messages = _messages(call) if untold else json_messages(_messages(call), schema)
    grammar = json_grammar_of(_text(schema))
    if tools:
        grammar = either_grammar(schema, model.call_form.begin, model.encode)
    return _with(call, form=Form(grammar, schema, beside_tools=bool(tools)), messages=messages)


def forced(
    tools: Sequence[Mapping[str, Any]], choice: str, *, several: bool = False, answers: Sequence[str] = ()
) -> Form:
    """The form of a call of one of the tools, or of the one named.

    Raises:
        InvalidInputError: There is no such tool, or its arguments have no form that can be enforced.
    """
    schemas = {t["function"]["name"]: t["function"].get("parameters") or ANY_OBJECT for t in tools}
    wanted = schemas if choice == "any" else {name: s for name, s in schemas.items() if name == choice}
    if not wanted:
        msg = f"tool_choice={choice!r} is none of the tools {list(schemas)}: give one of these, 'any', 'auto' or 'none'"
        raise InvalidInputError(msg)
    grammar = call_grammar_of(_text(wanted), several)
    return Form(grammar, calls=wanted, answers=frozenset(answers) & wanted.keys())


def tool_options(
    tools: Sequence[Any],
    *,
    tool_choice: Any = None,
    strict: Any = None,
    parallel_tool_calls: Any = None,
    **options: Any,
) -> dict[str, Any]:
    """Options of calls with tools; what cannot be enforced is refused here, before a call.

    Raises:
        InvalidInputError: There is no such tool, or something is asked for that cannot be enforced.
    """
    choice, described = checked_choice(tool_choice), [tool_of(tool) for tool in tools]
    schema = response_schema(options.get("response_format"))
    check_tool_options(choice, strict=strict, parallel=parallel_tool_calls, schema=schema)
    answers = [d["function"]["name"] for t, d in zip(tools, described, strict=True) if nobody_executes(t)]
    found = {"tools": described, "answer_tools": answers, **options}
    if choice:
        found["tool_choice"] = choice
    if parallel_tool_calls:
        found["parallel_tool_calls"] = True
    if choice not in (None, "auto", "none"):
        forced(described, choice, several=bool(parallel_tool_calls))
    elif schema is not None:
        json_grammar_of(_text(schema))
    return found


def structured_options(schema: Any, method: str, **options: Any) -> dict[str, Any]:
    """Options of calls whose answers have a schema.

    Raises:
        InvalidInputError: The schema is none, or cannot be enforced; or the method is unknown.
    """
    if method not in ("json_schema", "function_calling", "json_mode"):
        msg = f"method is 'json_schema', 'function_calling' or 'json_mode', not {method!r}"
        raise InvalidInputError(msg)
    if schema is None and method != "json_mode":
        msg = f"method={method!r} needs a schema: give one, or use method='json_mode' for any JSON object"
        raise InvalidInputError(msg)
    told = ANY_OBJECT if schema is None else schema_of(schema)
    noted = {"kwargs": {"method": method}, "schema": as_noted(schema, told)}
    options = {**options, "ls_structured_output_format": noted}
    if method == "function_calling":
        name = tool_of(schema)["function"]["name"]
        return tool_options([schema], tool_choice=name, **options) | {"answer_tools": [name]}
    json_grammar_of(_text(told))
    if method == "json_mode":
        return {**options, "response_format": {"type": "json_object", "schema": told}}
    return {
        **options,
        "response_format": {"type": "json_schema", "json_schema": {"name": told["title"], "schema": told}},
    }


def checked_choice(choice: Any) -> str | None:
    """A tool choice in one of the forms that LangChain's models take, as None, "auto", "any", "none" or a name."""
    if isinstance(choice, Mapping):
        choice = (choice.get("function") or choice).get("name")
    if choice is True or choice == "required":
        return "any"
    if choice is False or choice is None:
        return None
    if not isinstance(choice, str):
        msg = f"tool_choice is 'auto', 'any', 'none' or the name of a tool, not {choice!r}"
        raise InvalidInputError(msg)
    return choice


def check_tool_options(choice: str | None, *, strict: bool | None, parallel: bool | None, schema: Any) -> None:
    """Refuse what cannot be enforced where the model decides by itself whether it calls a tool.

    Raises:
        InvalidInputError: ``strict`` or one call at a time is asked for without a ``tool_choice`` that demands a call.
    """
    if choice not in (None, "auto"):
        return
    if parallel is False:
        msg = "parallel_tool_calls=False holds for calls that tool_choice demands; others are the model's own"
        raise InvalidInputError(f"{msg}: leave it out, or give tool_choice")
    if strict and schema is None:
        msg = (
            "strict=True holds for calls that tool_choice demands; others are the model's own, and are read as they are"
        )
        raise InvalidInputError(f"{msg}: leave it out, or give tool_choice")


def response_schema(response_format: Any) -> dict[str, Any] | None:
    """The JSON schema in OpenAI's ``response_format``; None for text.

    Raises:
        InvalidInputError: It is of no known form.
    """
    kind = response_format.get("type") if isinstance(response_format, Mapping) else response_format
    if kind in (None, "text"):
        return None
    if kind == "json_object":
        return dict(response_format.get("schema") or ANY_OBJECT)
    schema = response_format.get("json_schema", {}).get("schema") if kind == "json_schema" else None
    if not isinstance(schema, dict):
        msg = (
            "response_format is {'type': 'json_schema', 'json_schema': {'name': ..., 'schema': {...}}}, or of the type "
        )
        raise InvalidInputError(f"{msg}'json_object' or 'text', not {response_format!r}")
    return schema


def schema_of(schema: Any) -> dict[str, Any]:
    """The JSON schema of a pydantic model, a TypedDict, an OpenAI tool or a JSON schema, with its name as the title.

    Raises:
        InvalidInputError: It is none of these.
    """
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        # With references, as some hold themselves; those have no title.
        return {"title": schema.__name__, **schema.model_json_schema()}
    if isinstance(schema, Mapping) and "function" not in schema and "parameters" not in schema:
        return {"title": "Answer", **schema}
    try:
        return convert_to_json_schema(schema)
    except Exception as error:  # what LangChain raises for a thing of another kind
        msg = f"a schema is a pydantic model, a TypedDict or a JSON schema, not {schema!r}: {error}"
        raise InvalidInputError(msg) from error


def as_noted(schema: Any, told: dict[str, Any]) -> dict[str, Any]:
    """A schema as LangChain's tracers are told of it."""
    try:
        return convert_to_json_schema(schema)
    except Exception:  # a schema that LangChain cannot convert, such as one that holds itself
        return told


def tool_of(tool: Any) -> dict[str, Any]:
    """A tool in OpenAI's form."""
    found = convert_to_openai_tool(tool)
    if isinstance(tool, type) and issubclass(tool, BaseModel):
        schema = tool.model_json_schema()
        if holds_itself(schema, schema):  # LangChain would let anything stand there
            parameters = {key: value for key, value in schema.items() if key not in ("title", "description")}
            return {**found, "function": {**found["function"], "parameters": parameters}}
    return found


def nobody_executes(tool: Any) -> bool:
    """Whether the arguments of a tool are the answer: it is a schema, or the tool that agents make of one."""
    if isinstance(tool, BaseTool):
        return getattr(tool, "func", "none") is None and getattr(tool, "coroutine", "none") is None
    return isinstance(tool, type)


class AnswerParser(BaseCumulativeTransformOutputParser[Any]):
    """Makes the object of a structured answer; one that was cut is an error that carries its text.

    Attributes:
        of: The pydantic model or TypedDict; None for a plain dict.
    """

    of: SkipValidation[Any] = None

    def parse_result(self, result: list[LangChainGeneration], *, partial: bool = False) -> Any:
        """Parse a message; of a stream that goes on, what a dict holds so far."""
        message = result[0].message if isinstance(result[0], ChatGeneration) else AIMessage(result[0].text)
        finish = message.response_metadata.get("finish_reason")
        if partial and finish is None:
            return self._so_far(str(message.text)) if self.of is None else None
        text = answer_text(message)
        if finish == "length":
            msg = "the answer was cut before it was complete: allow more tokens (max_tokens)"
            raise OutputParserException(f"{msg}. It begins: {text}", llm_output=text)
        try:
            return self._made(json.loads(text))
        except ValueError as error:
            msg = f"the answer does not validate: {complaint(error)}. It is: {text}"
            raise OutputParserException(msg, llm_output=text) from error

    def parse(self, text: str) -> Any:
        """Parse the text of a message."""
        return self.parse_result([LangChainGeneration(text=text)])

    def _so_far(self, text: str) -> Any:
        try:
            return parse_partial_json(text) if text else None
        except ValueError:
            return None

    def _made(self, value: Any) -> Any:
        if self.of is None:
            return value
        if issubclass(self.of, BaseModel):
            return self.of.model_validate(value)
        # pydantic's models of version 1
        return self.of.parse_obj(value)


def with_parser(model: Runnable[Any, Any], parser: AnswerParser, *, include_raw: bool) -> Runnable[Any, Any]:
    """The model with its parser behind it, in the shape that LangChain's models have."""
    if not include_raw:
        return model | parser
    parsed = RunnablePassthrough.assign(parsed=itemgetter("raw") | parser, parsing_error=lambda _: None)
    failed = RunnablePassthrough.assign(parsed=lambda _: None)
    return RunnableMap(raw=model) | parsed.with_fallbacks([failed], exception_key="parsing_error")


def parser_for(schema: Any) -> AnswerParser:
    """Pydantic models become objects, everything else plain dicts, as LangChain does."""
    is_model = isinstance(schema, type) and (issubclass(schema, BaseModel) or hasattr(schema, "parse_obj"))
    return AnswerParser(of=schema if is_model else None)


def answer_text(answer: Any) -> str:
    """The text of an answer: JSON of an object, and of the arguments of a call without words."""
    if isinstance(answer, BaseModel) and not isinstance(answer, BaseMessage):
        return answer.model_dump_json()
    calls = getattr(answer, "tool_calls", None)
    if calls and not str(answer.text):
        answer = calls[0]["args"]
    if isinstance(answer, dict | list):
        return json.dumps(answer, ensure_ascii=False, default=str)
    return str(answer.text if isinstance(answer, BaseMessage) else answer)


@lru_cache(maxsize=64)
def json_grammar_of(schema: str) -> Grammar:
    """``json_grammar`` of a schema as text; checking one takes a few milliseconds."""
    return json_grammar(json.loads(schema))


@lru_cache(maxsize=64)
def call_grammar_of(schemas: str, several: bool) -> Grammar:
    """``call_grammar`` of schemas as text."""
    return call_grammar(json.loads(schemas), several=several)


def _text(schema: Any) -> str:
    return json.dumps(schema, ensure_ascii=False)


def _messages(call: Any) -> list[Message]:
    return list(call.messages)


def _with(call: AnyCall, **changes: Any) -> AnyCall:
    asked = tuple(_messages(call))
    changed: AnyCall = replace(call, asked=asked, **changes)  # type: ignore[type-var]  # any dataclass
    return changed
