"""Which model's answer leaves a chain: read from how LangChain's Runnables are put together."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import Any

from langchain_core.language_models import BaseChatModel, BaseLLM
from langchain_core.output_parsers import BaseOutputParser
from langchain_core.prompts import BasePromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import (
    RouterRunnable,
    Runnable,
    RunnableAssign,
    RunnableBranch,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnablePick,
    RunnableSequence,
    RunnableWithFallbacks,
)
from langchain_core.runnables.base import RunnableBindingBase, RunnableEachBase
from langchain_core.runnables.configurable import DynamicRunnable
from langchain_core.tools import BaseTool

from thermolang.storage import digest

Way = tuple[Any, ...]
"""How to get to a part of a chain: names of attributes, keys of dicts and places in lists."""

Path = tuple[str, ...]
"""Where an answer stands in a chain's output: keys of nested dicts; empty if it is the output itself."""

# Where Runnables keep what they are made of; ``func`` and ``nodes`` are those of functions and compiled graphs.
_PARTS = (
    *("steps", "steps__", "bound", "runnable", "fallbacks", "branches", "default", "mapper", "runnables"),
    *("alternatives", "func", "afunc", "nodes"),
)
_MOST_VALUES = 64
"""Larger containers that a function refers to hold data, not chains."""


@dataclass(frozen=True)
class Step:
    """A part of a chain in which a model answers.

    Attributes:
        way: How to get to it from the chain.
        part: The model itself, or a function or compiled graph that calls models.
        models: The chat models that may answer there: the model, or those that were found in the function.
        template: The prompt template that was filled in last before it.
    """

    way: Way
    part: Runnable[Any, Any] = field(repr=False, compare=False)
    models: tuple[BaseChatModel, ...] = field(repr=False, compare=False)
    template: Any = field(default=None, repr=False, compare=False)

    @property
    def hidden(self) -> bool:
        """Whether the models are called by a function or graph, so that they cannot be exchanged."""
        return not isinstance(self.part, BaseChatModel)


@dataclass(frozen=True)
class Content:
    """What models have put into a value that flows through a chain.

    Attributes:
        steps: Those one of which answered, where the value is one answer.
        keys: Where it is a dict: the same for each of its values that holds an answer.
        newest: The keys whose answers no model has read since.
        exact: Whether the value is the answer, parsed or not, and not what a function made of it.
        mixed: Why several answers cannot be told apart: they are ``"merged"`` or ``"listed"``.
        template: The prompt template that was filled in last.
    """

    steps: tuple[Step, ...] = ()
    keys: Mapping[str, Content] = field(default_factory=dict)
    newest: frozenset[str] = frozenset()
    exact: bool = True
    mixed: str = ""
    template: Any = None

    def all_steps(self) -> tuple[Step, ...]:
        """The steps of the value and of all its keys."""
        below = [step for content in self.keys.values() for step in content.all_steps()]
        return tuple({step.way: step for step in [*self.steps, *below]}.values())

    def at(self, key: str) -> Content:
        """What is under a key; of an answer that is a dict itself, the answer."""
        if self.keys:
            return replace(self.keys.get(key, Content()), template=self.template)
        return replace(self, exact=False)


@dataclass(frozen=True)
class Answer:
    """An answer that leaves a chain.

    Attributes:
        path: Where it stands in the chain's output.
        steps: The steps one of which gives it: several where there are fallbacks or branches.
        mixed: As for ``Content``.
    """

    path: Path
    steps: tuple[Step, ...]
    mixed: str = ""


@dataclass(frozen=True)
class Survey:
    """What was found in a chain: ``content`` of its output, and the ``steps`` in all of its parts."""

    content: Content
    steps: tuple[Step, ...]

    def answers(self, key: str | None = None) -> list[Answer]:
        """The answers that leave the chain, each once.

        Args:
            key: Of the output, to take the answers below it only. Without it an answer that a later model has read is
                a helper step's, also where the output still holds it.
        """
        found = list(_flat(self.content) if key is None else _flat(self.content.at(key), (key,)))
        exact = {step.way for _, content in found if content.exact and not content.mixed for step in content.steps}
        answers: dict[tuple[Way, ...], Answer] = {}
        for path, content in found:
            derived = not content.exact or bool(content.mixed)
            if derived and all(step.way in exact for step in content.steps):
                continue  # what a function made of an answer that stands elsewhere in the output
            answers.setdefault(tuple(s.way for s in content.steps), Answer(path, content.steps, content.mixed))
        return list(answers.values())


def survey(chain: Runnable[Any, Any]) -> Survey:
    """Find out where models answer in a chain, and which of the answers leave it."""
    steps: list[Step] = []
    content = _Walk(steps).after(chain, Content(), ())
    return Survey(content, tuple(steps))


def _flat(content: Content, path: Path = ()) -> Iterator[tuple[Path, Content]]:
    if content.steps:
        yield path, content
    for key in content.keys:
        if key in content.newest:
            yield from _flat(content.keys[key], (*path, key))


class _Walk:
    """Follows a value through a chain; ``steps`` collects every step on the way."""

    def __init__(self, steps: list[Step]) -> None:
        self.steps = steps

    def after(self, part: Any, given: Content, way: Way) -> Content:
        """What a value holds after a part of the chain, from what it held before."""
        if isinstance(part, BaseChatModel | BaseLLM):
            models = (part,) if isinstance(part, BaseChatModel) else ()
            return self._answered(Step(way, part, models, given.template))
        for kind, rule in _RULES:
            if isinstance(part, kind):
                return rule(self, part, given, way)
        if isinstance(part, RunnableLambda | RunnableGenerator) or _is_graph(part):
            return self._function(part, given, way)
        return _processed(given)

    def _answered(self, step: Step) -> Content:
        self.steps.append(step)
        return Content((step,))

    def _function(self, part: Any, given: Content, way: Way) -> Content:
        func = getattr(part, "func", None)
        if isinstance(func, itemgetter):
            keys = func.__reduce__()[1]
            return given.at(keys[0]) if len(keys) == 1 else _processed(given)
        models = chat_models(part)
        if not (models or _is_graph(part)):
            return _processed(given)
        return self._answered(Step(way, part, tuple(models), _first_template(part) or given.template))

    def sequence(self, part: RunnableSequence[Any, Any], given: Content, way: Way) -> Content:
        for i, step in enumerate(part.steps):
            given = self.after(step, given, (*way, "steps", i))
        return given

    def parallel(self, part: RunnableParallel[Any], given: Content, way: Way) -> Content:
        branches = {key: self.after(step, given, (*way, "steps__", key)) for key, step in part.steps__.items()}
        keys = {key: content for key, content in branches.items() if content.all_steps()}
        return Content(keys=keys, newest=_newer(keys, given) or frozenset(keys), template=given.template)

    def assign(self, part: RunnableAssign, given: Content, way: Way) -> Content:
        added = self.after(part.mapper, given, (*way, "mapper"))
        if not added.keys or given.steps:
            # A dict that a model wrote, with more keys beside: what another model answered is the newer.
            return added if _newer(added.keys, given) else given
        newest = _newer(added.keys, given) or given.newest
        return Content(keys={**given.keys, **added.keys}, newest=newest, template=given.template)

    def pick(self, part: RunnablePick, given: Content, way: Way) -> Content:
        if isinstance(part.keys, str):
            return given.at(part.keys)
        keys = {key: given.keys[key] for key in part.keys if key in given.keys}
        return replace(given, keys=keys, newest=given.newest & set(keys) or frozenset(keys))

    def each(self, part: RunnableEachBase[Any, Any], given: Content, way: Way) -> Content:
        content = self.after(part.bound, given, (*way, "bound"))
        return Content(content.all_steps(), exact=content.exact, mixed="listed") if content.all_steps() else Content()

    def alternatives(self, parts: Iterable[tuple[Any, Way]], given: Content) -> Content:
        """The value after one of several parts, nobody knows which."""
        found = [content for content in (self.after(part, given, way) for part, way in parts) if content.all_steps()]
        keyed = [content for content in found if content.keys]
        if not keyed:
            steps = tuple(step for content in found for step in content.steps)
            mixed = next((content.mixed for content in found if content.mixed), "")
            return Content(steps, exact=all(content.exact for content in found), mixed=mixed)
        if len(keyed) == 1 == len(found):
            return keyed[0]
        steps = tuple(step for content in found for step in content.all_steps())
        if len(keyed) < len(found):
            return Content(steps, mixed="merged")
        keys = {key: self._either([c.keys[key] for c in keyed if key in c.keys]) for c in keyed for key in c.keys}
        return Content(keys=keys, newest=frozenset().union(*(content.newest for content in keyed)))

    def _either(self, contents: list[Content]) -> Content:
        if len(contents) == 1:
            return contents[0]
        nested = any(content.keys for content in contents)
        mixed = "merged" if nested else next((content.mixed for content in contents if content.mixed), "")
        return Content(tuple(step for content in contents for step in content.all_steps()), mixed=mixed)

    def branch(self, part: RunnableBranch[Any, Any], given: Content, way: Way) -> Content:
        branches: list[tuple[Any, Way]] = [(part.default, (*way, "default"))]
        for i, (condition, chosen) in enumerate(part.branches):
            self.after(condition, given, (*way, "branches", i, 0))  # its models are helpers
            branches.append((chosen, (*way, "branches", i, 1)))
        return self.alternatives(branches, given)

    def fallbacks(self, part: RunnableWithFallbacks[Any, Any], given: Content, way: Way) -> Content:
        others = [(other, (*way, "fallbacks", i)) for i, other in enumerate(part.fallbacks)]
        return self.alternatives([(part.runnable, (*way, "runnable")), *others], given)

    def router(self, part: RouterRunnable[Any], given: Content, way: Way) -> Content:
        return self.alternatives([(r, (*way, "runnables", key)) for key, r in part.runnables.items()], given)

    def dynamic(self, part: DynamicRunnable[Any, Any], given: Content, way: Way) -> Content:
        named = getattr(part, "alternatives", {}).items()
        others = [(other, (*way, "alternatives", key)) for key, other in named if isinstance(other, Runnable)]
        if not others:
            return self.after(part.default, given, (*way, "default"))
        if isinstance(part.default, BasePromptTemplate):
            return Content(template=part.default)
        return self.alternatives([(part.default, (*way, "default")), *others], given)

    def binding(self, part: RunnableBindingBase[Any, Any], given: Content, way: Way) -> Content:
        return self.after(part.bound, given, (*way, "bound"))

    def passed(self, part: Any, given: Content, way: Way) -> Content:
        return given

    def prompted(self, part: BasePromptTemplate[Any], given: Content, way: Way) -> Content:
        return Content(template=part)

    def consumed(self, part: Any, given: Content, way: Way) -> Content:
        return Content()

    def parsed(self, part: Any, given: Content, way: Way) -> Content:
        return given if given.steps else _processed(given)


_RULES: tuple[tuple[type[Any], Callable[[_Walk, Any, Content, Way], Content]], ...] = (
    (RunnableSequence, _Walk.sequence),
    (RunnableParallel, _Walk.parallel),
    (RunnableAssign, _Walk.assign),
    (RunnablePick, _Walk.pick),
    (RunnablePassthrough, _Walk.passed),
    (RunnableEachBase, _Walk.each),
    (RunnableBranch, _Walk.branch),
    (RunnableWithFallbacks, _Walk.fallbacks),
    (RouterRunnable, _Walk.router),
    (DynamicRunnable, _Walk.dynamic),
    (RunnableBindingBase, _Walk.binding),
    (BasePromptTemplate, _Walk.prompted),
    (BaseRetriever, _Walk.consumed),
    (BaseTool, _Walk.consumed),
    (BaseOutputParser, _Walk.parsed),
)


def _newer(keys: Mapping[str, Content], given: Content) -> frozenset[str]:
    """The keys with an answer that was not there before."""
    known = set(given.all_steps())
    return frozenset(key for key, content in keys.items() if set(content.all_steps()) - known)


def _processed(given: Content) -> Content:
    """After a function that may do anything with the value."""
    steps = given.all_steps()
    several = bool(given.keys) and len({tuple(c.all_steps()) for c in given.keys.values()}) > 1
    mixed = given.mixed or ("merged" if several else "")
    return Content(steps, exact=False, mixed=mixed, template=given.template)


def _is_graph(part: Any) -> bool:
    """Whether it is a compiled graph; without importing LangGraph, which is an extra."""
    return isinstance(part, Runnable) and hasattr(part, "nodes") and hasattr(part, "get_state")


def changed(part: Any, way: Way, new: Runnable[Any, Any]) -> Any:
    """A copy of a chain in which the part at the end of a way is another one."""
    if not way:
        return new
    name, rest = way[0], way[1:]
    if isinstance(part, Mapping):
        return {**part, name: changed(part[name], rest, new)}
    if isinstance(part, list | tuple):
        return type(part)([*part[:name], changed(part[name], rest, new), *part[name + 1 :]])
    if isinstance(part, RunnableSequence):
        first, *middle, last = changed(part.steps, rest, new)
        return part.model_copy(update={"first": first, "middle": middle, "last": last})
    return part.model_copy(update={name: changed(getattr(part, name), rest, new)})


def chat_models(runnable: Any) -> list[BaseChatModel]:
    """The distinct chat models inside a Runnable, also in the functions and graphs it is made of, outermost first."""
    # By identity: two models with equal settings are still two.
    return [part for part in _inside(runnable) if isinstance(part, BaseChatModel)]


def template_name(runnable: Any) -> str | None:
    """A name for the task of an unnamed chain: a hash of its first prompt template."""
    template = _first_template(runnable)
    if template is None:
        return None
    # Not the whole template: its partial variables may be functions, whose repr is another one in each process.
    said = getattr(template, "messages", None) or getattr(template, "template", None) or template
    return f"template-{digest(repr(said), 8)}"


def _first_template(runnable: Any) -> Any:
    return next((part for part in _inside(runnable) if isinstance(part, BasePromptTemplate)), None)


def _inside(runnable: Any) -> Iterator[Any]:
    """A Runnable and everything it is made of, each once."""
    seen: dict[int, Any] = {}  # the objects too: the id of one that is gone would be given out again
    waiting = [runnable]
    while waiting:
        part = waiting.pop(0)
        if id(part) in seen:
            continue
        seen[id(part)] = part
        yield part
        waiting = [*_children(part), *waiting]


def _children(part: Any) -> list[Any]:
    if isinstance(part, BaseChatModel | BaseLLM | BasePromptTemplate | str):
        return []
    if isinstance(part, Runnable):
        return [child for name in _PARTS if (child := getattr(part, name, None)) is not None]
    if isinstance(part, Mapping | list | tuple):
        values = list(part.values()) if isinstance(part, Mapping) else list(part)
        # The nodes of a graph are no Runnables themselves.
        return [getattr(value, "bound", value) for value in values]
    return list(_referenced(part)) if callable(part) else []


def _referenced(func: Any) -> Iterator[Any]:
    """What a function refers to: a Runnable among it may be called by it."""
    if isinstance(func, functools.partial):
        yield from (func.func, *func.args, *func.keywords.values())
    elif isinstance(func, types.MethodType):
        own = (
            [func.__self__]
            if isinstance(func.__self__, Runnable)
            else list(getattr(func.__self__, "__dict__", {}).values())
        )
        yield from (func.__func__, *(value for value in own if _may_hold_a_model(value)))
    elif isinstance(func, types.FunctionType):
        try:
            names = inspect.getclosurevars(func)
        except ValueError:  # a variable that has no value yet
            return
        yield from (value for value in names.nonlocals.values() if _may_hold_a_model(value))
        for value in names.globals.values():
            # Other modules' functions are libraries.
            if getattr(value, "__module__", None) == func.__module__ or not isinstance(value, types.FunctionType):
                yield from [value] if _may_hold_a_model(value) else []


def _may_hold_a_model(value: Any) -> bool:
    if isinstance(value, Mapping | list | tuple):
        return len(value) <= _MOST_VALUES
    return isinstance(value, Runnable | types.FunctionType | types.MethodType | functools.partial)
