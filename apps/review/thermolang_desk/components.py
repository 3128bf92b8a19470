"""The parts of the desk's page as HTML: each function turns items into the context of a template in ``templates/``."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from jinja2.ext import Extension
from markupsafe import Markup
from starlette.requests import Request

from thermolang.review import BANDS, REJECT_CODES, SHOW_MODES, Event, ReviewItem, Row, User, Verdict
from thermolang_desk import fields, texts
from thermolang_desk.i18n import LANGUAGES, WORDS, Language, language_for, theme_for

if TYPE_CHECKING:
    from thermolang.review import Quality

# The first limit that a confidence is below decides on the word.
_LEVELS = ((0.25, "very_low"), (0.5, "low"), (0.75, "medium"), (float("inf"), "high"))
LEAD_PAGES = ("quality", "load", "work", "people", "alarms", "settings")
LEVELS = ("unknown", *(word for _, word in _LEVELS))


@dataclass(frozen=True)
class Frame:
    """What all pages have around them.

    Attributes:
        user: Who is logged in.
        language: The reader's language.
        theme: ``"dark"``, ``"light"`` or empty for the browser's.
        alone: Whether there is no login, and so no logout.
        live: Whether there is a model that can be asked.
    """

    user: User
    language: Language
    theme: str
    alone: bool
    live: bool = False


def frame_for(request: Request, user: User) -> Frame:
    """What stands around a page that is asked for."""
    state = request.app.state
    alone, live = state.access.alone is not None, state.playground is not None
    return Frame(user, language_for(request), theme_for(request), alone=alone, live=live)


def page(frame: Frame) -> str:
    """The operators' page, without items."""
    words = WORDS[frame.language]
    return _framed(
        "page",
        frame,
        bands=BANDS,
        codes=REASON_CODES,
        reject_codes=REJECT_CODES,
        # What the script says; it reads it from an attribute.
        said=json.dumps({key.removeprefix("js_"): word for key, word in words.items() if key[:3] == "js_"}),
    )


def lead_page(frame: Frame, name: str, **context: Any) -> str:
    """One of the leads' pages.

    Args:
        frame: What is around it.
        name: One of ``LEAD_PAGES``.
        context: What its template shows.
    """
    return _framed(f"lead_{name}", frame, page=name, pages=LEAD_PAGES, modes=SHOW_MODES, **context)


def try_page(frame: Frame, modes: Sequence[str], longest: int) -> str:
    """The page on which the model is asked.

    Args:
        frame: What is around it.
        modes: How an answer can be scored, of ``"fast"`` and ``"thorough"``.
        longest: The longest question, in characters.
    """
    return _framed("try", frame, modes=modes, longest=longest)


def preview(found: Quality, plot: Markup, task: str | None, language: Language) -> Markup:
    """What a threshold would change.

    Args:
        found: The figures.
        plot: The curve.
        task: Only of this task.
        language: The reader's language.
    """
    # From a template, which escapes.
    return Markup(_render("lead_preview", words=WORDS[language], found=found, plot=plot, task=task))  # nosec # B704: escaped there


def login_for(request: Request, wrong: str = "") -> str:
    """The page on which one logs in, in place of one that was asked for.

    Args:
        request: For a page.
        wrong: Why a login failed.
    """
    language, asked = language_for(request), f"{request.url.path}?{request.url.query}".rstrip("?")
    return _render(
        "login",
        words=WORDS[language],
        language=language,
        theme=theme_for(request),
        oidc=request.app.state.access.oidc is not None,
        # Of a step of the provider's login, the page that was asked for before.
        to=own_page(request.query_params.get("to", "") if request.url.path == "/oidc/login" else asked),
        wrong=wrong,
    )


def own_page(address: str) -> str:
    """An address on the desk, to which a login may lead back; the queue for any other."""
    parts = urlsplit(address) if len(address) <= 2000 and "\\" not in address else urlsplit("")
    own = not parts.scheme and not parts.netloc and address.isprintable()
    known = parts.path in ("/", "/try", "/lead") or parts.path.startswith("/lead/")
    return address if own and known and not address.startswith("//") else "/"


def rows(found: Sequence[Row], language: Language) -> str:
    """Rows of the table of items."""
    words = WORDS[language]

    def told(row: Row) -> str:
        return words["blind"] if row.blind else why(row.reason_code, row.confidence, row.threshold, language)

    return _render("rows", words=words, rows=[(row, told(row)) for row in found])


def detail(
    item: ReviewItem,
    language: Language,
    *,
    whose: str = "",
    with_number: bool = True,
    tried: bool = False,
    may_assign: bool = False,
    passed: Event | None = None,
) -> str:
    """Everything about one item.

    Args:
        item: The item.
        language: The reader's language.
        whose: Somebody else who is working on it.
        with_number: Whether also its confidence, and all that tells of it.
        tried: Whether it is the answer to a question just asked, and in no queue.
        may_assign: Whether the reader may give it to somebody else.
        passed: Who could not tell, and what that person wrote about it.
    """
    words, confidence = WORDS[language], item.confidence
    # How often each meaning was said when the model was asked again, the answer's own first.
    said = confidence.meanings(item.answer) if confidence.source and with_number else ()
    return _render(
        "detail",
        words=words,
        item=item,
        heading=words["doubts"] if tried else words["why"],
        whose=whose if item.status == "pending" else "",
        why=why(item.reason_code, confidence.value, item.decision.threshold, language) or item.reason,
        reasons=dict.fromkeys(reason for reason in (item.reason, confidence.reason) if reason),
        with_number=with_number,
        may_assign=may_assign and item.status == "pending",
        passed=passed,
        facts=fields.facts(item, language) if with_number else [],
        said=said,
        others=(said or confidence.alternatives) if with_number else (),
        markdown=texts.markdown(item.answer) if texts.is_markdown(item.answer) else None,
        longest=texts.LONGEST_TEXT,
    )


def why(code: str, value: float | None, threshold: float | None, language: Language) -> str:
    """Why an item waits, in the reader's language; empty for a code that the desk does not know.

    Args:
        code: See ``ReviewItem.reason_code``.
        value: The confidence.
        threshold: The confidence from which answers are accepted.
        language: The reader's language.
    """
    sentence = WORDS[language].get(f"why_{code}", "")
    return sentence.format(value=number(value), threshold=number(threshold))


def conflict(verdict: Verdict, status: str, language: Language) -> str:
    """Who decided first, when, and what."""
    words, when = WORDS[language], f"{verdict.created_at:%Y-%m-%d %H:%M} UTC"
    return words["already"].format(operator=texts.visible(verdict.operator), time=when, status=words[status])


def level(value: float | None) -> str:
    """The word for a confidence, one of ``LEVELS``: a key of the desk's words and a class of its style sheet."""
    if value is None:
        return "unknown"
    return next(word for limit, word in _LEVELS if value < limit)


def number(value: float | None) -> str:
    """A number with two digits; a dash stands for None."""
    return "\N{EN DASH}" if value is None else f"{value:.2f}"


def percent(share: float) -> str:
    """A share in [0, 1] as whole per cent; also a width of SVG."""
    return f"{share:.0%}"


def rate(share: float | None, digits: int = 0) -> str:
    """A share in [0, 1] as per cent in a text; a dash stands for None."""
    if share is None:
        return "\N{EN DASH}"
    text = f"{100 * share:.{digits}f}"
    return f"{text.removesuffix('.0')}\N{NO-BREAK SPACE}%"


class _JoinLines(Extension):
    """Drops line breaks and indentation between a template's tags."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        return re.sub(r"(?<=[>}])\s*\n\s*", "", source)


def _framed(template: str, frame: Frame, **context: Any) -> str:
    around = {field.name: getattr(frame, field.name) for field in dataclasses.fields(frame)}
    return _render(template, words=WORDS[frame.language], languages=LANGUAGES, **around, **context)


def _render(name: str, **context: Any) -> str:
    return _templates.get_template(f"{name}.html.j2").render(context)


REASON_CODES = tuple(key.removeprefix("why_") for key in WORDS["en"] if key.startswith("why_"))

_templates = Environment(
    loader=PackageLoader("thermolang_desk"), autoescape=True, undefined=StrictUndefined, extensions=[_JoinLines]
)
_templates.filters |= {
    "level": level,
    "number": number,
    "percent": percent,
    "rate": rate,
    "plain": texts.plain,
    "visible": texts.visible,
}
