"""Texts of models on the page: hidden marks are seen, long words break, markup stays text."""

import re

import pytest
from thermolang_desk import texts

PAYLOADS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<iframe src=javascript:alert(1)>",
    "<a href=javascript:alert(1)>x</a>",
    "<body onload=alert(1)>",
    "<details open ontoggle=alert(1)>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<style>@import 'https://evil.example'</style>",
    "<link rel=stylesheet href=https://evil.example>",
    "<base href=https://evil.example>",
    "<form action=https://evil.example><button>x",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<object data=https://evil.example>",
    "<embed src=https://evil.example>",
    "<video><source onerror=alert(1)>",
    "<input autofocus onfocus=alert(1)>",
    "<marquee onstart=alert(1)>",
    "<template><script>alert(1)</script></template>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "</div></article><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "--><script>alert(1)</script>",
    "]]><script>alert(1)</script>",
    '"><script>alert(1)</script>',
    "'><script>alert(1)</script>",
    '" onmouseover=alert(1) x="',
    "' onmouseover=alert(1) x='",
    "` onmouseover=alert(1)",
    "javascript:alert(1)",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](vbscript:msgbox)",
    '[x](https://evil.example "title\\" onmouseover=alert(1)")',
    "![x](https://evil.example/beacon)",
    '![x](x" onerror="alert(1))',
    "<https://evil.example>",
    "<javascript:alert(1)>",
    "[x]: javascript:alert(1)\n\n[x]",
    "```<script>alert(1)</script>```",
    '```js"><script>alert(1)</script>\nx\n```',
    "`<script>alert(1)</script>`",
    "<scr<script>ipt>alert(1)</script>",
    "<\x00script>alert(1)</script>",
    "<img src=`x`onerror=alert(1)>",
    "{{constructor.constructor('alert(1)')()}}",
    "${alert(1)}",
    "{% raw %}{{ 7*7 }}",
    "\u202e<script>alert(1)</script>",
    "+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
    "\ufeff<script>alert(1)</script>",
    "| a |\n|---|\n| <script>alert(1)</script> |",
    "> <script>alert(1)</script>",
    "- <script>alert(1)</script>",
    "# <script>alert(1)</script>",
]
MARKDOWN = "wbr p em strong s ul ol li pre code blockquote hr br u table thead tbody tr th td h1 h2 h3 h4 h5 h6"


def tags(html):
    return {(name, rest.strip()) for name, rest in re.findall(r"<\s*/?\s*([\w-]*)([^>]*)>", html)}


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("show", [texts.plain, texts.markdown])
def test_nothing_that_a_model_writes_becomes_markup_that_acts(payload, show):
    for name, rest in tags(str(show(payload))):
        assert name in MARKDOWN.split(), (name, rest)
        # Of attributes only those that Markdown itself writes, none of which acts.
        assert re.fullmatch(r'|/|start="\d+"|class="language-[^"]*"|style="text-align:\w+"', rest), (name, rest)


def test_there_are_enough_payloads():
    assert len(set(PAYLOADS)) >= 50


@pytest.mark.parametrize("code", [0x202E, 0x202A, 0x2066, 0x2069, 0x200E, 0x200B, 0xFEFF, 0x61C, 0, 0x1B, 0x85])
def test_hidden_marks_are_seen(code):
    assert texts.visible(f"a{chr(code)}b") == f"a⟨U+{code:04X}⟩b"
    assert f"U+{code:04X}" in texts.plain(f"a{chr(code)}b")
    assert chr(code) not in texts.markdown(f"*a*{chr(code)}b")


def test_ordinary_text_stays_as_it_is():
    text = "日本語 العربية 👩‍🚒 tab\tline\nend"
    assert texts.visible(text) == text
    assert str(texts.plain("a\r\nb")) == "a\nb"


def test_long_words_can_be_broken_and_stay_whole_as_text():
    html = str(texts.plain("x" * 1000 + " y"))
    assert html.count("<wbr>") == 12
    assert html.replace("<wbr>", "") == "x" * 1000 + " y"


def test_places_to_break_do_not_split_an_escaped_character():
    html = str(texts.plain("<" * 200))
    assert html.replace("<wbr>", "") == "&lt;" * 200


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("plain words", False), ("**bold**", True), ("- a\n- b", True), ("1. a", True), ("x" * 100 + "*a*", False)],
)
def test_what_is_worth_rendering_as_markdown(text, is_one):
    assert texts.is_markdown(text) is is_one


def test_a_link_shows_its_address_and_leads_nowhere():
    html = str(texts.markdown("[bank](https://evil.example/?a=1&b=2)"))
    assert "<u>bank</u> <code>https://evil.example/?a=1&amp;b=2</code>" in html
    assert "href" not in html


def test_markdown_is_rendered():
    assert "<strong>b</strong>" in texts.markdown("**b**")
    assert "<table>" in texts.markdown("| a | b |\n|---|---|\n| 1 | 2 |")
