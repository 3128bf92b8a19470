"""axe-core finds nothing serious on any page, in both languages, dark and light."""

import math
import re

import pytest

from tests.browser.conftest import MARKS, expect, log_in, submit
from thermolang.review import LeadService, ReviewService, TaskSettings, tell_alarm
from thermolang.routing import Alarm

pytestmark = MARKS
axe = pytest.importorskip("axe_playwright_python.sync_playwright")

LOOKS = [("en-US", "light"), ("ja-JP", "dark")]


def serious(page):
    """Findings of axe-core that are serious or worse, as sentences."""
    found = axe.Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {each['help']}: {each['nodes'][0]['html'][:200]}"
        for each in found
        if each["impact"] in ("serious", "critical")
    ]


@pytest.fixture(params=LOOKS, ids=lambda look: "-".join(look))
def look(request, visit, address, store):
    """Opens a page of a desk with something of everything; axe comes in although the policy forbids it."""
    leads, desk = LeadService(store), ReviewService(store, draw=lambda: 0.9)
    markdown = "**Sydney** is\n\n- large\n- [here](http://x.example)\n\n| a | b |\n|---|---|\n| 1 | 2 |"
    for number in range(12):
        item = submit(store, f"question {number}", number / 12, markdown, context="Some context.", task="capitals")
        if number < 6:
            store.decide(item.id, "reject" if number % 2 else "accept", operator="bob", note="why")
    leads.mark_probe(store.list(status="rejected")[0].id, operator="lea")
    leads.set_settings("*", TaskSettings("random", 0.5, 0.2, 1), operator="lea")
    pending = store.list()[0]
    desk.decide(pending.id, 1, "accept", operator="bob")
    desk.prepare("cem")
    desk.decide(desk.search(operator="cem").rows[-1].id, 1, "reject", operator="cem")
    leads.set_settings("*", TaskSettings("shown", 0.5, 0.2, 1), operator="lea")
    desk.assign(store.list()[1].id, "cem", operator="lea")
    tell_alarm(store, Alarm("confidence", 812, 640, 3.2, "the confidence is distributed otherwise"))
    tell_alarm(store, Alarm("model", 900, 900, math.inf, "calibrator 'b', not 'a'"))
    leads.see_alarm(2, operator="lea")
    locale, scheme = request.param

    def look(path, at=address):
        return visit(f"{at}{path}", locale=locale, color_scheme=scheme, bypass_csp=True)

    return look


def test_the_queue(look):
    page = look("/")
    expect(page.locator("#form")).to_be_visible()
    assert serious(page) == []
    page.locator("#correct").focus()
    expect(page.locator("#form")).to_have_attribute("data-ready", re.compile("."))
    page.keyboard.press("c")
    expect(page.locator("#editor")).to_be_visible()
    assert serious(page) == []
    page.keyboard.press("Escape")
    page.keyboard.press("r")
    expect(page.locator("#reasons")).to_be_visible()
    assert serious(page) == []
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    assert serious(page) == []


def test_a_decided_item(look):
    page = look("/?status=rejected")
    expect(page.locator("#reopen")).to_be_visible()
    assert serious(page) == []


@pytest.mark.parametrize(
    "path", ["/lead", "/lead/load", "/lead/work", "/lead/people", "/lead/alarms", "/lead/settings"]
)
def test_the_pages_of_leads(look, path):
    page = look(path)
    expect(page.locator("main")).to_be_visible()
    for summary in page.locator("summary").all():
        summary.click()
    assert serious(page) == []


def test_the_login(look, guarded):
    page = look("/", guarded)
    expect(page.locator("#login")).to_be_visible()
    assert serious(page) == []
    log_in(page, "ann")
    expect(page.locator("#form")).to_be_visible()
    assert serious(page) == []


def test_axe_finds_what_is_wrong(look):
    page = look("/lead/load")
    page.evaluate("document.querySelector('h2').style.color = 'rgb(128 128 128 / 35%)'")
    assert any(found.startswith("color-contrast") for found in serious(page))
