"""Other confidences people read off a model, to compare ours with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from thermolang.errors import ModelError
from thermolang.models.local import LocalModel
from thermolang.models.prefix import Prefix
from thermolang.models.prompts import DIGITS, how_sure_messages
from thermolang.types import Message


def verbalised(
    model: LocalModel, pairs: Sequence[tuple[Sequence[Message], str]], *, prefixes: Sequence[Prefix] = ()
) -> list[float]:
    """Verbalised confidence (Lin et al., 2022, arXiv 2205.14334; Tian et al., 2023, arXiv 2305.14975).

    The model is asked for a digit from 0 to 9 after each (conversation, answer); the mean digit under its own
    probabilities, over 9, is its confidence in [0, 1]. One forward pass instead of decoding.

    Returns:
        One number for each pair; NaN where the digits are not single tokens of this model.
    """
    prompts = [model.encode(model.render(how_sure_messages(messages, answer))) for messages, answer in pairs]
    try:
        ids = model.option_ids([(digit,) for digit in DIGITS], names=tuple(DIGITS))
    except ModelError:
        return [float("nan")] * len(pairs)
    scores = model.read(prompts, [ids] * len(prompts), [tuple(DIGITS)] * len(prompts), prefixes=prefixes)
    logits = np.stack([s.logits for s in scores])
    p = np.exp(logits - logits.max(-1, keepdims=True))
    return list((p @ np.arange(len(DIGITS)) / p.sum(-1) / (len(DIGITS) - 1)).astype(float))
