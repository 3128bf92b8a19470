"""Leads in a real browser: thresholds, probes, disagreements, settings, downloads."""

import re

import pytest

from tests.browser.conftest import MARKS, expect, log_in, rows, shown, submit
from thermolang.review import LeadService, ReviewService, TaskSettings, tell_alarm
from thermolang.routing import Alarm

pytestmark = MARKS


@pytest.fixture
def judged(store):
    """Ten right answers at 0.9, ten wrong ones at 0.5, and two that wait."""
    for number in range(10):
        store.decide(submit(store, f"right {number}", 0.9).id, "accept", operator="bob")
        store.decide(submit(store, f"wrong {number}", 0.5).id, "reject", operator="bob")
    submit(store, "waits", 0.7), submit(store, "waits, too", 0.3)


def test_a_slider_shows_what_another_threshold_would_do(judged, visit, address, tmp_path):
    page = visit(address)
    page.get_by_role("link", name="Dashboards").click()
    expect(page.locator("#preview")).to_contain_text("At 0.80, 50\u00a0% of the 20 recently judged answers")
    slider = page.get_by_role("slider")
    slider.focus()
    for _ in range(35):
        page.keyboard.press("ArrowLeft")
    expect(page.locator("#preview")).to_contain_text("At 0.45, 100\u00a0% of the 20 recently judged answers")
    expect(page.locator("#preview")).to_contain_text("Of 2 undecided items with a confidence, 1 would not have come")
    expect(page.locator("#preview code")).to_have_text("Policy(threshold=0.45)")
    expect(page.locator("#preview svg")).to_contain_text("in use: 0.80")
    page.reload()
    expect(page.locator("#threshold-shown")).to_have_text("0.45")


def test_an_item_is_given_to_somebody_and_an_alarm_is_seen(visit, guarded, store):
    item = submit(store, "who does this?", 0.4)
    tell_alarm(store, Alarm("error", 40, 12, 1.5, "9 of 40 audited are wrong"))
    page = visit(guarded)
    log_in(page, "花子")
    page.get_by_role("link", name="Give to…").click()
    line = page.locator("tbody tr").first
    expect(line).to_contain_text("who does this?")
    line.get_by_label("Give to").select_option("ann")
    line.get_by_role("button", name="Give").click()
    expect(page.locator("tbody tr").first).to_contain_text("by a lead")
    assert ReviewService(store).next("ann").item.id == item.id
    page.get_by_role("link", name="Alarms (1)").click()
    expect(page.locator("tbody tr")).to_contain_text("The error is above what was promised")
    page.get_by_role("button", name="Seen").click()
    expect(page.locator("tbody tr")).to_contain_text("seen by 花子")
    expect(page.locator(".tabs")).not_to_contain_text("(1)")


def test_plots_and_their_numbers_can_be_kept(judged, visit, address, tmp_path):
    page = visit(f"{address}/lead")
    figure = page.locator("figure").filter(has_text="Reliability of recent verdicts")
    with page.expect_download() as download:
        figure.get_by_role("button", name="PNG").click()
    download.value.save_as(tmp_path / "plot.png")
    head = (tmp_path / "plot.png").read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    assert (int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")) == (960, 600)
    with page.expect_download() as download:
        figure.get_by_role("link", name="CSV").click()
    download.value.save_as(tmp_path / "plot.csv")
    assert (tmp_path / "plot.csv").read_text(encoding="utf-8-sig").startswith("low,high,confidence,right.count")


def test_blind_until_the_verdict(visit, address, store):
    submit(store, "question", 0.37)
    LeadService(store).set_settings("*", TaskSettings(mode="blind"), operator="lea")
    page = visit(address)
    shown(page, "question")
    expect(page.locator("#blind")).to_contain_text("Judge this answer by itself")
    assert "0.37" not in page.locator("article").inner_text()
    page.keyboard.press("a")
    expect(page.get_by_text("Nothing is pending")).to_be_visible()
    page.get_by_label("Status").select_option("accepted")
    expect(page.locator("#detail .number")).to_have_text("0.37")


def test_a_lead_makes_a_probe_and_a_reviewer_gets_it_as_an_item(visit, store, guarded):
    item = submit(store, "known", 0.6)
    store.decide(item.id, "reject", operator="bob")
    lead, ann = visit(guarded, locale="ja-JP"), visit(guarded)
    log_in(lead, "花子")
    expect(lead.locator("#detail")).to_contain_text("未処理の項目はありません")
    lead.get_by_label("状態").select_option("rejected")
    lead.get_by_role("button", name="確認問題にする").click()
    expect(lead.locator("#toast")).to_contain_text("確認問題として再び出題されます")
    lead.get_by_role("link", name="ダッシュボード").click()
    lead.get_by_role("link", name="設定").click()
    expect(lead.locator("main")).to_contain_text("known")
    row = lead.locator("tr[data-task='*']")
    row.get_by_label("確認問題の割合").fill("50")
    row.get_by_role("button", name="保存").click()
    expect(row.get_by_label("確認問題の割合")).to_have_value("50.0")
    log_in(ann, "ann")
    shown(ann, "known")
    expect(ann.get_by_role("link", name="Dashboards")).to_have_count(0)
    ann.keyboard.press("a")
    expect(ann.get_by_text("Nothing is pending")).to_be_visible()
    lead.get_by_role("link", name="人の判断").click()
    expect(lead.locator(".finding")).to_contain_text("表示したものが 1 件")
    assert [trial.judged_well for trial in LeadService(store).trials()] == [False]
    expect(rows(ann)).to_have_count(0)


def test_a_disagreement_is_settled_by_a_click(visit, address, store):
    LeadService(store).set_settings("*", TaskSettings(double_share=1), operator="lea")
    item = submit(store, "twice", 0.6)
    desk = ReviewService(store)
    desk.decide(item.id, 1, "accept", operator="bob")
    desk.prepare("cem")
    lease = desk.next("cem")
    desk.decide(lease.item.id, 1, "correct", operator="cem", corrected_answer="Canberra")
    page = visit(f"{address}/lead/people")
    pair = page.locator("article.pair")
    expect(pair).to_contain_text("Canberra")
    pair.get_by_role("button").nth(1).click()
    expect(pair).to_have_count(0)
    assert store.get(item.id).verdict.corrected_answer == "Canberra"


def test_what_is_refused_is_said(visit, address, store):
    submit(store, "q", 0.5)
    page = visit(f"{address}/lead/settings")
    row = page.locator("tr[data-task='*']")
    row.get_by_label("Probes").fill("70")
    row.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text(re.compile("probe_share: .*0.5"))
