"""The examples as a user runs them: each with the real model, and what each of them claims."""

import asyncio
import importlib.util
import json
import math
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import torch

from thermolang import ReviewStore
from thermolang.models.local import LocalModel

pytestmark = pytest.mark.model

EXAMPLES = Path(__file__).parents[1] / "examples"

LONGEST = 600
"""Seconds until a process that hangs is killed."""

RUN = """
import json, pathlib, runpy, sys
found = runpy.run_path(sys.argv[1], run_name="__main__").get("found")
pathlib.Path(sys.argv[2]).write_text(json.dumps(found), encoding="utf-8")
"""
"""Runs a script as ``python SCRIPT`` does, and keeps what its ``main`` returned."""


@pytest.fixture
def example(environment, tmp_path):
    """Runs an example in a process of its own; returns what ``main`` found and what was printed."""

    def run(name):
        file = tmp_path / "found.json"
        command = [sys.executable, "-c", RUN, str(EXAMPLES / name), str(file)]
        done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", timeout=LONGEST)
        assert done.returncode == 0, done.stderr
        return json.loads(file.read_text(encoding="utf-8")), done.stdout

    return run


def is_probability(value):
    return value is not None and 0 < value < 1


def test_one_line_is_added_to_a_chain(example):
    found, printed = example("add_to_your_chain.py")
    before, after, invoked, *batch, streamed, parsed = found
    assert [r["how"] for r in batch] == ["batch"] * 3
    assert before["confidence"] is None
    assert all(is_probability(r["confidence"]) for r in found[1:])

    same = (before, after, invoked, batch[0], streamed, parsed)
    assert len({r["answer"] for r in same}) == 1
    assert len({r["answer"] for r in batch}) == 3
    # In half precision the same answer, read beside others or in another order, comes out a little different.
    assert [r["confidence"] for r in same[1:]] == pytest.approx([after["confidence"]] * 5, abs=0.05)
    assert len(printed.splitlines()) == len(found)


def test_verdicts_teach(example):
    found, printed = example("learn_from_verdicts.py")
    before, after = found["before"], found["after"]
    assert found["verdicts"] == 12
    assert before["answer"] == after["answer"]
    share = found["right"] / 12
    assert abs(after["confidence"] - share) < abs(before["confidence"] - share)

    def width(found):
        low, high = found["interval"]
        return math.log(high / (1 - high)) - math.log(low / (1 - low))

    assert width(after) < width(before)
    assert "12 verdicts" in printed


def test_doubtful_free_text_is_held_back(example):
    found, printed = example("free_text_qa_threshold.py")
    rows, waiting = found["answered"], {item["id"]: item for item in found["waiting"]}
    for row in rows:
        assert is_probability(row["confidence"])
        accepted = row["supported"] and row["confidence"] >= 0.4
        assert row["decision"] == ("accept" if accepted else "review")
        assert (row["answer"] == "(a person is looking at it)") == (not accepted)
        assert (row["item_id"] is None) == accepted
        assert f"{row['confidence']:.2f}  {row['decision']}" in printed

    held = [row for row in rows if row["decision"] == "review"]
    assert len(held) == len(waiting)
    for row in held:
        assert waiting[row["item_id"]]["question"] == row["question"]
        assert waiting[row["item_id"]]["answer"] not in ("", row["answer"])
    assert all(row["decision"] == "review" for row in rows if not row["question"].isascii())
    assert sum(not row["question"].isascii() for row in rows) == 2


def test_each_field_of_an_object_has_a_confidence(example):
    found, printed = example("structured_output.py")
    assert len(found["cities"]) == len(found["confidences"]) == 2
    for city, confidences, decision in zip(found["cities"], found["confidences"], found["decisions"], strict=True):
        assert set(city) == {"name", "country", "continent", "is_capital"} == set(confidences) - {"all of it"}
        assert all(is_probability(value) for value in confidences.values())
        assert confidences["all of it"] < min(confidences[name] for name in city)
        below = {name for name in city if confidences[name] < 0.4}
        assert below <= set(decision["fields"]) and (decision["action"] == "review") == bool(decision["item_id"])
    assert found["taught"] == 4 * sum(d["action"] == "review" for d in found["decisions"]) > 0
    assert f"{found['taught']} verdicts" in printed


def test_the_self_check_reads_the_retrieved_passage(example):
    found, printed = example("rag_with_confidence.py")
    assert len(found["waiting"]) == 3
    assert all(is_probability(item["confidence"]) for item in found["waiting"])
    contexts = {item["question"]: item["context"] for item in found["waiting"]}
    assert contexts["When does the bakery open?"].startswith("The bakery on Mill Street opens at six in the morning.")
    assert all(context.endswith(question) and context != question for question, context in contexts.items())
    right, wrong = found["beside"]["right"], found["beside"]["wrong"]
    assert is_probability(right)
    assert is_probability(wrong)
    assert right > wrong + 0.05
    assert printed.count("beside it: ") == 3


@pytest.mark.skipif(not (EXAMPLES / "agent_with_gate.py").is_file(), reason="the example is not there yet")
def test_the_agent_waits_for_a_person(example):
    _, printed = example("agent_with_gate.py")
    assert "waits" in printed
    assert "went on" in printed


@pytest.mark.parametrize("name", ["summary", "translation"])
def test_each_sentence_of_a_long_answer_has_a_bar(example, name):
    found, printed = example(f"{name}_confidence.py")
    assert found["sentences"]
    assert "not a calibrated probability" in printed
    for sentence in found["sentences"]:
        assert sentence["text"] in found[name]
        # A share of eight samples, drawn as full blocks.
        assert 8 * sentence["share"] in range(9)
        full = round(8 * sentence["share"])
        assert f"{'█' * full}{'░' * (8 - full)}  {sentence['share']:.2f}  {sentence['text']}" in printed


QUESTIONS = [
    *(f"What is the capital of {country}?" for country in ("France", "Japan", "Italy", "Peru")),
    *("What is 2 + 3?", "Which gas do plants take in?", "How many legs does a spider have?", "Who wrote Hamlet?"),
]


@pytest.fixture
async def service(environment, monkeypatch, tmp_path):
    """A client to the service within its lifespan, and its store as the desk opens it."""
    spec = importlib.util.spec_from_file_location("fastapi_service", EXAMPLES / "fastapi_service.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setenv("THERMOLANG_HOME", environment["THERMOLANG_HOME"])
    monkeypatch.setenv("THERMOLANG_STORE", f"sqlite:///{tmp_path / 'review.db'}")
    # In bfloat16 an answer depends a little on which others grow beside it.
    load = LocalModel.load
    monkeypatch.setattr(LocalModel, "load", lambda name, **_: load(name, dtype=torch.float32))
    app = module.create_app()
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://service", timeout=None) as client,
    ):
        with ReviewStore() as store:
            yield client, store


async def test_the_service_answers_concurrent_requests(service):
    client, store = service

    async def ask(question):
        response = await client.post("/ask", json={"question": question})
        assert response.status_code == 200, response.text
        return response.json()

    # A task's temperature moves with its first inputs; it stands still from the third to the tenth.
    first = [await ask(question) for question in QUESTIONS[:3]]
    one_by_one = [await ask(question) for question in QUESTIONS]
    at_once = await asyncio.gather(*(ask(question) for question in QUESTIONS))

    assert len({answer["confidence"] for answer in one_by_one}) == len(QUESTIONS)
    answers = [*one_by_one, *at_once, *first]
    ids = [answer.pop("item_id") for answer in answers]
    for mine, theirs in zip(at_once, one_by_one, strict=True):
        assert mine == theirs | {"confidence": pytest.approx(theirs["confidence"], abs=1e-4)}
    for question, answer, item_id in zip(QUESTIONS * 2 + QUESTIONS[:3], answers, ids, strict=True):
        assert is_probability(answer["confidence"])
        assert (item_id is None) == (answer["decision"] == "accept")
        if item_id is not None:
            item = store.get(item_id)
            assert (item.question, item.answer) == (question, answer["answer"])
            assert item.confidence.value == answer["confidence"]

    streamed = await client.post("/stream", json={"question": QUESTIONS[0]})
    events = [json.loads(line.removeprefix("data: ")) for line in streamed.text.splitlines() if line]
    assert "".join(event["text"] for event in events) == one_by_one[0]["answer"]
    assert is_probability(events[-1]["confidence"])
    metrics = (await client.get("/metrics")).text
    assert re.search(r'thermolang_tokens_total{model="\S+"} \d\d+', metrics)

    for empty in ("", "  \n"):
        assert (await client.post("/ask", json={"question": empty})).status_code == 422
    assert (await client.post("/ask", json={})).status_code == 422
    health = (await client.get("/healthz")).json()
    assert health["status"] == "ok"
    assert health["waiting"] == store.counts()["pending"] == sum(item_id is not None for item_id in ids)
