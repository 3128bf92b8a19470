"""The Runnables that ``with_confidence`` makes of chains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast
from uuid import UUID

from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.base import RunnableBindingBase
from langchain_core.runnables.config import get_config_list, merge_configs, run_in_executor
from langchain_core.runnables.graph import Graph
from langchain_core.runnables.utils import ConfigurableFieldSpec
from pydantic import BaseModel, ConfigDict, RootModel, create_model

from thermolang.langchain.callback import ConfidenceCallbackHandler, Place, Run
from thermolang.langchain.chains import Path
from thermolang.langchain.messages import decision_record, question_of, read
from thermolang.routing.policy import Policy
from thermolang.types import Confidence, Reason

NOT_CALLED = Reason("not_scored", "the chain answered without calling its model")
NOT_SEEN = Reason(
    "not_scored",
    "no chat model was seen to answer inside a function or graph: put with_confidence around the chat model inside",
)
NOT_TOLD = Reason(
    "not_scored",
    "several answers were seen inside a function or graph, and none of them is what it returns: put with_confidence "
    "around the chat model inside",
)

_ANY_TYPE = ConfigDict(arbitrary_types_allowed=True)
QUESTION_KEYS = ("question", "input", "query")
"""Where the inputs of LangChain's retrieval chains hold the question."""


def no_chat_model(name: str) -> str:
    """What to do about a language model that is no chat model."""
    return f"{name} is no chat model, so its answers cannot be scored: wrap it in ChatHuggingFace(llm=...)"


class ConfidenceBinding(RunnableBindingBase[Any, Any]):
    """A Runnable whose every call carries a confidence callback.

    Not a ``RunnableBinding``: its ``bind``, ``with_config`` and ``with_retry`` would make a copy without the handler.
    """

    handler: Any

    def _merge_configs(self, *configs: RunnableConfig | None) -> RunnableConfig:
        """Every way to call a binding passes here."""
        return merge_configs(super()._merge_configs(*configs), {"callbacks": [self.handler]})

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """It holds a model, so no."""
        return False


@dataclass(frozen=True)
class Seen:
    """A model's answer inside a chain, and what is known of it.

    Attributes:
        run: The model's run.
        message: Its answer.
        question: What the nearest chain above it was asked; empty if no key was named.
    """

    run: Run
    message: BaseMessage
    question: str

    @property
    def text(self) -> str:
        """The answer as the model wrote it."""
        return str(self.message.text)

    def is_in(self, value: Any) -> bool:
        """Whether a value is the answer, or a conversation that ends with it."""
        if isinstance(value, dict) and isinstance(value.get("messages"), list):
            value = value["messages"][-1] if value["messages"] else None
        if isinstance(value, BaseMessage):
            return value is self.message or str(value.text) == self.text
        return isinstance(value, str) and value.strip() == self.text.strip()


class AnswersHandler(ConfidenceCallbackHandler):
    """Collects the answers of one call of a chain, in the order in which they were finished.

    Those inside functions and graphs are not scored before the call is over: which of them is the answer, the output
    tells.
    """

    def __init__(self, places: Mapping[str, Place], question: str | None) -> None:
        super().__init__(question=question, places=places)
        self.seen: list[Seen] = []
        self._bare = ""  # class of a language model that is no chat model

    def on_llm_start(self, serialized: dict[str, Any], prompts: list[str], **kwargs: Any) -> None:
        """Note a language model that is no chat model: its answers cannot be scored."""
        self._bare = str((serialized or {}).get("name") or "a language model")

    def _attach(self, run_id: UUID, run: Run, message: BaseMessage, answer: str) -> None:
        if not (run.place and run.place.hidden):
            super()._attach(run_id, run, message, answer)

    def _record(self, run_id: UUID, run: Run, message: BaseMessage) -> None:
        # Before the runs above are over and forgotten.
        self.seen.append(Seen(run, message, self._question_of(run_id)))

    def answer(self, path: Path, value: Any) -> Seen | Reason:
        """The answer that stands at a place in the chain's output, or why it cannot be told.

        Args:
            path: The place.
            value: What the output holds there.
        """
        hidden = any(place.hidden for place in self.places.values() if place.path == path) if self.places else False
        seen = [one for one in self.seen if one.run.place and one.run.place.path == path]
        if not seen and self._bare:
            return Reason("not_scored", no_chat_model(self._bare))
        if not seen:
            return NOT_SEEN if hidden else NOT_CALLED
        values = [value, *(value.values() if isinstance(value, dict) else ())]
        held = [one for one in seen if any(one.is_in(v) for v in values)] if hidden and len(seen) > 1 else seen
        # Of several the last: the others were tried again, or answered something else on the way.
        return held[-1] if held else NOT_TOLD

    def confidence(self, seen: Seen) -> Confidence:
        """The confidence of an answer, computed now if that has not been done."""
        found, payload = read(seen.message)
        place = seen.run.place
        if "value" in payload or place is None or place.scoring is None:
            return found
        return self.scored(place.scoring, seen.run, seen.message, seen.text)


class ConfidenceDict(Runnable[Any, dict[str, Any]]):
    """A Runnable that returns the bound one's output together with the confidence of what is answered in it.

    Args:
        bound: The Runnable.
        places: By tag of its models, where their answers go.
        question: Key of the input that holds the question alone.
        policy: If given, ``decision`` says what is to be done with the answer.
    """

    def __init__(
        self,
        bound: Runnable[Any, Any],
        places: Mapping[str, Place],
        *,
        question: str | None = None,
        policy: Policy | None = None,
    ) -> None:
        self.bound, self.places = bound, dict(places)
        self._question, self._policy = question, policy

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> dict[str, Any]:  # noqa: A002
        """Call the bound Runnable; ``confidence`` is a ``Confidence`` whose value may be None."""
        ((handler, own),) = self._configs(config, 1)
        return self._result(input, self.bound.invoke(input, own, **kwargs), handler)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> dict[str, Any]:  # noqa: A002
        """As ``invoke``."""
        ((handler, own),) = self._configs(config, 1)
        output = await self.bound.ainvoke(input, own, **kwargs)
        return await run_in_executor(None, self._result, input, output, handler)

    def batch(
        self,
        inputs: list[Any],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Any]:
        """Call the bound Runnable's ``batch``."""
        pairs = self._configs(config, len(inputs))
        found = self.bound.batch(inputs, [own for _, own in pairs], return_exceptions=return_exceptions, **kwargs)
        return self._results(inputs, found, pairs)

    async def abatch(
        self,
        inputs: list[Any],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Any]:
        """Call the bound Runnable's ``abatch``."""
        pairs = self._configs(config, len(inputs))
        called = self.bound.abatch(inputs, [own for _, own in pairs], return_exceptions=return_exceptions, **kwargs)
        return await run_in_executor(None, self._results, inputs, await called, pairs)

    @property
    def InputType(self) -> Any:  # noqa: N802
        """That of the bound Runnable."""
        return self.bound.InputType

    @property
    def OutputType(self) -> Any:  # noqa: N802
        """A dict."""
        return dict[str, Any]

    @property
    def config_specs(self) -> list[ConfigurableFieldSpec]:
        """What can be configured in the bound Runnable."""
        return self.bound.config_specs

    def get_name(self, suffix: str | None = None, *, name: str | None = None) -> str:
        """The name of the bound Runnable."""
        return self.bound.get_name(suffix, name=name)

    def get_input_schema(self, config: RunnableConfig | None = None) -> type[BaseModel]:
        """That of the bound Runnable."""
        return cast("type[BaseModel]", self.bound.get_input_schema(config))

    def get_input_jsonschema(self, config: RunnableConfig | None = None) -> dict[str, Any]:
        """That of the bound Runnable; graphs have one that their ``get_input_schema`` does not show."""
        return self.bound.get_input_jsonschema(config)

    def get_output_schema(self, config: RunnableConfig | None = None) -> type[BaseModel]:
        """The keys of the dict and their types; of several answers each but ``output`` holds a dict."""
        several = len({place.path for place in self.places.values()}) > 1
        always: dict[str, Any] = {"confidence": Confidence, "question": str}
        always |= {} if self._policy is None else {"decision": dict[str, Any]}
        fields: dict[str, Any] = {key: (dict[str, Any] if several else kind, ...) for key, kind in always.items()}
        fields |= dict.fromkeys(("context", "answer", "answer_path"), (Any, None))
        # What has keys is described by a model of its own, what has none by a type; of some nothing is known.
        schema = self.bound.get_output_schema(config)
        kind: Any = self.bound.OutputType if issubclass(schema, RootModel) else schema
        fields["output"] = (Any if isinstance(kind, TypeVar) else kind, ...)
        named = self.get_name("WithConfidence")
        return cast("type[BaseModel]", create_model(named, __config__=_ANY_TYPE, **fields))

    def get_graph(self, config: RunnableConfig | None = None) -> Graph:
        """The graph of the bound Runnable."""
        return self.bound.get_graph(config)

    def _results(
        self, inputs: Sequence[Any], found: Sequence[Any], pairs: Sequence[tuple[AnswersHandler, RunnableConfig]]
    ) -> list[Any]:
        return [
            output if isinstance(output, Exception) else self._result(given, output, handler)
            for given, output, (handler, _) in zip(inputs, found, pairs, strict=True)
        ]

    def _result(self, given: Any, output: Any, handler: AnswersHandler) -> dict[str, Any]:
        paths = list(dict.fromkeys(place.path for place in self.places.values()))
        result: dict[str, Any] = {"output": output}
        for path in paths:
            value = _at(output, path)
            seen = handler.answer(path, value)
            # Of several branches the instructions differ, so that their whole messages are the questions.
            found = self._told(given if path and len(paths) == 1 else None, value, seen, handler)
            if len(paths) == 1:
                where = _where(output, seen, path)
                return result | found | ({"answer_path": where} if where else {})
            for name, value in found.items():
                _put(result, (name, *path), value)
        return result

    def _told(self, given: Any, value: Any, seen: Seen | Reason, handler: AnswersHandler) -> dict[str, Any]:
        """What is known of one answer, which the output holds as a value."""
        if isinstance(seen, Reason):
            found: dict[str, Any] = {"confidence": Confidence.missing(seen), "question": ""}
        else:
            question, context = _asked(given, seen)
            found = {"confidence": handler.confidence(seen), "question": question}
            found |= {"context": context} if context else {}
            found |= {} if isinstance(value, str | BaseMessage) else {"answer": seen.text}
        if self._policy is not None:
            found["decision"] = decision_record(self._policy.decide(found["confidence"]), None)
        return found

    def _configs(
        self, config: RunnableConfig | list[RunnableConfig] | None, count: int
    ) -> list[tuple[AnswersHandler, RunnableConfig]]:
        """A handler of its own for each call, so that no two are mixed up."""
        handlers = [AnswersHandler(self.places, self._question) for _ in range(count)]
        configs = get_config_list(config, count)
        return [(h, merge_configs(c, {"callbacks": [h]})) for h, c in zip(handlers, configs, strict=True)]


def _asked(given: Any, seen: Seen) -> tuple[str, str]:
    """Question and context of an answer; of an input that is a dict its question, where the model was told it."""
    message = question_of(seen.run.messages)
    if seen.question:
        return seen.question, message
    texts = (given.get(key) for key in QUESTION_KEYS) if isinstance(given, dict) else ()
    asked = next((text for text in texts if isinstance(text, str) and text.strip() and text in message), message)
    return (asked, message) if asked != message else (message, "")


def _where(output: Any, seen: Seen | Reason, path: Path) -> list[str | int]:
    """Where the answer stands in the output; empty if it is the output itself, or made by a function of the answer."""
    if path or isinstance(seen, Reason) or not isinstance(output, dict):
        return list(path) if _at(output, path) is not None else []
    key = next((key for key, value in output.items() if seen.is_in(value)), None)
    if key is not None:
        return [key]
    return ["messages", -1] if seen.is_in(output) else []


def _at(value: Any, path: Path) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _put(into: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for key in path[:-1]:
        into = into.setdefault(key, {})
    into[path[-1]] = value
