"""Other confidences people read off a model, to compare ours with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from thermolang.errors import ModelError
from thermolang.models.local import LocalModel
from thermolang.models.prefix import Prefix
from thermolang.models.prompts import DIGITS, LETTERS, how_sure_messages, question_messages
from thermolang.types import Example, Message


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


ORDERS = 3
"""Other orders of the options that are tried, at most: the options moved on by 1, 2, 3 places."""


def shuffled(model: LocalModel, examples: Sequence[Example], answers: Sequence[int]) -> list[float]:
    """Consistency over option orders: in how many of them the same option is the answer, the given order included.

    Args:
        model: The model.
        examples: Multiple-choice questions.
        answers: Index of the option that the model chose in the given order.

    Returns:
        A share in (0, 1] for each question; a model that always says "A" gets the smallest.
    """
    same = np.ones(len(examples))
    orders = np.array([1 + min(ORDERS, len(e.choices) - 1) for e in examples])
    for shift in range(1, ORDERS + 1):
        asked = [i for i, e in enumerate(examples) if shift < len(e.choices)]
        if not asked:
            break
        moved = [replace(examples[i], choices=_moved(examples[i].choices, shift)) for i in asked]
        prompts = [model.encode(model.render(question_messages(e))) for e in moved]
        names = [tuple(LETTERS[: len(e.choices)]) for e in moved]
        ids = [model.option_ids([(letter,) for letter in letters], names=letters) for letters in names]
        prefixes = [model.prefix(prompts)] * len(prompts)
        for i, scores in zip(asked, model.read(prompts, ids, names, prefixes=prefixes), strict=True):
            same[i] += (int(np.argmax(scores.logits)) + shift) % len(examples[i].choices) == answers[i]
    return list((same / orders).astype(float))


def _moved(choices: tuple[str, ...], shift: int) -> tuple[str, ...]:
    return choices[shift:] + choices[:shift]
