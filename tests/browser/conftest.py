"""A browser, and desks that it opens."""

import os
import re
import shutil

import pytest
from thermolang_desk import running

from thermolang import Confidence, Decision, ReviewStore
from thermolang.review import UserStore
from thermolang.review.schema import Base, ChainRow

try:
    from playwright import sync_api
except ImportError:
    sync_api = None

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MARKS = [
    pytest.mark.browser,
    # On CI a missing browser is a failure, not a reason to pass.
    pytest.mark.skipif(
        (CHROMIUM is None or sync_api is None) and not os.environ.get("CI"), reason="no Chromium to drive"
    ),
]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
HOSTILE = "<img src=x onerror=alert(1)> **bold** =1+1 ${1+1} {{value}}"
PASSWORD = "correct horse battery"
REVIEW = Decision("review", "confidence is too low", 0.8)
# Typing that is not lost is looked for on the desk, which has it half a second later.
expect = sync_api and sync_api.expect
if expect:
    expect.set_options(timeout=20_000)


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """The store that all tests share; ``store`` is it without items."""
    with ReviewStore(f"sqlite:///{tmp_path_factory.mktemp('desk') / 'review.db'}") as database:
        yield database


@pytest.fixture(scope="module")
def address(database):
    """One desk without a login for most tests."""
    with running(database.url, login=False) as address:
        yield address


@pytest.fixture
def store(database):
    with database._engine.begin() as connection:
        for table in reversed(Base.metadata.sorted_tables):
            # The chain of hashes has one row, which is never deleted.
            if table is not ChainRow.__table__:
                connection.execute(table.delete())
    return database


@pytest.fixture
def visit(browser):
    """Opens pages; the test fails if one asks anybody but this machine, breaks its policy, or fails by itself."""
    contexts, problems = [], []

    def visit(address, **options):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 720}, "locale": "en-US", **options})
        contexts.append(context)
        page, desk = context.new_page(), "/".join(address.split("/")[:3])

        def asked(request):
            # A plot on its way to a PNG is a blob of the page's own.
            if not request.url.removeprefix("blob:").startswith(f"{desk}/"):
                problems.append(request.url)

        def said(message):
            # The browser notes each answer that is no success; those are looked at where they matter.
            if message.type == "error" and "Failed to load resource" not in message.text:
                problems.append(message.text)

        page.on("request", asked)
        page.on("console", said)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda dialog: (problems.append(dialog.message), dialog.dismiss()))
        page.goto(address)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert problems == []


@pytest.fixture
def page(visit, address, store):
    return visit(address)


def submit(store, question, value, answer="Sydney", **options):
    return store.submit(question, answer, confidence=Confidence(value), decision=REVIEW, **options)


@pytest.fixture
def four(store):
    return [submit(store, f"question {n}", value) for n, value in enumerate((0.1, 0.3, 0.6, 0.78))]


def rows(page):
    return page.locator("#rows tr")


def shown(page, question):
    """Wait until an item is shown and may be decided."""
    expect(page.locator("#detail .question")).to_have_text(question)
    item = page.locator("#detail article").get_attribute("data-item")
    expect(page.locator("#form")).to_have_attribute("data-ready", item)


def until(page, holds):
    """Wait for what the page does not show."""
    for _ in range(2000):
        if holds():
            return
        page.wait_for_timeout(10)
    pytest.fail("it has not happened in 20 seconds")


def count(page, status):
    return page.locator(f"[data-count='{status}']")


@pytest.fixture
def guarded(store):
    """A desk with a login and two users."""
    users = UserStore(store)
    users.add("ann", PASSWORD)
    users.add("花子", PASSWORD, "lead")
    with running(store.url) as address:
        yield address


def log_in(page, name, password=PASSWORD):
    expect(page.get_by_role("button", name=re.compile("Log in|ログイン"))).to_be_enabled()
    page.locator("[name=name]").fill(name)
    page.locator("[name=password]").fill(password)
    page.keyboard.press("Enter")
