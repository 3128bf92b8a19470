"""Labels of free-form answers: graded when they are collected, and graded anew without the model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from thermolang.answers.grading import Grader, alias_match
from thermolang.training.store import ABOUT, Chunk, read_chunks, short_name, write_chunk

GRADER: Grader = alias_match
"""Decides which answers count as right; from .5 on one does."""

RIGHT, WRONG = 0, 1
"""Labels of a self-check: the index of the option, yes or no, that would be right."""


@dataclass(frozen=True)
class Regraded:
    """What became of the labels in a folder.

    Attributes:
        graded: Answers that were graded anew.
        changed: Those of them that got another label.
        without_gold: Answers that keep their label, because they were collected without their gold answers.
    """

    graded: int
    changed: int
    without_gold: int


def label(answer: str, answers: Sequence[str], question: str, *, grader: Grader = GRADER) -> int:
    """Grade an answer.

    Args:
        answer: What the model said.
        answers: Accepted answers.
        question: The question.
        grader: Decides it.

    Returns:
        0 if the answer is right, else 1.
    """
    return RIGHT if grader(answer, answers, question) >= 0.5 else WRONG


def regrade(folder: Path, model: str, *, grader: Grader = GRADER) -> Regraded:
    """Grade all free-form answers of a model again, from what ``collect`` kept of them.

    For a grader that has become better: neither the model nor the questions are needed. A file is replaced as a whole
    where a label changes, so it may be interrupted.

    Args:
        folder: The root that ``collect`` was given.
        model: The model's name as ``collect`` was given it.
        grader: Decides what is right.
    """
    graded = changed = without_gold = 0
    for about in sorted(folder.glob(f"{short_name(model)}-????????/chat/*/{ABOUT}")):
        if json.loads(about.read_text(encoding="utf-8"))["kind"] != "self_check":
            continue
        for name, (tensors, texts) in read_chunks(about.parent).items():
            if "label" not in tensors or "answers" not in texts:
                continue  # a foreign file, which ``collect`` leaves alone too
            labels, without = _graded((tensors, texts), grader)
            if differ := int((labels != tensors["label"]).sum()):
                write_chunk(about.parent, name, {**tensors, "label": labels}, texts)
            graded, changed, without_gold = graded + len(labels) - without, changed + differ, without_gold + without
    return Regraded(graded, changed, without_gold)


def _graded(chunk: Chunk, grader: Grader) -> tuple[NDArray[np.int64], int]:
    """New labels of a chunk's answers, and how many keep theirs for want of gold answers."""
    tensors, texts = chunk
    labels, without = tensors["label"].copy(), 0
    unknown = [""] * len(labels)
    columns = zip(texts["answers"], texts.get("questions", unknown), texts.get("gold", unknown), strict=True)
    for i, (answer, question, kept) in enumerate(columns):
        if gold := json.loads(kept or "[]"):
            labels[i] = label(answer, gold, question, grader=grader)
        else:
            without += 1
    return labels, without
