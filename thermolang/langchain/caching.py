"""An LLM cache keeps a wrapped model's answers, and never what another wrapper thought of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.caches import BaseCache
from langchain_core.globals import get_llm_cache
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, Generation

from thermolang.langchain.messages import KEY, Scoring, attach_decision, read


class AnswerCache(BaseCache):
    """What a wrapped chat model sees of its LLM cache.

    Of a model that a callback scores, only the answer is kept, so that it is scored anew. The answer of a model that
    scores its own keeps its value, as such a model puts task, choices and mode into its key; only the decision is made
    anew. All messages are copies: a cache in memory gives out the very objects that it was given.

    Args:
        cache: The model's own: a cache, True for the global one, None for the global one if there is any.
        scoring: How the model's answers are scored.
        native: Whether the model scores its own answers.
    """

    def __init__(self, cache: BaseCache | bool | None, scoring: Scoring, *, native: bool) -> None:
        self._cache, self._scoring, self._native = cache, scoring, native

    def lookup(self, prompt: str, llm_string: str) -> Sequence[Generation] | None:
        """The kept answers, if there are any."""
        cache = self._used()
        found = cache.lookup(prompt, self._key(llm_string)) if cache else None
        return None if found is None else [self._decided(self._copy(one)) for one in found]

    def update(self, prompt: str, llm_string: str, return_val: Sequence[Generation]) -> None:
        """Keep answers."""
        if cache := self._used():
            cache.update(prompt, self._key(llm_string), [self._copy(one) for one in return_val])

    async def alookup(self, prompt: str, llm_string: str) -> Sequence[Generation] | None:
        """As ``lookup``."""
        cache = self._used()
        found = await cache.alookup(prompt, self._key(llm_string)) if cache else None
        return None if found is None else [self._decided(self._copy(one)) for one in found]

    async def aupdate(self, prompt: str, llm_string: str, return_val: Sequence[Generation]) -> None:
        """As ``update``."""
        if cache := self._used():
            await cache.aupdate(prompt, self._key(llm_string), [self._copy(one) for one in return_val])

    def clear(self, **kwargs: Any) -> None:
        """Forget everything, also what other models keep there."""
        if cache := self._used():
            cache.clear(**kwargs)

    def _used(self) -> BaseCache | None:
        if isinstance(self._cache, BaseCache):
            return self._cache
        cache = get_llm_cache()
        if cache is None and self._cache:
            msg = "cache=True asks for the global LLM cache, but there is none: call set_llm_cache first"
            raise ValueError(msg)
        return cache

    def _key(self, llm_string: str) -> str:
        # A ChatHuggingFace has the same key whatever its weights are.
        return llm_string if self._native else f"{llm_string} {self._scoring.estimator.model.name}"

    def _copy(self, generation: Generation) -> Generation:
        if not isinstance(generation, ChatGeneration):
            return generation
        message = generation.message
        metadata = {k: v for k, v in message.response_metadata.items() if self._native or k != KEY}
        return generation.model_copy(update={"message": message.model_copy(update={"response_metadata": metadata})})

    def _decided(self, generation: Generation) -> Generation:
        policy = self._scoring.policy
        message = generation.message if isinstance(generation, ChatGeneration) else None
        if policy is None or not isinstance(message, AIMessage) or KEY not in message.response_metadata:
            return generation
        decided = attach_decision(message, policy.decide(read(message)[0]), None)
        return generation.model_copy(update={"message": decided})
