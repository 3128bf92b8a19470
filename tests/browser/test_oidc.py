"""The login by a provider in a real browser, with one on another site of this machine, and with none."""

import threading

import pytest
from thermolang_desk import Oidc, running, server

from tests.browser.conftest import MARKS, PASSWORD, expect, log_in
from tests.browser.test_accessibility import LOOKS, serious
from tests.desk.test_oidc import ANN, CLIENT, SECRET, Provider, new_keys
from thermolang.review import UserStore

pytestmark = MARKS
# Nobody listens there.
NOWHERE = Oidc("http://127.0.0.1:9/.well-known/openid-configuration", "desk", "secret")


@pytest.fixture
def address(store):
    UserStore(store).add("ann", PASSWORD)
    with running(store.url, oidc=NOWHERE) as address:
        yield address


@pytest.fixture
def provider():
    """A provider under another name than the desk's, so that it is another site for the browser."""
    with server._listen("127.0.0.1", 0) as listener:
        issuer, up = f"http://localhost:{listener.getsockname()[1]}", threading.Event()
        running_one = server._server(Provider(new_keys(), issuer).app, up.set)
        thread = threading.Thread(target=running_one.run, args=([listener],), daemon=True)
        thread.start()
        assert up.wait(60)
        yield issuer
        running_one.should_exit = True
        thread.join()


def test_who_comes_back_from_the_provider_is_logged_in(browser, store, provider):
    UserStore(store).add(ANN["email"], PASSWORD, "lead")
    oidc = Oidc(f"{provider}/.well-known/openid-configuration", CLIENT, SECRET)
    context = browser.new_context(locale="en-US")
    with running(store.url, oidc=oidc) as address:
        page = context.new_page()
        page.goto(f"{address}/?status=all")
        page.get_by_role("link", name="organisation").click()
        expect(page.locator("#rows")).to_be_attached()
        assert page.url == f"{address}/?status=all"
        expect(page.locator(".user")).to_contain_text(ANN["email"])
        (cookie,) = [each for each in context.cookies() if each["name"] == "thermolang_desk"]
        assert cookie["httpOnly"] and cookie["sameSite"] == "Strict"
    context.close()


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
