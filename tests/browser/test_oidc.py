"""The login by a provider in a real browser; there is none, so it fails, and the desk goes on from there."""

import pytest
from thermolang_desk import Oidc, running

from tests.browser.conftest import MARKS, PASSWORD, expect, log_in
from tests.browser.test_accessibility import LOOKS, serious
from thermolang.review import UserStore

pytestmark = MARKS
pytest.importorskip("authlib")
# Nobody listens there.
NOWHERE = Oidc("http://127.0.0.1:9/.well-known/openid-configuration", "desk", "secret")


@pytest.fixture
def address(store):
    UserStore(store).add("ann", PASSWORD)
    with running(store.url, oidc=NOWHERE) as address:
        yield address


def test_after_a_failure_a_password_leads_to_the_page_that_was_asked_for(visit, address):
    page = visit(f"{address}/?status=all")
    page.locator("a[href^='/oidc/login']").click()
    expect(page.locator("#wrong")).to_contain_text("cannot be reached")
    log_in(page, "ann")
    expect(page.locator("#rows")).to_be_attached()
    assert page.url == f"{address}/?status=all"


def test_who_is_logged_in_is_not_caught_in_a_failed_step(visit, address):
    page = visit(address)
    log_in(page, "ann")
    expect(page.locator("#rows")).to_be_attached()
    page.goto(f"{address}/oidc/callback?state=x&code=y")
    expect(page.locator("#rows")).to_be_attached()
    assert page.url == f"{address}/"


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: "-".join(look))
def test_axe_finds_nothing_serious(visit, address, look):
    locale, scheme = look
    page = visit(f"{address}/oidc/login", locale=locale, color_scheme=scheme, bypass_csp=True)
    expect(page.locator("#wrong")).not_to_be_empty()
    assert serious(page) == []
