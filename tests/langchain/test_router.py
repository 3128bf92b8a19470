"""ConfidenceRouter: accepted answers go on, doubtful ones to the store, no answer is ever lost."""

import logging

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda

from tests.langchain.conftest import Echo
from thermolang import Confidence, Policy, ReviewStore
from thermolang.errors import InvalidInputError
from thermolang.langchain.messages import KEY, attach
from thermolang.langchain.router import PLACEHOLDER, ConfidenceRouter
from thermolang.langchain.wrapper import with_confidence
from thermolang.review import Audit

QUESTIONS = [f"What is the capital of country {i}?" for i in range(8)]
BARE = ChatPromptTemplate.from_template("{question}")
ASKED = {"question": "Why?"}
DOUBT = Policy(threshold=1)
TRUST = Policy(threshold=0, review_unsupported=False)


def answered(confidence, text="Sydney", question="Capital of Australia?"):
    message = AIMessage(text)
    attach(message, confidence, question=question, model="tiny")
    return message


@pytest.mark.parametrize(
    ("confidence", "action", "reason"),
    [
        (Confidence(0.9), "accept", "90 % reaches"),
        (Confidence(0.5), "review", "below the 80 % needed"),
        (Confidence(0.1), "reject", "where answers are rejected"),
        (Confidence(0.9, supported=False, novelty=1.5), "review", "unlike"),
        (Confidence(None, reason="the model was asleep"), "review", "the model was asleep"),
    ],
)
def test_messages_are_accepted_reviewed_or_rejected(store, confidence, action, reason):
    message = answered(confidence)
    routed = ConfidenceRouter(store, Policy(threshold=0.8, reject_below=0.2)).invoke(message)
    decision = routed.response_metadata[KEY]["decision"]
    assert (decision["action"], decision["threshold"]) == (action, 0.8)
    assert reason in decision["reason"]
    assert routed.content == message.content
    assert KEY in message.response_metadata
    assert "decision" not in message.response_metadata[KEY]
    if action != "review":
        assert decision["item_id"] is None
        assert store.counts()["pending"] == 0
        return
    (item,) = store.list()
    assert item.id == decision["item_id"]
    assert (item.question, item.answer, item.model) == ("Capital of Australia?", "Sydney", "tiny")
    assert item.confidence.value == confidence.value


def test_the_item_is_in_the_database_when_the_router_returns(chat, prompt, estimator, store, url):
    seen = []

    def look(message):
        with ReviewStore(url) as another:
            seen.append(another.get(message.response_metadata[KEY]["decision"]["item_id"]).answer)
        return message

    chain = prompt | with_confidence(chat, estimator=estimator) | ConfidenceRouter(store, Policy(threshold=1))
    (chain | RunnableLambda(look)).invoke({"question": "Why?"})
    assert seen == ["Why?!"]


def test_a_batch_is_routed_item_by_item(chat, prompt, estimator, store):
    chain = prompt | with_confidence(chat, estimator=estimator) | ConfidenceRouter(store, Policy(threshold=1))
    for message in chain.batch([{"question": q} for q in QUESTIONS], {"max_concurrency": 4}):
        payload = message.response_metadata[KEY]
        item = store.get(payload["decision"]["item_id"])
        assert (item.question, item.answer) == (payload["question"], message.content)
        assert item.confidence.value == payload["value"]
    assert store.counts()["pending"] == len(QUESTIONS)


def test_a_message_without_a_confidence_goes_to_review(chat, store):
    router = ConfidenceRouter(store)
    routed = (chat | router).invoke("Why?")
    assert routed.content == "Why?!"
    (item,) = store.list()
    assert (item.answer, item.confidence.value) == ("Why?!", None)
    assert "with_confidence" in item.reason
    assert router.invoke(routed).response_metadata[KEY]["decision"]["action"] == "review"  # routed twice


def test_a_store_that_is_down_never_costs_the_answer(store, caplog):
    store.close()
    router = ConfidenceRouter(store)
    with caplog.at_level(logging.ERROR):
        routed = router.invoke(answered(Confidence(0.3)))
        as_dict = router.invoke({"output": "Sydney", "confidence": Confidence(0.3), "question": "?"})
    assert (routed.content, as_dict["output"]) == ("Sydney", "Sydney")
    for decision in (routed.response_metadata[KEY]["decision"], as_dict["decision"]):
        assert (decision["action"], decision["item_id"]) == ("review", None)
        assert "below the 70 % needed" in decision["reason"]
        assert "not stored: this review store is closed" in decision["reason"]
    assert caplog.text.count("could not be stored") == 2


@pytest.mark.parametrize("confidence", [Confidence(0.5), Confidence(0.1), Confidence(None)])
def test_in_shadow_doubtful_answers_are_recorded_and_go_on(store, confidence):
    policy = Policy(0.8, 0.2, mode="shadow")
    routed = ConfidenceRouter(store, policy, on_review="hold").invoke(answered(confidence))
    decision = routed.response_metadata[KEY]["decision"]
    assert routed.content == "Sydney"
    assert (decision["mode"], decision["action"]) == ("shadow", policy.decide(confidence).action)
    assert store.counts()["pending"] == (decision["action"] == "review")
    enforced = ConfidenceRouter(store, Policy(0.8, 0.2), on_review="hold").invoke(answered(confidence))
    assert enforced.content == PLACEHOLDER


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_in_shadow_no_fallback_is_asked(store, asynchronous):
    def refuse(_):
        raise AssertionError

    chain, policy = RunnableLambda(lambda _: answered(Confidence(0.1))), Policy(0.8, mode="shadow")
    router = ConfidenceRouter(store, policy, on_review="fallback", chain=chain, fallback=RunnableLambda(refuse))
    routed = await router.ainvoke("?") if asynchronous else router.invoke("?")
    assert routed.content == "Sydney"
    assert store.counts()["pending"] == 1


def test_an_accepted_answer_needs_no_store(store):
    store.close()
    routed = ConfidenceRouter(store).invoke(answered(Confidence(0.95)))
    assert routed.response_metadata[KEY]["decision"]["action"] == "accept"


@pytest.mark.parametrize(
    "wrong",
    ["text", HumanMessage("x"), {"output": "x"}, {"output": "x", "confidence": 0.5}, {"confidence": Confidence(0.5)}],
    ids=["text", "human", "no confidence", "a number", "no output"],
)
def test_what_a_router_cannot_route_is_refused(store, wrong):
    with pytest.raises(InvalidInputError, match=r"takes an AIMessage or the dict .*put it right after the model"):
        ConfidenceRouter(store).invoke(wrong)


def test_the_local_model_from_end_to_end(tiny_chat, tiny_estimator, store):
    chain = BARE | with_confidence(tiny_chat, task="t", estimator=tiny_estimator)
    chain = chain | ConfidenceRouter(store, Policy(threshold=1, review_unsupported=False))
    message = chain.invoke({"question": "Capital of France?"})
    (item,) = store.list()
    assert (item.question, item.answer) == ("Capital of France?", message.text)
    assert item.confidence.calibrator == tiny_estimator.calibrator.id
    assert item.task == "t"


# What goes on in place of a doubtful answer


@pytest.fixture
def small(chat, prompt, estimator):
    return prompt | with_confidence(chat, task="t", estimator=estimator)


@pytest.fixture
def small_dict(chat, prompt, estimator):
    return with_confidence(prompt | chat | StrOutputParser(), task="t", estimator=estimator, output="dict")


async def both(runnable, given):
    """The same from invoke and ainvoke."""
    return runnable.invoke(given), await runnable.ainvoke(given)


async def test_a_held_answer_is_seen_by_the_operator_only(small, small_dict, store):
    router = ConfidenceRouter(store, DOUBT, on_review="hold")
    for message in await both(small | router, ASKED):
        assert message.content == PLACEHOLDER
        assert "Why?!" not in str(message.response_metadata)
        assert store.get(message.response_metadata[KEY]["decision"]["item_id"]).answer == "Why?!"
    result = (small_dict | router).invoke(ASKED)
    assert result["output"] == PLACEHOLDER
    assert store.get(result["decision"]["item_id"]).answer == "Why?!"
    accepted = (small | ConfidenceRouter(store, TRUST, on_review="hold")).invoke(ASKED)
    assert accepted.content == "Why?!"


def test_a_held_answer_is_not_spelled_by_its_log_probabilities(store):
    message = answered(Confidence(0.3))
    message.response_metadata["logprobs"] = {"content": [{"token": "Sydney", "logprob": -0.1}]}
    held = ConfidenceRouter(store, on_review="hold").invoke(message)
    assert "Sydney" not in str(held)
    assert "logprobs" in message.response_metadata  # the given message is left alone


def test_a_rejected_answer_is_held_too(small, store):
    router = ConfidenceRouter(store, Policy(threshold=1, reject_below=1), on_review="hold", placeholder="wait")
    message = (small | router).invoke(ASKED)
    assert (message.content, message.response_metadata[KEY]["decision"]["action"]) == ("wait", "reject")


def test_a_held_answer_that_cannot_be_stored_is_kept_in_the_metadata(small, small_dict, store):
    store.close()
    router = ConfidenceRouter(store, DOUBT, on_review="hold")
    message = (small | router).invoke(ASKED)
    assert (message.content, message.response_metadata[KEY]["held"]) == (PLACEHOLDER, "Why?!")
    result = (small_dict | router).invoke(ASKED)
    assert (result["output"], result["held"]) == (PLACEHOLDER, "Why?!")


async def test_a_fallback_gets_the_same_input(small, store):
    seen = []
    larger = RunnableLambda(lambda row: seen.append(row) or AIMessage("Because."))
    router = ConfidenceRouter(store, DOUBT, on_review="fallback", chain=small, fallback=larger)
    for message in await both(router, ASKED):
        payload = message.response_metadata[KEY]
        assert (message.content, payload["decision"]["fallback"]) == ("Because.", True)
        assert "value" not in payload  # the number belongs to the other answer
        assert store.get(payload["decision"]["item_id"]).answer == "Why?!"
    assert seen == [ASKED, ASKED]


def test_an_accepted_answer_asks_no_fallback(small, store):
    fallback = RunnableLambda(lambda _: 1 / 0)
    router = ConfidenceRouter(store, TRUST, on_review="fallback", chain=small, fallback=fallback)
    assert router.invoke(ASKED).content == "Why?!"


def test_a_fallback_with_a_confidence_is_judged_by_it(small, prompt, estimator, store):
    larger = prompt | with_confidence(Echo(says="{} Because."), task="t", estimator=estimator)
    router = ConfidenceRouter(store, DOUBT, on_review="fallback", chain=small, fallback=larger)
    message = router.invoke(ASKED)
    assert message.content == "Why? Because."
    assert {item.answer for item in store.list()} == {"Why?!", "Why? Because."}
    assert store.get(message.response_metadata[KEY]["decision"]["item_id"]).answer == "Why? Because."


async def test_a_fallback_that_fails_leaves_the_doubtful_answer(small, store, caplog):
    fallback = RunnableLambda(lambda _: 1 / 0)
    router = ConfidenceRouter(store, DOUBT, on_review="fallback", chain=small, fallback=fallback)
    for message in await both(router, ASKED):
        assert message.content == "Why?!"
        assert message.response_metadata[KEY]["decision"]["action"] == "review"
    assert caplog.text.count("the fallback failed") == 2


def test_a_fallback_of_a_dict_chain_may_be_a_plain_one(small_dict, store):
    fallback = RunnableLambda(lambda _: "Because.")
    router = ConfidenceRouter(store, DOUBT, on_review="fallback", chain=small_dict, fallback=fallback)
    result = router.invoke(ASKED)
    assert (result["output"], result["confidence"].value) == ("Because.", None)
    assert result["decision"]["fallback"]


def test_without_a_policy_of_its_own_it_keeps_the_decision_on_the_message(chat, prompt, estimator, store):
    for threshold, action in ((Policy(threshold=0, review_unsupported=False), "accept"), (1.0, "review")):
        scored = prompt | with_confidence(chat, task="t", threshold=threshold, estimator=estimator)
        decision = (scored | ConfidenceRouter(store)).invoke(ASKED).response_metadata[KEY]["decision"]
        assert decision["action"] == action
        decision = (scored | ConfidenceRouter(store, DOUBT)).invoke(ASKED).response_metadata[KEY]["decision"]
        assert decision["action"] == "review"


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"on_review": "drop"}, "'flag', 'hold' or 'fallback', not 'drop'"),
        ({"on_review": "fallback"}, "go together"),
        ({"fallback": RunnableLambda(str)}, "go together"),
        ({"on_review": "fallback", "fallback": RunnableLambda(str)}, "go together"),
    ],
    ids=["unknown", "no fallback", "no mode", "no chain"],
)
def test_options_that_mean_nothing_are_refused(store, options, match):
    with pytest.raises(InvalidInputError, match=match):
        ConfidenceRouter(store, **options)


def test_of_accepted_answers_the_audit_stores_its_share_unmarked(url):
    with ReviewStore(url, audit=Audit(1.0)) as store:
        routed = ConfidenceRouter(store, Policy(0.8)).invoke(answered(Confidence(0.9)))
        (item,) = store.list()
    decision = routed.response_metadata[KEY]["decision"]
    # Who gets the answer does not learn of it either.
    assert (routed.content, decision["action"], decision["item_id"]) == ("Sydney", "accept", None)
    assert (item.answer, item.question, item.model) == ("Sydney", "Capital of Australia?", "tiny")


def test_an_answer_goes_on_although_the_audit_cannot_store_it(store, caplog):
    store.audit = Audit(1.0)
    store.close()
    routed = ConfidenceRouter(store, Policy(0.8)).invoke(answered(Confidence(0.9)))
    assert routed.response_metadata[KEY]["decision"]["action"] == "accept"
    assert "could not be offered to the audit" in caplog.text
