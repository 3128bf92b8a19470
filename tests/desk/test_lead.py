"""The leads' pages: figures and what they say, the threshold, settings; for leads only."""

import csv
import io
import itertools
import re
import xml.etree.ElementTree as ElementTree

import pytest
from sqlalchemy import event
from thermolang_desk import charts, lead
from thermolang_desk.guard import LEAD_POLICY
from thermolang_desk.i18n import WORDS

from tests.desk.conftest import REVIEW
from tests.desk.test_api import post
from thermolang import Confidence
from thermolang.review import CurvePoint, LeadService, ReviewService, TaskSettings, harmless, insight

PAGES = ["/lead", "/lead/load", "/lead/work", "/lead/people", "/lead/alarms", "/lead/settings"]
ID = "0" * 32


def submit(store, value, question="q", **more):
    return store.submit(question, "a", confidence=Confidence(value), decision=REVIEW, **more)


@pytest.fixture
def judged(store):
    """20 right answers at 0.9, 5 wrong at 0.5."""
    for value, action in [(0.9, "accept")] * 20 + [(0.5, "reject")] * 5:
        store.decide(submit(store, value).id, action, operator="bob")


@pytest.fixture
def pair(store, alone):
    """An item on which two people disagree."""
    LeadService(store).set_settings("*", TaskSettings(double_share=1), operator="lea")
    item = submit(store, 0.6, "twice <b>")
    desk = ReviewService(store)
    desk.decide(item.id, 1, "accept", operator="bob")
    desk.prepare("cem")
    lease = desk.next("cem")
    desk.decide(lease.item.id, 1, "correct", operator="cem", corrected_answer="=other")
    return item


def looks_right(answer, language):
    assert answer.status_code == 200
    assert answer.headers["content-security-policy"] == LEAD_POLICY
    assert f'<html lang="{language}"' in answer.text
    assert "twice <b>" not in answer.text
    assert "style=" not in answer.text and "onclick" not in answer.text
    for plot in re.findall(r"<svg.*?</svg>", answer.text):
        ElementTree.fromstring(plot)


@pytest.mark.parametrize("language", ["en", "ja"])
def test_every_page_shows_itself_with_and_without_items(alone, store, language, request):
    alone.headers["accept-language"] = language
    for path in PAGES:
        looks_right(alone.get(path), language)
    request.getfixturevalue("judged"), request.getfixturevalue("pair")
    for path in PAGES:
        looks_right(alone.get(path), language)


def test_the_pages_are_for_leads(logged_in, nobody):
    ann, lea = logged_in("ann"), logged_in("lea", "lead")
    for path in PAGES:
        assert (ann.get(path).status_code, lea.get(path).status_code) == (403, 200)
        answer = nobody.get(path)
        assert (answer.status_code, 'id="login"' in answer.text) == (401, True)


def test_a_reviewer_cannot_do_what_a_lead_can(logged_in):
    ann = logged_in("ann")
    for method, path, body in [
        ("GET", "/api/v1/lead/preview?threshold=0.5", None),
        ("GET", "/api/v1/lead/figures/people", None),
        ("GET", "/api/v1/lead/figures/people.csv", None),
        ("PUT", "/api/v1/lead/settings", {"task": "*", "mode": "blind"}),
        ("POST", f"/api/v1/items/{ID}/probe", {"probe": True}),
        ("POST", f"/api/v1/items/{ID}/settle", {"verdict": "first"}),
        ("POST", f"/api/v1/items/{ID}/assign", {"operator": "ann"}),
        ("POST", "/api/v1/lead/alarms/1/seen", {}),
    ]:
        assert ann.request(method, path, json=body).status_code == 403, path


def test_the_preview_of_a_threshold(alone, judged, store):
    submit(store, 0.85)
    submit(store, 0.3)
    found = alone.get("/api/v1/lead/preview", params={"threshold": 0.7, "alpha": 0.2}).json()
    preview = found["preview"]
    assert (preview["point"]["coverage"], preview["point"]["wrong"]["count"]) == (0.8, 0)
    assert preview["bound"] == pytest.approx(1 - 0.05 ** (1 / 20))  # no errors in 20
    assert (preview["pending"], preview["freed"], preview["present"]) == (2, 1, 1)
    high, mean = preview["promises"]
    # (0 + 1) <= 0.2 (20 + 1), and with the 5 wrong ones 6 > 0.2 (25 + 1): from just above 0.5 on.
    assert (mean["kind"], mean["holds"], mean["laxest"]) == ("expected_error", True, 0.51)
    assert (high["kind"], high["holds"]) == ("high_probability", high["laxest"] is not None and high["laxest"] <= 0.7)
    assert "80\u00a0% of the 25 recently judged" in found["html"]
    assert "Policy(threshold=0.70)" in found["html"]


def test_impossible_thresholds_are_refused(alone):
    for query in [{"threshold": 1.5}, {"threshold": 0.5, "alpha": 0}, {"threshold": "x"}, {}]:
        assert alone.get("/api/v1/lead/preview", params=query).status_code == 422


def test_figures_as_json_and_as_csv(alone, judged):
    rows = alone.get("/api/v1/lead/figures/reliability").json()["rows"]
    assert rows[9] | {"right.low": 0} == {
        "low": 0.9, "high": 1.0, "confidence": 0.9, "right.count": 20, "right.total": 20,
        "right.share": 1.0, "right.low": 0, "right.high": 1.0,
    }  # fmt: skip
    answer = alone.get("/api/v1/lead/figures/reliability.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    found = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert [row["right.total"] for row in found] == ["0"] * 5 + ["5", "0", "0", "0", "20"]
    for name in ("risk", "load", "waits", "people", "agreement"):
        assert len(alone.get(f"/api/v1/lead/figures/{name}.csv").text.splitlines()) > 1
    assert alone.get("/api/v1/lead/figures/nothing.csv").status_code == 422


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@x"])
def test_a_name_in_a_csv_is_no_formula(name):
    assert harmless(name) == f"'{name}"
    assert (harmless("ann"), harmless(-1.5)) == ("ann", -1.5)


def test_settings_are_set_and_taken_away(alone, store):
    body = {"task": "capitals", "mode": "random", "blind_share": 0.4, "probe_share": 0.05, "double_share": 0.1}
    assert alone.put("/api/v1/lead/settings", json=body).status_code == 200
    assert LeadService(store).settings().of("capitals") == TaskSettings("random", 0.4, 0.05, 0.1)
    assert "capitals" in alone.get("/lead/settings").text
    alone.put("/api/v1/lead/settings", json={"task": "capitals", "mode": None})
    assert LeadService(store).settings().of("capitals") == TaskSettings()
    assert alone.put("/api/v1/lead/settings", json=body | {"probe_share": 0.9}).status_code == 422


def test_a_decided_item_becomes_a_probe_and_is_none_any_more(alone, store, three):
    assert post(alone, three[0].id, "probe", probe=True).status_code == 422
    store.decide(three[0].id, "accept", operator="bob")
    assert post(alone, three[0].id, "probe", probe=True).json() == {"probe": True}
    assert post(alone, three[0].id, "open").json()["lease"]["probe"] is True
    assert "question 1" in alone.get("/lead/settings").text
    post(alone, three[0].id, "probe", probe=False)
    assert post(alone, three[0].id, "open").json()["lease"]["probe"] is False


def test_a_disagreement_is_settled(alone, store, pair):
    assert "twice &lt;b&gt;" in alone.get("/lead/people").text
    assert post(alone, pair.id, "settle", verdict="second").json() == {"status": "corrected"}
    assert post(alone, pair.id, "settle", verdict="second").status_code == 422
    assert "twice &lt;b&gt;" not in alone.get("/lead/people").text
    assert store.get(pair.id).verdict.corrected_answer == "=other"


FINDINGS = {
    "helps": [(True, True)] * 50 + [(False, False)] * 30 + [(False, True)] * 10,
    "harms": [(True, False)] * 30 + [(True, True)] * 10 + [(False, True)] * 50,
    "unclear": [(True, True), (True, False), (False, True)],
    "too_few": [(True, True)] * 9,
}


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("finding", FINDINGS)
def test_a_sentence_says_what_the_figures_mean(finding, language):
    trials = [insight.Trial("ann", number, True, well, 0.9, 3.0) for number, well in FINDINGS[finding]]
    words = WORDS[language]
    found = insight.helps(trials)
    assert found.finding == finding
    said = lead.says(found, words)
    assert "{" not in said
    assert said.endswith(words[f"help_{finding}"]) or finding == "too_few"
    if finding == "helps":
        assert "+75" in said and "100\u00a0%" in said and "25\u00a0%" in said


def test_pages_of_leads_count_in_the_database(alone, store, judged):
    """However many items there are, few statements are run and few rows come back."""
    ran = []
    event.listen(store._engine, "before_cursor_execute", lambda *args: ran.append(args[2]))
    for path in PAGES:
        ran.clear()
        alone.get(path)
        assert len(ran) < 40, path


def test_plots_of_nothing_and_of_much():
    words = WORDS["en"]
    for points in ([], [CurvePoint(0.5, 0.0, insight.proportion(0, 0))]):
        ElementTree.fromstring(charts.risk(points, [], words))
    for most in (0, 1, 3, 7, 12, 153, 99_999):
        plot = ElementTree.fromstring(charts.groups("n", "l", ["a"], [(most, 0)], axes=("x", "y")))
        numbers = [
            float(text.text.replace(",", "")) for text in plot.iter("text") if re.fullmatch(r"[\d,]+", text.text)
        ]
        assert len(numbers) == 5 and numbers[-1] >= most
        assert all(float(bar.get("height")) >= 0 for bar in plot.iter("rect"))


@pytest.mark.parametrize("text", ["<script>", '"><img src=x>', "&amp;"])
def test_names_in_plots_are_escaped(text):
    plot = charts.groups("n", text, [text], [(1, 2)], axes=(text, text))
    assert ElementTree.fromstring(plot).get("aria-label") == text


@pytest.mark.parametrize("wrong", [0, 20])
def test_the_name_of_a_threshold_stays_off_the_numbers_of_the_axis(wrong):
    here = CurvePoint(0.9, 0.1, insight.proportion(wrong, 40))
    points = [here, CurvePoint(0, 1.0, insight.proportion(80, 100))]
    plot = ElementTree.fromstring(charts.risk(points, [("two", "at 0.90", here)], WORDS["en"]))
    name, axis = (
        next(float(text.get("y")) for text in plot.iter("text") if text.text == said) for said in ("at 0.90", "20 %")
    )
    assert name < charts.HEIGHT - charts.BOTTOM < axis


def test_the_names_of_two_thresholds_stay_off_each_other():
    marks = [
        (kind, f"at {wrong}", CurvePoint(0.9, 0.1 + wrong / 50, insight.proportion(wrong, 40)))
        for kind, wrong in (("one", 0), ("two", 1), ("two", 2))
    ]
    plot = ElementTree.fromstring(charts.risk([mark[2] for mark in marks], marks, WORDS["en"]))
    heights = sorted(float(text.get("y")) for text in plot.iter("text") if (text.text or "").startswith("at "))
    assert len(heights) == 3 and min(b - a for a, b in itertools.pairwise(heights)) >= 13
