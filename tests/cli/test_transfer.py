"""What goes in and out of the review database: what the commands write and say, and their exit status."""

import json

import httpx
import pytest

from thermolang import Confidence, Decision, ReviewStore
from thermolang.review import verify


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'r.db'}"


def test_answers_go_in_and_come_out(run, url, tmp_path):
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text(json.dumps({"question": "1+1?", "answer": "3", "confidence": 0.2}) + "\n")
    assert run("import-items", source, "--store", url)[:2] == (0, "1 lines: 1 items added, 0 were there already\n")
    assert run("import-items", source, "--store", url)[1] == "1 lines: 0 items added, 1 were there already\n"
    code, said, _ = run("export", "--out", target, "--store", url)
    assert (code, said) == (0, f"1 items written to {target}\n")
    assert json.loads(target.read_text())["answer"] == "3"
    assert "audit" not in json.loads(target.read_text())
    run("export", "--out", target, "--for-leads", "--store", url)
    assert json.loads(target.read_text())["audit"] is False


def test_a_bad_line_is_told(run, url, tmp_path):
    source = tmp_path / "in.jsonl"
    source.write_text("nonsense\n")
    code, _, said = run("import-items", source, "--store", url)
    assert code == 1 and "line 1: not JSON" in said
    with ReviewStore(url) as store:
        assert store.list() == []


@pytest.mark.parametrize("targets", [[], ["--out", "a.csv", "--dataset", "b"]])
def test_there_is_one_target(run, url, targets):
    code, _, said = run("export", *targets, "--store", url)
    assert code == 1 and "--out FILE or --dataset FOLDER" in said


def test_without_the_library_the_extra_is_named(run, url, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    code, _, said = run("export", "--dataset", tmp_path / "d", "--store", url)
    assert code == 1 and 'pip install "thermolang[eval]"' in said


def test_a_backup_is_a_database_that_opens(run, url, tmp_path):
    with ReviewStore(url) as store:
        item = store.submit("?", "a", confidence=Confidence(0.4), decision=Decision("review", "low", 0.8))
        code, said, _ = run("backup", tmp_path / "copy.db", "--store", url)
    assert code == 0 and "opens it" in said
    with ReviewStore(f"sqlite:///{tmp_path / 'copy.db'}") as copy:
        assert copy.get(item.id) == item
        assert verify(copy).problems == ()
    assert (tmp_path / "copy.db").stat().st_mode & 0o077 == 0
    code, _, said = run("backup", tmp_path / "copy.db", "--store", url)
    assert code == 1 and "is there already" in said


def test_what_webhooks_were_told_is_listed(run, url):
    from thermolang.review import Courier, Webhooks

    assert run("webhooks", "--store", url)[1] == "nobody was told anything yet\n"
    with ReviewStore(url) as store:
        transport = httpx.MockTransport(lambda request: httpx.Response(500))
        courier = Courier(store, Webhooks(("https://example.org/hook?key=x",), "s" * 24), transport=transport)
        store.submit("?", "a", confidence=Confidence(0.4), decision=Decision("review", "low", 0.8))
        courier.step()
    said = run("webhooks", "--store", url)[1]
    assert "item_waits" in said and "waiting (1, status 500) https://example.org/hook\n" in said


def test_webhooks_need_a_secret(run, url, monkeypatch):
    monkeypatch.delenv("THERMOLANG_WEBHOOK_SECRET", raising=False)
    code, _, said = run("desk", "--no-login", "--webhook", "https://example.org/", "--store", url)
    assert code == 1 and "THERMOLANG_WEBHOOK_SECRET" in said


def test_a_token_is_made_listed_and_revoked(run, url):
    code, token, said = run("users", "token", "router", "--store", url)
    assert code == 0 and token.startswith("thermolang_") and "THERMOLANG_TOKEN" in said
    assert run("users", "tokens", "--store", url)[1].startswith("router since ")
    assert run("users", "revoke", "router", "--store", url)[1] == "revoked the token for router\n"
    assert run("users", "tokens", "--store", url)[1] == ""
