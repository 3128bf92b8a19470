"""How much a model may do at once, and what it has done."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from thermolang.errors import InvalidInputError


@dataclass(frozen=True)
class Limits:
    """How much may run at once.

    Attributes:
        max_batch_size: Answers that grow together; further ones wait.
        cache_bytes: KV caches of running answers at their longest; an answer waits until it fits, one always runs.
        max_waiting: Answers that may wait; then calls are refused with ``ModelBusyError``.
        prefix_bytes: Kept caches of earlier prompts; 0 keeps none.
    """

    max_batch_size: int = 32
    cache_bytes: int = 2**32
    max_waiting: int = 4096
    prefix_bytes: int = 2**28

    def __post_init__(self) -> None:
        if min(self.max_batch_size, self.cache_bytes, self.max_waiting) < 1 or self.prefix_bytes < 0:
            msg = f"limits are whole numbers of at least 1 (prefix_bytes: 0), got {self}"
            raise InvalidInputError(msg)


def _counted(what: str) -> Any:
    """A number that starts at 0; ``what`` it counts is its help text for Prometheus."""
    return field(default=0, metadata={"help": what})


@dataclass
class Counters:
    """What a model has done since it was loaded; the metadata of each field says what it counts."""

    tokens: int = _counted("Tokens generated.")
    steps: int = _counted("Forward passes that generated them; tokens / steps is the mean batch size.")
    reads: int = _counted("Forward passes that read scores for confidences.")
    rows_read: int = _counted("Scores that they read.")
    prompt_tokens: int = _counted("Tokens of all prompts.")
    prefix_tokens: int = _counted("Tokens of prompts that were taken from an earlier prompt.")
    prefix_hits: int = _counted("Prompts that began as an earlier one.")
    waiting_seconds: float = _counted("Sum over answers of the time before their first token.")
    generating_seconds: float = _counted("Time of the passes that generated.")
    reading_seconds: float = _counted("Time of the passes that read scores: what confidences cost.")
    failed: int = _counted("Answers that ended with an error.")
    cancelled: int = _counted("Answers that nobody waited for any more.")
