"""Generating answers a token at a time: how tokens are chosen, and the ``Batch`` of answers that grow together.

A batch may start from the caches of what its prompts begin with, other answers may join it at any token, and each
leaves it with a cache of its own.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from thermolang.errors import ModelError
from thermolang.models.caches import Prefix, cache_bytes, can_be_cut, cut_row, inputs_after, joined, without_first
from thermolang.models.constrained import MOST_AT_A_FORK, Constraint, Fork
from thermolang.models.forward import ForwardPass

NUCLEUS_WIDTHS = (256, 8192)
"""Most nuclei are smaller than this, and finding the largest few is far cheaper than sorting a vocabulary."""


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen.

    Attributes:
        max_new_tokens: At most this many tokens per answer.
        temperature: 0 is greedy; otherwise logits are divided by it.
        top_p: Nucleus: the smallest set of tokens with at least this probability (Holtzman et al., 2020).
        seed: Of an answer's own random numbers; None draws a fresh one.
        stop: The answer ends before the first of these strings.
        thoughts: Whether a reasoning model may think before it answers.
        timeout: Seconds, waiting included, after which an unfinished answer fails; None for no limit.
    """

    max_new_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    thoughts: bool = True
    timeout: float | None = None

    def __post_init__(self) -> None:
        # Written so that NaN fails too.
        if not (self.max_new_tokens >= 1 and 0 <= self.temperature < math.inf and 0 < self.top_p <= 1):
            msg = f"max_new_tokens >= 1, a finite temperature >= 0 and 0 < top_p <= 1 are needed, got {self}"
            raise ModelError(msg)
        if self.timeout is not None and not self.timeout > 0:
            msg = f"a timeout is a number of seconds above 0, or None for no limit, not {self.timeout}"
            raise ModelError(msg)
        if "" in self.stop:
            msg = f"a stop string must not be empty: every answer would end at once; got {self}"
            raise ModelError(msg)
        if self.seed is not None and not -(2**63) <= self.seed < 2**63:
            msg = f"a seed is a whole number of 64 bits, got {self.seed}"
            raise ModelError(msg)


SHORT = Sampling(max_new_tokens=32, stop=("\n",), thoughts=False)
"""Greedy answers of one short line, without thoughts, which would fill it. Calibrators learn from them, and texts from
elsewhere are compared with them."""


@dataclass(frozen=True)
class Ending:
    """How the tokens of a model end an answer.

    Attributes:
        end_ids: Token ids that end it.
        text_of: Decodes token ids; stop strings are looked for in this text.
    """

    end_ids: frozenset[int]
    text_of: Callable[[list[int]], str]


@dataclass(eq=False)
class Row:
    """One answer while it grows.

    Attributes:
        prompt: Token ids of the conversation.
        sampling: How its tokens are chosen.
        ending: How it ends.
        limit: Most tokens it may have.
        generator: Its own random numbers.
        constraint: What its form must be, if anything; stop strings do not end such an answer.
        token_ids: The tokens so far.
        logprobs: The log-probability of each, at temperature 1.
        finish_reason: "stop", "length" or "error"; empty while it grows.
        error: Why it failed.
        start: Logits (V,) and hidden state (d,) where the answer starts.
        cache: Once it is finished, the transformers cache of all its tokens but the last, without padding.
        forks: By the place of a token, what was allowed there; where these were few.
    """

    prompt: Sequence[int]
    sampling: Sampling
    ending: Ending
    limit: int
    generator: torch.Generator
    constraint: Constraint | None = None
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish_reason: str = ""
    error: Exception | None = None
    start: tuple[torch.Tensor, torch.Tensor] | None = None
    cache: Any = None
    forks: dict[int, Fork] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        prompt: Sequence[int],
        sampling: Sampling,
        ending: Ending,
        *,
        context_length: int = 2**31,
        seed: int | None = None,
        constraint: Constraint | None = None,
    ) -> Row:
        """An answer that has no token yet; it ends where it fills the context.

        Args:
            prompt: Token ids of the conversation.
            sampling: How tokens are chosen.
            ending: How an answer ends.
            context_length: How many positions the model has.
            seed: Of its random numbers; None draws a fresh one.
            constraint: What its form must be.
        """
        limit = min(sampling.max_new_tokens, context_length - len(prompt))
        return cls(prompt, sampling, ending, limit, _generator(seed), constraint)

    def fail(self, error: Exception) -> None:
        """End with an error."""
        self.error, self.finish_reason = error, "error"


class Batch:
    """Answers that grow together: one forward pass gives each of them its next token.

    Args:
        forward: The model's.
        rows: The answers; those that have tokens already are computed anew with their prompts.
        prefixes: What each prompt begins with, computed before; one for each, or none.
    """

    def __init__(self, forward: ForwardPass, rows: Sequence[Row], *, prefixes: Sequence[Prefix] = ()) -> None:
        self.rows, self._forward = list(rows), forward
        prompts = [[*row.prompt, *row.token_ids] for row in rows]
        # Padding is never looked at, so any id will do.
        self._inputs = inputs_after(prefixes, prompts, 0, forward.model.device)
        self.cache: Any = self._inputs.pop("past_key_values", None)

    def step(self, computed: Callable[[Batch], None] | None = None) -> None:
        """Give each answer its next token; those that are finished leave the batch.

        An answer whose logits are not finite fails alone.

        Args:
            computed: Called before any of them leaves: then the cache is that of what was given, without the new token.
        """
        out = self._forward(**self._inputs, past_key_values=self.cache, use_cache=True, logits_to_keep=1)
        self.cache, logits = out.past_key_values, out.logits[:, -1].float()  # (B, V)
        hidden = self._forward.hidden()[:, -1].float()
        self._mark_failed(logits)
        tokens = _append(self.rows, logits, hidden)
        for i, row in enumerate(self.rows):
            if row.start is None:
                row.start = logits[i].cpu(), hidden[i].cpu()
            if row.error is None and (reason := _finish_reason(row)):
                row.cache = self.cut(i)
                # At last: another thread may take the row as soon as it is finished.
                row.finish_reason = reason
        if computed:
            computed(self)
        self._inputs = {
            "input_ids": tokens[:, None],
            "attention_mask": self._inputs["attention_mask"],
            "position_ids": self._inputs["position_ids"][:, -1:] + 1,
        }
        self.drop([row for row in self.rows if row.finish_reason])
        mask = self._inputs["attention_mask"]
        self._inputs["attention_mask"] = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)

    def cut(self, i: int) -> Any:
        """The cache of one row by its place, without padding; None if it cannot be cut."""
        return cut_row(self.cache, i, self._inputs["attention_mask"][i, : self.cache.get_seq_length()].bool())

    def bytes_of_a_token(self) -> int:
        """How much of the cache one token of one answer takes."""
        return cache_bytes(self.cache) // (len(self.rows) * int(self.cache.get_seq_length()))

    def drop(self, rows: Sequence[Row]) -> None:
        """Take rows out, and the padding that none of the others needs."""
        keep = [i for i, row in enumerate(self.rows) if row not in rows]
        if len(keep) == len(self.rows):
            return
        self.rows = [self.rows[i] for i in keep]
        self._inputs = {name: values[keep] for name, values in self._inputs.items()}
        if not keep:
            self.cache = None
            return
        mask = self._inputs["attention_mask"]
        self.cache.batch_select_indices(torch.tensor(keep, device=mask.device))
        if can_be_cut(self.cache) and (padding := int(mask.any(0).int().argmax())):
            self.cache = without_first(self.cache, padding)
            self._inputs["attention_mask"] = mask[:, padding:]

    def join(self, other: Batch) -> None:
        """Take in the rows of another batch of the same model; both have made a step, and their caches can be cut."""
        self.cache = joined(self.cache, other.cache)
        width = max(x._inputs["attention_mask"].shape[1] for x in (self, other))
        for name in self._inputs:
            both = [x._inputs[name] for x in (self, other)]
            if name == "attention_mask":
                both = [torch.cat([m.new_zeros(len(m), width - m.shape[1]), m], dim=1) for m in both]
            self._inputs[name] = torch.cat(both)
        self.rows += other.rows

    def _mark_failed(self, logits: torch.Tensor) -> None:
        # Single logits of -inf are allowed: such tokens have a probability of 0.
        finite = torch.isfinite(logits.amax(-1)) & ~torch.isnan(logits).any(-1)
        for row in (r for r, fine in zip(self.rows, finite.tolist(), strict=True) if not fine):
            msg = "the model's logits are not finite (NaN or infinity); try another dtype, such as float32"
            row.fail(ModelError(msg))
        logits[~finite] = 0.0  # a token is chosen for every row


def choose_tokens(logits: torch.Tensor, sampling: Sampling, generators: Sequence[torch.Generator]) -> torch.Tensor:
    """Pick one token per row; logits (B, V) -> ids (B,).

    A sample is the token at which the cumulative probability passes a random number. Each row has its number from its
    own generator, never from the global one, so a row of a batch samples as if it were alone.
    """
    if sampling.temperature == 0:
        return logits.argmax(-1)
    # The largest becomes 0, so that no temperature, however low, makes it infinite.
    scores = (logits - logits.amax(-1, keepdim=True)) / sampling.temperature
    probabilities = scores.softmax(-1)
    if sampling.top_p < 1:
        probabilities, ids = _nucleus(probabilities, sampling.top_p)
    # (B, V), or (B, K) of the nucleus.
    cumulative = probabilities.double().cumsum(-1)
    drawn = torch.stack([torch.rand(1, generator=g, dtype=torch.float64) for g in generators]).to(cumulative.device)
    # Scaled by the total, which is below 1 in a nucleus; rounding may still put the number past the end.
    picked = torch.searchsorted(cumulative, drawn * cumulative[:, -1:], right=True)
    picked = picked.clamp(max=cumulative.shape[-1] - 1)
    return (picked if sampling.top_p == 1 else ids.gather(1, picked))[:, 0]


def _generator(seed: int | None) -> torch.Generator:
    return torch.Generator().manual_seed(secrets.randbits(63) if seed is None else seed)


def _append(rows: Sequence[Row], logits: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    """Choose a token for each row; logits (B, V), hidden states (B, d) -> ids (B,)."""
    totals = logits.logsumexp(-1)  # (B,)
    masked = _masked(rows, logits, totals, hidden)
    tokens = _chosen(rows, masked)
    chosen = (logits.gather(1, tokens[:, None])[:, 0] - totals).tolist()
    for row, token, logprob in zip(rows, tokens.tolist(), chosen, strict=True):
        row.token_ids.append(token)
        row.logprobs.append(logprob)
        if row.constraint:
            row.constraint.take(token)
    return tokens


def _chosen(rows: Sequence[Row], logits: torch.Tensor) -> torch.Tensor:
    """A token for each row by its own sampling: logits (B, V) -> ids (B,)."""
    ways = {(row.sampling.temperature, row.sampling.top_p): row.sampling for row in rows}
    if len(ways) == 1:
        return choose_tokens(logits, rows[0].sampling, [row.generator for row in rows])
    tokens = torch.zeros(len(rows), dtype=torch.long, device=logits.device)
    for way, sampling in ways.items():
        of = [i for i, row in enumerate(rows) if (row.sampling.temperature, row.sampling.top_p) == way]
        tokens[of] = choose_tokens(logits[of], sampling, [rows[i].generator for i in of])
    return tokens


def _masked(rows: Sequence[Row], logits: torch.Tensor, totals: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    """Logits (B, V) without the tokens that a row may not take; forks are kept with their row on the way."""
    if not any(row.constraint for row in rows):
        return logits
    found = logits.clone()
    for i, row in enumerate(rows):
        if row.constraint is None:
            continue
        allowed = row.constraint.allowed(logits.shape[-1])
        found[i].masked_fill_(torch.from_numpy(~allowed).to(logits.device), -torch.inf)
        ids = np.flatnonzero(allowed)
        if 1 < len(ids) <= MOST_AT_A_FORK:
            few = logits[i, torch.from_numpy(ids).to(logits.device)].cpu().numpy()
            row.forks[len(row.token_ids)] = Fork(ids, few, float(totals[i]), hidden[i].cpu())
    return found


def _nucleus(probabilities: torch.Tensor, top_p: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities (B, K), largest first, zero outside the nucleus, and their token ids (B, K)."""
    for width in (*NUCLEUS_WIDTHS, probabilities.shape[-1]):
        top, ids = probabilities.topk(min(width, probabilities.shape[-1]))
        cumulative = top.cumsum(-1)
        if bool((cumulative[:, -1] >= top_p).all()):
            break
    # The token that passes top_p belongs to the nucleus, so what counts is the sum before each token.
    return top.masked_fill(cumulative - top >= top_p, 0.0), ids


def _finish_reason(row: Row) -> str:
    full = len(row.token_ids) >= row.limit
    if form := row.constraint:
        # Not "stop" where it is incomplete: what comes out is either whole or said to be cut.
        ended = form.complete and (full or form.ended or row.token_ids[-1] in row.ending.end_ids)
        return "stop" if ended else "length" if full or form.failed else ""
    if row.token_ids[-1] in row.ending.end_ids:
        return "stop"
    if row.sampling.stop:
        text = row.ending.text_of(row.token_ids)
        if any(s in text for s in row.sampling.stop):
            return "stop"
    return "length" if full else ""
