"""Which turns a chat template takes, found by rendering small conversations with it, and a conversation put so.

A template is a program of its model's makers: Gemma's refuses system turns, Phi 3's drops them without a word,
Mistral's wants user and assistant to take turns and ids of nine characters. Nothing of that is told by a name.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from thermolang.errors import ModelError
from thermolang.models.tool_calls import ID_LENGTH, CallForm, written
from thermolang.storage import digest
from thermolang.types import Message

TOOL_VARIABLES = ("tools", "xml_tools", "functions")
"""Template variables for the JSON schemas of functions; the first one that a template shows is used."""

IN_SYSTEM_TURN = "in the system turn"
"""Stands for a variable where a template shows functions as a key of the system turn (Phi-4-mini)."""

_NAME, _VALUE, _RESULT = "probe_function", "probe_value", "probe_result"
_TOOL = {
    "type": "function",
    "function": {
        "name": _NAME,
        "description": "A probe.",
        "parameters": {"type": "object", "properties": {"key": {"type": "string", "description": "A key."}}},
    },
}
_SHORT_ID = "a1b2c3d4e"


@dataclass(frozen=True)
class CallStyle:
    """How a template takes an assistant's calls of tools.

    Attributes:
        as_text: Calls are written into the turn's content, because the template knows no ``tool_calls``.
        json_arguments: Arguments are a string of JSON, not an object.
        short_ids: Ids have nine letters and digits.
        one_each: An assistant's turn holds one call.
    """

    as_text: bool = False
    json_arguments: bool = False
    short_ids: bool = False
    one_each: bool = False


@dataclass(frozen=True)
class TurnRules:
    """Which turns a chat template takes.

    Attributes:
        system: Where it takes system turns: anywhere, one as the first turn, or none.
        alternates: Whether user and assistant must take turns.
        tools: The variable that describes functions; None if the template has no place for them.
        calls: How calls and their results are written; None if it has no place for results.
        thinks_unasked: Whether thinking is on where no argument asks for it.
    """

    system: Literal["anywhere", "first", "none"] = "anywhere"
    alternates: bool = False
    tools: str | None = None
    calls: CallStyle | None = None
    thinks_unasked: bool = True

    def __str__(self) -> str:
        """One line for people."""
        system = {"anywhere": "system turns", "first": "one system turn, at the beginning", "none": "no system turns"}
        turns = "user and assistant take turns" if self.alternates else "turns in any order"
        tools = f"tools ({self.tools})" if self.tools else "no tools"
        return f"{system[self.system]}, {turns}, {tools}{'' if self.calls else ', no results of tools'}"


Render = Callable[..., str]
"""``render(turns, **template_arguments)``; it raises what the template raises."""


def rules_of(render: Render, form: CallForm) -> TurnRules:
    """Find out which turns a chat template takes.

    Args:
        render: Renders turns up to where the answer starts.
        form: How this model's calls are written where the template does not do it.
    """
    plain, first, again = _turn("user"), _turn("system"), _turn("system", 2)
    answered = [plain, _turn("assistant"), _turn("user", 2)]
    late = [*answered[:2], again, answered[2]]
    system: Literal["anywhere", "first", "none"] = "none"
    if _shows(render, [first, plain]):
        anywhere = _shows(render, [first, again, plain]) and _shows(render, late)
        system = "anywhere" if anywhere else "first"
    twice = [[plain, answered[2]], [*answered[:2], _turn("assistant", 2), answered[2]]]
    return TurnRules(
        system=system,
        alternates=not all(_shows(render, turns) for turns in twice),
        tools=(variable := _tool_variable(render)),
        calls=_call_style(render, form, variable),
        thinks_unasked=_rendered(render, [plain]) == _rendered(render, [plain], enable_thinking=True, thinking=True),
    )


def described(turns: list[Message], tools: Sequence[dict[str, Any]], variable: str) -> tuple[list[Message], Any]:
    """Turns and template arguments that describe functions to a model."""
    if variable != IN_SYSTEM_TURN:
        return turns, {variable: list(tools)}
    first, rest = (turns[0], turns[1:]) if turns[0]["role"] == "system" else ({"role": "system", "content": ""}, turns)
    return [{**first, "tools": json.dumps([tool.get("function", tool) for tool in tools])}, *rest], {}


def placed(messages: Sequence[Message], rules: TurnRules) -> list[Message]:
    """A conversation in the roles and in the order that a template takes.

    System turns that it does not take go in front of the user's next words; neighbouring turns of one role are joined
    where turns must alternate.
    """
    turns = _system_placed(messages, rules.system)
    return _joined(turns) if rules.alternates else turns


def with_calls(turns: list[Message], rules: TurnRules, form: CallForm) -> list[Message]:
    """Turns whose calls of tools, and the results of these, are in the form that a template takes.

    Raises:
        ModelError: It has no place for results.
    """
    if not any(turn.get("tool_calls") or turn["role"] == "tool" for turn in turns):
        return turns
    if rules.calls is None:
        msg = "it has no place for the results of tools: use a model made for them, or leave these messages out"
        raise ModelError(msg)
    return _calls_written(turns, rules.calls, form)


def check_results(messages: Sequence[Message]) -> None:
    """Refuse a tool's result that no call asked for: the model would read it as an answer to nothing.

    Raises:
        ModelError: There is one.
    """
    open_ids: set[Any] | None = None
    for message in messages:
        if message.get("tool_calls"):
            open_ids = {call.get("id") for call in message["tool_calls"]}
        elif message["role"] != "tool":
            open_ids = None
        elif open_ids is None or (None not in open_ids and message.get("tool_call_id") not in {None, *open_ids}):
            told = f" (tool_call_id {message['tool_call_id']!r})" if message.get("tool_call_id") else ""
            msg = (
                f"the result of a tool{told} follows no call of it: put the assistant's message with the call before "
                "it, or leave the result out, too (trim_messages does with start_on='human')"
            )
            raise ModelError(msg)


def _turn(role: str, number: int = 1) -> Message:
    return {"role": role, "content": f"Probe {role} {number}."}


def _rendered(render: Render, turns: list[Message], **arguments: Any) -> str | None:
    try:
        return render(turns, **arguments)
    except Exception:  # templates are programs of others and raise anything
        return None


def _shows(render: Render, turns: list[Message], *wanted: str, **arguments: Any) -> bool:
    """Whether a template takes these turns and shows what they say, or ``wanted``; some drop what they do not know."""
    text = _rendered(render, turns, **arguments)
    return text is not None and all(said in text for said in wanted or [turn["content"] for turn in turns])


def _tool_variable(render: Render) -> str | None:
    for variable in (*TOOL_VARIABLES, IN_SYSTEM_TURN):
        turns, arguments = described([_turn("user")], [_TOOL], variable)
        if _shows(render, turns, _NAME, **arguments):
            return variable
    return None


def _call_style(render: Render, form: CallForm, variable: str | None) -> CallStyle | None:
    """The first style whose call and result a template shows."""
    result = {"role": "tool", "name": _NAME, "content": _RESULT}
    for as_text, short_ids, json_arguments in itertools.product([False, True], repeat=3):
        style = CallStyle(as_text, json_arguments, short_ids)
        call_id = _SHORT_ID if short_ids else "call_" + _SHORT_ID
        turns = [_turn("user"), _calling(call_id), {**result, "tool_call_id": call_id}]
        text = _with_tools(render, _calls_written(turns, style, form), variable) or ""
        if _VALUE in text and _RESULT in text:
            both = [turns[0], _calling(call_id, call_id[:-1] + "f"), turns[2]]
            one_each = _with_tools(render, _calls_written(both, style, form), variable) is None
            return replace(style, one_each=one_each)
    return None


def _with_tools(render: Render, turns: list[Message], variable: str | None) -> str | None:
    told, arguments = described(turns, [_TOOL], variable) if variable else (turns, {})
    return _rendered(render, told, **arguments)


def _calling(*ids: str) -> Message:
    function = {"name": _NAME, "arguments": {"key": _VALUE}}
    calls = [{"type": "function", "id": call_id, "function": function} for call_id in ids]
    return {"role": "assistant", "content": "", "tool_calls": calls}


def _system_placed(messages: Sequence[Message], system: str) -> list[Message]:
    """Turns whose system turns stand where the template takes them; the others go in front of the user's words."""
    if system == "anywhere":
        return [dict(message) for message in messages]
    leading = list(itertools.takewhile(lambda m: m["role"] == "system", messages)) if system == "first" else []
    turns = [_saying("system", [m["content"] for m in leading])] if leading else []
    folded: list[str] = []
    for message in messages[len(leading) :]:
        if message["role"] == "system":
            folded.append(message["content"])
            continue
        if folded and message["role"] == "user":
            message = {**message, "content": "\n\n".join([*folded, message["content"]])}
        elif folded:
            turns.append(_saying("user", folded))
        turns.append(dict(message))
        folded = []
    return turns + ([_saying("user", folded)] if folded else [])


def _saying(role: str, texts: Sequence[str]) -> Message:
    return {"role": role, "content": "\n\n".join(texts)}


def _joined(turns: Sequence[Message]) -> list[Message]:
    joined: list[Message] = []
    for turn in turns:
        last = joined[-1] if joined else {}
        # Only plain messages: tool calls and their results belong to one message each.
        if turn["role"] == last.get("role") and turn.keys() == last.keys() == {"role", "content"}:
            joined[-1] = {"role": turn["role"], "content": f"{last['content']}\n\n{turn['content']}"}
        else:
            joined.append(turn)
    return joined


def _calls_written(turns: Sequence[Message], style: CallStyle, form: CallForm) -> list[Message]:
    """Turns whose calls and results are as the template takes them."""
    if style.one_each:
        turns = _one_call_each(turns)
    return [_restyled(turn, style, form) for turn in turns]


def _restyled(turn: Message, style: CallStyle, form: CallForm) -> Message:
    found = dict(turn)
    if style.short_ids and found.get("tool_call_id"):
        found["tool_call_id"] = _short(found["tool_call_id"])
    calls = found.pop("tool_calls", None)
    if not calls:
        return found
    if style.as_text:
        functions = [(call["function"]["name"], call["function"]["arguments"]) for call in calls]
        return {**found, "content": f"{found['content'] or ''}\n{written(functions, form)}".strip()}
    return {**found, "tool_calls": [_restyled_call(call, style) for call in calls]}


def _restyled_call(call: dict[str, Any], style: CallStyle) -> dict[str, Any]:
    function = call["function"]
    if style.json_arguments and not isinstance(function["arguments"], str):
        function = {**function, "arguments": json.dumps(function["arguments"], ensure_ascii=False)}
    found = {**call, "function": function}
    if style.short_ids and call.get("id"):
        found["id"] = _short(call["id"])
    return found


def _short(call_id: str) -> str:
    """An id of nine letters and digits; another one for each id, and the same for a call and its result."""
    return call_id if re.fullmatch(rf"[A-Za-z0-9]{{{ID_LENGTH}}}", call_id) else digest(call_id, ID_LENGTH)


def _one_call_each(turns: Sequence[Message]) -> list[Message]:
    """Several calls of one turn after each other, each followed by its own result."""
    found: list[Message] = []
    waiting: list[Message] = []
    for turn in turns:
        if turn["role"] == "tool" and waiting:
            asked = turn.get("tool_call_id")
            own = next((w for w in waiting if w["tool_calls"][0].get("id") == asked), waiting[0])
            waiting = [w for w in waiting if w is not own]
            found += [own, turn]
            continue
        found, waiting = found + waiting, []
        calls = turn.get("tool_calls") or []
        if len(calls) > 1:
            waiting = [{**turn, "tool_calls": [call], **({"content": ""} if i else {})} for i, call in enumerate(calls)]
        else:
            found.append(turn)
    return found + waiting
