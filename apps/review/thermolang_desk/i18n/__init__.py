"""What the desk says, in English and Japanese: ``en.json`` and ``ja.json`` have the same keys.

Keys that begin with ``js_`` are said by the page's script, those with ``why_`` are the reasons by their code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from typing import Literal, TypedDict, get_args

from starlette.requests import HTTPConnection

Language = Literal["en", "ja"]
LANGUAGES: tuple[Language, ...] = get_args(Language)


class Translated(TypedDict):
    """A text in each language of the desk."""

    en: str
    ja: str


def _read(language: Language) -> dict[str, str]:
    words: dict[str, str] = json.loads((resources.files(__name__) / f"{language}.json").read_text(encoding="utf-8"))
    return words


WORDS: Mapping[Language, Mapping[str, str]] = {language: _read(language) for language in LANGUAGES}


def language_of(accept_language: str) -> Language:
    """The language for a browser's Accept-Language header: the first one, or English if the desk does not speak it."""
    return "ja" if accept_language.strip().lower().startswith("ja") else "en"


def language_for(request: HTTPConnection) -> Language:
    """The language that the reader chose, or else the browser's."""
    for language in LANGUAGES:
        if request.cookies.get("desk_language") == language:
            return language
    return language_of(request.headers.get("accept-language", ""))


def theme_for(request: HTTPConnection) -> str:
    """``"dark"`` or ``"light"`` by the reader's choice, or empty for the browser's."""
    theme = request.cookies.get("desk_theme", "")
    return theme if theme in ("dark", "light") else ""
