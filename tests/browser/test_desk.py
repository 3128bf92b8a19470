"""The desk in a real browser, as operators use it by keyboard and mouse: no key decides what was not shown."""

import pytest

from tests.browser.conftest import HOSTILE, MARKS, count, expect, log_in, rows, shown, submit

pytestmark = MARKS


def test_an_operator_works_through_the_queue_by_keyboard(four, page, store):
    expect(rows(page)).to_have_count(4)
    assert page.locator("#rows .question").all_inner_texts() == [f"question {n}" for n in range(4)]
    shown(page, "question 0")
    page.keyboard.press("a")
    shown(page, "question 1")
    page.keyboard.press("c")
    box = page.get_by_label("Corrected answer")
    expect(box).to_be_focused()
    expect(box).to_have_value("Sydney")
    assert box.evaluate("box => box.selectionStart === box.selectionEnd")
    assert box.bounding_box()["height"] > 100
    page.keyboard.type(" no: Canberra, jacrtsu")
    page.keyboard.press("Control+Enter")
    shown(page, "question 2")
    page.keyboard.press("e")
    page.keyboard.type("odd")
    page.keyboard.press("Escape")
    page.keyboard.press("r")
    page.keyboard.press("5")
    shown(page, "question 3")
    page.keyboard.press("r")
    page.keyboard.press("r")
    expect(page.get_by_text("Nothing is pending")).to_be_visible()
    verdicts = [store.get(item.id).verdict for item in four]
    assert [verdict.action for verdict in verdicts] == ["accept", "correct", "reject", "reject"]
    assert verdicts[1].corrected_answer == "Sydney no: Canberra, jacrtsu"
    assert [(verdict.reason_code, verdict.note) for verdict in verdicts[2:]] == [("harmful", "odd"), ("", "")]


def test_a_held_key_decides_one_item(four, page, store):
    shown(page, "question 0")
    for _ in range(20):
        page.keyboard.down("a")
    page.keyboard.up("a")
    shown(page, "question 1")
    for _ in range(20):
        page.keyboard.down("Space")
    page.keyboard.up("Space")
    assert store.counts()["accepted"] == 1


def test_fast_keys_do_not_decide_what_was_not_shown(four, page, store):
    shown(page, "question 0")
    page.keyboard.press("a")
    page.keyboard.press("a")
    page.keyboard.press("r")
    page.keyboard.press("1")
    shown(page, "question 1")
    assert store.counts()["pending"] == 3
    page.keyboard.press("j")
    page.keyboard.press("a")
    shown(page, "question 2")
    assert store.counts()["pending"] == 3


def test_after_a_click_on_accept_space_accepts_nothing(four, page, store):
    shown(page, "question 0")
    page.get_by_role("button", name="Accept").click()
    shown(page, "question 1")
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    shown(page, "question 1")
    assert store.counts()["accepted"] == 1


def test_a_mistake_is_undone(four, page, store):
    shown(page, "question 0")
    page.keyboard.press("a")
    shown(page, "question 1")
    page.keyboard.press("u")
    shown(page, "question 0")
    assert store.get(four[0].id).status == "pending"
    page.keyboard.press("u")
    expect(page.locator("#toast")).to_contain_text("no verdict of the last minute")


def test_a_mistake_that_is_noticed_late_is_undone(four, page, store):
    for n, key in enumerate("aa"):
        shown(page, f"question {n}")
        page.keyboard.press(key)
    shown(page, "question 2")
    page.keyboard.press("u")
    shown(page, "question 1")
    page.keyboard.press("u")
    shown(page, "question 0")
    assert store.counts()["pending"] == 4


def test_skipped_items_come_back_and_what_one_cannot_tell_goes_to_a_lead(four, page, store):
    shown(page, "question 0")
    page.keyboard.press("s")
    shown(page, "question 1")
    page.keyboard.press("t")
    shown(page, "question 2")
    for question in ("question 3", "question 0"):
        page.keyboard.press("a")
        shown(page, question)
    page.keyboard.press("a")
    # No false "all done".
    expect(page.locator("#detail")).to_contain_text("1 are pending in all: 0 are with others, 0 you skipped, 1 wait")
    page.get_by_label("For a lead").check()
    shown(page, "question 1")


def test_filters_and_item_are_in_the_address_and_survive_a_reload(store, page):
    for n in range(60):
        submit(store, f"question {n:02}", n / 100, task="odd" if n % 2 else "even")
    page.reload()
    shown_first = page.locator("#detail .question")
    expect(shown_first).to_be_visible()
    page.locator("[name=task]").select_option("odd")
    expect(rows(page)).to_have_count(30)
    page.get_by_label("Search").fill("tion 3")
    expect(rows(page)).to_have_count(5)
    rows(page).nth(2).click()
    shown(page, "question 35")
    page.reload()
    shown(page, "question 35")
    expect(rows(page)).to_have_count(5)
    expect(page.get_by_label("Search")).to_have_value("tion 3")
    assert "task=odd" in page.url and "item=" in page.url
    page.get_by_role("button", name="Reset").click()
    expect(page.locator("#range")).to_have_text("1 to 50 of 60")
    page.get_by_role("button", name="Next page").click()
    expect(page.locator("#range")).to_have_text("51 to 60 of 60")
    page.go_back()
    expect(page.locator("#range")).to_have_text("1 to 50 of 60")


def test_two_steps_in_a_row_are_two_rows(four, page):
    shown(page, "question 0")
    page.keyboard.press("j")
    page.keyboard.press("j")
    shown(page, "question 2")
    page.keyboard.press("k")
    shown(page, "question 1")


def test_decided_items_can_be_seen_and_reopened_by_a_lead(four, page, store):
    store.decide(four[2].id, "reject", operator="bob", note="why not")
    page.get_by_label("Status").select_option("rejected")
    expect(page.locator("#detail")).to_contain_text("Rejected bob")
    expect(page.locator("#detail")).to_contain_text("why not")
    page.get_by_role("button", name="Reopen").click()
    expect(count(page, "rejected")).to_have_text("0")
    shown(page, "question 2")
    assert store.get(four[2].id).status == "pending"


def test_few_steps_of_the_tab_key_lead_to_accept(store, page):
    for n in range(50):
        submit(store, f"question {n}", n / 100)
    page.reload()
    expect(rows(page)).to_have_count(50)
    expect(page.locator("#accept")).to_be_visible()
    page.locator("#help-button").focus()
    steps = 0
    while page.evaluate("document.activeElement.id") != "accept" and steps < 40:
        page.keyboard.press("Tab")
        steps += 1
    assert steps < 25


def test_news_leave_focus_selection_and_typing_alone(four, page, store):
    rows(page).nth(2).click()
    shown(page, "question 2")
    page.keyboard.press("c")
    box = page.get_by_label("Corrected answer")
    box.fill("half a th")
    submit(store, "less doubtful", 0.05)
    expect(rows(page)).to_have_count(5)
    expect(count(page, "pending")).to_have_text("5")
    expect(box).to_be_focused()
    expect(box).to_have_value("half a th")
    expect(page.locator("#rows tr[aria-selected='true'] .question")).to_have_text("question 2")


def test_an_address_keeps_its_page_of_the_list(visit, address, store):
    for number in range(51):
        submit(store, f"question {number}", 0.1 + number / 100)
    page = visit(f"{address}/?offset=50")
    expect(page.locator("#detail .question")).to_contain_text("question")
    expect(rows(page)).to_have_count(1)
    expect(rows(page).first).to_contain_text("question 50")


def test_text_from_outside_is_shown_as_it_is(store, page):
    submit(store, HOSTILE, 0.1, HOSTILE, context=HOSTILE, task=HOSTILE)
    shown(page, HOSTILE)
    page.keyboard.press("m")
    expect(page.locator("#detail .answer.text")).to_have_text(HOSTILE)
    assert page.locator("#rows .question").inner_text() == HOSTILE
    assert page.locator("#detail img, #rows img").count() == 0


def test_reversed_text_and_words_without_end_are_harmless(store, page):
    submit(store, "pay \u202eLLA\u202c", 0.1, "x" * 200_000)
    shown(page, "pay ⟨U+202E⟩LLA⟨U+202C⟩")
    size = "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
    assert page.evaluate(size) == [1280, 720]
    assert page.locator("#detail").evaluate("detail => detail.scrollWidth <= detail.clientWidth")


def test_why_and_probability_are_seen_without_scrolling_and_the_buttons_too(store, page):
    submit(store, "long", 0.1, "word " * 20_000)
    shown(page, "long")
    for text in ("Why it is here", "Probability that the answer is right"):
        expect(page.get_by_text(text)).to_be_in_viewport()
    expect(page.locator("#accept")).to_be_in_viewport()


PASSAGE = "Sydney is the largest city. " * 9 + "The capital is Canberra, which was founded in 1913."


def mark(page, text):
    page.locator(".passage").evaluate(
        "(passage, text) => { const node = passage.firstChild, at = node.data.indexOf(text);"
        " getSelection().setBaseAndExtent(node, at, node, at + text.length); }",
        text,
    )


def test_what_is_marked_in_the_passage_becomes_the_correction(store, page):
    item = submit(store, "question", 0.1, context=PASSAGE)
    shown(page, "question")
    mark(page, "Canberra")
    page.keyboard.press("c")
    box = page.get_by_label("Corrected answer")
    expect(box).to_have_value("Canberra")
    expect(box).to_be_focused()
    page.keyboard.type(" ()")
    box.evaluate("box => box.setSelectionRange(10, 10)")
    mark(page, "1913")
    box.evaluate("box => box.blur()")
    page.keyboard.press("c")
    expect(box).to_have_value("Canberra (1913)")
    page.keyboard.press("Control+Enter")
    expect(count(page, "corrected")).to_have_text("1")
    assert store.get(item.id).verdict.corrected_answer == "Canberra (1913)"


def test_what_is_marked_elsewhere_is_no_correction(store, page):
    submit(store, "question", 0.1, context=PASSAGE)
    shown(page, "question")
    page.locator("#detail .question").select_text()
    page.keyboard.press("c")
    expect(page.get_by_label("Corrected answer")).to_have_value("Sydney")


def test_the_passage_stays_in_sight_while_one_corrects(store, page):
    submit(store, "question", 0.1, context=PASSAGE)
    shown(page, "question")
    page.keyboard.press("c")
    expect(page.get_by_label("Corrected answer")).to_be_focused()
    detail, passage = page.locator("#detail").bounding_box(), page.locator(".passage").bounding_box()
    assert passage["y"] + passage["height"] < detail["y"] + detail["height"]
    expect(page.locator("#detail .question")).to_be_in_viewport()


def test_the_next_item_is_shown_from_its_beginning(store, page):
    submit(store, "long", 0.1, context=PASSAGE * 20)
    submit(store, "next", 0.3, context=PASSAGE * 20)
    shown(page, "long")
    page.locator("#detail").evaluate("detail => detail.scrollTo(0, detail.scrollHeight)")
    expect(page.get_by_text("Why it is here")).not_to_be_in_viewport()
    page.keyboard.press("a")
    shown(page, "next")
    expect(page.get_by_text("Why it is here")).to_be_in_viewport()


def test_a_question_has_two_lines_in_the_list_and_messages_leave_its_pages_free(store, page):
    submit(store, "short", 0.1)
    submit(store, "In which year did the committee that had been founded in spring meet for the first time?", 0.3)
    page.reload()
    shown(page, "short")
    short, long = (rows(page).nth(n).locator(".question").bounding_box()["height"] for n in (0, 1))
    assert long == pytest.approx(2 * short, abs=1)
    page.keyboard.press("a")
    expect(page.locator("#toast")).to_be_visible()
    message, pages = page.locator("#toast").bounding_box(), page.locator("#list footer").bounding_box()
    assert message["y"] + message["height"] < pages["y"]


def test_why_an_item_is_in_the_list_has_two_lines_and_makes_no_row_higher(store, page):
    submit(store, "In which year did the committee that had been founded in spring meet for the first time?", 0.1)
    submit(store, "In which year did the committee that had been founded in winter meet for the first time?", 0.9)
    page.reload()
    expect(rows(page)).to_have_count(2)
    why = rows(page).nth(1).locator(".why")
    expect(why).to_contain_text("It was chosen for review although")
    size = float(why.evaluate("why => parseFloat(getComputedStyle(why).lineHeight)"))
    assert why.bounding_box()["height"] == pytest.approx(2 * size, abs=1)
    assert rows(page).nth(1).bounding_box()["height"] == pytest.approx(
        rows(page).nth(0).bounding_box()["height"], abs=1
    )


def test_the_keys_are_explained(four, page):
    shown(page, "question 0")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("undo the last verdict")
    page.keyboard.press("a")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(count(page, "accepted")).to_have_text("0")


def test_japanese_by_the_browser_and_english_by_choice(visit, four, address):
    page = visit(address, locale="ja-JP")
    shown(page, "question 0")
    expect(page.get_by_role("button", name="承認")).to_be_visible()
    expect(page.locator("#detail")).to_contain_text("確信度 0.10 がしきい値 0.80 を下回っています。")
    assert page.locator("html").get_attribute("lang") == "ja"
    page.get_by_label("言語").select_option("en")
    expect(page.get_by_role("button", name="Accept")).to_be_visible()


def test_dark_and_light_are_remembered(page, four):
    page.locator("#theme-button").click()
    dark = page.locator("html").get_attribute("data-theme")
    page.reload()
    assert page.locator("html").get_attribute("data-theme") == dark == "dark"


# several people, with a login


def test_two_browsers_share_one_queue(visit, four, store, guarded):
    ann, hanako = visit(guarded), visit(guarded, locale="ja-JP")
    log_in(ann, "ann")
    shown(ann, "question 0")
    log_in(hanako, "花子")
    shown(hanako, "question 1")
    rows(hanako).nth(0).click()
    expect(hanako.locator("#whose")).to_have_text("ann さんが作業中です。閲覧のみできます。")
    expect(hanako.locator("#accept")).to_be_hidden()
    ann.keyboard.press("a")
    # What the other one gave back is free.
    shown(ann, "question 1")
    assert store.get(four[0].id).verdict.operator == "ann"
    expect(ann.locator("#reopen")).to_have_count(0)
    expect(hanako.locator("#reopen")).to_have_count(1)
