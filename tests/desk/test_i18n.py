"""The desk's words: the same in both languages, and each one used."""

import re
import string
from pathlib import Path
from typing import get_args

import pytest
import thermolang_desk
from jinja2 import nodes
from thermolang_desk import components, fields
from thermolang_desk.i18n import LANGUAGES, WORDS, language_of
from thermolang_desk.playground import TryMode

from thermolang.review import BANDS, REJECT_CODES, ROLES, STATUSES, User

# Looked up by an item's status or confidence, or by a role.
BY_VALUE = {*STATUSES, *components.LEVELS, *BANDS, "all", "flagged"}
BY_VALUE |= {f"try_{mode}" for mode in get_args(TryMode)}
# Looked up by the rest of their names: reasons, codes of verdicts, orders, keys, and what the script says.
BY_BEGINNING = (
    "why_",
    "alarm_",
    "code_",
    "order_",
    "key_",
    "js_",
    "login_",
    "mode_",
    "page_",
    "below_",
    "help_",
    "promise_",
    "set_",
    "role_",
)
SCRIPT = (Path(thermolang_desk.__file__).parent / "static" / "desk.js").read_text(encoding="utf-8")


def blanks(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def words_in(template):
    """Keys of words in a template; the words that it looks up by value are left out."""
    source = components._templates.loader.get_source(components._templates, template)[0]
    tree = components._templates.parse(source)
    assert "words" not in {part.node.name for part in tree.find_all(nodes.Getattr) if isinstance(part.node, nodes.Name)}
    found = [part for part in tree.find_all(nodes.Getitem) if isinstance(part.node, nodes.Name)]
    return {part.arg.value for part in found if part.node.name == "words" and isinstance(part.arg, nodes.Const)}


def words_in_code():
    folder = Path(thermolang_desk.__file__).parent
    texts = [path.read_text(encoding="utf-8") for path in folder.rglob("*.py")]
    return {
        key for text in texts for key in re.findall(r'words\["(\w+)"\]|text\("(\w+)"\)', text) for key in key if key
    }


def test_both_languages_say_the_same():
    english, japanese = ({key: blanks(text) for key, text in WORDS[language].items()} for language in LANGUAGES)
    assert english == japanese


@pytest.mark.parametrize("template", components._templates.list_templates())
def test_a_template_uses_known_words(template):
    assert words_in(template) <= WORDS["en"].keys()


def test_every_word_is_used():
    used = set().union(*map(words_in, components._templates.list_templates()))
    rest = {key for key in WORDS["en"] if not key.startswith(BY_BEGINNING)}
    used |= words_in_code()
    assert {key for key in used if not key.startswith(BY_BEGINNING)} | BY_VALUE == rest


def test_the_script_says_the_words_that_it_has():
    has = {key.removeprefix("js_") for key in WORDS["en"] if key.startswith("js_")}
    says = set(re.findall(r"\bsaid\.(\w+)", SCRIPT)) | {"accepted", "corrected", "rejected"}
    assert says == has


def test_each_kind_of_word_is_complete():
    assert {f"code_{code}" for code in REJECT_CODES} == {key for key in WORDS["en"] if key.startswith("code_")}
    page = components.page(components.Frame(User("ann", "lead"), "en", "", alone=False))
    assert all(WORDS["en"][key] in page for key in WORDS["en"] if key.startswith(("key_", "order_")))


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_names_the_role_in_its_language(role, language):
    page = components.page(components.Frame(User("ann", role), language, "", alone=False))
    assert f"ann · {WORDS[language][f'role_{role}']}</span>" in page
    assert len({WORDS[each][f"role_{role}"] for each in LANGUAGES}) == len(LANGUAGES)


def test_every_field_has_its_own_name_and_a_label_in_each_language():
    assert len({field.name for field in fields.FIELDS}) == len(fields.FIELDS)
    for field in fields.FIELDS:
        assert field.label.keys() == set(LANGUAGES), field.name


@pytest.mark.parametrize(
    ("header", "language"), [("ja-JP,ja;q=0.9,en;q=0.8", "ja"), ("de,ja;q=0.9", "en"), ("en", "en"), ("", "en")]
)
def test_the_browser_chooses_the_language(header, language):
    assert language_of(header) == language
