"""A field of one's own on the desk, as docs/extending.md shows it."""

import re

import pytest
from thermolang_desk import components, fields
from thermolang_desk.fields import Field

from tests.desk.conftest import REVIEW
from thermolang import Confidence


def answer_length(item):
    """Number of characters; left out for an empty answer."""
    return {"en": f"{len(item.answer)} characters", "ja": f"{len(item.answer)} 文字"} if item.answer else None


LENGTH = Field("answer_length", {"en": "Length of the answer", "ja": "回答の長さ"}, answer_length)
MODEL = Field("model", {"en": "Model", "ja": "モデル"}, lambda item: item.model)


@pytest.fixture(autouse=True)
def _two_more(monkeypatch):
    # Two fields of the table and no others, so that a new row there does not matter here.
    known = tuple(field for field in fields.FIELDS if field.name in ("raw", "support"))
    monkeypatch.setattr(fields, "FIELDS", (LENGTH, *known, MODEL))


def shown(store, language, answer="Sydney", model="smollm2-135m"):
    """Label and text of each field, in their order."""
    item = store.submit("Capital?", answer, confidence=Confidence(0.4, raw=0.7), decision=REVIEW, model=model)
    html = components.detail(item, language)
    return re.findall(r'<div data-field="\w+"><dt>(.*?)</dt><dd>(.*?)</dd></div>', html)


def test_a_new_field_stands_where_the_table_has_it(store):
    assert shown(store, "en") == [
        ("Length of the answer", "6 characters"),
        ("Before calibration", "0.70"),
        ("Input", "like the training data"),
        ("Model", "smollm2-135m"),
    ]


def test_a_new_field_speaks_both_languages(store):
    labels = dict(shown(store, "ja"))
    assert labels["回答の長さ"] == "6 文字"
    assert labels["モデル"] == "smollm2-135m"


def test_a_field_without_a_text_is_left_out(store):
    assert [label for label, _ in shown(store, "en", answer="", model="")] == ["Before calibration", "Input"]


def test_the_text_of_a_field_is_never_markup(store):
    assert dict(shown(store, "en", model="<b>{x}</b>"))["Model"] == "&lt;b&gt;{x}&lt;/b&gt;"
