"""The desk in a real browser, as an operator uses it."""

import os
import shutil

import pytest
from sqlalchemy import inspect
from thermolang_desk import running
from thermolang_desk.pages import queue

from thermolang import Confidence, Decision, ReviewStore
from thermolang.review.schema import Base

sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    # On CI a missing browser is a failure, not a reason to pass.
    pytest.mark.skipif(CHROMIUM is None and not os.environ.get("CI"), reason="no Chromium to drive"),
]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
HOSTILE = "<img src=x onerror=alert(1)> **bold** =1+1 ${1+1} {{value}}"


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
    """One desk for all tests. It looks for news more often than a user's, so that tests wait less."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(queue, "REFRESH_SECONDS", 0.5)
        with running(database.url) as address:
            yield address


@pytest.fixture
def store(database):
    with database._engine.begin() as connection:
        for table in reversed(Base.metadata.sorted_tables):
            connection.execute(table.delete())
    return database


@pytest.fixture
def page(browser, address, store):
    """An open desk; the test fails if the page asks anybody but this machine, or fails by itself."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-US")
    page, requests, errors = context.new_page(), [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("dialog", lambda dialog: (errors.append(dialog.message), dialog.dismiss()))
    page.goto(address)
    yield page
    context.close()
    assert len(requests) > 10
    assert [url for url in requests if not url.startswith((f"{address}/", "data:", "blob:"))] == []
    assert errors == []


def submit(store, question, value, answer="Sydney"):
    decision = Decision("review", "confidence is too low", 0.8)
    return store.submit(question, answer, confidence=Confidence(value), decision=decision)


@pytest.fixture
def four(store):
    return [submit(store, f"question {n}", value) for n, value in enumerate((None, 0.2, 0.4, 0.6))]


def rows(page):
    return page.locator("#tl-queue tr[data-id]")


def selected(page):
    return page.locator("#tl-queue tr[aria-selected='true'] .tl-q")


def count(page, status):
    return page.locator(f"[data-count='{status}']")


def test_an_operator_works_through_the_queue(four, page, store):
    expect(rows(page)).to_have_count(4)
    assert page.locator("#tl-queue .tl-q").all_inner_texts() == [f"question {n}" for n in range(4)]
    assert rows(page).nth(1).locator(".tl-number, .tl-word").all_inner_texts() == ["0.20", "very low"]
    expect(selected(page)).to_have_text("question 0")
    page.get_by_label("Operator").fill("ann")

    rows(page).nth(2).click()
    expect(page.locator("#tl-detail .tl-question")).to_have_text("question 2")
    page.get_by_label("Note").fill("checked")
    page.get_by_role("button", name="Accept").click()
    expect(count(page, "accepted")).to_have_text("1")
    expect(selected(page)).to_have_text("question 3")
    expect(page.get_by_label("Note")).to_have_value("")

    page.get_by_role("button", name="Correct", exact=True).click()
    box = page.get_by_label("Corrected answer")
    expect(box).to_be_focused()
    expect(box).to_have_value("Sydney")
    box.fill("Canberra")
    page.get_by_role("button", name="Save correction").click()
    expect(count(page, "corrected")).to_have_text("1")
    expect(box).to_be_hidden()

    expect(selected(page)).to_have_text("question 1")
    page.locator("h1").click()
    page.keyboard.press("r")
    expect(count(page, "rejected")).to_have_text("1")
    expect(count(page, "pending")).to_have_text("1")
    expect(rows(page)).to_have_count(1)

    verdicts = [store.get(item.id).verdict for item in four]
    assert verdicts[0] is None
    assert [verdict.action for verdict in verdicts[1:]] == ["reject", "accept", "correct"]
    assert {verdict.operator for verdict in verdicts[1:]} == {"ann"}
    assert (verdicts[2].note, verdicts[3].corrected_answer) == ("checked", "Canberra")


def test_the_keyboard_alone_is_enough(four, page, store):
    expect(selected(page)).to_have_text("question 0")
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(selected(page)).to_have_text("question 2")
    page.keyboard.press("k")
    expect(selected(page)).to_have_text("question 1")
    page.keyboard.press("c")
    page.get_by_label("Corrected answer").press_sequentially("Ajacr")
    page.keyboard.press("Control+Enter")
    expect(count(page, "corrected")).to_have_text("1")
    assert store.get(four[1].id).verdict.corrected_answer == "Ajacr"
    expect(selected(page)).to_have_text("question 2")
    page.keyboard.press("a")
    expect(count(page, "accepted")).to_have_text("1")
    assert store.counts() == {"pending": 2, "accepted": 1, "corrected": 1, "rejected": 0}


def test_escape_closes_the_editor_without_a_verdict(four, page, store):
    expect(selected(page)).to_have_text("question 0")
    page.keyboard.press("c")
    page.keyboard.press("Escape")
    expect(page.get_by_label("Corrected answer")).to_be_hidden()
    expect(page.get_by_role("button", name="Accept")).to_be_visible()
    assert store.counts()["pending"] == 4


def test_text_from_outside_is_shown_as_it_is(store, page):
    item = store.submit(
        HOSTILE,
        HOSTILE,
        confidence=Confidence(0.1),
        decision=Decision("review", HOSTILE, 0.8),
        context=HOSTILE,
        task=HOSTILE,
    )
    # It arrives while the empty desk is open.
    expect(page.locator("#tl-detail .tl-question")).to_have_text(HOSTILE)
    for place in ("#tl-queue .tl-q", "#tl-queue .tl-a", "#tl-queue .tl-why", "#tl-detail .tl-answer"):
        assert page.locator(place).inner_text() == HOSTILE
    assert page.locator("#tl-detail img, #tl-queue img, #tl-detail strong").count() == 0
    submit(store, "another", 0.5)
    store.decide(item.id, "reject", operator=HOSTILE)
    page.get_by_role("button", name="Accept").click()
    toast = page.locator(".tl-toast")
    expect(toast).to_contain_text(f"Already decided by {HOSTILE} at 20")
    assert toast.locator("img").count() == 0


def test_an_empty_desk_fills_by_itself(page, store):
    expect(page.get_by_text("Nothing to review")).to_be_visible()
    expect(page.get_by_role("button", name="Accept")).to_be_hidden()
    submit(store, "new", 0.3)
    expect(selected(page)).to_have_text("new")
    expect(page.get_by_role("button", name="Accept")).to_be_visible()


def test_news_leave_selection_and_typing_alone(four, page, store):
    rows(page).nth(2).click()
    expect(selected(page)).to_have_text("question 2")
    page.keyboard.press("c")
    box = page.get_by_label("Corrected answer")
    box.fill("half a th")
    submit(store, "most doubtful", None)
    submit(store, "less doubtful", 0.1)
    expect(rows(page)).to_have_count(6)
    expect(box).to_be_focused()
    expect(box).to_have_value("half a th")
    expect(selected(page)).to_have_text("question 2")


def test_a_late_verdict_is_told_who_was_first(four, page, store):
    expect(selected(page)).to_have_text("question 0")
    store.decide(four[0].id, "accept", operator="bob")
    page.get_by_role("button", name="Reject").click()
    expect(page.locator(".tl-toast")).to_contain_text("Already decided by bob at 20")
    expect(selected(page)).to_have_text("question 1")
    assert store.get(four[0].id).verdict.action == "accept"


def test_the_operator_is_remembered(four, page):
    page.get_by_label("Operator").fill("日本 花子")
    page.get_by_label("Note").click()
    page.reload()
    expect(page.get_by_label("Operator")).to_have_value("日本 花子")


def test_nothing_sticks_out_of_the_window(four, page):
    expect(rows(page)).to_have_count(4)
    size = "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
    assert page.evaluate(size) == [1280, 800]


@pytest.fixture
def rename(store):
    """Renames the table of items; in the end it has its own name again."""

    def rename(old, new):
        with store._engine.begin() as connection:
            connection.exec_driver_sql(f"ALTER TABLE {old} RENAME TO {new}")

    yield rename
    if "hidden" in inspect(store._engine).get_table_names():
        rename("hidden", "items")


def test_a_failing_database_is_shown_and_recovers(four, page, rename):
    expect(rows(page)).to_have_count(4)
    rename("items", "hidden")
    expect(page.get_by_role("alert")).to_contain_text("The review database cannot be used")
    rename("hidden", "items")
    expect(rows(page)).to_have_count(4)


def test_japanese(browser, four, address):
    context = browser.new_context(locale="ja-JP")
    page = context.new_page()
    page.goto(address)
    expect(page.get_by_role("button", name="承認")).to_be_visible()
    expect(page.get_by_text("モデルの回答")).to_be_visible()
    context.close()
