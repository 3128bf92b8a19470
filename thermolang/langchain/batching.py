"""LangChain starts each call of a ``batch`` in a thread of its own; here they are put together again.

So they go through the model as one padded batch, while callbacks, caches and retries work for each call as always.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Generic, TypeVar

Call = TypeVar("Call")
Answer = TypeVar("Answer")


class PendingBatch(Generic[Call, Answer]):
    """Collects the calls of one ``batch``, waits until each was submitted or has ended, and answers them all at once.

    Args:
        owner: Whose calls they are; another model that is called on the way does not take part.
        size: How many calls there are.
        answer: Takes the submitted calls, and an event that tells it to stop; returns an answer or an error for each.
    """

    def __init__(
        self,
        owner: object,
        size: int,
        answer: Callable[[list[Call], threading.Event], Sequence[Answer | Exception]],
    ) -> None:
        self.owner, self._missing, self._answer = owner, size, answer
        self.cancelled = threading.Event()
        self._lock = threading.Lock()
        self._submitted: list[tuple[int, Call, Future[Answer]]] = []

    @contextmanager
    def slot(self, place: int) -> Iterator[None]:
        """The context of one call. One that never asks the model, as a cache had its answer or it failed, leaves.

        Args:
            place: Of the call among the others: the order in which threads arrive must not decide how a task's
                temperature grows.
        """
        slot = Slot(self, place)
        token = _current.set(slot)
        try:
            yield
        finally:
            _current.reset(token)
            if not slot.submitted:
                self._settle()

    def submit(self, call: Call) -> Future[Answer]:
        """Hand in a call; the future has its answer once the whole batch is done."""
        future: Future[Answer] = Future()
        slot = _current.get()
        with self._lock:
            self._submitted.append((slot.place if slot else 0, call, future))
        self._settle()
        return future

    def _settle(self) -> None:
        """One call less to wait for; the last one sets off the batch, in a thread of its own."""
        with self._lock:
            self._missing -= 1
            ready = self._missing == 0 and bool(self._submitted)
        if ready:
            threading.Thread(target=self._run, name="thermolang-batch", daemon=True).start()

    def _run(self) -> None:
        answers: Sequence[Answer | Exception]
        self._submitted.sort(key=lambda one: one[0])
        try:
            answers = self._answer([call for _, call, _ in self._submitted], self.cancelled)
        except BaseException as error:  # nobody may wait for ever
            answers = [error if isinstance(error, Exception) else RuntimeError(repr(error))] * len(self._submitted)
        for (_, _, future), answer in zip(self._submitted, answers, strict=True):
            if not future.set_running_or_notify_cancel():
                continue
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)


class Slot:
    """The place of one call in a pending batch."""

    def __init__(self, batch: PendingBatch[Any, Any], place: int) -> None:
        self.batch, self.place, self.submitted = batch, place, False


_current: ContextVar[Slot | None] = ContextVar("thermolang_batch", default=None)


def pending_batch_of(owner: object) -> PendingBatch[Any, Any] | None:
    """The pending batch that the running call of this owner belongs to; None at its second request, or without one."""
    slot = _current.get()
    if slot is None or slot.submitted or slot.batch.owner is not owner:
        return None
    slot.submitted = True
    return slot.batch


def outcome(found: Any, *, raised: bool) -> Any:
    """The result of a call; an error is returned, or raised if so asked."""
    if raised and isinstance(found, BaseException):
        raise found
    return found
