"""The questions of a proof of concept, and whether the model's answers to them are right: people say so, or a grader.

A label is found by the question, its passage and its options, so labels may come later, in another order, or for a
part of the questions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from thermolang.answers.grading import GRADERS
from thermolang.errors import InvalidInputError, NotEnoughDataError, TaskFormatError, require
from thermolang.models.prompts import LETTERS
from thermolang.tasks.columns import Columns, Row, listed, named, values
from thermolang.tasks.formats import Located, examples_of
from thermolang.tasks.readers import drawn, read_source
from thermolang.training.store import text_key
from thermolang.types import Example, Task

FEWEST = 30
"""Questions below which every interval would be so wide that a report says nothing."""

GRADER = "combined"
"""Grades free-form answers against gold answers; `docs/evaluate.md` has its errors."""

STRICTER = "alias_match"
"""The grader behind the labels that calibrators learn from; it calls right answers in other words wrong."""

_RIGHT = frozenset(
    {"true", "1", "yes", "y", "right", "correct", "ok", "accepted", "accept", "正", "正解", "正しい", "○"}
)
_WRONG = frozenset(
    {
        "false",
        "0",
        "no",
        "n",
        "wrong",
        "incorrect",
        "rejected",
        "reject",
        "corrected",
        "誤",
        "不正解",
        "誤り",
        "x",
        "\N{MULTIPLICATION SIGN}",
    }
)
_VERDICT = ("correct", "right", "verdict", "status", "label", "正誤", "判定")
"""Columns that hold a verdict, the first that is there counts."""


def read_questions(
    source: str | Path, *, limit: int | None = None, seed: int = 0, columns: Columns | None = None
) -> Task:
    """Read questions with or without right answers; see ``tasks.readers.load_tasks`` for files and columns.

    Args:
        source: The file.
        limit: Most questions, drawn at random.
        seed: Of the drawing.
        columns: Names of columns that are not told by theirs.

    Raises:
        TaskFormatError: A line cannot be read, or questions with and without options are mixed.
        NotEnoughDataError: Fewer than 30 questions.
    """
    examples = examples_of(read_source(source, columns), columns, needs_gold=False)
    unique = list({text_key(e): e for e in examples if e.question}.values())
    chosen = unique if limit is None else list(drawn(unique, limit, seed))
    if len(chosen) < FEWEST:
        same = f" ({len(examples) - len(unique)} stand there twice)" if len(unique) < len(examples) else ""
        msg = f"{source} gives {len(chosen)} questions{same}; a proof of concept works from {FEWEST} on"
        raise NotEnoughDataError(f"{msg}, and is worth reading from about 200")
    widths = Counter(len(e.choices) for e in chosen)
    if len(widths) > 1:
        found = ", ".join(f"{n} with {width or 'no'} options" for width, n in sorted(widths.items()))
        msg = f"{source} mixes questions of different kinds ({found}): put each kind into a file of its own"
        raise TaskFormatError(msg)
    return Task(Path(source).stem, tuple(chosen))


def without_gold(task: Task) -> Task:
    """The task as it is asked: what was read with the model must stay the same whatever labels come later."""
    blank = [replace(e, label=0) if e.choices else replace(e, answers=("?",)) for e in task.examples]
    return replace(task, examples=tuple(blank))


@dataclass(frozen=True)
class Labels:
    """What is known beyond the questions' own file: verdicts of people, and right answers.

    Attributes:
        verdicts: By the question's key, the answer that was judged (empty if the file has none) and the verdict.
        gold: By the question's key, accepted answers.
    """

    verdicts: Mapping[str, tuple[str, bool]] = field(default_factory=dict)
    gold: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def read_labels(source: str, task: Task, *, columns: Columns | None = None) -> Labels:
    """Read verdicts or right answers from a file, or the verdicts of a review database.

    Args:
        source: A file with the column ``question`` (and ``context``, where two questions are alike) and either
            ``correct`` (true or false) or ``answers``; or the URL of a review database.
        task: The questions.
        columns: Names of columns that are not told by theirs.

    Raises:
        TaskFormatError: A line cannot be read.
        InvalidInputError: No line is about one of the questions, or a verdict is neither right nor wrong.
    """
    keys = _Keys(task)
    rows = _of_store(source) if "://" in source else read_source(source, columns)
    found = [(place, keys.find(row, columns or {}), row) for place, row in rows]
    known = [(place, key, row) for place, key, row in found if key]
    if not known:
        msg = f"{source}: none of its {len(found)} lines is about one of the {len(task.examples)} questions; a line "
        raise InvalidInputError(msg + 'is {"question": "...", "answer": "...", "correct": true}, or has "answers"')
    verdicts: dict[str, tuple[str, bool]] = {}
    gold: dict[str, tuple[str, ...]] = {}
    for place, key, row in known:
        verdict = next((row[name] for name in _VERDICT if row.get(name) not in (None, "", "pending")), None)
        if verdict is not None:
            judged = key, (str(row.get("answer") or "").strip(), _right(place, verdict))
            if verdicts.setdefault(*judged)[1] != judged[1][1]:
                msg = f"{place}: this question has two verdicts that contradict each other: agree on one"
                raise InvalidInputError(msg)
        elif answers := _gold(row, columns or {}):
            gold[key] = answers
    if not verdicts and not gold:
        msg = f"{known[0][0]}: a label needs `correct` (true or false) or `answers`; found {listed(known[0][2])}"
        raise TaskFormatError(msg)
    return Labels(verdicts, gold)


class _Keys:
    """Finds which question a row is about."""

    def __init__(self, task: Task) -> None:
        self._keys = {text_key(e): text_key(e) for e in task.examples}
        alone = Counter(_folded(e.question) for e in task.examples)
        # A question without its passage is enough where no other one reads the same.
        self._alone = {q: text_key(e) for e in task.examples if alone[q := _folded(e.question)] == 1}

    def find(self, row: Row, columns: Columns) -> str:
        """The key of the question; empty if the row is about none of them."""
        found = values(row, columns)
        question, context = str(found.get("question") or "").strip(), str(found.get("context") or "")
        own = text_key(Example(question, context=context))
        return self._keys.get(str(row.get("key"))) or self._keys.get(own) or self._alone.get(_folded(question), "")


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()


def _right(place: str, verdict: object) -> bool:
    said = str(verdict).strip().casefold().removesuffix(".0")
    if said not in _RIGHT | _WRONG:
        msg = f"{place}: a verdict is true or false, not {verdict!r}"
        raise InvalidInputError(msg)
    return said in _RIGHT


def _gold(row: Row, columns: Columns) -> tuple[str, ...]:
    if "answers" not in named(row, columns):
        return ()
    found = values(row, columns)["answers"]
    return tuple(str(a).strip() for a in (found if isinstance(found, list) else [found]) if str(a).strip())


def _of_store(url: str) -> list[Located]:
    """The judged items of a review database, as rows."""
    require("sqlalchemy", "store")
    from thermolang.review.store import ReviewStore

    with ReviewStore(url) as store:
        items = store.list(status=None, limit=100_000)
    judged = [item for item in items if item.status != "pending"]
    if not judged:
        msg = f"the review database holds {len(items)} items, and none of them is judged yet"
        raise NotEnoughDataError(msg)
    fields = ("question", "context", "answer", "status")
    return [(f"item {item.id}", {name: getattr(item, name) for name in fields}) for item in judged]


@dataclass(frozen=True)
class Judged:
    """Which of the model's answers are right, as far as that is known.

    Attributes:
        right: For each question True, False, or None where nobody knows.
        by_people: How many of them people judged.
        graded: How many were compared with right answers by a program.
        outdated: Verdicts that are about another answer than the model gave, and so were left out.
        graded_right: How many of those that a program compared are right.
        right_by_other: How many of them another grader calls right: how much hangs on the grader.
        other_grader: That grader; empty if none was asked.
    """

    right: tuple[bool | None, ...]
    by_people: int = 0
    graded: int = 0
    outdated: int = 0
    graded_right: int = 0
    right_by_other: int = 0
    other_grader: str = ""

    @property
    def known(self) -> int:
        """How many answers have a label."""
        return self.by_people + self.graded


def judge(task: Task, answers: Sequence[str], labels: Labels, *, grader: str = GRADER) -> Judged:
    """Label the model's answers: by a person's verdict on this very answer, else by right answers, else not at all.

    Args:
        task: The questions, with the right answers that their file has.
        answers: What the model said to each; an option's letter for questions with options.
        labels: What else is known.
        grader: One of ``answers.grading.GRADERS``, for free-form answers.
    """
    right: list[bool | None] = []
    counts: Counter[str] = Counter()
    other = next(name for name in (GRADER, STRICTER) if name != grader)
    for example, answer in zip(task.examples, answers, strict=True):
        shown, key = spoken(example, answer), text_key(example)
        of, verdict = labels.verdicts.get(key, ("", None))
        if verdict is not None and of and _folded(of) not in (_folded(shown), _folded(answer)):
            counts["outdated"] += 1
            verdict = None
        gold = labels.gold.get(key, ())
        found = _graded(example, answer, gold, grader) if verdict is None else verdict
        if verdict is None and found is not None:
            counts["graded right"] += found
            counts["by other"] += bool(_graded(example, answer, gold, other))
        counts["people" if verdict is not None else "graded" if found is not None else "unknown"] += 1
        right.append(found)
    return Judged(
        tuple(right),
        counts["people"],
        counts["graded"],
        counts["outdated"],
        counts["graded right"],
        counts["by other"],
        other,
    )


def spoken(example: Example, answer: str) -> str:
    """An answer as people read it: the option's text in place of its letter."""
    letters = LETTERS[: len(example.choices)]
    return example.choices[letters.index(answer)] if answer and answer in letters else answer


def _graded(example: Example, answer: str, gold: tuple[str, ...], grader: str) -> bool | None:
    if example.choices:
        label = example.label
        if label is None and gold:
            label = next((i for i, c in enumerate(example.choices) if _is_option(gold[0], i, c)), None)
        return None if label is None else answer == LETTERS[label]
    accepted = (*example.answers, *gold)
    return GRADERS[grader](answer, accepted, example.question) >= 0.5 if accepted else None


def _is_option(gold: str, index: int, choice: str) -> bool:
    return _folded(gold) in (_folded(choice), LETTERS[index].casefold())


def gold_of(example: Example, labels: Labels) -> tuple[str, ...]:
    """The right answers of a question, as far as they are known, for people to compare with."""
    own = (example.choices[example.label],) if example.label is not None else example.answers
    return tuple(dict.fromkeys((*own, *labels.gold.get(text_key(example), ()))))
