"""Tool calls in an answer: the forms in which chat models write them, as one table, and what they say beside them."""

from __future__ import annotations

import json
import re
import secrets
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from thermolang.errors import InvalidInputError
from thermolang.models.families import DEFAULT, Family
from thermolang.types import Reason

FunctionCall: TypeAlias = tuple[str, dict[str, Any]]
"""The name of a function and its arguments."""

Schemas: TypeAlias = Mapping[str, Mapping[str, Any]]
"""From the name of a function to the JSON schemas of its parameters, by their names."""

IS_A_CALL = Reason("calls_tools", "the answer is a call of a tool, which is neither right nor wrong")
CUT_CALL = Reason("unfinished", "the answer ended within a tool call: allow more tokens (max_tokens)")
BROKEN_CALL = Reason(
    "invalid_call", "the answer calls a tool in a form that cannot be read: ask again, or use a larger model"
)

ID_LENGTH = 9
"""Characters of a call's id; Mistral's templates demand letters and digits, nine of them."""

# Where a call written as bare JSON begins: an object, or a list of them, whose first key is one of a call's.
_KEYS = "name|type|function|tool_name|id|tool_call_id|arguments|parameters"
_BARE = re.compile(rf'(?:```json)?\s*\[?\s*\{{\s*"(?:{_KEYS})"\s*:')
# As far as it may go where the token limit falls early.
_BARE_BEGUN = re.compile(r'(?:```json)?\s*\[?\s*\{\s*(?:"[a-z_]*"?)?')
_BARE_STARTS = ("{", "[", "```json")
_FENCED = re.compile(r"\s*```(?:json)?\s*(.*?)\s*(?:```)?\s*", re.DOTALL)
_PARAMETER = re.compile(r"<parameter=([^>]+)>\n?(.*?)\n?(?:</parameter>|(?=<parameter=)|$)", re.DOTALL)
# DeepSeek writes its special tokens with a full-width bar and a lower block for a blank.
_DEEPSEEK_BEGIN, _DEEPSEEK_SEPARATOR, _DEEPSEEK_END = (
    f"<\uff5ctool\u2581{words}\uff5c>" for words in ("call\u2581begin", "sep", "call\u2581end")
)
_DEEPSEEK = re.compile(f"{_DEEPSEEK_BEGIN}(.*?){_DEEPSEEK_SEPARATOR}(.*?)(?:{_DEEPSEEK_END}|$)", re.DOTALL)
_NAMED = re.compile(r"\s*([^\s\[{]+)\s*(?:\[CALL_ID\][^\[]*)?\[ARGS\]")


def new_call_id() -> str:
    """A random id for a call: nine letters and digits."""
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(ID_LENGTH))


def json_calls(text: str, schemas: Schemas) -> list[FunctionCall]:
    """Read calls written as JSON: one object, several after each other, or lists of them.

    Raises:
        ValueError: Something else stands there.

    >>> json_calls('{"name": "add", "arguments": {"a": 1}}; {"name": "now"}', {})
    [('add', {'a': 1}), ('now', {})]
    """
    found: list[FunctionCall] = []
    for value in _values(text):
        found += [_json_call(one) for one in (value if isinstance(value, list) else [value])]
    if not found:
        msg = "expected a JSON object with a name and arguments, found nothing"
        raise InvalidInputError(msg)
    return found


def tagged_calls(text: str, schemas: Schemas) -> list[FunctionCall]:
    """Read what stands between Hermes' tags: JSON, or Qwen3-Coder's ``<function=...>``."""
    first, *others = text.split("<function=")
    if first.strip() or not others:
        return json_calls(text, schemas)
    return [call for other in others for call in function_tag_calls(other, schemas)]


def function_tag_calls(text: str, schemas: Schemas) -> list[FunctionCall]:
    r"""Read a call of Qwen3-Coder from behind its ``<function=``; values are read as its parameters' types say.

    >>> function_tag_calls("add>\n<parameter=a>\n1\n</parameter>", {"add": {"a": {"type": "integer"}}})
    [('add', {'a': 1})]
    """
    name, bracket, body = text.partition(">")
    body, ended, _ = body.partition("</function>")
    if not bracket or not name.strip() or not (ended or body.rstrip().endswith("</parameter>") or not body.strip()):
        msg = f"expected name>, parameters and </function>, got {text!r}"
        raise InvalidInputError(msg)
    types = schemas.get(name.strip(), {})
    values = {key.strip(): value for key, value in _PARAMETER.findall(body)}
    return [(name.strip(), {key: _typed(value, types.get(key, {})) for key, value in values.items()})]


def mistral_calls(text: str, schemas: Schemas) -> list[FunctionCall]:
    """Read Mistral's calls: a JSON list, or since 2025 a name and ``[ARGS]``.

    >>> mistral_calls('add[ARGS]{"a": 1}', {})
    [('add', {'a': 1})]
    """
    named = _NAMED.match(text)
    if not named:
        return json_calls(text, schemas)
    return [(named[1], _arguments(json.loads(text[named.end() :], strict=False)))]


def deepseek_calls(text: str, schemas: Schemas) -> list[FunctionCall]:
    """Read DeepSeek's calls: the name before its separator, or the word "function" there and the name behind it."""
    found: list[FunctionCall] = []
    for before, after in _DEEPSEEK.findall(text):
        if before.strip() == "function":
            name, _, written = after.strip().partition("\n")
        else:
            name, written = before, after
        fenced = _FENCED.fullmatch(written)
        found.append((name.strip(), _arguments(fenced[1] if fenced else written)))
    if not found:
        msg = f"expected a name, a separator and arguments, got {text!r}"
        raise InvalidInputError(msg)
    return found


@dataclass(frozen=True)
class CallForm:
    """One way in which models write tool calls.

    Attributes:
        begin: Written before a call.
        end: Written after it; empty if a call goes on to the next ``begin`` or to the end of the answer.
        read: From the text between them, and the functions' schemas, to the calls; raises ValueError for what is none.
        within: Other special tokens of this form, which must not be lost when an answer is decoded.
        as_list: Whether several calls are one JSON list when they are written back into a conversation.
    """

    begin: str
    end: str = ""
    read: Callable[[str, Schemas], list[FunctionCall]] = json_calls
    within: tuple[str, ...] = ()
    as_list: bool = False


HERMES = CallForm("<tool_call>", "</tool_call>", tagged_calls)

CALL_FORMS: list[CallForm] = [
    HERMES,  # Qwen, SmolLM3, Granite 4, most ChatML models
    CallForm("<function=", "</function>", function_tag_calls),  # Qwen3-Coder where it forgets the tag around
    CallForm("[TOOL_CALLS]", read=mistral_calls, within=("[ARGS]", "[CALL_ID]"), as_list=True),
    CallForm("<|tool_call|>", "<|/tool_call|>", as_list=True),  # Granite 3, Phi-4-mini
    CallForm("functools[", read=lambda text, schemas: json_calls("[" + text, schemas)),  # Phi-4-mini
    CallForm("<|python_tag|>", within=("<|eom_id|>",)),  # Llama 3
    CallForm(
        "<\uff5ctool\u2581calls\u2581begin\uff5c>",
        "<\uff5ctool\u2581calls\u2581end\uff5c>",
        deepseek_calls,
        within=(_DEEPSEEK_BEGIN, _DEEPSEEK_SEPARATOR, _DEEPSEEK_END),
    ),
    CallForm("<|START_ACTION|>", "<|END_ACTION|>", as_list=True),  # Command R7B
    CallForm("Action: ```json", "```", as_list=True),  # Command R
    CallForm("Action:```json", "```", as_list=True),
]
"""Every form is looked for in every model's answers: fine-tuned models write those of others. Calls as bare JSON, which
Llama 3 writes and all whose marks were lost in decoding, are read beside this table."""


def form_of(template: str) -> CallForm:
    """The form that a chat template speaks of, else Hermes'."""
    return next((form for form in CALL_FORMS if form.begin in template), HERMES)


def written(calls: Sequence[FunctionCall], form: CallForm) -> str:
    """Calls as a model writes them."""
    objects = [json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False) for name, arguments in calls]
    parts = [f"[{', '.join(objects)}]"] if form.as_list else objects
    return "\n".join(f"{form.begin}{part}{form.end}" for part in parts)


@dataclass(frozen=True)
class Parsed:
    """An answer, and the tool calls in it.

    Attributes:
        text: What is said beside the calls, thoughts included.
        calls: Name and arguments of each call.
        broken: What stands where a call should, but is none.
    """

    text: str
    calls: list[FunctionCall] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def reason(self, *, cut: bool) -> Reason | None:
        """Why this is no answer that could be right or wrong; None if it is one.

        Args:
            cut: Whether it ended at the token limit.
        """
        if self.calls:
            return IS_A_CALL
        if self.broken:
            return CUT_CALL if cut else BROKEN_CALL
        return None


def parse(answer: str, family: Family | None = None, tools: Sequence[Mapping[str, Any]] = ()) -> Parsed:
    """Find the tool calls of an answer; what stands in thoughts is no call.

    Args:
        answer: All that the model said.
        family: The model's; ``families.DEFAULT`` by default.
        tools: JSON schemas of the functions it was told of. Without them only what is a call by its form is one: a
            whole one anywhere, or half a one where the answer begins.

    >>> parse('Let me see. <tool_call>{"name": "add", "arguments": {"a": 1}}</tool_call>').calls
    [('add', {'a': 1})]
    >>> parse('<think><tool_call></think>Paris').broken
    []
    """
    tags = (family or DEFAULT).thinking
    before, close, rest = answer.rpartition(tags.close)
    if not close and answer.lstrip().startswith(tags.open):
        return Parsed(answer.strip())
    schemas = _schemas(tools)
    said, calls, broken = _marked(rest, schemas)
    if not calls and not broken:
        said, calls, broken = _bare(rest, told=bool(tools))
    if broken and not calls and not tools and said.strip():  # an answer that speaks of calls
        said, broken = rest, []
    return Parsed(f"{before}{close}{said}".strip(), calls, broken)


def visible(text: str, family: Family | None = None) -> str:
    """The part of a growing answer that may be shown: what is said before it calls, or may begin to call, a tool."""
    before, close, rest = text.rpartition((family or DEFAULT).thinking.close)
    start = rest.lstrip()
    if not close and start.startswith((family or DEFAULT).thinking.open):
        return text.rstrip()
    if start and any(start.startswith(mark) or mark.startswith(start) for mark in _BARE_STARTS):
        return (before + close).rstrip()
    first = min((rest.find(form.begin) for form in CALL_FORMS if form.begin in rest), default=len(rest))
    return (before + close + without_beginning_of(rest[:first], *(form.begin for form in CALL_FORMS))).rstrip()


def without_beginning_of(text: str, *ends: str) -> str:
    """A growing text without what its next tokens may make one of some strings.

    >>> without_beginning_of("Wait. <tool", "<tool_call>")
    'Wait. '
    """
    held = max((n for end in ends for n in range(1, len(end)) if text.endswith(end[:n])), default=0)
    return text[: len(text) - held]


def marks() -> set[str]:
    """Every text that may be a special token of some tokenizer and without which a call is not recognised."""
    return {mark for form in CALL_FORMS for mark in (form.begin, form.end, *form.within) if mark}


def _marked(text: str, schemas: Schemas) -> tuple[str, list[FunctionCall], list[str]]:
    """What is said, the calls, and the broken calls of a text whose calls are marked."""
    said, calls, broken = "", [], []
    while text:
        starts = {text.find(form.begin): form for form in CALL_FORMS if form.begin in text}
        if not starts:
            break
        at = min(starts)
        form = starts[at]
        said, rest = said + text[:at], text[at + len(form.begin) :]
        part, text = _up_to_end(rest, form)
        if text.lstrip().startswith(HERMES.end):  # Qwen3-Coder may forget the tag that it closes
            text = text.lstrip().removeprefix(HERMES.end)
        try:
            calls += form.read(part.strip(), schemas)
        except (ValueError, LookupError, TypeError, AttributeError):  # a model writes anything where a call should be
            broken.append(part.strip())
    return said + text, calls, broken


def _up_to_end(text: str, form: CallForm) -> tuple[str, str]:
    """What belongs to a call, and what follows it."""
    end = text.find(form.end) if form.end else -1
    after = text.find(form.begin)
    if end >= 0 and (after < 0 or end < after):
        return text[:end], text[end + len(form.end) :]
    return (text, "") if after < 0 else (text[:after], text[after:])


def _bare(text: str, *, told: bool) -> tuple[str, list[FunctionCall], list[str]]:
    """As ``_marked``, of a text that is nothing but JSON; half a call is one only where the model was told of tools."""
    nothing: tuple[str, list[FunctionCall], list[str]] = text, [], []
    half: tuple[str, list[FunctionCall], list[str]] = "", [], [text.strip()]
    if not _BARE.match(text.strip()):
        return half if told and _BARE_BEGUN.fullmatch(text.strip()) else nothing
    fenced = _FENCED.fullmatch(text)
    try:
        values = list(_values(fenced[1] if fenced else text))
        objects = [one for value in values for one in (value if isinstance(value, list) else [value])]
        if not all(isinstance(one, dict) and _is_call(one) for one in objects):
            return nothing
        return "", [_json_call(one) for one in objects], []
    except ValueError:
        return half if told else nothing


def _is_call(one: Mapping[str, Any]) -> bool:
    inner = one.get("function")
    told = inner if isinstance(inner, dict) else one
    return bool({"arguments", "parameters"} & told.keys())


def _json_call(one: Any) -> FunctionCall:
    if isinstance(one, dict):
        inner = one.get("function")
        call = inner if isinstance(inner, dict) else one
        name = call.get("name", call.get("tool_name", inner))
        if isinstance(name, str) and name:
            return name, _arguments(call.get("arguments", call.get("parameters", {})))
    msg = f"expected a JSON object with a name and arguments, got {one!r}"
    raise InvalidInputError(msg)


def _arguments(value: Any) -> dict[str, Any]:
    """Arguments as an object; some models write it as a string of JSON."""
    found = json.loads(value, strict=False) if isinstance(value, str) else {} if value is None else value
    if not isinstance(found, dict):
        msg = f"expected arguments as a JSON object, got {value!r}"
        raise InvalidInputError(msg)
    return found


def _values(text: str) -> Iterator[Any]:
    """JSON values after each other, with white space, commas or semicolons between them."""
    decoder, at = json.JSONDecoder(strict=False), 0  # models write line breaks into strings as they are
    while at < len(text):
        if text[at].isspace() or text[at] in ",;":
            at += 1
            continue
        value, at = decoder.raw_decode(text, at)
        yield value


def _schemas(tools: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    functions = [tool.get("function", tool) for tool in tools]
    return {f.get("name", ""): (f.get("parameters") or {}).get("properties", {}) for f in functions}


def _typed(text: str, schema: Mapping[str, Any]) -> Any:
    """A parameter's value; only of what is no text by its schema, JSON is read."""
    if schema.get("type", "string") == "string" and "anyOf" not in schema:
        return text
    try:
        return json.loads(text)
    except ValueError:
        # Coders write Python's words for them.
        return {"True": True, "False": False, "None": None}.get(text.strip(), text)
