"""One thread for each model runs its forward passes, so that concurrent calls share them (continuous batching).

Answers of any calls grow in one batch: a new one joins at the next token and leaves when it is done (iteration-level
scheduling; Yu et al., OSDI 2022, "Orca"). Scores that several calls wait for are read in one forward pass. A model
whose cache cannot be cut, as with sliding windows, runs the batches of its calls in turns.
"""

from __future__ import annotations

import atexit
import math
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar
from weakref import WeakSet, WeakValueDictionary

import torch

from thermolang.errors import ModelBusyError, ModelError, ModelTimeoutError
from thermolang.models.caches import Prefix, PrefixCache, can_be_cut, inputs_after
from thermolang.models.decoding import Batch, Row
from thermolang.models.forward import ForwardPass
from thermolang.models.limits import Counters, Limits
from thermolang.models.reading import Read, read_together

T = TypeVar("T")

LINGER = 0.002
"""Seconds after a call, or after the last of several, that a pass waits for more which are made at the same time."""

CROWD_LINGER = 0.2
"""The same as a share of the time of a pass, where calls have been made at once lately: through a web server they come
some milliseconds apart, and one that just misses a pass waits for all of it."""

LATELY = 10.0
"""Seconds."""

IDLE = 5.0
"""Seconds without work after which the thread ends; the next call starts another."""

READS_WAIT = 4
"""At most so many tokens are generated before waiting scores are read; until then others may come to share the pass."""

PULSE = 0.2
"""Seconds after which a waiting caller is asked whether it still wants its answers."""


@dataclass(eq=False)
class Answers:
    """The answers that one call waits for."""

    rows: Sequence[Row]
    ticks: queue.SimpleQueue[None] = field(default_factory=queue.SimpleQueue)
    cancelled: bool = False


@dataclass(eq=False)
class Waiting:
    """An answer that has not begun."""

    row: Row
    prefix: Prefix
    call: Answers
    since: float


class Scheduler:
    """Runs a model for any number of threads; ``scheduler_of`` finds the one of a model.

    Args:
        model: A transformers causal language model.
        limits: How much may run at once.
    """

    def __init__(self, model: Any, limits: Limits | None = None) -> None:
        self.model, self._forward = model, ForwardPass(model)
        self.limits, self.counters = limits or Limits(), Counters()
        self._prefixes = PrefixCache(self.limits.prefix_bytes)
        self._batches: list[Batch] = []
        self._token_bytes = 0
        self._reset()
        _all.add(self)

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy of a model has a scheduler of its own.
        return scheduler_of, (self.model, self.limits)

    def _reset(self) -> None:
        """Start without calls, as in a process that was forked: the thread and its calls stayed in the other one."""
        self._changed = threading.Condition()
        self._waiting: deque[Waiting] = deque()
        self._reads: deque[Read] = deque()
        self._works: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._calls: dict[Row, Answers] = {}
        self._batches, self._steps_since_read, self._just_ended = [], 0, 0
        self._crowded = -math.inf
        self._thread: threading.Thread | None = None
        self._closing = False

    @property
    def running(self) -> int:
        """Answers that grow now."""
        return sum(len(batch.rows) for batch in self._batches)

    @property
    def waiting(self) -> int:
        """Answers that have not begun."""
        return len(self._waiting)

    def forget_prompts(self) -> None:
        """Forget the caches of earlier prompts: the same prompt again is then as much work as a new one."""
        self._prefixes.clear()

    # The side of the calls.

    def answers(self, rows: Sequence[Row], prefixes: Sequence[Prefix] = (), *, first: bool = False) -> Iterator[None]:
        """Let answers grow.

        Args:
            rows: Answers without tokens.
            prefixes: What each prompt begins with, computed before; one for each, or none.
            first: Before others that wait, as somebody looks at this one while it grows.

        Yields:
            After tokens have come, and now and then while they do not; the last time all answers are finished. To stop
            them, stop iterating.

        Raises:
            ModelBusyError: Too many answers wait already.
            ModelTimeoutError: They are not finished in the time that their sampling allows.
            ModelError: The model failed, for one of these answers.
        """
        call = Answers(rows)
        allowed = min((row.sampling.timeout for row in rows if row.sampling.timeout is not None), default=math.inf)
        end = time.monotonic() + allowed
        self._submit(call, prefixes or [Prefix()] * len(rows), first)
        try:
            while True:
                _next_tick(call.ticks, min(PULSE, max(end - time.monotonic(), 0.0)))
                for error in (row.error for row in rows if row.error is not None):
                    raise error
                done = all(row.finish_reason for row in rows)
                if not done and time.monotonic() > end:
                    raise _too_late(rows, allowed)
                yield
                if done:
                    return
        finally:
            call.cancelled = True

    def read(
        self, prompts: Sequence[Sequence[int]], prefixes: Sequence[Prefix], offsets: Sequence[int], middle: int | None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Run B prompts and keep P positions of each, with whoever else wants the same positions.

        Args:
            prompts: Token ids.
            prefixes: What each begins with, computed before; one for each, or none.
            offsets: The positions, counted from the end of every prompt.
            middle: Also keep the output of this layer, counted from 1.

        Returns:
            Logits (B, P, V) as the model returns them; the hidden states of the last and of the middle layer (B, P, d)
            in float32 on the CPU.
        """
        read = Read(prompts, prefixes or [Prefix()] * len(prompts), tuple(offsets), middle)
        self._put(self._reads, read)
        return read.future.result()  # type: ignore[no-any-return]

    def run(self, work: Callable[[], T]) -> T:
        """Do something with the model between two tokens of the others."""
        if threading.current_thread() is self._thread:
            return work()
        future: Future[T] = Future()
        self._put(self._works, (work, future))
        return future.result()

    def prefix(self, ids: Sequence[int], after: Prefix | None = None) -> Prefix:
        """Compute token ids that several prompts begin with; empty if the model's cache cannot be cut.

        Args:
            ids: The token ids.
            after: What they begin with themselves, computed before.
        """
        inputs = inputs_after([after or Prefix()], [ids], 0, self.model.device)
        out = self.run(lambda: self._forward(**inputs, use_cache=True, logits_to_keep=1))
        return Prefix(tuple(ids), out.past_key_values) if can_be_cut(out.past_key_values) else Prefix()

    def _submit(self, call: Answers, prefixes: Sequence[Prefix], first: bool) -> None:
        now = time.perf_counter()
        new = [Waiting(row, prefix, call, now) for row, prefix in zip(call.rows, prefixes, strict=True)]
        with self._changed:
            if self._waiting and len(self._waiting) + len(new) > self.limits.max_waiting:
                msg = (
                    f"{len(self._waiting)} answers wait for this model already and max_waiting is "
                    f"{self.limits.max_waiting}: try again later, or send fewer calls at once"
                )
                raise ModelBusyError(msg)
            if any(not other.cancelled for other in self._calls.values()):
                self._crowded = now
            for row in call.rows:
                self._calls[row] = call
            (self._waiting.extendleft(reversed(new)) if first else self._waiting.extend(new))
            self._wake()

    def _put(self, where: deque[Any], what: Any) -> None:
        with self._changed:
            where.append(what)
            self._wake()

    def _wake(self) -> None:
        if self._closing:
            raise ModelError("Python is about to exit: the model takes no more calls")
        if self._thread is None:
            self._thread = threading.Thread(target=self._loop, name="thermolang-model", daemon=True)
            self._thread.start()
        self._changed.notify()

    # The thread's side.

    @torch.inference_mode()
    def _loop(self) -> None:
        try:
            while self._has_work():
                self._drop_cancelled()
                self._admit()
                self._admit()  # those that came meanwhile: else their first tokens would wait for one of the others'
                self._do_works()
                self._do_reads()
                for batch in list(self._batches):
                    self._step(batch)
                self._batches = [batch for batch in self._batches if batch.rows]
        except BaseException as error:
            with self._changed:
                self._thread = None
                self._fail_all(error if isinstance(error, Exception) else RuntimeError(repr(error)))
            raise

    def _has_work(self) -> bool:
        """Wait for work; False if there was none for a while, or Python is about to exit."""
        with self._changed:
            idle = not self._batches
            if idle and not self._pending():
                self._changed.wait_for(lambda: self._pending() or self._closing, timeout=IDLE)
            if self._closing or (idle and not self._pending()):
                self._thread = None
                self._fail_all(ModelError("Python exited before the answer was finished"))
                return False
            if idle:
                self._linger()
            self._just_ended = 0
            return True

    def _linger(self) -> None:
        """Wait until no more calls come, so that those made together begin together."""
        if self._just_ended > 1:
            # Those that ended together come back together, with a question about their answers.
            self._changed.wait_for(lambda: self._pending() >= self._just_ended, timeout=5 * LINGER)
        come, seconds = 0, LINGER
        if time.perf_counter() - self._crowded < LATELY:
            seconds = max(LINGER, CROWD_LINGER * self.counters.generating_seconds / max(self.counters.steps, 1))
        while come < self._pending() < self.limits.max_batch_size:
            come = self._pending()
            self._changed.wait_for(lambda come=come: self._pending() > come, timeout=seconds)  # type: ignore[misc]

    def _pending(self) -> int:
        return len(self._waiting) + len(self._reads) + len(self._works)

    def _fail_all(self, error: Exception) -> None:
        """Nobody may wait for ever."""
        for row in list(self._calls):
            self._end(row, error)
        for future in [read.future for read in self._reads] + [future for _, future in self._works]:
            future.set_exception(error)
        self._batches = []
        for waiting in (self._waiting, self._reads, self._works):
            waiting.clear()

    def _drop_cancelled(self) -> None:
        for batch in self._batches:
            gone = [row for row in batch.rows if self._calls[row].cancelled]
            batch.drop(gone)
            for row in gone:
                self._end(row)
        self._batches = [batch for batch in self._batches if batch.rows]

    def _end(self, row: Row, error: Exception | None = None) -> None:
        """An answer is finished, has failed, or is not wanted any more."""
        call = self._calls.pop(row)
        if error is not None:
            row.fail(error)
        self.counters.failed += row.error is not None
        self.counters.cancelled += not row.finish_reason
        call.ticks.put(None)

    def _admit(self) -> None:
        """Begin as many waiting answers as there is room for."""
        new = self._next_waiting()
        if not new:
            return
        prefixes = [w.prefix if w.prefix.ids else self._prefixes.longest(w.row.prompt) for w in new]
        # Only these were not asked for: the others are counted by their callers.
        known = [p for p, w in zip(prefixes, new, strict=True) if p.ids and not w.prefix.ids]
        self.counters.prefix_hits += len(known)
        self.counters.prefix_tokens += sum(len(p.ids) for p in known)
        self.counters.prompt_tokens += sum(len(w.row.prompt) for w in new)
        rows = [w.row for w in new]
        batch = Batch(self._forward, rows, prefixes=prefixes)
        self._step(batch, first=True)
        now = time.perf_counter()
        self.counters.waiting_seconds += sum(now - w.since for w in new)
        self._merge(batch)

    def _next_waiting(self) -> list[Waiting]:
        new: list[Waiting] = []
        with self._changed:
            running = [row for batch in self._batches for row in batch.rows]
            while self._waiting:
                waiting = self._waiting[0]
                if waiting.call.cancelled:
                    self._end(self._waiting.popleft().row)
                elif self._fits([*running, *(w.row for w in new), waiting.row]):
                    new.append(self._waiting.popleft())
                else:
                    break
        return new

    def _fits(self, rows: Sequence[Row]) -> bool:
        if len(rows) == 1:
            return True
        longest = max(len(row.prompt) + row.limit for row in rows)
        return (
            len(rows) <= self.limits.max_batch_size
            and len(rows) * longest * self._token_bytes <= self.limits.cache_bytes
        )

    def _merge(self, batch: Batch) -> None:
        """Let new answers grow with the others, if this model's caches can be put together."""
        if not batch.rows:
            return
        if self._batches and can_be_cut(batch.cache) and can_be_cut(self._batches[0].cache):
            self._batches[0].join(batch)
        else:
            self._batches.append(batch)

    def _step(self, batch: Batch, *, first: bool = False) -> None:
        """One token for each answer of a batch; what one of them does wrong does not harm the others."""
        start, rows = time.perf_counter(), list(batch.rows)
        try:
            batch.step(self._remember if first else None)
        except Exception as error:
            self._isolate(batch, rows, error)
            return
        self.counters.steps += 1
        self.counters.tokens += len(rows)
        self.counters.generating_seconds += time.perf_counter() - start
        self._steps_since_read += bool(self._reads)
        self._tell(rows)

    def _remember(self, batch: Batch) -> None:
        """Keep the prompts of a batch that has just read them."""
        if can_be_cut(batch.cache):
            self._token_bytes = self._token_bytes or batch.bytes_of_a_token()
            for i, row in enumerate(batch.rows):
                self._prefixes.keep(row.prompt, partial(batch.cut, i))

    def _tell(self, rows: Sequence[Row]) -> None:
        calls = {self._calls[row] for row in rows}
        for row in rows:
            if row.finish_reason:
                self._calls.pop(row)
                self.counters.failed += row.error is not None
        for call in calls:
            call.ticks.put(None)
        self._just_ended += sum(all(row.finish_reason for row in call.rows) for call in calls)

    def _isolate(self, batch: Batch, rows: Sequence[Row], error: Exception) -> None:
        """Go on with each answer alone, from its tokens so far: the one that is to blame fails again."""
        batch.rows = []
        if len(rows) == 1:
            self._end(rows[0], error)
            return
        for row in rows:
            if row.finish_reason:
                self._end(row)
                continue
            alone = Batch(self._forward, [row])
            self._step(alone)
            self._merge(alone)

    def _do_works(self) -> None:
        while self._works:
            work, future = self._works.popleft()
            _settle(future, work)

    def _do_reads(self) -> None:
        """Read the scores that are waited for, once enough of them have come or the first has waited long enough."""
        running = self.running
        if not self._reads or (running and self._steps_since_read < READS_WAIT and len(self._reads) < running):
            return
        self._steps_since_read = 0
        with self._changed:
            reads = list(self._reads)
            self._reads.clear()
        read_together(self._forward, self.limits, self.counters, reads)

    def close(self) -> None:
        """Take no more calls, and let those that wait fail."""
        with self._changed:
            self._closing, thread = True, self._thread
            self._changed.notify()
        if thread is not None:
            thread.join(timeout=IDLE)


_all: WeakSet[Scheduler] = WeakSet()
_of_model: WeakValueDictionary[int, Scheduler] = WeakValueDictionary()
"""By the id of the model, which lives as long as its scheduler."""


def scheduler_of(model: Any, limits: Limits | None = None) -> Scheduler:
    """The scheduler of a transformers model; there is one, however many wrap the model.

    Args:
        model: A transformers causal language model.
        limits: How much may run at once; those of an earlier call hold if there was one.
    """
    found = _of_model.get(id(model))
    if found is None:
        found = _of_model[id(model)] = Scheduler(model, limits)
    return found


@atexit.register
def _close_all() -> None:
    """A thread that runs a model while Python exits could end the process with an error of its own."""
    for scheduler in list(_all):
        scheduler.close()


def _forked() -> None:
    for scheduler in list(_all):
        scheduler._reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def _too_late(rows: Sequence[Row], seconds: float) -> ModelTimeoutError:
    missing = [row for row in rows if not row.finish_reason]
    least = min(len(row.token_ids) for row in missing)
    return ModelTimeoutError(
        f"{len(missing)} of {len(rows)} answers were not finished within {seconds:g} seconds, the shortest after "
        f"{least} tokens: allow more time, fewer tokens, or fewer calls at once"
    )


def _next_tick(ticks: queue.SimpleQueue[None], seconds: float) -> None:
    """Wait for a token, or for a while; several that have come by now count as one."""
    try:
        ticks.get(timeout=seconds)
        while True:
            ticks.get_nowait()
    except queue.Empty:
        pass


def _settle(future: Future[Any], work: Callable[[], Any]) -> None:
    try:
        future.set_result(work())
    except Exception as error:
        future.set_exception(error)
