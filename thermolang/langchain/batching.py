"""The calls of one ``batch`` meet, and go through the model as one padded batch."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Generic, TypeVar

Call = TypeVar("Call")
Answer = TypeVar("Answer")


class Gathering(Generic[Call, Answer]):
    """Waits until each of ``size`` calls has come or left, then answers all that came, at once.

    Args:
        owner: Whose calls they are; another model that is called on the way does not take part.
        size: How many calls there are.
        answer: Takes the calls that came, and an event that tells it to stop; returns an answer or an error for each.
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
        self._came: list[tuple[int, Call, Future[Answer]]] = []

    @contextmanager
    def member(self, place: int) -> Iterator[None]:
        """The context of one call. One that never asks the model, as a cache had its answer or it failed, leaves.

        Args:
            place: Of the call among the others: the order in which threads arrive must not decide how a task's
                temperature grows.
        """
        membership = Membership(self, place)
        token = _current.set(membership)
        try:
            yield
        finally:
            _current.reset(token)
            if not membership.came:
                self._settle()

    def come(self, call: Call) -> Future[Answer]:
        """Hand in a call; the future has its answer once the whole batch is done."""
        future: Future[Answer] = Future()
        membership = _current.get()
        with self._lock:
            self._came.append((membership.place if membership else 0, call, future))
        self._settle()
        return future

    def _settle(self) -> None:
        """One call less to wait for; the last one sets off the batch, in a thread of its own."""
        with self._lock:
            self._missing -= 1
            ready = self._missing == 0 and bool(self._came)
        if ready:
            threading.Thread(target=self._run, name="thermolang-batch", daemon=True).start()

    def _run(self) -> None:
        answers: Sequence[Answer | Exception]
        self._came.sort(key=lambda one: one[0])
        try:
            answers = self._answer([call for _, call, _ in self._came], self.cancelled)
        except BaseException as error:  # nobody may wait for ever
            answers = [error if isinstance(error, Exception) else RuntimeError(repr(error))] * len(self._came)
        for (_, _, future), answer in zip(self._came, answers, strict=True):
            if not future.set_running_or_notify_cancel():
                continue
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)


class Membership:
    """Of one call in a gathering."""

    def __init__(self, gathering: Gathering[Any, Any], place: int) -> None:
        self.gathering, self.place, self.came = gathering, place, False


_current: ContextVar[Membership | None] = ContextVar("thermolang_gathering", default=None)


def gathering_of(owner: object) -> Gathering[Any, Any] | None:
    """The gathering in which the running call of this owner takes part, the first time it asks."""
    membership = _current.get()
    if membership is None or membership.came or membership.gathering.owner is not owner:
        return None
    membership.came = True
    return membership.gathering


def outcome(found: Any, *, raised: bool) -> Any:
    """What a call of a batch came to; its error, or raised if so asked."""
    if raised and isinstance(found, BaseException):
        raise found
    return found
