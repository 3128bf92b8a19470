"""Texts of models as safe HTML: invisible marks made visible, endless words broken, Markdown without surprises."""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markupsafe import Markup, escape

# In characters. A longer text is cut, and the page says so; a longer word gets places where it may be broken.
LONGEST_TEXT = 50_000
LONGEST_MARKDOWN = 20_000
LONGEST_WORD = 80

# Marks that change the order or the look of a text without being seen: bidirectional controls, zero-width ones, and
# control characters apart from tab and line feed.
_HIDDEN = re.compile("[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\u00ad\x00-\x08\x0b-\x1f\x7f-\x9f]")
_LONG_WORD = re.compile(rf"\S{{{LONGEST_WORD}}}(?=\S)")


def visible(text: str) -> str:
    """Replace each hidden mark by its code, such as ``⟨U+202E⟩``."""
    return _HIDDEN.sub(lambda mark: f"\N{MATHEMATICAL LEFT ANGLE BRACKET}U+{ord(mark[0]):04X}\u27e9", text)


def plain(text: str) -> Markup:
    """A text as it was written, escaped, with places where long words may be broken."""
    shown = visible(text.replace("\r\n", "\n")[:LONGEST_TEXT])
    parts, last = [], 0
    for word in _LONG_WORD.finditer(shown):
        parts += [escape(shown[last : word.end()]), Markup("<wbr>")]
        last = word.end()
    return Markup("").join([*parts, escape(shown[last:])])


def is_markdown(text: str) -> bool:
    """Whether a text is worth rendering as Markdown: it is short, has no endless word, and has some markup."""
    if len(text) > LONGEST_MARKDOWN or _LONG_WORD.search(text):
        return False
    return re.search(r"[*_`#|\[]|^\s*(?:[-+>]|\d+[.)])\s", text, re.M) is not None


def markdown(text: str) -> Markup:
    """Markdown as HTML: raw HTML stays text, images are not loaded, links only show their address."""
    rendered: str = _markdown.render(visible(text))
    return Markup(rendered)  # nosec # B704: raw HTML stays text


class _Renderer(RendererHTML):
    """Says where a link would lead, but is none: an operator must not be led away by what a model wrote."""

    def link_open(self, tokens, index, options, env) -> str:  # type: ignore[no-untyped-def]  # noqa: ANN001
        return "<u>"

    def link_close(self, tokens, index, options, env) -> str:  # type: ignore[no-untyped-def]  # noqa: ANN001
        opened = next(token for token in reversed(tokens[:index]) if token.type == "link_open")
        return f"</u> <code>{escape(opened.attrGet('href') or '')}</code>"


_markdown = MarkdownIt("commonmark", {"html": False, "linkify": False}, renderer_cls=_Renderer)
_markdown.enable("table").enable("strikethrough").disable("image")
