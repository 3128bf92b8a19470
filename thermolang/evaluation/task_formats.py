"""From rows to tasks: the formats that ``load_tasks`` knows, told apart by their columns."""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from thermolang.errors import TaskFormatError
from thermolang.evaluation import task_contexts as contexts
from thermolang.evaluation.task_contexts import distinct
from thermolang.evaluation.task_files import EXPECTED, Row, own_example
from thermolang.models.prompts import LETTERS
from thermolang.types import Example, Task

logger = logging.getLogger(__name__)

Located = tuple[str, Row]
"""A row and where it stands, such as ``"questions.jsonl, line 3"``."""


@dataclass(frozen=True)
class Format:
    """One shape of rows.

    Attributes:
        name: What people call it.
        columns: The columns that tell it, and the type of what stands in them.
        examples: Makes questions of a row, most often one; without label and answers where the row has no gold.
        task_column: A column that says which task a row belongs to; the file's rows are one task without it.
    """

    name: str
    columns: dict[str, type]
    examples: Callable[[Row], list[Example]]
    task_column: str = ""

    def fits(self, row: Row) -> bool:
        """Whether a row has these columns."""
        return all(isinstance(row.get(name), kind) for name, kind in self.columns.items())

    def __str__(self) -> str:
        """Name and columns, for errors."""
        return f"{self.name} ({', '.join(self.columns)})"


def format_of(row: Row) -> Format | None:
    """The first format whose columns a row has; None for a row of the user's own, or an unknown one."""
    return next((known for known in FORMATS if known.fits(row)), None)


def known_formats() -> str:
    """All formats in one line, for errors."""
    return "; ".join([f"your own ({EXPECTED})", *map(str, FORMATS)])


def tasks_of(name: str, rows: Sequence[Located]) -> list[Task]:
    """Make tasks of rows that share the first one's format.

    Rows without a gold answer are left out, and so are rows whose number of options is not the task's most common
    one, as in the paper's code: a task's logits are a matrix. The user's own rows are taken as they are.

    Args:
        name: The task's name, unless the rows name their tasks themselves.
        rows: At least one, each with its place.

    Raises:
        TaskFormatError: Naming the place, what was found and what was expected.
    """
    place, first = rows[0]
    known = format_of(first)
    if known is None:
        if "question" in first and first.keys() & {"answers", "choices"}:
            return [Task(name, tuple(own_example(place, row) for place, row in rows))]
        msg = f"{place}: found {sorted(map(str, first))}; the known formats: {known_formats()}"
        raise TaskFormatError(msg)
    parts: dict[str, list[tuple[str, Example]]] = {}
    for place, row in rows:
        found = [(place, example) for example in _examples(known, place, row)]
        parts.setdefault(str(row[known.task_column]) if known.task_column else name, []).extend(found)
    return [Task(part, _usable(part, found)) for part, found in parts.items()]


def _examples(known: Format, place: str, row: Row) -> list[Example]:
    if not known.fits(row):
        msg = f"{place}: expected {known} as in the first row, found {sorted(map(str, row))}"
        raise TaskFormatError(msg)
    try:
        return known.examples(row)
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        msg = f"{place}: not as {known} has it: {error if isinstance(error, ValueError) else repr(error)}"
        raise TaskFormatError(msg) from error


def _usable(name: str, found: Sequence[tuple[str, Example]]) -> tuple[Example, ...]:
    """The examples with a gold answer and the most common number of options, none of them given away."""
    gold = [(place, e) for place, e in found if e.question and (e.answers or e.label is not None)]
    if not gold:
        msg = f"{found[0][0] if found else name}: no question of {name!r} has a gold answer"
        raise TaskFormatError(msg)
    width = Counter(len(e.choices) for _, e in gold).most_common(1)[0][0]
    kept = [(place, e) for place, e in gold if len(e.choices) == width]
    if len(gold) < len(found):
        logger.info("%s: %d of %d questions have no gold answer", name, len(found) - len(gold), len(found))
    if len(kept) < len(gold):
        logger.info("%s: left out %d of %d questions without %d options", name, len(gold) - len(kept), len(gold), width)
    if not width:
        return tuple(e for _, e in kept)
    for place, e in kept:
        if not (2 <= width <= len(LETTERS) and e.label in range(width)):
            wanted = f"2 to {len(LETTERS)} options are expected, and a right one among them"
            msg = f"{place}: {wanted}; found {width} options, the right one at index {e.label}"
            raise TaskFormatError(msg)
    given_away = len(kept) > 1 and len({e.label for _, e in kept}) == 1
    return tuple(_shuffled(e) if given_away else e for _, e in kept)


def _shuffled(example: Example) -> Example:
    """The options in another order, which depends on the question alone."""
    order = list(range(len(example.choices)))
    random.Random("\0".join([example.question, *example.choices])).shuffle(order)
    choices = tuple(example.choices[i] for i in order)
    return replace(example, choices=choices, label=order.index(example.label or 0))


def _choice(question: str, choices: Iterable[object], label: int | None) -> list[Example]:
    return [Example(question.strip(), choices=tuple(str(c).strip() for c in choices), label=label)]


def _scored(question: str, options: Iterable[object], scores: Iterable[float]) -> list[Example]:
    """A question whose right option scores 1 and the others 0."""
    right = [i for i, score in enumerate(scores) if score == 1]
    if len(right) != 1:
        msg = f"exactly one option with score 1 is expected, found {len(right)}"
        raise ValueError(msg)
    return _choice(question, options, right[0])


def _keyed(question: str, options: Iterable[object], labels: Iterable[object], key: object) -> list[Example]:
    """A question whose right option is named by its letter or digit; an empty key hides it."""
    names = [str(label) for label in labels]
    return _choice(question, options, names.index(str(key)) if key else None)


def _mmlu(row: Row) -> list[Example]:
    return _choice(row["question"], row["choices"], row["answer"] if row["answer"] >= 0 else None)


def _bigbench(row: Row) -> list[Example]:
    return _scored(row["input"], row["target_scores"].keys(), row["target_scores"].values())


def _bigbench_hub(row: Row) -> list[Example]:
    return _scored(row["inputs"], row["multiple_choice_targets"], row["multiple_choice_scores"])


def _stem(row: Row) -> list[Example]:
    options = row["question"]["choices"]
    texts, labels = [o["text"] for o in options], [o["label"] for o in options]
    return _keyed(row["question"]["stem"], texts, labels, row.get("answerKey"))


def _lettered(row: Row) -> list[Example]:
    return _keyed(row["question"], row["choices"]["text"], row["choices"]["label"], row["answerKey"])


def _numbered(row: Row) -> list[Example]:
    choices = [row[f"choice{i}"] for i in range(sum(name.startswith("choice") for name in row))]
    return _choice(row["question"], choices, row["label"] if row["label"] >= 0 else None)


def _truthfulqa(row: Row) -> list[Example]:
    # The newer version's pairs of one right and one wrong answer; the older lists differ in length.
    targets = row.get("mc0_targets") or row["mc1_targets"]
    if "labels" in targets:
        return _scored(row["question"], targets["choices"], targets["labels"])
    return _scored(row["question"], targets.keys(), targets.values())


def _triviaqa(row: Row) -> list[Example]:
    answers = [row["answer"]["value"], *row["answer"]["aliases"]]
    return [Example(row["question"].strip(), distinct(answers))]


def _nq_open(row: Row) -> list[Example]:
    return [Example(row["question"].strip(), distinct(row["answer"]))]


def _webquestions(row: Row) -> list[Example]:
    return [Example(row["qText"].strip(), distinct(row["answers"]))]


FORMATS = (
    Format("MMLU", {"question": str, "subject": str, "choices": list, "answer": int}, _mmlu, "subject"),
    Format("BIG-bench", {"input": str, "target_scores": dict}, _bigbench),
    Format(
        "BIG-bench of the hub",
        {"inputs": str, "multiple_choice_targets": list, "multiple_choice_scores": list},
        _bigbench_hub,
    ),
    Format("ARC or CommonsenseQA", {"question": dict, "answerKey": str}, _stem),
    Format("ARC or CommonsenseQA of the hub", {"question": str, "choices": dict, "answerKey": str}, _lettered),
    Format("JCommonsenseQA", {"question": str, "choice0": str, "choice1": str, "label": int}, _numbered),
    Format("TruthfulQA", {"question": str, "mc1_targets": dict}, _truthfulqa),
    Format("SQuAD", {"paragraphs": list}, contexts.squad_article),
    Format("SQuAD of the hub", {"context": str, "question": str, "answers": dict}, contexts.squad_row),
    Format("SQuAD of OLMo", {"query": str, "answers_text": list}, contexts.squad_olmo),
    Format("BoolQ", {"passage": str, "question": str, "answer": bool}, contexts.boolq),
    Format("CoQA", {"story": str, "questions": list, "answers": list}, contexts.coqa_story),
    Format("CoQA of the hub", {"story": str, "questions": list, "answers": dict}, contexts.coqa_hub),
    Format("CoQA, grouped", {"story": str, "turns": list}, contexts.coqa_grouped),
    Format("DROP of OLMo", {"passage": str, "question": str, "answers": list}, contexts.drop_olmo),
    Format("DROP of the hub", {"passage": str, "question": str, "answers_spans": dict}, contexts.drop_hub),
    Format("TriviaQA", {"question": str, "answer": dict}, _triviaqa),
    Format("NQ-open", {"question": str, "answer": list}, _nq_open),
    Format("WebQuestions", {"qText": str, "answers": list}, _webquestions),
)
"""What ``load_tasks`` recognises; the first that fits a file's first row is the file's format."""
