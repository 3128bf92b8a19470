"""HTML of the desk. Every text from outside goes through ``literal``."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

from thermolang import Confidence, ReviewItem
from thermolang_desk.texts import Words

STATUSES = ("pending", "accepted", "corrected", "rejected")
# Gradio replaces its own translation markers inside HTML; they all need a brace.
_BRACES = str.maketrans({"{": "&#123;", "}": "&#125;"})
_LEVELS = ((0.25, "very_low"), (0.5, "low"), (0.75, "medium"), (float("inf"), "high"))


def literal(text: object) -> str:
    """Escape text so that a browser shows it as it is."""
    return html.escape(str(text)).translate(_BRACES)


def level(value: float | None) -> str:
    """Key of the word for a confidence."""
    if value is None:
        return "unknown"
    return next(name for limit, name in _LEVELS if value < limit)


def number(value: float | None, digits: int = 2) -> str:
    """A number for people; a dash stands for None."""
    return "\N{EN DASH}" if value is None else f"{value:.{digits}f}"


def header(counts: Mapping[str, int], words: Words) -> str:
    """Title and live counts."""
    chips = "".join(
        f'<li class="tl-chip tl-{status}"><b data-count="{status}">{counts[status]}</b> {words[status]}</li>'
        for status in STATUSES
    )
    keys = f'<p class="tl-keys"><kbd>J</kbd> <kbd>K</kbd> {words["shortcuts"]}</p>'
    title = f"<h1>thermolang <span>{words['desk']}</span></h1>"
    return f'{title}{keys}<ul role="status" class="tl-counts">{chips}</ul>'


def queue(items: Sequence[ReviewItem], total: int, words: Words) -> str:
    """The table of pending items, or a friendly word if there are none."""
    if not items:
        return _message("tl-empty", "✓", words["empty"], words["empty_hint"])
    heads = "".join(f'<th scope="col">{words[key]}</th>' for key in ("confidence", "question_answer", "task_reason"))
    rows = "".join(_row(item, words) for item in items)
    more = words["more"].format(shown=len(items), total=total) if total > len(items) else ""
    return (
        f'<table role="grid" aria-label="{words["queue"]}"><thead><tr>{heads}</tr></thead>'
        f'<tbody>{rows}</tbody></table><p class="tl-more">{more}</p>'
    )


def failure(message: str, words: Words) -> str:
    """What stands in place of the queue while the database cannot be used."""
    return f'<div role="alert">{_message("tl-failed", "!", words["failed"], message, words["failed_hint"])}</div>'


def toast(text: str, kind: str, *, key: str) -> str:
    """A short message that goes away by itself; a new key shows it again."""
    return f'<p role="status" class="tl-toast tl-{kind}" data-toast="{key}">{literal(text)}</p>'


def detail(item: ReviewItem, words: Words) -> str:
    """Everything about one item."""
    context = _context(item.context, words)
    answer = literal(item.answer) if item.answer else f"<i>{words['no_answer']}</i>"
    return (
        f'<article data-item="{literal(item.id)}"><p class="tl-meta">{_task(item.task, words)}'
        f"<span>{literal(item.model)}</span><time>{item.created_at:%Y-%m-%d %H:%M} UTC</time></p>"
        f'<h2>{words["question"]}</h2><div class="tl-question tl-text">{literal(item.question)}</div>{context}'
        f'<h2>{words["answer"]}</h2><div class="tl-answer tl-text">{answer}</div>'
        f"<h2>{words['why']}</h2>{_reasons(item)}"
        f"{_confidence(item, words)}{_alternatives(item, words)}</article>"
    )


def _row(item: ReviewItem, words: Words) -> str:
    value = item.confidence.value
    return (
        f'<tr role="row" tabindex="0" data-id="{literal(item.id)}" aria-selected="false">'
        f'<td role="gridcell"><b class="tl-number">{number(value)}</b>'
        f'<span class="tl-word">{words[level(value)]}</span>{_bar(value)}</td>'
        f'<td role="gridcell"><div class="tl-q tl-line">{literal(item.question)}</div>'
        f'<div class="tl-a tl-line">{literal(item.answer)}</div></td>'
        f'<td role="gridcell">{_task(item.task, words)}<div class="tl-why">{literal(item.reason)}</div></td></tr>'
    )


def _bar(value: float | None, threshold: float | None = None) -> str:
    """A bar beside the number; it adds nothing to it, so screen readers skip it."""
    mark = f'<s style="left:{threshold:.0%}"></s>' if threshold is not None and 0 < threshold < 1 else ""
    return (
        f'<span class="tl-bar tl-{level(value)}" aria-hidden="true"><i style="width:{value or 0:.0%}"></i>{mark}</span>'
    )


def _task(task: str, words: Words) -> str:
    return f'<span class="tl-task">{literal(task) or words["no_task"]}</span>'


def _context(context: str, words: Words) -> str:
    if not context:
        return ""
    return f'<details open><summary>{words["context"]}</summary><div class="tl-text">{literal(context)}</div></details>'


def _reasons(item: ReviewItem) -> str:
    reasons = dict.fromkeys(reason for reason in (item.reason, item.confidence.reason) if reason)
    return "".join(f'<p class="tl-reason tl-text">{literal(reason)}</p>' for reason in reasons)


def _confidence(item: ReviewItem, words: Words) -> str:
    value, threshold = item.confidence.value, item.decision.threshold
    facts = "".join(f"<div><dt>{words[key]}</dt><dd>{fact}</dd></div>" for key, fact in _facts(item.confidence, words))
    accepted = words["threshold"].format(value=number(threshold))
    return (
        f'<h2>{words["chance"]}</h2><div class="tl-score"><b class="tl-number">{number(value)}</b>'
        f'<div><span class="tl-word">{words[level(value)]}</span>{_bar(value, threshold)}'
        f'<span class="tl-hint">{accepted}</span></div></div><dl>{facts}</dl>'
    )


def _facts(confidence: Confidence, words: Words) -> list[tuple[str, str]]:
    """What the confidence rests on, as escaped texts; what is unknown is left out."""
    support = words["supported" if confidence.supported else "unsupported"]
    if confidence.novelty is not None:
        support += f" ({words['novelty'].format(value=number(confidence.novelty))})"
    interval = " to ".join(number(end) for end in confidence.interval or ())
    state = f"{literal(confidence.task)} v{confidence.task_version}" if confidence.task else ""
    facts = {
        "raw": number(confidence.raw) if confidence.raw is not None else "",
        "interval": interval,
        "temperature": number(confidence.temperature) if confidence.temperature is not None else "",
        "bias": number(confidence.bias) if confidence.bias else "",
        "source": words.get(confidence.source or "", ""),
        "state": state,
        "support": support if confidence.value is not None else "",
    }
    return [(key, fact) for key, fact in facts.items() if fact]


def _alternatives(item: ReviewItem, words: Words) -> str:
    """Other options, or how often each meaning was said when the model was asked again, the answer's own first."""
    said = item.confidence.meanings(item.answer) if item.confidence.source else ()
    if not (said or item.confidence.alternatives):
        return ""
    lines = "".join(
        f'<li><span class="tl-text">{literal(other.text) or words["no_answer"]}</span>{_bar(other.share)}'
        f"<b>{other.share:.0%}</b></li>"
        for other in said or item.confidence.alternatives
    )
    kind = ' class="tl-others tl-said"' if said else ' class="tl-others"'
    return f"<h2>{words['meanings' if said else 'alternatives']}</h2><ul{kind}>{lines}</ul>"


def _message(kind: str, sign: str, title: str, *lines: str) -> str:
    text = "".join(f"<p>{literal(line)}</p>" for line in lines)
    return f'<div class="tl-message {kind}"><span aria-hidden="true">{sign}</span><h2>{title}</h2>{text}</div>'
