"""What the parts of thermolang agree on without knowing each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from thermolang.types import Generation, Message, ModelIdentity, OptionScores


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
        self, messages: Sequence[Message], choices: Sequence[str], answer: Generation | None = ...
    ) -> OptionScores:
        """Read the options' logits at the answer position, of the answer's own pass if it is given."""

    def self_check_batch(self, pairs: Sequence[tuple[Sequence[Message], Generation | str]]) -> list[OptionScores]:
        """Ask the model of each (conversation, answer) pair whether the answer is right; options ``("yes", "no")``."""
