"""What a calibrator is made from: public data sets in the words of users, and the starter tasks.

``DATA_SETS`` is the table of data sets. Nothing of them is in the package: they are read from the Hugging Face hub, or
from a folder of files as published.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

from thermolang.answers.rules.spelling import HAS_JAPANESE
from thermolang.errors import NotEnoughDataError, TaskFormatError, ThermolangError
from thermolang.models.local import LocalModel
from thermolang.storage import digest
from thermolang.tasks.columns import Row
from thermolang.tasks.formats import examples_of, format_of
from thermolang.tasks.readers import drawn, first_row, read_source
from thermolang.tasks.rows import ENDINGS
from thermolang.training.collect import Report
from thermolang.training.difficulty import Tried, choice_tasks, starter_levels
from thermolang.types import Example, Task

RecipeName = Literal["standard", "offline"]
"""Public data sets and the starter tasks, or the starter tasks alone."""

View = Literal["passage", "closed book", "unanswerable", "options hidden"]
"""How a data set's questions are asked."""

MIN_DATA_SETS = 3
"""With fewer, leaving one out in turn says little about a new one."""

MOST_CHARACTERS = 3000
"""Longer passages are left out: they take long to read, and small models lose the thread."""

NOT_TOLD = "The passage does not say."
"""Accepted answer where the passage lacks the answer: any refusal counts as right (``grading.is_right``)."""


_NEEDS_OPTIONS = re.compile(r"\b(?:following|which of|of these|of the options)\b|次の|このうち|以下の", re.IGNORECASE)
"""A question that has no answer once its options are hidden."""


class Style(NamedTuple):
    """One way in which users write: templates of what stands first and of the question."""

    context: str
    question: str


CLOSED_BOOK = (
    Style("", "{question}"),
    Style("", "Question: {question}\nAnswer:"),
    Style("", "I need a short answer to this: {question}"),
    Style("", "Q: {question}\nA:"),
)
WITH_PASSAGE = (
    Style("{context}", "{question}"),
    Style("Passage: {context}", "Question: {question}\nAnswer:"),
    Style("{context}", "I need a short answer to this: {question}"),
    Style("", "{question}\n\n{context}"),
    Style("{context}", 'Answer from the text above, and say "unknown" if it does not tell: {question}'),
)
CONVERSATION = (
    Style("{context}", "{question}"),
    Style("Passage: {context}", "Conversation:\n{question}"),
    Style("", "{question}\n\nPassage: {context}"),
    Style("{context}", "I need a short answer to the last question.\n{question}"),
)
JAPANESE_CLOSED_BOOK = (
    Style("", "{question}"),
    Style("", "質問: {question}\n回答:"),
    Style("", "次の質問に短く答えてください。\n{question}"),
)
JAPANESE_WITH_PASSAGE = (
    Style("{context}", "{question}"),
    Style("文章: {context}", "質問: {question}\n回答:"),
    Style("{context}", "上の文章を読んで、次の質問に短く答えてください。\n{question}"),
    Style("", "{question}\n\n{context}"),
)


@dataclass(frozen=True)
class DataSet:
    """A public data set: however many tasks are made of it, they are one group and have one vote.

    Attributes:
        name: Its short name: that of its group, and of the first task.
        hub: Its training part on the Hugging Face hub, as ``load_tasks`` takes it.
        licence: Of its questions.
        views: The tasks that are made of it.
        formats: Names in ``tasks.formats.FORMATS`` that a file of it may have; "" for rows of the user's own shape.
        columns: Of these a file's rows have at least one, where the format alone does not tell it.
        japanese: Whether it is in Japanese.
        conversation: Whether earlier turns stand before a question.
    """

    name: str
    hub: str
    licence: str
    views: tuple[View, ...]
    formats: tuple[str, ...]
    columns: tuple[str, ...] = ()
    japanese: bool = False
    conversation: bool = False

    def styles(self, view: View) -> tuple[Style, ...]:
        """How its questions are written."""
        if view in ("passage", "unanswerable"):
            english = CONVERSATION if self.conversation else WITH_PASSAGE
            return JAPANESE_WITH_PASSAGE if self.japanese else english
        return JAPANESE_CLOSED_BOOK if self.japanese else CLOSED_BOOK


_SQUAD = ("SQuAD", "SQuAD of the hub", "SQuAD of OLMo")
_LETTERED = ("ARC or CommonsenseQA", "ARC or CommonsenseQA of the hub")

DATA_SETS = (
    DataSet(
        "squad",
        "hf:rajpurkar/squad_v2:train",
        "CC BY-SA 4.0",
        ("passage", "unanswerable", "closed book"),
        _SQUAD,
    ),
    DataSet("boolq", "hf:google/boolq:train", "CC BY-SA 3.0", ("passage",), ("BoolQ",)),
    DataSet(
        "coqa",
        "hf:stanfordnlp/coqa:train",
        "mixed, part of it for research only",
        ("passage",),
        ("CoQA", "CoQA of the hub", "CoQA, grouped"),
        conversation=True,
    ),
    DataSet("drop", "hf:ucinlp/drop:train", "CC BY-SA 4.0", ("passage",), ("DROP of OLMo", "DROP of the hub")),
    DataSet("nq", "hf:google-research-datasets/nq_open:train", "CC BY-SA 3.0", ("closed book",), ("NQ-open",)),
    DataSet(
        "triviaqa",
        "hf:mandarjoshi/trivia_qa:rc.nocontext:train",
        "unstated for the questions",
        ("closed book",),
        ("TriviaQA",),
    ),
    DataSet(
        "webquestions",
        "hf:stanfordnlp/web_questions:train",
        "CC BY 4.0",
        ("closed book",),
        ("WebQuestions", ""),
        columns=("qText", "url"),
    ),
    DataSet(
        "truthfulqa",
        "hf:truthfulqa/truthful_qa:generation:validation",
        "Apache-2.0",
        ("closed book",),
        ("TruthfulQA, open", "TruthfulQA, open, as a table"),
    ),
    DataSet(
        "jsquad",
        "hf:sbintuitions/JSQuAD:train",
        "CC BY-SA 4.0",
        ("passage", "closed book"),
        _SQUAD,
        japanese=True,
    ),
    DataSet(
        "commonsenseqa",
        "hf:tau/commonsense_qa:train",
        "MIT",
        ("options hidden",),
        _LETTERED,
        columns=("question_concept",),
    ),
    DataSet("arc", "hf:allenai/ai2_arc:ARC-Challenge:train", "CC BY-SA 4.0", ("options hidden",), _LETTERED),
    DataSet(
        "jcommonsenseqa",
        "hf:sbintuitions/JCommonsenseQA:train",
        "CC BY-SA 4.0",
        ("options hidden",),
        ("JCommonsenseQA",),
        japanese=True,
    ),
)
"""The data sets of the recipe ``standard``; of several that a file could be, the first."""


@dataclass(frozen=True)
class Found:
    """A data set as it was found: where, and the tasks that were made of it."""

    data_set: DataSet
    place: str
    tasks: tuple[Task, ...]


@dataclass(frozen=True)
class Gathered:
    """All tasks of a calibrator for one model.

    Attributes:
        training: To learn from.
        testing: Starter tasks about other facts, to measure on.
        levels: The starter levels among the training tasks, and how the model did on a few items of each.
    """

    training: tuple[Task, ...]
    testing: tuple[Task, ...]
    levels: tuple[Tried, ...]


@dataclass(frozen=True)
class Ingredients:
    """What a calibrator is made from.

    Attributes:
        own: The user's tasks.
        starter: Whether the starter tasks are learned from; which levels of them, the model decides.
        found: The data sets among the training tasks.
        missing: Sentences about what is left out, and why.
    """

    own: tuple[Task, ...]
    starter: bool
    found: tuple[Found, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The user's and the public ones."""
        return (*self.own, *(task for one in self.found for task in one.tasks))

    def gathered(self, model: LocalModel, items: int, folder: Path | None, report: Report) -> Gathered:
        """Add those levels of the starter tasks that suit a model, which a few items of each are read for.

        Args:
            model: The model.
            items: Most items of a task.
            folder: Where the features are kept.
            report: Called after every batch.
        """
        levels = starter_levels(model, folder, split="train", report=report) if self.starter else []
        held_out = starter_levels(model, folder, split="test", report=report)
        choices = choice_tasks("train", items) if self.starter else []
        training = (*self.tasks, *choices, *(t.task(items) for t in levels))
        testing = (*choice_tasks("test", items), *(t.task(items) for t in held_out))
        return Gathered(training, testing, tuple(levels))


def ingredients(
    recipe: RecipeName | None, *, own: Sequence[Task] = (), items: int = 120, data_folder: Path | None = None
) -> Ingredients:
    """Gather the tasks of a recipe, without the starter tasks.

    Args:
        recipe: ``"standard"``, the public data sets of ``DATA_SETS`` and the starter tasks; ``"offline"``, the
            starter tasks alone; None, only ``own``.
        own: The user's tasks, to learn from beside the recipe's.
        items: Most items of each task of the recipe.
        data_folder: Where files of the data sets lie, in any layout; the Hugging Face hub without it.

    Raises:
        NotEnoughDataError: Fewer than three data sets were found.
    """
    found, missing = _data_sets(items, data_folder) if recipe == "standard" else ([], [])
    return Ingredients(tuple(own), recipe is not None, tuple(found), tuple(missing))


def _data_sets(items: int, folder: Path | None) -> tuple[list[Found], list[str]]:
    """The data sets that are there, and sentences about the others."""
    sources = {d.name: d.hub for d in DATA_SETS} if folder is None else files_of(folder)
    found: list[Found] = []
    missing: list[str] = []
    for data_set in DATA_SETS:
        try:
            one = _found(data_set, sources.get(data_set.name), items)
        except ThermolangError as error:  # not there, unreadable, or the extra `eval` is missing
            missing.append(f"{data_set.name} is left out: {error}")
            continue
        found.append(one)
        made = {task.name for task in one.tasks}
        lacking = [view for view in data_set.views if _task_name(data_set, view) not in made]
        missing += [f"{data_set.name} is not asked {view!r}: {one.place} has no such questions" for view in lacking]
    if len(found) < MIN_DATA_SETS:
        raise NotEnoughDataError(_too_few(found, missing, folder))
    return found, missing


def _too_few(found: Sequence[Found], missing: Sequence[str], folder: Path | None) -> str:
    names = [one.data_set.name for one in found]
    place = f"{folder} holds" if folder else "the hub gave"
    remedy = (
        "put files of more data sets there, as published"
        if folder
        else 'pip install "thermolang[eval]" and be online, or name a folder of their files with --data-folder'
    )
    wanted = f"{place} {len(found)} of the data sets that the recipe needs {MIN_DATA_SETS} of ({names})"
    return f"{wanted}: {remedy}; or take --recipe offline, which needs none. First reason: {missing[0]}"


def data_set_of(row: Row) -> DataSet | None:
    """The data set whose file has such a first row."""
    known = format_of(row)
    inside = row.get("question")
    columns = row.keys() | (inside.keys() if isinstance(inside, dict) else set())
    named = [d for d in DATA_SETS if (known.name if known else "") in d.formats]
    able = [d for d in named if not d.columns or columns & set(d.columns)]
    if not able:
        return None
    try:
        japanese = bool(HAS_JAPANESE.search(examples_of([("", row)])[0].question))
    except (TaskFormatError, IndexError):
        return None
    return next((d for d in able if d.japanese == japanese), None)


def files_of(folder: Path) -> dict[str, str]:
    """The file of each data set in a folder and the folders below, told by what is in it.

    Of several files the training part is taken, then the part for validation, and a test part only if it is alone.

    Raises:
        NotEnoughDataError: There is no such folder.
    """
    if not folder.is_dir():
        msg = f"{folder} is no folder: --data-folder names one with files of data sets, as published"
        raise NotEnoughDataError(msg)
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in ENDINGS and path.is_file() and (data_set := _told(path)):
            found.setdefault(data_set.name, []).append(path)
    return {name: str(min(paths, key=lambda p: (_part(p), len(p.parts), str(p)))) for name, paths in found.items()}


def _told(path: Path) -> DataSet | None:
    try:
        return data_set_of(first_row(path))
    except ThermolangError:
        return None  # any file may lie there


def _part(path: Path) -> int:
    """Which part of a data set a file is: 0 training, 1 validation, 2 unknown, 3 test."""
    name = path.stem.lower()
    if "train" in name:
        return 0
    if "dev" in name or "val" in name:
        return 1
    return 3 if "test" in name else 2


def _task_name(data_set: DataSet, view: View) -> str:
    first = view == data_set.views[0]
    return data_set.name if first else f"{data_set.name}-{view.replace(' ', '-')}"


def _found(data_set: DataSet, source: str | None, items: int) -> Found:
    if source is None:
        msg = "there is no file of it"
        raise TaskFormatError(msg)
    examples, tasks = examples_of(read_source(source)), list[Task]()
    for view in data_set.views:
        # The same questions with the passage and without it: what is drawn does not depend on the view.
        asked = drawn([e for e in examples if _usable(e, view)], items, seed=0)
        if len(asked) >= 2:
            written = tuple(in_style(_viewed(e, view), data_set.styles(view)) for e in asked)
            tasks.append(Task(_task_name(data_set, view), written, group=data_set.name))
    if not tasks:
        msg = f"{source} has no answered questions with passages of at most {MOST_CHARACTERS} characters"
        raise TaskFormatError(msg)
    return Found(data_set, source, tuple(tasks))


def _usable(example: Example, view: View) -> bool:
    if len(example.context) > MOST_CHARACTERS:
        return False
    if view == "options hidden":
        return example.label is not None and not _NEEDS_OPTIONS.search(example.question)
    return bool(example.context) and not example.answers if view == "unanswerable" else bool(example.answers)


def _viewed(example: Example, view: View) -> Example:
    if view == "closed book":
        return replace(example, context="")
    if view == "unanswerable":
        return replace(example, answers=(NOT_TOLD,))
    if view == "options hidden":
        return Example(example.question, (example.choices[example.label or 0],), context=example.context)
    return example


def in_style(example: Example, styles: Sequence[Style]) -> Example:
    """Write a question in one of the styles; which one depends on its text alone.

    >>> in_style(Example("Who?", ("Ada",)), [Style("", "Question: {question}")]).question
    'Question: Who?'
    """
    style = styles[int(digest(f"{example.context}\0{example.question}", 8), 16) % len(styles)]
    texts = {"question": example.question, "context": example.context}
    return replace(example, question=style.question.format(**texts), context=style.context.format(**texts))
