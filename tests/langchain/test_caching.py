"""LLM caches: the answer comes out of them, and never another wrapper's task, choices, policy or decision."""

import sqlite3

import pytest
from langchain_core.caches import BaseCache, InMemoryCache
from langchain_core.globals import set_llm_cache
from langchain_core.load import dumps, loads
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda

from tests.fakes import chat_huggingface, tiny_llama
from tests.langchain.conftest import Echo
from thermolang import ChatThermolang, ConfidenceEstimator, LocalModel, Policy
from thermolang.langchain.caching import AnswerCache
from thermolang.langchain.callback import ConfidenceCallbackHandler
from thermolang.langchain.messages import KEY
from thermolang.langchain.wrapper import with_confidence

# Of ``loads``, with which caches on disk read messages.
pytestmark = pytest.mark.filterwarnings("ignore::langchain_core._api.beta_decorator.LangChainBetaWarning")

PROMPT = ChatPromptTemplate.from_template("{question}")
LAX, STRICT = Policy(threshold=0.0, review_unsupported=False), Policy(threshold=1.0)


class FileCache(BaseCache):
    """Keeps messages as text, as caches on disk do."""

    def __init__(self, path):
        self.path = path
        with sqlite3.connect(path) as db:
            db.execute("CREATE TABLE kept (prompt TEXT, llm TEXT, value TEXT)")

    def lookup(self, prompt, llm_string):
        with sqlite3.connect(self.path) as db:
            query = "SELECT value FROM kept WHERE prompt = ? AND llm = ? ORDER BY rowid DESC"
            row = db.execute(query, (prompt, llm_string)).fetchone()
        return None if row is None else loads(row[0], allowed_objects="all")

    def update(self, prompt, llm_string, return_val):
        with sqlite3.connect(self.path) as db:
            db.execute("INSERT INTO kept VALUES (?, ?, ?)", (prompt, llm_string, dumps(list(return_val))))

    def clear(self, **kwargs):
        with sqlite3.connect(self.path) as db:
            db.execute("DELETE FROM kept")


@pytest.fixture(params=["memory", "file"])
def cache(request, tmp_path):
    found = InMemoryCache() if request.param == "memory" else FileCache(tmp_path / "cache.db")
    set_llm_cache(found)
    yield found
    set_llm_cache(None)


@pytest.fixture(autouse=True)
def _any_mass(monkeypatch):
    monkeypatch.setattr("thermolang.estimator.MIN_ANSWER_MASS", 0.0)


@pytest.fixture(scope="module")
def scorer(tiny_model, calibrator_for):
    return ConfidenceEstimator(tiny_model, calibrator_for(tiny_model), state_dir=None)


@pytest.fixture(params=["native", "rescore"])
def local(request, tiny_model, tiny_chat):
    return ChatThermolang(local=tiny_model, max_tokens=5) if request.param == "native" else tiny_chat


def told(message):
    return message.response_metadata[KEY]


def test_task_policy_and_decision_are_each_wrappers_own(local, scorer, cache):
    lax = with_confidence(local, estimator=scorer, task="a", threshold=LAX)
    strict = with_confidence(local, estimator=scorer, task="b", threshold=STRICT)
    for _ in range(2):
        for wrapped, task, action in ((lax, "a", "accept"), (strict, "b", "review")):
            payload = told(wrapped.invoke("Why?"))
            assert (payload["task"], payload["decision"]["action"]) == (task, action)
    assert KEY not in local.invoke("Why?").response_metadata


def test_choices_never_get_a_self_checks_number(local, scorer, cache):
    free = with_confidence(local, estimator=scorer, task="t")
    chosen = with_confidence(local, estimator=scorer, task="t", choices=["A", "B"])
    for _ in range(2):
        assert told(free.invoke("Why?"))["source"] == "self_check"
        assert told(chosen.invoke("Why?"))["source"] == "choice"


@pytest.mark.parametrize("output", ["attach", "dict"])
def test_a_chain_is_scored_anew_from_a_cache(local, scorer, cache, output):
    chains = [
        with_confidence(PROMPT | local, estimator=scorer, task=task, threshold=policy, output=output)
        for task, policy in (("a", LAX), ("b", STRICT))
    ]
    for _ in range(2):
        for chain, task, action in zip(chains, "ab", ("accept", "review"), strict=True):
            found = chain.invoke({"question": "Why?"})
            decision = found["decision"] if output == "dict" else told(found)["decision"]
            assert decision["action"] == action
            assert (found["confidence"].task if output == "dict" else told(found)["task"]) == task
    assert KEY not in (PROMPT | local).invoke({"question": "Why?"}).response_metadata


async def test_the_answer_itself_does_come_out_of_the_cache(scorer, cache, estimator):
    calls = []

    class Counting(Echo):
        def _generate(self, messages, **kwargs):
            calls.append(messages)
            return super()._generate(messages, **kwargs)

    wrapped = with_confidence(Counting(), estimator=estimator, task="t")
    first, again, awaited = wrapped.invoke("Why?"), wrapped.invoke("Why?"), await wrapped.ainvoke("Why?")
    assert first.content == again.content == awaited.content == "Why?!"
    assert len(calls) == 1
    assert told(first)["value"] is not None
    batch = wrapped.batch(["Why?", "Who?"])
    assert [told(m)["question"] for m in batch] == ["Why?", "Who?"]
    assert len(calls) == 2


def test_a_decision_is_made_anew_each_time(tiny_model, scorer, cache):
    chat = ChatThermolang(local=tiny_model, max_tokens=5)

    class Changing(Policy):
        """One whose repr stays the same, whatever it decides."""

        def decide(self, confidence):
            return actions.pop(0).decide(confidence)

    actions = [LAX, STRICT]
    wrapped = with_confidence(chat, estimator=scorer, task="t", threshold=Changing())
    assert told(wrapped.invoke("Why?"))["decision"]["action"] == "accept"
    assert told(wrapped.invoke("Why?"))["decision"]["action"] == "review"


def test_a_cache_may_be_set_after_the_model_was_wrapped(local, scorer):
    lax, strict = (
        with_confidence(local, estimator=scorer, task=task, threshold=policy)
        for task, policy in (("a", LAX), ("b", STRICT))
    )
    set_llm_cache(InMemoryCache())
    try:
        for _ in range(2):
            for wrapped, task, action in ((lax, "a", "accept"), (strict, "b", "review")):
                payload = told(wrapped.invoke("Why?"))
                assert (payload["task"], payload["decision"]["action"]) == (task, action)
        assert KEY not in local.invoke("Why?").response_metadata
    finally:
        set_llm_cache(None)


def test_what_a_cache_gave_out_stays_as_it_was(chat, estimator):
    set_llm_cache(InMemoryCache())
    try:
        lax = with_confidence(chat, estimator=estimator, task="a", threshold=LAX)
        strict = with_confidence(chat, estimator=estimator, task="b", threshold=STRICT)
        first = lax.invoke("Why?")
        strict.invoke("Why?")
        assert (told(first)["task"], told(first)["decision"]["action"]) == ("a", "accept")
        assert KEY not in chat.invoke("Why?").response_metadata
    finally:
        set_llm_cache(None)


def test_a_callback_scores_what_comes_out_of_a_cache_anew(chat, estimator, cache):
    for task in ("a", "b", "a"):
        message = chat.invoke("Why?", {"callbacks": [ConfidenceCallbackHandler(estimator, task=task)]})
        assert told(message)["task"] == task


def test_inside_a_function_what_comes_out_of_a_cache_is_scored_anew(chat, estimator, cache):
    for task in ("a", "b"):
        chain = with_confidence(RunnableLambda(lambda row: chat.invoke(row)), estimator=estimator, task=task)
        assert told(chain.invoke("Why?"))["task"] == task


def test_other_weights_answer_for_themselves(tiny_model, tiny_chat, scorer, calibrator_for, cache):
    other = LocalModel(tiny_llama(len(tiny_model.tokenizer), seed=1), tiny_model.tokenizer, name="other")
    theirs = ConfidenceEstimator(other, calibrator_for(other), state_dir=None)
    chat = chat_huggingface(other)
    assert chat._get_llm_string() == tiny_chat._get_llm_string()  # LangChain's key does not tell them apart
    plain = [tiny_chat.invoke("Why?").text]
    cache.clear()
    assert with_confidence(tiny_chat, estimator=scorer).invoke("Why?").text == plain[0]
    assert with_confidence(chat, estimator=theirs).invoke("Why?").text != plain[0]


# The model's own cache= setting


def test_a_cache_of_the_models_own_is_used(estimator):
    own = InMemoryCache()
    with_confidence(Echo(cache=own), estimator=estimator).invoke("Why?")
    ((kept,),) = own._cache.values()
    assert kept.message.content == "Why?!" and KEY not in kept.message.response_metadata


def test_a_model_may_refuse_or_demand_a_cache(estimator, cache):
    refusing = with_confidence(Echo(cache=False), estimator=estimator)
    refusing.invoke("Why?")
    if isinstance(cache, InMemoryCache):
        assert cache._cache == {}
    set_llm_cache(None)
    with pytest.raises(ValueError, match="call set_llm_cache first"):
        with_confidence(Echo(cache=True), estimator=estimator).invoke("Why?")
    assert with_confidence(Echo(), estimator=estimator).invoke("Why?").content == "Why?!"


def test_the_cache_behind_it_is_cleared(estimator):
    own = InMemoryCache()
    wrapped = with_confidence(Echo(cache=own), estimator=estimator)
    wrapped.invoke("Why?")
    assert isinstance(wrapped.cache, AnswerCache)
    wrapped.cache.clear()
    assert own._cache == {}
    own.update("p", wrapped.cache._key("l"), [ChatGeneration(message=AIMessage("x"))])
    assert wrapped.cache.lookup("p", "l")[0].message.content == "x"
    assert wrapped.cache.lookup("other", "l") is None
