"""The parts of the desk's page as HTML: each function turns items into the context of a template in ``templates/``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from jinja2.ext import Extension

from thermolang.review import ReviewItem
from thermolang_desk import fields
from thermolang_desk.i18n import WORDS, Language

# Gradio replaces its own translation markers inside HTML; they all need a brace.
_BRACES = str.maketrans({"{": "&#123;", "}": "&#125;"})
# The first limit that a confidence is below decides on the word.
_LEVELS = ((0.25, "very_low"), (0.5, "low"), (0.75, "medium"), (float("inf"), "high"))
LEVELS = ("unknown", *(word for _, word in _LEVELS))


def header(counts: Mapping[str, int], language: Language) -> str:
    """Title and live counts.

    Args:
        counts: Number of items by status, in the order in which they are shown.
        language: The reader's language.
    """
    return _render("header", words=WORDS[language], counts=counts)


def queue(items: Sequence[ReviewItem], total: int, language: Language) -> str:
    """The table of pending items, or a friendly word if there are none.

    Args:
        items: The rows.
        total: How many items are pending; there may be more than rows.
        language: The reader's language.
    """
    return _render("queue", words=WORDS[language], items=items, total=total)


def detail(item: ReviewItem, language: Language) -> str:
    """Everything about one item."""
    confidence = item.confidence
    # How often each meaning was said when the model was asked again, the answer's own first.
    said = confidence.meanings(item.answer) if confidence.source else ()
    return _render(
        "detail",
        words=WORDS[language],
        item=item,
        reasons=dict.fromkeys(reason for reason in (item.reason, confidence.reason) if reason),
        facts=fields.facts(item, language),
        said=said,
        others=said or confidence.alternatives,
    )


def failure(message: str, language: Language) -> str:
    """What stands in place of the queue while the database cannot be used."""
    return _render("failure", words=WORDS[language], message=message)


def toast(text: str, kind: str, *, key: str) -> str:
    """A short message that goes away by itself.

    Args:
        text: The message, in the reader's language.
        kind: ``"info"``, ``"warning"`` or ``"error"``.
        key: A new key shows the same message again.
    """
    return _render("toast", text=text, kind=kind, key=key)


def level(value: float | None) -> str:
    """The word for a confidence, one of ``LEVELS``: a key of the desk's words and a class of its style sheet."""
    if value is None:
        return "unknown"
    return next(word for limit, word in _LEVELS if value < limit)


def number(value: float | None) -> str:
    """A number with two digits; a dash stands for None."""
    return "\N{EN DASH}" if value is None else f"{value:.2f}"


def percent(share: float) -> str:
    """A share in [0, 1] as whole per cent; also a width of CSS."""
    return f"{share:.0%}"


class _JoinLines(Extension):
    """Drops line breaks and indentation between a template's tags: the page asks for its parts every two seconds."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        return re.sub(r"(?<=[>}])\s*\n\s*", "", source)


def _render(name: str, **context: Any) -> str:
    return _templates.get_template(f"{name}.html.j2").render(context).translate(_BRACES)


_templates = Environment(
    loader=PackageLoader("thermolang_desk"), autoescape=True, undefined=StrictUndefined, extensions=[_JoinLines]
)
_templates.filters |= {"level": level, "number": number, "percent": percent}
