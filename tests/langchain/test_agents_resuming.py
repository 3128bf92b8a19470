"""The worker that carries verdicts of the desk to the agents that wait for them."""

import asyncio
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from filelock import FileLock
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import START, StateGraph
from langgraph.types import interrupt

from tests.langchain.test_agents import (
    QUESTION,
    FakeEstimator,
    Scripted,
    agent_of,
    needs_async_interrupts,
    payload_of,
    request_in,
    texts,
)
from thermolang.errors import InvalidInputError
from thermolang.langchain.agents import Resumed, resume_from_store
from thermolang.review.store import ReviewStore
from thermolang.storage import data_dir, digest

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def store(tmp_path):
    with ReviewStore(f"sqlite:///{tmp_path / 'review.db'}") as opened:
        yield opened


def in_thread(name: str):
    return {"configurable": {"thread_id": name}}


def ask(agent, thread: str = "one") -> str:
    """Ask the question in a thread; returns the id of the item that waits for a verdict."""
    return request_in(agent.invoke(QUESTION, in_thread(thread)))["item_id"]


def said(agent, thread: str = "one") -> list[str]:
    return texts(agent.get_state(in_thread(thread)).values)


def last_review(agent, thread: str = "one"):
    return payload_of(agent.get_state(in_thread(thread)).values["messages"][-1])["review"]


def test_an_accepted_item_approves_the_answer(store):
    agent = agent_of("Sydney", store=store)
    item = ask(agent)
    store.decide(item, "accept", operator="ann")
    assert resume_from_store(agent, store, once=True) == [Resumed("one", item, "approve")]
    assert said(agent)[-1] == "Sydney" and last_review(agent) == {"action": "approve", "operator": "ann"}


def test_a_corrected_item_replaces_the_answer(store):
    agent = agent_of("Sydney", store=store)
    item = ask(agent)
    store.decide(item, "correct", operator="ann", corrected_answer="Canberra")
    assert resume_from_store(agent, store, once=True) == [Resumed("one", item, "edit")]
    assert said(agent)[-1] == "Canberra" and last_review(agent) == {"action": "edit", "operator": "ann"}


def test_a_rejected_item_makes_the_agent_try_again_with_the_note(store):
    agent = agent_of("Sydney", "Perth", store=store)
    item = ask(agent)
    store.decide(item, "reject", operator="ann", note="Not at the coast.")
    assert resume_from_store(agent, store, once=True) == [Resumed("one", item, "reject")]
    assert said(agent)[1:] == ["Sydney", "Not at the coast.", "Perth"]
    (pending,) = store.list()  # the second try is doubtful too
    assert (pending.answer, pending.question) == ("Perth", "Capital of Australia?")
    store.decide(pending.id, "accept", operator="ann")
    assert resume_from_store(agent, store, once=True) == [Resumed("one", pending.id, "approve")]


def test_what_was_resumed_is_not_resumed_again(store):
    scorer = FakeEstimator(Sydney=0.3)
    agent = agent_of("Sydney", store=store, estimator=scorer)
    store.decide(ask(agent), "accept", operator="ann")
    assert len(resume_from_store(agent, store, once=True)) == 1
    history = len(list(agent.get_state_history(in_thread("one"))))
    assert resume_from_store(agent, store, once=True) == []
    assert len(list(agent.get_state_history(in_thread("one")))) == history and len(scorer.calls) == 1


def test_what_nobody_has_decided_keeps_waiting(store):
    agent = agent_of("Sydney", store=store)
    ask(agent)
    assert resume_from_store(agent, store, once=True) == []
    assert len(agent.get_state(in_thread("one")).interrupts) == 1


def test_only_what_waits_in_the_store_is_touched(store):
    saver = InMemorySaver()
    unstored = agent_of("Sydney", checkpointer=saver)
    unstored.invoke(QUESTION, in_thread("no item"))
    agent_of("Canberra", checkpointer=saver).invoke(QUESTION, in_thread("accepted"))
    assert resume_from_store(unstored, store, once=True) == []


@pytest.mark.parametrize("value", ["what is your age?", {"type": "tool_approval", "item_id": "1"}])
def test_interrupts_of_others_are_left_alone(store, value):
    builder = StateGraph(dict)
    builder.add_node("node", lambda _: interrupt(value))
    builder.add_edge(START, "node")
    graph = builder.compile(checkpointer=InMemorySaver())
    graph.invoke({"a": 1}, in_thread("one"))
    assert resume_from_store(graph, store, once=True) == []


def test_several_threads_get_their_own_verdicts(store):
    agent = agent_of("Sydney", store=store)
    items = {name: ask(agent, name) for name in ("a", "b", "c")}
    store.decide(items["a"], "accept", operator="ann")
    store.decide(items["c"], "correct", operator="bob", corrected_answer="Canberra")
    resumed = resume_from_store(agent, store, once=True)
    assert set(resumed) == {Resumed("a", items["a"], "approve"), Resumed("c", items["c"], "edit")}
    assert [said(agent, name)[-1] for name in ("a", "b", "c")] == ["Sydney", "Sydney", "Canberra"]


def test_named_threads_only(store):
    agent = agent_of("Sydney", store=store)
    for name in ("a", "b"):
        store.decide(ask(agent, name), "accept", operator="ann")
    assert [r.thread_id for r in resume_from_store(agent, store, threads=iter(["b", "unknown"]), once=True)] == ["b"]
    assert resume_from_store(agent, store, threads=[], once=True) == []


class Breaking(Scripted):
    """Breaks once when a reviewer asks it to break."""

    broke: bool = False

    def _generate(self, messages, *args, **kwargs):
        if messages[-1].content == "break" and not self.broke:
            self.broke = True
            raise RuntimeError("the model broke")
        return super()._generate(messages, *args, **kwargs)


def test_a_broken_thread_does_not_stop_the_others(store, caplog):
    agent = agent_of(model=Breaking(says=["Sydney"]), store=store)
    store.decide(ask(agent, "a"), "reject", operator="ann", note="break")
    store.decide(ask(agent, "b"), "accept", operator="ann")
    assert [r.thread_id for r in resume_from_store(agent, store, once=True)] == ["b"]
    assert "thread a failed; agent.invoke(None, config)" in caplog.text and "the model broke" in caplog.text
    assert resume_from_store(agent, store, once=True) == []  # its verdict was taken before the model broke
    assert texts(agent.invoke(None, in_thread("a")))[1:] == ["Sydney", "break", "Sydney"]


def test_an_item_that_is_gone_is_logged(store, tmp_path, caplog):
    agent = agent_of("Sydney", store=store)
    ask(agent)
    with ReviewStore(f"sqlite:///{tmp_path / 'other.db'}") as other:
        assert resume_from_store(agent, other, once=True) == []
    assert "there is no item" in caplog.text


def test_a_checkpointer_that_cannot_be_listed_is_tried_again(store, caplog):
    class Flaky(InMemorySaver):
        lists = 0

        def list(self, *args, **kwargs):
            self.lists += 1
            if self.lists == 1:
                raise OSError("the disk is away")
            return super().list(*args, **kwargs)

    agent = agent_of("Sydney", store=store, checkpointer=Flaky())
    store.decide(ask(agent), "accept", operator="ann")
    assert resume_from_store(agent, store, once=True) == []
    assert "could not be listed" in caplog.text
    assert len(resume_from_store(agent, store, once=True)) == 1


def test_without_a_checkpointer_nothing_can_wait(store):
    agent = agent_of("Sydney")
    agent.checkpointer = None
    with pytest.raises(InvalidInputError, match="the agent has no checkpointer"):
        resume_from_store(agent, store, once=True)


def test_it_polls_until_it_is_stopped(store):
    agent, stop, resumed = agent_of("Sydney", store=store), threading.Event(), []
    item = ask(agent)
    worker = threading.Thread(
        target=lambda: resumed.extend(resume_from_store(agent, store, poll_seconds=0.01, stop=stop))
    )
    worker.start()
    time.sleep(0.05)
    store.decide(item, "accept", operator="ann")
    deadline = time.monotonic() + 30
    while agent.get_state(in_thread("one")).interrupts and time.monotonic() < deadline:
        time.sleep(0.01)
    stop.set()
    worker.join(30)
    assert not worker.is_alive() and resumed == [Resumed("one", item, "approve")]
    assert resume_from_store(agent, store, stop=stop) == []  # stopped before it began


class Slow(Scripted):
    """Takes its time, so that a second worker comes while the first is at work."""

    def _generate(self, *args, **kwargs):
        time.sleep(0.2)
        return super()._generate(*args, **kwargs)


def test_two_workers_resume_once(store):
    model = Slow(says=["Sydney", "Canberra"])
    agent = agent_of(model=model, store=store)
    store.decide(ask(agent), "reject", operator="ann")
    start, resumed = threading.Barrier(4), []

    def work():
        start.wait()
        resumed.extend(resume_from_store(agent, store, once=True))

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert len(resumed) == 1 and len(model.asked) == 2 and said(agent)[-1] == "Canberra"


def test_a_thread_that_another_worker_holds_is_left_to_it(store):
    agent = agent_of("Sydney", store=store)
    store.decide(ask(agent), "accept", operator="ann")
    held = data_dir() / "resuming" / f"{digest('one', 2)}.lock"
    held.parent.mkdir(parents=True)
    with FileLock(held):
        assert resume_from_store(agent, store, once=True) == []
    assert len(resume_from_store(agent, store, once=True)) == 1


@needs_async_interrupts
async def test_in_an_async_program_it_runs_in_a_thread(store):
    agent = agent_of("Sydney", "Canberra", store=store)
    request = request_in(await agent.ainvoke(QUESTION, in_thread("one")))
    store.decide(request["item_id"], "reject", operator="ann")
    resumed = await asyncio.to_thread(resume_from_store, agent, store, once=True)
    assert [r.action for r in resumed] == ["reject"] and said(agent)[-1] == "Canberra"


def ask_and_exit(folder: str) -> None:
    """What the first process of the next test does."""
    with ReviewStore(f"sqlite:///{folder}/review.db") as store, SqliteSaver.from_conn_string(f"{folder}/a.db") as saver:
        ask(agent_of("Sydney", store=store, checkpointer=saver))


def test_one_process_asks_and_another_resumes(store, tmp_path):
    script = f"from tests.langchain.test_agents_resuming import ask_and_exit; ask_and_exit({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, timeout=300)
    (item,) = store.list()
    store.decide(item.id, "reject", operator="ann", note="Not at the coast.")
    scorer = FakeEstimator(Canberra=0.9)
    with SqliteSaver.from_conn_string(str(tmp_path / "a.db")) as saver:
        agent = agent_of("Canberra", store=store, checkpointer=saver, estimator=scorer)
        assert resume_from_store(agent, store, once=True) == [Resumed("one", item.id, "reject")]
        assert said(agent)[1:] == ["Sydney", "Not at the coast.", "Canberra"]
        result = agent.invoke({"messages": [HumanMessage("And again?")]}, in_thread("one"))
    assert "__interrupt__" not in result and [call[1] for call in scorer.calls] == ["Canberra", "Canberra"]
    assert store.counts() == {"pending": 0, "accepted": 0, "corrected": 0, "rejected": 1}
