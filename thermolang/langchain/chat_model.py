"""ChatThermolang: a local Hugging Face chat model for LangChain, with everything a chat model should have."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from functools import cache, partial
from typing import Any, Literal, cast

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.base import LangSmithParams
from langchain_core.language_models.model_profile import ModelProfile
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import ContextThreadPoolExecutor, get_config_list, run_in_executor
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_huggingface import ChatHuggingFace
from pydantic import AliasChoices, ConfigDict, Field

from thermolang.errors import InvalidInputError, ModelError, ThermolangError
from thermolang.langchain.batching import PendingBatch, outcome, pending_batch_of
from thermolang.langchain.calls import (
    ALIASES,
    OPTIONS,
    Answered,
    Call,
    answer_chunk,
    answer_message,
    call_of,
    check_options,
    scored,
)
from thermolang.langchain.messages import Scoring, generation_defaults, local_model, to_messages, unread
from thermolang.langchain.structured import (
    formed,
    parser_for,
    structured_options,
    tool_options,
    with_parser,
)
from thermolang.models.chat_template import UNLIMITED
from thermolang.models.local import LocalModel
from thermolang.types import Generation, Message

CALLS_AT_ONCE = 256
"""Async calls that may wait for a model at the same time; asyncio's own threads are a few more than the cores."""

logger = logging.getLogger(__name__)

Batch = PendingBatch[Call, list[Answered]]


class ChatThermolang(BaseChatModel):
    """A chat model over a ``LocalModel``: padded batches, streams, stop strings, seeds, log-probabilities, tools.

    Wrapped in ``with_confidence`` it also says how sure it is, without a second pass over the conversation.

    Attributes:
        local: The model and its tokenizer.
        temperature: 0 (the default) is greedy.
        top_p: Nucleus sampling; 1 keeps all tokens.
        max_tokens: Most tokens of an answer.
        seed: Of an answer's own random numbers; the global generators are left alone.
        stop: An answer ends before the first of these strings.
        timeout: Seconds, waiting for other calls included, after which an unfinished answer fails with
            ``ModelTimeoutError``; None for no limit.
        n: Answers to each conversation, all with one prefill; ``generate`` returns them all, ``invoke`` the first.
        logprobs: Whether ``response_metadata["logprobs"]`` holds each token and its log-probability.
        batch_size: Most conversations that ``batch`` puts through the model at once.

    Every one but ``local`` and ``batch_size`` may also be given with a call: ``chat.invoke(question, max_tokens=20)``.

    Example:
        >>> chat = ChatThermolang.from_model("smollm2-135m", max_tokens=32)  # doctest: +SKIP
        >>> chat.invoke("What is the capital of France?").text  # doctest: +SKIP
        'The capital of France is Paris.'
    """

    local: LocalModel = Field(exclude=True, repr=False)
    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = Field(default=256, validation_alias=AliasChoices("max_tokens", "max_new_tokens"))
    seed: int | None = None
    stop: list[str] | None = Field(default=None, validation_alias=AliasChoices("stop", "stop_sequences"))
    timeout: float | None = Field(default=None, gt=0)
    n: int = Field(default=1, ge=1)
    logprobs: bool = False
    batch_size: int = Field(default=8, ge=1)
    scoring: Scoring | None = Field(default=None, exclude=True, repr=False)

    model_config = ConfigDict(populate_by_name=True, arbitrary_types_allowed=True, protected_namespaces=())

    @classmethod
    def from_model(
        cls,
        name: str,
        *,
        device: str | None = None,
        dtype: Any = None,
        model_kwargs: Mapping[str, Any] | None = None,
        template_arguments: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> ChatThermolang:
        """Load a model by path, short name or hub id.

        Args:
            name: As ``LocalModel.load`` takes it.
            device: Such as ``"cuda"``; chosen by itself by default.
            dtype: Such as ``torch.float32``; bfloat16 where the hardware has it by default.
            model_kwargs: Arguments of transformers' ``from_pretrained``, such as ``device_map``,
                ``quantization_config``, ``revision``, ``trust_remote_code`` or ``token``.
            template_arguments: Arguments of the chat template, such as ``{"enable_thinking": False}``.
            **options: Attributes of this class, such as ``max_tokens``.

        Raises:
            InvalidInputError: An option is unknown.
            ModelError: The model cannot be loaded or is no causal language model with a chat template.
        """
        hint = "; arguments of transformers go into model_kwargs={...}"
        check_options(options, cls._attributes(), shown=[*OPTIONS, "stop", "batch_size"], hint=hint)
        local = LocalModel.load(
            name, device=device, dtype=dtype, model_kwargs=model_kwargs, template_arguments=template_arguments
        )
        return cls(local=local, **options)

    @classmethod
    def from_chat_huggingface(cls, chat: ChatHuggingFace, **options: Any) -> ChatThermolang:
        """Take model, tokenizer and generation defaults from a ChatHuggingFace; nothing is loaded again.

        Of the defaults these are taken: maximum of new tokens, temperature, top_p. Others that are set, such as
        ``top_k`` or ``repetition_penalty``, are named in a warning.

        Raises:
            InvalidInputError: An option is unknown.
            ModelError: It does not run in this process, or is no causal language model with a chat template.
        """
        check_options(options, cls._attributes(), shown=[*OPTIONS, "stop", "batch_size"])
        defaults = generation_defaults(chat)
        if "max_new_tokens" in options:
            defaults.pop("max_tokens", None)
        return cls(local=local_model(chat), **(defaults | options))

    @classmethod
    def _attributes(cls) -> list[str]:
        """Names that a new chat model may be given, besides what its model and its scoring are."""
        return sorted({*cls.model_fields, *ALIASES} - {"local", "scoring"})

    def _resolve_model_profile(self) -> ModelProfile | None:
        found = ModelProfile(
            text_inputs=True,
            image_inputs=False,
            audio_inputs=False,
            video_inputs=False,
            text_outputs=True,
            tool_calling=self.local.rules.tools is not None,
        )
        if self.local.context_length < UNLIMITED:
            found["max_input_tokens"] = self.local.context_length
        return found

    def get_token_ids(self, text: str) -> list[int]:
        """Token ids of a text, by the model's own tokenizer; ``get_num_tokens`` counts them."""
        return self.local.encode(text)

    def get_num_tokens_from_messages(
        self,
        messages: list[BaseMessage],
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool] | None = None,
    ) -> int:
        """Tokens of the prompt that the model would read.

        Part of a conversation that the chat template refuses, such as one that begins with an answer, is counted by its
        texts and by what the template writes around a turn.
        """
        told = to_messages(messages)
        try:
            return self._prompt_length(told, [convert_to_openai_tool(tool) for tool in tools or ()]) if told else 0
        except ModelError:
            turns: list[Message] = [{"role": role, "content": "x"} for role in ("user", "assistant", "user")]
            one, three = self._prompt_length(turns[:1]), self._prompt_length(turns)
            texts = sum(len(self.get_token_ids(message["content"])) for message in told)
            # Each "x" is a token of its own.
            return texts + one - 1 + (len(told) - 1) * ((three - one) // 2 - 1)

    def _prompt_length(self, messages: Sequence[Message], tools: Sequence[dict[str, Any]] = ()) -> int:
        return len(self.local.encode(self.local.render(messages, tools=tools)))

    @property
    def model_name(self) -> str:
        """Short name of the model."""
        return self.local.name

    @property
    def _llm_type(self) -> str:
        return "thermolang"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        names = ("temperature", "top_p", "max_tokens", "seed", "stop", "n", "logprobs")
        # A cache must not give one task's confidence to another.
        told = {"model": self.model_name, "scored": self.scoring.key if self.scoring else ""}
        return told | {name: getattr(self, name) for name in names}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        known = super()._get_ls_params(stop=stop or self.stop, **kwargs)
        return cast("LangSmithParams", {**known, "ls_provider": "thermolang"})

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """It holds a model, so no."""
        return False

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: dict[str, Any] | str | bool | None = None,
        strict: bool | None = None,
        parallel_tool_calls: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Let the model call tools, or make it.

        Args:
            tools: Functions, LangChain tools, pydantic models, or JSON schemas of functions.
            tool_choice: ``"auto"`` (the default): the model decides, and its chat template needs a place for tools.
                ``"any"``, or the name of a tool: the answer is one call, whose arguments validate. ``"none"``: it calls
                none.
            strict: Whether arguments validate; those of calls that ``tool_choice`` demands always do.
            parallel_tool_calls: Whether a demanded call may be followed by others.
            **kwargs: Further options of the calls, such as ``response_format`` or ``max_tokens``.

        Raises:
            InvalidInputError: There is no such tool, or something is asked for that cannot be enforced.
            MissingExtraError: ``thermolang[structured]`` is not installed.
        """
        given = {"tool_choice": tool_choice, "strict": strict, "parallel_tool_calls": parallel_tool_calls}
        return self.bind(**tool_options(tools, **given, **kwargs))

    def with_structured_output(
        self,
        schema: dict[str, Any] | type | None = None,
        *,
        method: Literal["json_schema", "function_calling", "json_mode"] = "json_schema",
        include_raw: bool = False,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """Answers as objects of a schema; what comes out validates, or raises an error that says where it was cut.

        Wrapped in ``with_confidence`` the message behind the object (``include_raw=True``) also has a confidence for
        each field. Stop strings play no part.

        Args:
            schema: A pydantic model, a TypedDict or a JSON schema.
            method: ``"json_schema"``: the answer is JSON of the schema, which the model is told below the question.
                ``"function_calling"``: it is a call of a function with these arguments. ``"json_mode"``: it is JSON of
                the schema, or any object without one; your prompt says what it should be.
            include_raw: Return the message, the object and the error, as ``raw``, ``parsed`` and ``parsing_error``.
            strict: As other models take it; here it makes no difference.
            **kwargs: Further options of the calls, such as ``max_tokens``.

        Raises:
            InvalidInputError: The schema is none, or cannot be enforced; or the method is unknown.
            MissingExtraError: ``thermolang[structured]`` is not installed.
        """
        model = self.bind(**structured_options(schema, method, **kwargs))
        return with_parser(model, parser_for(schema), include_raw=include_raw)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        call, pending = self._call(messages, stop, kwargs, run_manager), pending_batch_of(self)
        answers = pending.submit(call).result() if pending else self._answers([call])[0]
        return self._result(call, answers)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        call, pending = self._call(messages, stop, kwargs, run_manager), pending_batch_of(self)
        cancelled = pending.cancelled if pending else threading.Event()
        try:
            if pending:
                return self._result(call, await asyncio.wrap_future(pending.submit(call)))
            answering = partial(copy_context().run, self._answers, [call], cancelled)
            return self._result(call, (await run_in_executor(_waiting(), answering))[0])
        except asyncio.CancelledError:
            # Cancelling does not stop the thread that generates; it checks this event at each token.
            cancelled.set()
            raise

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        call = self._call(messages, stop, kwargs, run_manager)
        if call.n > 1:
            msg = f"a stream has one answer, not n={call.n}; use generate"
            raise InvalidInputError(msg)
        grammar = call.form.grammar if call.form else None
        for piece in self.local.stream(call.messages, call.sampling, tools=call.tools, grammar=grammar):
            if isinstance(piece, Generation):
                ((answered,),) = scored(self.scoring, [call], [[piece]], self.local)
                yield answer_chunk(call, answered, self.local, self.scoring)
            elif not (call.form and call.form.calls):  # a call is no text: it comes whole, at the end
                yield ChatGenerationChunk(message=AIMessageChunk(content=piece))

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        # asyncio's own threads are few, four more than cores: other streams would wait until these have ended.
        # Nothing is closed when this is cancelled: a generator that runs cannot be, and it ends when it is forgotten.
        pieces = self._stream(messages, stop, run_manager.get_sync() if run_manager else None, **kwargs)
        following = partial(copy_context().run, next, pieces, None)
        while (piece := await run_in_executor(_waiting(), following)) is not None:
            yield piece

    def batch(
        self,
        inputs: list[LanguageModelInput],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Any]:
        """Answer many conversations, ``batch_size`` of them in one padded batch; finished ones leave it.

        ``max_concurrency`` in ``config`` makes the batches smaller.
        """
        found: list[Any] = []
        for part in self._parts(inputs, config):
            pending: Batch = PendingBatch(self, len(part), self._answers_or_errors)
            # A thread for each call: the batch starts only once all have come, so fewer threads would wait for ever.
            with ContextThreadPoolExecutor(max_workers=len(part)) as pool:
                calls = [pool.submit(self._invoke_batched, pending, n, i, c, kwargs) for n, (i, c) in enumerate(part)]
            found += [outcome(call.exception() or call.result(), raised=not return_exceptions) for call in calls]
        return found

    async def abatch(
        self,
        inputs: list[LanguageModelInput],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Any]:
        """As ``batch``, without a thread for each call."""
        found: list[Any] = []
        for part in self._parts(inputs, config):
            pending: Batch = PendingBatch(self, len(part), self._answers_or_errors)
            calls = [self._ainvoke_batched(pending, n, i, c, kwargs) for n, (i, c) in enumerate(part)]
            results = await asyncio.gather(*calls, return_exceptions=True)
            found += [outcome(result, raised=not return_exceptions) for result in results]
        return found

    def _parts(
        self, inputs: Sequence[LanguageModelInput], config: RunnableConfig | list[RunnableConfig] | None
    ) -> Iterator[list[tuple[LanguageModelInput, RunnableConfig]]]:
        configs = get_config_list(config, len(inputs))
        pairs = list(zip(inputs, configs, strict=True))
        size = min(self.batch_size, (configs[0].get("max_concurrency") if configs else None) or self.batch_size)
        for start in range(0, len(pairs), size):
            yield pairs[start : start + size]

    def _invoke_batched(
        self, pending: Batch, place: int, asked: LanguageModelInput, config: RunnableConfig, kwargs: dict[str, Any]
    ) -> AIMessage:
        with pending.slot(place):
            return self.invoke(asked, config, **kwargs)

    async def _ainvoke_batched(
        self, pending: Batch, place: int, asked: LanguageModelInput, config: RunnableConfig, kwargs: dict[str, Any]
    ) -> AIMessage:
        with pending.slot(place):
            return await self.ainvoke(asked, config, **kwargs)

    def _call(
        self, messages: list[BaseMessage], stop: list[str] | None, given: dict[str, Any], run: Any = None
    ) -> Call:
        defaults = {name: getattr(self, name) for name in OPTIONS}
        call = call_of(to_messages(messages), defaults, stop or self.stop or (), given)
        told = unread(messages)
        if told and not call.messages[-1]["content"].strip():
            raise ModelError(told)  # there is nothing that could be answered
        if told:
            logger.warning("%s; only the text is answered", told)
        return formed(replace(call, unread=told, run=run), given, self.local)

    def _answers(self, calls: list[Call], cancelled: threading.Event | None = None) -> list[list[Answered]]:
        """Answer calls that may share a batch, and score all answers at once."""
        generations = self.local.generate_batch(
            [call.messages for call in calls for _ in range(call.n)],
            calls[0].sampling,
            seeds=[seed for call in calls for seed in call.seeds],
            tools=calls[0].tools,
            grammars=[call.form.grammar if call.form else None for call in calls for _ in range(call.n)],
            cancelled=cancelled,
        )
        rest = iter(generations)
        answers = [[next(rest) for _ in range(call.n)] for call in calls]
        return scored(self.scoring, calls, answers, self.local)

    def _answers_or_errors(self, calls: list[Call], cancelled: threading.Event) -> list[list[Answered] | Exception]:
        """Answer the calls of one batch; what one does wrong does not harm the others."""
        found: dict[int, list[Answered] | Exception] = {}
        groups: dict[Any, list[int]] = {}
        # Calls with other options, such as temperature, need a batch of their own.
        for i, call in enumerate(calls):
            groups.setdefault(call.together, []).append(i)
        for group in groups.values():
            try:
                found |= zip(group, self._answers([calls[i] for i in group], cancelled), strict=True)
            except ThermolangError as error:
                if len(group) == 1 or cancelled.is_set():
                    found |= dict.fromkeys(group, error)
                else:  # find out whose fault it is
                    found |= {i: self._answers_or_errors([calls[i]], cancelled)[0] for i in group}
        return [found[i] for i in range(len(calls))]

    def _result(self, call: Call, answers: Sequence[Answered]) -> ChatResult:
        messages = [answer_message(call, answered, self.local, self.scoring) for answered in answers]
        return ChatResult(
            generations=[ChatGeneration(message=message) for message in messages],
            llm_output={"model_name": self.model_name},
        )


@cache
def _waiting() -> ThreadPoolExecutor:
    """Threads that wait for answers; they are made as they are needed."""
    return ThreadPoolExecutor(CALLS_AT_ONCE, thread_name_prefix="thermolang-call")
