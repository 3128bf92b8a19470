"""Scores that several calls wait for, read in one forward pass."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import torch

from thermolang.models.caches import Prefix, inputs_after
from thermolang.models.forward import ForwardPass
from thermolang.models.limits import Counters, Limits


@dataclass(eq=False)
class Read:
    """Positions of prompts that one call wants to see; its future has logits, hidden states and a middle layer's."""

    prompts: Sequence[Sequence[int]]
    prefixes: Sequence[Prefix]
    offsets: tuple[int, ...]
    middle: int | None
    future: Future[Any] = field(default_factory=Future)

    @property
    def kind(self) -> tuple[tuple[int, ...], int | None]:
        """Reads of one kind can share a pass."""
        return self.offsets, self.middle


def read_together(forward: ForwardPass, limits: Limits, counters: Counters, reads: Sequence[Read]) -> None:
    """Settle the futures of reads, with as few passes as their kinds and the greatest batch allow."""
    for kind in dict.fromkeys(read.kind for read in reads):
        for group in _groups([read for read in reads if read.kind == kind], limits.max_batch_size):
            _read(forward, counters, group)


def _groups(reads: Sequence[Read], size: int) -> Iterator[list[Read]]:
    group: list[Read] = []
    for read in reads:
        if group and sum(len(r.prompts) for r in (*group, read)) > size:
            yield group
            group = []
        group.append(read)
    yield group


def _read(forward: ForwardPass, counters: Counters, group: Sequence[Read]) -> None:
    start = time.perf_counter()
    prompts = [p for read in group for p in read.prompts]
    try:
        outputs = _outputs(forward, prompts, [p for read in group for p in read.prefixes], *group[0].kind)
    except Exception as error:
        if len(group) == 1:
            group[0].future.set_exception(error)
        else:  # find out whose fault it is
            for read in group:
                _read(forward, counters, [read])
        return
    counters.reads += 1
    counters.rows_read += len(prompts)
    counters.reading_seconds += time.perf_counter() - start
    at = 0
    for read in group:
        part = slice(at, at := at + len(read.prompts))
        read.future.set_result(tuple(None if x is None else x[part] for x in outputs))


def _outputs(
    forward: ForwardPass,
    prompts: Sequence[Sequence[int]],
    prefixes: Sequence[Prefix],
    offsets: Sequence[int],
    middle: int | None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    device = forward.model.device
    # Padding is never looked at, so any id will do.
    inputs = inputs_after(prefixes, prompts, 0, device)
    last = inputs["input_ids"].shape[1] - 1
    # With padding on the left, the same distance from the end is the same column in every row.
    positions = torch.tensor([last - offset for offset in offsets], device=device)
    out = forward(**inputs, logits_to_keep=positions, output_hidden_states=middle is not None)
    # (B, P, d): logits_to_keep drops the other positions before the output embeddings.
    hidden = forward.hidden().float().cpu()
    middles = None if middle is None else out.hidden_states[middle][:, positions].float().cpu()
    return out.logits, hidden, middles
