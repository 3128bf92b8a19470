"""What goes wrong around the desk: servers die, sessions end, answers come late. What one typed stays all the same."""

import signal
import socket
import subprocess
import sys

import pytest
from sqlalchemy import inspect

from tests.browser.conftest import MARKS, PASSWORD, count, expect, log_in, rows, shown, submit, until
from thermolang import ReviewStore
from thermolang.review import Draft, ReviewService, UserStore

pytestmark = MARKS


def test_what_was_typed_survives_another_row_and_a_reload(four, page, store):
    shown(page, "question 0")
    page.keyboard.press("c")
    page.keyboard.type(" half a th")
    rows(page).nth(2).click()
    shown(page, "question 2")
    expect(page.get_by_label("Corrected answer")).to_be_hidden()
    rows(page).nth(0).click()
    shown(page, "question 0")
    expect(page.get_by_label("Corrected answer")).to_have_value("Sydney half a th")
    page.get_by_label("Note").fill("note")
    page.reload()
    shown(page, "question 0")
    expect(page.get_by_label("Corrected answer")).to_have_value("Sydney half a th")
    expect(page.get_by_label("Note")).to_have_value("note")


def test_what_was_typed_survives_that_somebody_else_decides_first(four, page, store):
    shown(page, "question 0")
    page.keyboard.press("c")
    page.keyboard.type(" mine")
    store.decide(four[0].id, "accept", operator="bob")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#toast")).to_contain_text("Already decided by bob at 20")
    expect(page.locator("#detail")).to_contain_text("Accepted bob")
    expect(page.get_by_label("Corrected answer")).to_have_value("Sydney mine")
    expect(page.get_by_role("button", name="Accept")).to_be_hidden()
    page.locator("#next").click()
    shown(page, "question 1")
    assert store.get(four[0].id).verdict.operator == "bob"


SERVE = """
import sys
from thermolang_desk import serve
serve(sys.argv[1], port=int(sys.argv[2]), login=False, ready=lambda url: print(url, flush=True))
"""


def start(url, port):
    command = [sys.executable, "-c", SERVE, url, str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    return process, process.stdout.readline().strip()


def test_what_was_typed_survives_the_death_of_the_server(tmp_path, visit):
    url = f"sqlite:///{tmp_path / 'r.db'}"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with ReviewStore(url) as store:
        item = submit(store, "question", 0.1)
        process, address = start(url, port)
        try:
            page = visit(address)
            shown(page, "question")
            page.keyboard.press("c")
            page.keyboard.type(" before")
            process.send_signal(signal.SIGKILL)
            process.communicate()
            page.keyboard.type(" and after")
            page.keyboard.press("Control+Enter")
            expect(page.locator("#connection")).to_contain_text("The desk cannot be reached")
            expect(page.locator("#toast")).to_contain_text("nothing was decided")
            process, _ = start(url, port)
            expect(page.locator("#connection")).to_be_hidden()
            box = page.get_by_label("Corrected answer")
            expect(box).to_have_value("Sydney before and after")
            page.reload()
            shown(page, "question")
            expect(box).to_have_value("Sydney before and after")
            assert ReviewService(store).draft(item.id, page.locator("body").get_attribute("data-user")) == Draft(
                "Sydney before and after"
            )
            page.keyboard.press("e")
            box.press("Control+Enter")
            expect(count(page, "corrected")).to_have_text("1")
        finally:
            process.kill()
            process.communicate()


def test_an_empty_desk_fills_by_itself(page, store):
    expect(page.get_by_text("Nothing is pending")).to_be_visible()
    submit(store, "new", 0.3)
    shown(page, "new")


def test_a_late_answer_does_not_cover_what_has_come_meanwhile(page, store):
    expect(page.get_by_text("Nothing is pending")).to_be_visible()
    held = []
    page.route("**/api/v1/stats", lambda route: held.append(route))
    page.keyboard.press("n")  # there is nothing: the numbers for the message are on their way
    until(page, lambda: held)
    submit(store, "new", 0.3)
    expect(rows(page)).to_have_count(1)
    until(page, lambda: len(held) > 1)
    held[1].continue_()
    shown(page, "new")
    with page.expect_response("**/api/v1/stats"):
        held[0].continue_()
    page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
    shown(page, "new")


def test_what_comes_while_the_numbers_are_on_their_way_is_listed(page, store):
    expect(page.get_by_text("Nothing is pending")).to_be_visible()
    held = []
    page.route("**/api/v1/stats", lambda route: route.continue_() if held else held.append(route))
    submit(store, "first", 0.3)
    expect(rows(page)).to_have_count(1)
    submit(store, "second", 0.4)
    held[0].continue_()
    expect(rows(page)).to_have_count(2)


def test_a_filter_that_is_chosen_while_the_list_is_read_anew_opens_its_first_item(page, store):
    expect(page.get_by_text("Nothing is pending")).to_be_visible()
    store.decide(submit(store, "decided", 0.3).id, "accept", operator="bob")
    expect(count(page, "accepted")).to_have_text("1")
    held, free = [], []
    page.route("**/api/v1/items?**", lambda route: route.continue_() if free else held.append(route))
    page.get_by_label("Status").select_option("accepted")
    until(page, lambda: held)
    submit(store, "news", 0.4)
    until(page, lambda: len(held) == 2)
    free += held
    for each in held:
        each.continue_()
    shown_there = page.locator("#detail .question")
    expect(shown_there).to_have_text("decided")
    expect(rows(page)).to_have_count(1)


@pytest.mark.parametrize("path", ["stats", "tasks", "items?**", "next"])
def test_what_failed_when_the_page_was_opened_is_asked_for_again(visit, address, store, path):
    submit(store, "question", 0.3)
    page = visit(address)
    shown(page, "question")
    page.route(f"**/api/v1/{path}", lambda route: route.abort(), times=1)
    page.goto(address)
    expect(rows(page)).to_have_count(1)
    expect(count(page, "pending")).to_have_text("1")
    shown(page, "question")


@pytest.fixture
def rename(store):
    """Renames the table of items; in the end it has its own name again."""

    def rename(old, new):
        with store._engine.begin() as connection:
            connection.exec_driver_sql(f"ALTER TABLE {old} RENAME TO {new}")

    yield rename
    if "hidden" in inspect(store._engine).get_table_names():
        rename("hidden", "items")


def test_a_failing_database_is_said_and_nothing_is_lost(four, page, rename):
    shown(page, "question 0")
    page.get_by_label("Note").fill("typed")
    page.keyboard.press("Escape")
    rename("items", "hidden")
    page.keyboard.press("a")
    expect(page.locator("#toast")).to_contain_text("The review database does not answer. Nothing was decided")
    expect(page.get_by_label("Note")).to_have_value("typed")
    rename("hidden", "items")
    page.keyboard.press("a")
    shown(page, "question 1")


def test_a_session_that_ends_while_one_types_loses_nothing(visit, four, store, guarded):
    page, held, free = visit(guarded), [], []
    log_in(page, "ann")
    shown(page, "question 0")
    page.route("**/draft", lambda route: route.continue_() if free else held.append(route))
    page.keyboard.press("c")
    page.keyboard.type(" typed")
    until(page, lambda: held)
    UserStore(store).set_password("ann", PASSWORD)
    free += held
    held[0].continue_()
    log_in(page, "ann")
    shown(page, "question 0")
    expect(page.get_by_label("Corrected answer")).to_have_value("Sydney typed")


def test_after_the_end_of_a_session_one_goes_on_where_one_was(visit, four, store, guarded):
    page = visit(guarded)
    log_in(page, "ann", "wrong password")
    expect(page.locator("#wrong")).to_have_text("The name or the password is wrong.")
    log_in(page, "ann")
    shown(page, "question 0")
    page.keyboard.press("c")
    expect(page.get_by_label("Corrected answer")).to_be_focused()
    page.keyboard.type(" typed")
    expect(page.get_by_label("Corrected answer")).to_have_value("Sydney typed")
    UserStore(store).set_password("ann", PASSWORD)
    page.keyboard.press("Control+Enter")
    log_in(page, "ann")
    shown(page, "question 0")
    expect(page.get_by_label("Corrected answer")).to_have_value("Sydney typed")
    page.get_by_role("button", name="Log out").click()
    expect(page.locator("#login")).to_be_visible()
    assert page.context.cookies() == []
