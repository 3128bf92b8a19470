"""Generating answers a token at a time, and the KV caches that this starts from and leaves behind.

``decode`` is the loop: it may start from the cache of what prompts begin with (a ``Prefix``), and each answer leaves
the batch with a cache of its own.
"""

from __future__ import annotations

import copy
import math
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from thermolang.errors import ModelError

NUCLEUS_WIDTHS = (256, 8192)
"""Most nuclei are smaller than this, and finding the largest few is far cheaper than sorting a vocabulary."""

SHORTEST_PREFIX = 8
"""Fewer shared tokens than this are not worth a forward pass of their own."""


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen.

    Attributes:
        max_new_tokens: At most this many tokens per answer.
        temperature: 0 is greedy; otherwise logits are divided by it.
        top_p: Nucleus: the smallest set of tokens with at least this probability (Holtzman et al., 2020).
        seed: Of an answer's own random numbers; None draws a fresh one.
        stop: The answer ends before the first of these strings.
    """

    max_new_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        # Written so that NaN fails too.
        if not (self.max_new_tokens >= 1 and 0 <= self.temperature < math.inf and 0 < self.top_p <= 1):
            msg = f"max_new_tokens >= 1, a finite temperature >= 0 and 0 < top_p <= 1 are needed, got {self}"
            raise ModelError(msg)
        if "" in self.stop:
            msg = f"a stop string must not be empty: every answer would end at once; got {self}"
            raise ModelError(msg)
        if self.seed is not None and not -(2**63) <= self.seed < 2**63:
            msg = f"a seed is a whole number of 64 bits, got {self.seed}"
            raise ModelError(msg)


SHORT = Sampling(max_new_tokens=32, stop=("\n",))
"""Greedy answers of one short line: calibrators learn from them, and texts from elsewhere are compared with them."""


@dataclass
class Row:
    """One answer while it grows.

    Attributes:
        generator: Its own random numbers.
        limit: Most tokens it may have.
        token_ids: The tokens so far.
        logprobs: The log-probability of each, at temperature 1.
        finish_reason: "stop" or "length"; empty while it grows.
        start: Logits (V,) and hidden state (d,) where the answer starts; only with ``hidden_of``.
        cache: Once it is finished, the transformers cache of all its tokens but the last, without padding.
    """

    generator: torch.Generator
    limit: int
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish_reason: str = ""
    start: tuple[torch.Tensor, torch.Tensor] | None = None
    cache: Any = None


@dataclass(frozen=True, eq=False)
class Prefix:
    """The KV cache of the token ids that several prompts begin with.

    Attributes:
        ids: The shared token ids.
        values: The transformers cache of these tokens, one row; None if there are none.
    """

    ids: tuple[int, ...] = ()
    values: Any = None


def decode(
    forward: Callable[..., Any],
    inputs: dict[str, Any],
    sampling: Sampling,
    *,
    end_ids: frozenset[int],
    text_of: Callable[[list[int]], str],
    context_length: int = 2**31,
    seeds: Sequence[int | None] | None = None,
    hidden_of: Callable[[], torch.Tensor] | None = None,
) -> Iterator[list[Row]]:
    """Generate one answer for each row of a left-padded batch, a token at a time.

    Args:
        forward: The model's forward; returns ``logits`` (B, 1, V) and ``past_key_values``.
        inputs: As ``left_padded`` or ``inputs_after`` returns them.
        sampling: How tokens are chosen.
        end_ids: Token ids that end an answer.
        text_of: Decodes token ids; stop strings are looked for in this text.
        context_length: How many positions the model has; an answer that fills them ends there.
        seeds: One for each row; by default the same as ``sampling.seed``, as if each row were alone.
        hidden_of: Hidden states (B, 1, d) of the latest forward in this thread.

    Yields:
        All rows in order, after each token; the last time all are finished. To stop the generation, stop iterating.

    Raises:
        ModelError: The model's logits are not finite.
    """
    free = (context_length - inputs["attention_mask"].sum(-1)).tolist()
    seeds = [sampling.seed] * len(free) if seeds is None else seeds
    limits = [min(sampling.max_new_tokens, positions) for positions in free]
    rows = [Row(_generator(seed), limit) for seed, limit in zip(seeds, limits, strict=True)]
    active, step = list(rows), dict(inputs)
    cache = step.pop("past_key_values", None)
    while active:
        out = forward(**step, past_key_values=cache, use_cache=True, logits_to_keep=1)
        cache, logits = out.past_key_values, out.logits[:, -1].float()  # (B, V)
        tokens = _append(active, logits, sampling)
        # Only in the first step, where all answers start.
        if hidden_of and active[0].start is None:
            hidden = hidden_of()[:, -1].float()
            for i, row in enumerate(active):
                row.start = logits[i].cpu(), hidden[i].cpu()
        for i, row in enumerate(active):
            row.finish_reason = _finish_reason(row, sampling.stop, end_ids, text_of)
            if row.finish_reason:
                # Before the batch drops this row below.
                row.cache = cut_row(cache, i, step["attention_mask"][i].bool())
        yield rows
        keep = [i for i, row in enumerate(active) if not row.finish_reason]
        if len(keep) < len(active) and keep:
            cache.batch_select_indices(torch.tensor(keep, device=tokens.device))
        active = [active[i] for i in keep]
        step = _next_step(step, tokens, keep)


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


def left_padded(sequences: Sequence[Sequence[int]], pad: int, device: Any) -> dict[str, torch.Tensor]:
    """Stack token ids with padding on the left, so that the last column is every row's last token.

    Returns:
        ``input_ids``, ``attention_mask`` and ``position_ids``, each of shape (B, longest).
    """
    width = max(map(len, sequences))
    ids = torch.tensor([[pad] * (width - len(s)) + list(s) for s in sequences])
    mask = torch.tensor([[0] * (width - len(s)) + [1] * len(s) for s in sequences])
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    return {k: v.to(device) for k, v in {"input_ids": ids, "attention_mask": mask, "position_ids": positions}.items()}


def inputs_after(prefixes: Sequence[Prefix], prompts: Sequence[Sequence[int]], pad: int, device: Any) -> dict[str, Any]:
    """Inputs of a forward pass over what follows each prompt's prefix.

    Args:
        prefixes: One for each prompt, or none at all. A prompt that does not begin with its prefix is computed whole;
            some templates render earlier messages differently later on.
        prompts: Token ids of B conversations.
        pad: Id that fills the left side.
        device: Where the model lies.

    Returns:
        ``input_ids`` and ``position_ids`` (B, longest rest), ``attention_mask`` (B, longest prefix + longest rest), and
        ``past_key_values`` of B rows, padded on the left, if there is a prefix.
    """
    prefixes = fitting_prefixes(prefixes, prompts)
    lengths = [len(p.ids) for p in prefixes]
    inputs: dict[str, Any] = dict(left_padded([p[n:] for p, n in zip(prompts, lengths, strict=True)], pad, device))
    if longest := max(lengths):
        mask = inputs["attention_mask"]
        start = torch.tensor(lengths, device=device)[:, None]  # (B, 1)
        present = torch.arange(longest, device=device)[None] >= longest - start  # (B, longest)
        inputs["attention_mask"] = torch.cat([present.to(mask.dtype), mask], dim=1)
        inputs["position_ids"] = inputs["position_ids"] + start
        inputs["past_key_values"] = _stacked(prefixes, longest)
    return inputs


def fitting_prefixes(prefixes: Sequence[Prefix], prompts: Sequence[Sequence[int]]) -> list[Prefix]:
    """Each prompt's prefix if it begins with it and is longer, else an empty one."""
    given = prefixes or [Prefix()] * len(prompts)
    begins = [
        len(ids) > len(p.ids) and tuple(ids[: len(p.ids)]) == p.ids for p, ids in zip(given, prompts, strict=True)
    ]
    return [p if fits else Prefix() for p, fits in zip(given, begins, strict=True)]


def shared_length(prompts: Sequence[Sequence[int]]) -> int:
    """How many token ids all prompts begin with, leaving each at least one of its own; 0 if hardly any.

    >>> shared_length([[*range(9), 1, 2], [*range(9), 3]])
    9
    >>> shared_length([[1, 2, 3], [1, 2, 4]])
    0
    """
    if len(prompts) < 2:
        return 0
    # What the first and the last of a sorted list share, all share.
    first, last = min(map(list, prompts)), max(map(list, prompts))
    most = min(map(len, prompts)) - 1
    differs = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), most)
    length = min(differs, most)
    return length if length >= SHORTEST_PREFIX else 0


def copy_cache(cache: Any) -> Any:
    """A copy of a transformers cache that may grow and shrink; its tensors are shared and never written."""
    other = copy.copy(cache)
    other.layers = [copy.copy(layer) for layer in cache.layers]
    return other


def can_be_cut(cache: Any) -> bool:
    """Whether rows and positions of a transformers cache can be taken apart and put together again.

    A sliding window forgets positions and counts them, and recurrent layers mix them: those cannot be cut.
    """
    layers = getattr(cache, "layers", [])
    return bool(getattr(cache, "is_croppable", False)) and not any(getattr(x, "is_sliding", False) for x in layers)


def cut_row(cache: Any, row: int, present: torch.Tensor) -> Any:
    """The cache of one row of a batch, without its padding; the batch's own may go on and change.

    Args:
        cache: A transformers cache of B rows and T positions.
        row: Which of them.
        present: Shape (T,), bool; False at padding.

    Returns:
        A cache of one row; None if this kind of cache cannot be cut.
    """
    if not can_be_cut(cache):
        return None
    alone = copy_cache(cache)
    if bool(present.all()) and alone.layers[0].keys.shape[0] == 1:
        return alone
    for layer in alone.layers:
        # Both are (B, heads, T, width of a head).
        layer.keys, layer.values = (x[row : row + 1, :, present] for x in (layer.keys, layer.values))
    return alone


def _generator(seed: int | None) -> torch.Generator:
    return torch.Generator().manual_seed(secrets.randbits(63) if seed is None else seed)


def _next_step(step: dict[str, torch.Tensor], tokens: torch.Tensor, keep: list[int]) -> dict[str, torch.Tensor]:
    mask = step["attention_mask"][keep]
    return {
        "input_ids": tokens[keep, None],
        "attention_mask": torch.cat([mask, mask.new_ones(len(keep), 1)], dim=1),
        "position_ids": step["position_ids"][keep, -1:] + 1,
    }


def _append(rows: list[Row], logits: torch.Tensor, sampling: Sampling) -> torch.Tensor:
    """Choose a token for each row; logits (B, V) -> ids (B,)."""
    # Single logits of -inf are allowed: such tokens have a probability of 0.
    if not torch.isfinite(logits.amax(-1)).all() or torch.isnan(logits).any():
        msg = "the model's logits are not finite (NaN or infinity); try another dtype, such as float32"
        raise ModelError(msg)
    tokens = choose_tokens(logits, sampling, [row.generator for row in rows])
    chosen = (logits.gather(1, tokens[:, None]) - logits.logsumexp(-1, keepdim=True))[:, 0].tolist()
    for row, token, logprob in zip(rows, tokens.tolist(), chosen, strict=True):
        row.token_ids.append(token)
        row.logprobs.append(logprob)
    return tokens


def _nucleus(probabilities: torch.Tensor, top_p: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities (B, K), largest first, zero outside the nucleus, and their token ids (B, K)."""
    for width in (*NUCLEUS_WIDTHS, probabilities.shape[-1]):
        top, ids = probabilities.topk(min(width, probabilities.shape[-1]))
        cumulative = top.cumsum(-1)
        if bool((cumulative[:, -1] >= top_p).all()):
            break
    # The token that passes top_p belongs to the nucleus, so what counts is the sum before each token.
    return top.masked_fill(cumulative - top >= top_p, 0.0), ids


def _finish_reason(
    row: Row, stop: tuple[str, ...], end_ids: frozenset[int], text_of: Callable[[list[int]], str]
) -> str:
    if row.token_ids[-1] in end_ids:
        return "stop"
    if stop:
        text = text_of(row.token_ids)
        if any(s in text for s in stop):
            return "stop"
    return "length" if len(row.token_ids) >= row.limit else ""


def _stacked(prefixes: Sequence[Prefix], longest: int) -> Any:
    """One cache of all rows; a shorter prefix stands at the right, as the mask says."""
    cache = copy_cache(next(p.values for p in prefixes if p.values is not None))
    if len(prefixes) == 1:
        return cache  # nothing to pad, nothing to copy
    for i, layer in enumerate(cache.layers):
        for name in ("keys", "values"):
            like = getattr(layer, name)
            # (B, heads, longest, width of a head)
            rows = like.new_zeros((len(prefixes), like.shape[1], longest, like.shape[3]))
            for row, prefix in zip(rows, prefixes, strict=True):
                if prefix.values is not None:
                    row[:, longest - len(prefix.ids) :] = getattr(prefix.values.layers[i], name)[0]
            setattr(layer, name, rows)
    return cache
