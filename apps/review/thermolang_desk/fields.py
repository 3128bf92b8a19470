"""The facts about an item that stand below its confidence. A new one is one more ``Field`` in ``FIELDS``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from thermolang.review import ReviewItem
from thermolang_desk.i18n import Language, Translated


@dataclass(frozen=True)
class Field:
    """One fact about an item, with its label.

    Attributes:
        name: A name of its own; in the page it is the attribute ``data-field``.
        label: The label in each language.
        value: Takes the item and returns the text to show, or a text in each language. For None or an empty text the
            field is left out. The text may hold anything: it is escaped when it is shown.
    """

    name: str
    label: Translated
    value: Callable[[ReviewItem], str | Translated | None]


class Fact(NamedTuple):
    """A field of one item in one language, as it is shown."""

    name: str
    label: str
    text: str


_SOURCES: dict[str, Translated] = {
    "choice": {"en": "choice", "ja": "選択肢"},
    "self_check": {"en": "self-check", "ja": "自己確認"},
    "meaning": {"en": "meaning", "ja": "意味"},
    "given": {"en": "text written elsewhere", "ja": "外部の文章"},
    "fields": {"en": "the answer's fields", "ja": "回答の各項目"},
}
_SUPPORTED: Translated = {"en": "like the training data", "ja": "学習データに近い"}
_UNSUPPORTED: Translated = {"en": "unlike the training data", "ja": "学習データから遠い"}


def facts(item: ReviewItem, language: Language) -> list[Fact]:
    """What is known about an item, in the order of ``FIELDS``."""
    found = []
    for field in FIELDS:
        value = field.value(item)
        text = value[language] if isinstance(value, dict) else value
        if text:
            found.append(Fact(field.name, field.label[language], text))
    return found


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.2f}"


def _interval(item: ReviewItem) -> Translated | None:
    if item.confidence.interval is None:
        return None
    low, high = (f"{end:.2f}" for end in item.confidence.interval)
    return {"en": f"{low} to {high}", "ja": f"{low}〜{high}"}


def _state(item: ReviewItem) -> str | None:
    task, version = item.confidence.task, item.confidence.task_version
    return f"{task} v{version}" if task else None


def _doubtful(item: ReviewItem) -> str:
    """The fields of a structured answer that are below the threshold, with their confidences."""
    fields = item.confidence.fields
    return ", ".join(f"{path} ({_number(fields[path].value) or '-'})" for path in item.decision.fields)


def _support(item: ReviewItem) -> Translated | None:
    """Whether the input is like the training data, and the out-of-distribution score where it is known."""
    if item.confidence.value is None:
        return None
    support = _SUPPORTED if item.confidence.supported else _UNSUPPORTED
    novelty = _number(item.confidence.novelty)
    if novelty is None:
        return support
    return {"en": f"{support['en']} (novelty {novelty})", "ja": f"{support['ja']} (新規性 {novelty})"}


FIELDS: tuple[Field, ...] = (
    Field("doubtful", {"en": "Doubtful fields", "ja": "要確認の項目"}, _doubtful),
    Field("raw", {"en": "Before calibration", "ja": "較正前"}, lambda item: _number(item.confidence.raw)),
    Field("interval", {"en": "90 % interval", "ja": "90 % 区間"}, _interval),
    Field("temperature", {"en": "Temperature", "ja": "温度"}, lambda item: _number(item.confidence.temperature)),
    # A bias of 0 does nothing.
    Field("bias", {"en": "Bias", "ja": "バイアス"}, lambda item: _number(item.confidence.bias or None)),
    Field("source", {"en": "Source", "ja": "算出方法"}, lambda item: _SOURCES.get(item.confidence.source or "")),
    Field("state", {"en": "Task state", "ja": "タスクの状態"}, _state),
    Field("support", {"en": "Input", "ja": "入力"}, _support),
)
