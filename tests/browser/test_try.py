"""Try it in a real browser: a question, its answer piece by piece, the confidence, and the way into the queue."""

import pytest
from thermolang_desk import running

from tests.browser.conftest import MARKS, expect, until
from tests.browser.test_accessibility import LOOKS, serious
from tests.desk.test_playground import MEANINGS, FakeChat

pytestmark = MARKS
PIECES = ("The capital is ", "**Sydney**", ".\n\n- large\n- on the coast")


@pytest.fixture
def chats():
    return {"fast": FakeChat(*PIECES), "thorough": FakeChat("Sydney", scored=MEANINGS)}


@pytest.fixture
def live(store, chats):
    with running(store.url, login=False, chats=chats) as address:
        yield address


def ask(page, question, mode="fast"):
    page.locator("#question").fill(question)
    page.locator("[name=mode]").select_option(mode)
    page.locator("#question").press("Control+Enter")


def test_an_answer_comes_with_its_confidence_and_goes_to_the_queue(visit, live, chats, store):
    page = visit(f"{live}/")
    page.get_by_role("link", name="Try it").click()
    chats["fast"].go_on.clear()
    ask(page, "Capital of <b>Australia</b>?")
    expect(page.locator("#said")).to_have_text("The capital is")
    expect(page.locator("#go")).to_be_disabled()
    chats["fast"].go_on.set()
    expect(page.locator("#detail strong")).to_have_text("Sydney")
    expect(page.locator("#detail .score .number")).to_have_text("0.31")
    expect(page.locator("#detail .others li")).to_have_count(2)
    assert page.locator("#detail .question b").count() == 0
    page.locator("#plain").click()
    expect(page.locator("#detail .answer.text")).to_contain_text("**Sydney**")
    refused = {"status": 503, "json": {"error": {"code": "database", "text": "The database rests."}}}
    page.route("**/queue", lambda route: route.fulfill(**refused), times=1)
    page.get_by_role("button", name="Send to the queue").click()
    expect(page.locator("#message")).to_have_text("The database rests.")
    page.get_by_role("button", name="Send to the queue").click()
    page.locator("#sent a").click()
    expect(page.locator("#detail .question")).to_have_text("Capital of <b>Australia</b>?")
    assert store.counts()["pending"] == 1


def test_who_stops_may_ask_again(visit, live, chats):
    page = visit(f"{live}/try")
    chats["thorough"].go_on.clear()
    ask(page, "Why?", "thorough")
    expect(page.locator("#said")).to_have_text("Sydney")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#message")).to_have_text("Stopped.")
    ask(page, "And now?")
    expect(page.locator("#message")).to_contain_text("still being answered")
    chats["thorough"].go_on.set()
    until(page, chats["thorough"].closed.is_set)
    page.reload()
    expect(page.locator("#question")).to_have_value("And now?")
    ask(page, "And now?")
    expect(page.locator("#detail .score")).to_be_visible()
    assert chats["fast"].asked == ["And now?"]


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: "-".join(look))
def test_axe_finds_nothing_serious(visit, live, look):
    locale, scheme = look
    page = visit(f"{live}/try", locale=locale, color_scheme=scheme, bypass_csp=True)
    assert serious(page) == []
    ask(page, "Capital of Australia?", "thorough")
    expect(page.locator("#detail .score")).to_be_visible()
    assert serious(page) == []
