"""The page: both languages say the same, what to decide comes first, and nothing comes from outside."""

import re
import string

import numpy as np
import pytest

from tests.evaluation.poc_results import drawn, questions, results
from thermolang.errors import InvalidInputError
from thermolang.evaluation import poc_report
from thermolang.evaluation.poc_figures import Aim, Prices
from thermolang.evaluation.poc_report import Texts, decisions, page, write_page
from thermolang.types import Example, Task

PRICES = Prices.parse("wrong=50,review=2,minutes=3,volume=1000,currency=EUR")


@pytest.fixture(scope="module")
def calibrator(calibrator_for):
    from tests.fakes import FakeModel

    return calibrator_for(FakeModel())


@pytest.fixture(scope="module")
def certified(calibrator):
    p, right = drawn(0.7, 400, sure=0.999)
    return results(calibrator, p=p, right=right, aim=Aim(prices=PRICES), unsupported=range(3))


@pytest.fixture(scope="module")
def unlabelled(calibrator):
    p, right = drawn(0.7, 60)
    return results(calibrator, p=p, right=right, labelled=0)


def fields(text):
    return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name is not None)


def test_both_languages_have_the_same_sentences_with_the_same_fields():
    english, japanese = (poc_report._texts(lang) for lang in poc_report.LANGUAGES)
    shape = {
        lang: {
            (part, key): fields(text)
            for part, texts in of.items()
            for key, text in (texts.items() if isinstance(texts, dict) else [("", texts)])
            if part != "lang"
        }
        for lang, of in (("en", english), ("ja", japanese))
    }
    assert shape["en"] == shape["ja"]


def test_every_sentence_is_used():
    """What no page and no figure asks for is dead."""
    source = (poc_report.resources.files("thermolang.evaluation") / "poc.html.j2").read_text(encoding="utf-8")
    source += (poc_report.resources.files("thermolang.evaluation") / "poc_report.py").read_text(encoding="utf-8")
    built = ("decide", "axis", "metric", "compare", "words", "tile")  # by a name that is put together
    unused = [
        f"{part}.{key}"
        for part, texts in poc_report._texts("en").items()
        if isinstance(texts, dict) and part not in built
        for key in texts
        if f'"{part}.{key}"' not in source
    ]
    assert unused == []


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_the_page_asks_for_nothing_from_outside(certified, unlabelled, lang):
    for found in (certified, unlabelled):
        text = page(found, lang=lang)
        assert "default-src 'none'" in text
        assert not re.findall(r"""(?:src|href|action)=["'](?!#)|url\((?!#)|@import|<script""", text)
        assert f'<html lang="{lang}">' in text


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_what_to_decide_and_what_not_come_first(certified, lang):
    text = page(certified, lang=lang)
    places = [text.index(f'id="{name}"') for name in ("decide", "cannot", "people", "money", "effect", "worst")]
    assert places == sorted(places)
    found = decisions(certified, lang=lang)[0]
    threshold = f"{certified['decision']['threshold']:g}"
    assert threshold in found and ("5 %" if lang == "en" else "5%") in found


def test_managers_find_their_words(certified):
    text = page(certified, lang="ja")
    for word in ("自動回答の割合", "要確認", "誤り率の上限", "費用対効果", "導入可否", "シャドー運用"):
        assert word in text


def test_without_labels_it_says_what_it_cannot(unlabelled):
    text = page(unlabelled)
    assert "Nothing about errors yet" in text and "no accuracy, no guarantee, no comparison" in text
    assert 'id="effect"' not in text and 'id="compare"' not in text
    assert "--prices wrong=50" in text  # no prices were given


@pytest.mark.parametrize(
    ("right", "said"), [(True, "All judged answers are right"), (False, "All judged answers are wrong")]
)
def test_all_right_and_all_wrong_are_said(calibrator, right, said):
    p, _ = drawn(0.7, 60)
    found = results(calibrator, p=p, right=np.full(60, right), aim=Aim(prices=PRICES))
    assert said in page(found)
    assert ("Not with this model and this aim" in page(found)) != right
    assert page(found, lang="ja")


def test_each_decision_has_its_sentence(certified, calibrator):
    p, right = drawn(0.7, 60)
    asked = results(calibrator, p=p, right=right)
    for code in ("certified", "expected", "more_labels", "unsuitable", "unlike", "harms", "few_labels", "no_labels"):
        for lang in ("en", "ja"):
            threshold = 0.5 if code in ("certified", "expected") else None
            more = None if code in ("certified", "unsuitable") else 7
            changed = {**asked, "decision": {"code": code, "threshold": threshold, "more_labels": more}}
            first = decisions(changed, lang=lang)[0]
            assert first and "{" not in first
            assert page(changed, lang=lang).count("<h2") >= 6


def test_what_comes_from_outside_is_escaped(calibrator):
    hostile = "<img src=x onerror=alert(1)> {name}"
    task = Task(hostile, tuple(Example(f"{hostile} {e.question}", e.answers) for e in questions(60).examples))
    p, right = drawn(0.7, 60)
    found = results(calibrator, p=p, right=right, task=task)
    text = page({**found, "model": hostile, "grader": hostile, "warning": hostile})
    assert "<img" not in text and "&lt;img" in text


def test_examples_can_be_left_out(calibrator):
    p, right = drawn(0.7, 60)
    found = results(calibrator, p=p, right=right, aim=Aim(examples=0))
    text = page(found)
    assert "left out on request" in text and "When does shop" not in text


def test_another_language_is_refused(tmp_path, certified):
    with pytest.raises(InvalidInputError, match="written in en or ja, not in 'fr'"):
        write_page(certified, tmp_path / "report.html", lang="fr")
    assert not (tmp_path / "report.html").exists()


def test_shares_are_never_rounded_to_none_or_all():
    texts = Texts("en")
    shown = [texts.percent(x).split() for x in (0.0, 0.002, 0.5, 0.997, 1.0)]
    assert shown == [["0", "%"], ["0.2", "%"], ["50", "%"], ["99.7", "%"], ["100", "%"]]
    assert texts.percent(None) == "\N{EN DASH}"
