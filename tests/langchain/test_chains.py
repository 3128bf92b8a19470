"""Which answer leaves a chain: the last model's, each branch's, never a helper step's."""

from functools import partial
from operator import itemgetter

import pytest
from langchain_core.documents import Document
from langchain_core.output_parsers import JsonOutputParser, StrOutputParser
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder, PromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import (
    ConfigurableField,
    RouterRunnable,
    RunnableBranch,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)

from tests.langchain.conftest import Echo
from thermolang.langchain.chains import changed, chat_models, survey, template_name

ONE, TWO, THREE = Echo(says="1 {}"), Echo(says="2 {}"), Echo(says="3 {}")
PROMPT, OTHER = ChatPromptTemplate.from_template("{question}"), ChatPromptTemplate.from_template("Answer: {question}")
A, B, C = PROMPT | ONE | StrOutputParser(), OTHER | TWO | StrOutputParser(), PROMPT | THREE | StrOutputParser()


class Found(BaseRetriever):
    """Always the same document."""

    def _get_relevant_documents(self, query, *, run_manager):
        return [Document("Oslo is in Norway.")]


def leaving(chain, key=None):
    """By path, which of the three models may have answered; and whether answers are mixed."""
    names = {id(ONE): 1, id(TWO): 2, id(THREE): 3}
    return {
        (".".join(answer.path), answer.mixed): sorted({names[id(m)] for step in answer.steps for m in step.models})
        for answer in survey(chain).answers(key)
    }


def fan(**branches):
    return RunnableParallel(**branches)


assign = RunnablePassthrough.assign

ONE_ANSWER = {
    "a model": ONE,
    "prompt | model": PROMPT | ONE,
    "prompt | model | parser": A,
    "a parser of JSON": PROMPT | ONE | JsonOutputParser(),
    "a function behind it": A | (lambda text: text.upper()),
    "bound and configured": PROMPT | ONE.bind(stop=["x"]).with_config(tags=["y"]).with_retry(),
    "configurable": PROMPT | ONE.configurable_fields(says=ConfigurableField(id="says")),
    "a helper before it": assign(question=B) | A,
    "a helper's answer is read": {"question": B} | A,
    "helpers side by side": fan(question=B, other=C) | A,
    "a helper that is kept": assign(q=B) | A,
    "a condition": RunnableBranch((B | (lambda text: "x" in text), RunnableLambda(str)), A),
    "a fallback without a model": A.with_fallbacks([RunnableLambda(str)]),
    "map and reduce": RunnableLambda(lambda row: [row]) | B.map() | (lambda texts: {"question": texts}) | A,
    "a query for a retriever": B | Found() | (lambda docs: {"question": docs}) | A,
    "picked": fan(a=A, b=B).pick("a"),
    "got": fan(a=A, b=B) | itemgetter("a"),
    "in a function": RunnableLambda(lambda row: A.invoke(row)),
    "given back by a function": RunnableLambda(lambda row: A),
    "a bound method": RunnableLambda(A.invoke),
    "a partial function": RunnableLambda(partial(lambda chain, row: chain.invoke(row), A)),
}


@pytest.mark.parametrize("shape", ONE_ANSWER)
def test_one_answer_leaves(shape):
    assert leaving(ONE_ANSWER[shape]) == {("", ""): [1]}


KEYED = {
    "retrieval": (assign(context=Found()).assign(answer=A), {"answer": [1]}),
    "retrieval side by side": (fan(context=Found(), question=RunnablePassthrough(), answer=A), {"answer": [1]}),
    "a rewritten question": (assign(question=B).assign(context=Found()).assign(answer=A), {"answer": [1]}),
    "sources behind it": (assign(answer=A).assign(sources=lambda row: row.get("context")), {"answer": [1]}),
    "an answer that is trimmed": (
        assign(answer=A).assign(answer=itemgetter("answer") | RunnableLambda(str.strip)),
        {"answer": [1]},
    ),
    "raw and parsed": (fan(raw=PROMPT | ONE) | assign(parsed=itemgetter("raw") | JsonOutputParser()), {"raw": [1]}),
    "two": (fan(a=A, b=B), {"a": [1], "b": [2]}),
    "two assigned": (assign(a=A, b=B), {"a": [1], "b": [2]}),
    "nested": (fan(a=A, inner=fan(b=B, c=C)), {"a": [1], "inner.b": [2], "inner.c": [3]}),
    "a fallback in a branch": (fan(a=A.with_fallbacks([C]), b=B), {"a": [1, 3], "b": [2]}),
    "branches of dicts": (RunnableBranch((bool, fan(a=A, b=B)), fan(a=C)), {"a": [1, 3], "b": [2]}),
    "some of them": (fan(a=A, b=B, c=C).pick(["a", "c"]), {"a": [1], "c": [3]}),
    "joined afterwards": (fan(a=A, b=B) | assign(both=lambda row: row["a"] + row["b"]), {"a": [1], "b": [2]}),
}


@pytest.mark.parametrize("shape", KEYED)
def test_answers_are_told_by_their_keys(shape):
    chain, expected = KEYED[shape]
    assert leaving(chain) == {(key, ""): models for key, models in expected.items()}


def test_alternatives_are_one_answer():
    router = RouterRunnable(runnables={"a": A, "b": B})
    branch = RunnableBranch((bool, A), B)
    chosen = ONE.configurable_alternatives(ConfigurableField(id="model"), two=TWO)
    for chain in (router, branch, A.with_fallbacks([B]), PROMPT | chosen):
        assert leaving(chain) == {("", ""): [1, 2]}


def test_what_cannot_be_told_apart_is_said():
    assert leaving(fan(a=A, b=B) | (lambda row: row["a"] + row["b"])) == {("", "merged"): [1, 2]}
    assert leaving(RunnableBranch((bool, fan(a=A)), B)) == {("", "merged"): [1, 2]}
    assert leaving(A.map()) == {("", "listed"): [1]}


def test_no_answer_leaves_a_chain_that_ends_elsewhere():
    assert leaving(A | Found()) == leaving(A | PROMPT) == leaving(PROMPT) == {}


def test_a_key_chooses():
    chain = assign(question=B).assign(answer=A)
    assert leaving(chain, "question") == {("question", ""): [2]}
    assert leaving(chain, "context") == {}
    assert leaving(A, "answer") == {("answer", ""): [1]}  # a dict that the model wrote itself


def test_the_template_is_the_one_before_the_model():
    (answer,) = survey(assign(question=B) | A).answers()
    assert answer.steps[0].template is PROMPT
    (answer,) = survey(PROMPT | RunnableLambda(lambda p: p) | RunnableBranch((bool, ONE), ONE)).answers()
    assert all(step.template is PROMPT for step in answer.steps)


@pytest.mark.parametrize("shape", ["a model", "prompt | model", "bound and configured", "a fallback without a model"])
def test_a_part_is_exchanged_and_the_given_chain_left_alone(shape):
    chain = ONE_ANSWER[shape]
    (answer,) = survey(chain).answers()
    again = changed(chain, answer.steps[0].way, TWO)
    assert leaving(again) == {("", ""): [2]}
    assert leaving(chain) == {("", ""): [1]}


@pytest.mark.parametrize("chain", [KEYED["nested"][0], KEYED["branches of dicts"][0], assign(a=A.with_retry(), b=C)])
def test_parts_deep_inside_are_exchanged_too(chain):
    for answer in survey(chain).answers():
        for step in answer.steps:
            new = Echo()
            inside = survey(changed(chain, step.way, new)).steps
            assert [s.part for s in inside if s.way == step.way] == [new]
            assert len(inside) == len(survey(chain).steps)


# Models and templates inside


def shapes(model):
    prompt = ChatPromptTemplate.from_template("{question}")
    chain = prompt | model | StrOutputParser()
    return {
        "model": model,
        "bound": model.bind(stop=["x"]),
        "configured": model.with_config(tags=["x"]),
        "retried": model.with_retry(),
        "prompt | model": prompt | model,
        "prompt | model | parser": chain,
        "parallel": RunnableParallel(answer=chain, question=RunnablePassthrough()),
        "assigned": RunnablePassthrough.assign(answer=chain),
        "branch": RunnableBranch((lambda x: bool(x), chain), RunnableLambda(str)),
        "default of a branch": RunnableBranch((lambda x: bool(x), RunnableLambda(str)), chain),
        "nested": RunnableLambda(dict) | (chain | RunnableLambda(str)).with_config(tags=["x"]),
        "mapped": chain.map(),
        "fallback for a chain": chain.with_fallbacks([RunnableLambda(str)]),
        "fallback itself": RunnableLambda(str).with_fallbacks([chain]),
        "everything": (RunnablePassthrough.assign(a=chain.bind(stop=["x"]).with_retry()) | RunnableLambda(str)).map(),
        "routed": RouterRunnable(runnables={"a": chain}),
        "a function's": RunnableLambda(lambda row: chain.invoke(row)),
    }


@pytest.mark.parametrize("shape", shapes(Echo()))
def test_the_chat_model_is_found_inside(shape):
    model = Echo()
    (found,) = chat_models(shapes(model)[shape])
    assert found is model


def test_none_or_several_chat_models_are_found(prompt):
    one, two = Echo(), Echo()
    assert chat_models(prompt | StrOutputParser()) == []
    assert [id(m) for m in chat_models(RunnableParallel(a=one, b=prompt | two))] == [id(one), id(two)]
    assert [id(m) for m in chat_models(one.with_fallbacks([two]))] == [id(one), id(two)]
    assert len(chat_models(RunnableParallel(a=one, b=one))) == 1


class Pipeline:
    """As many write it: a class with the chain as an attribute."""

    def __init__(self, chain):
        self.chain, self.itself = chain, self

    def answer(self, row):
        return self.chain.invoke(row)


def helper(row):
    return A.invoke(row)


def test_functions_are_searched(prompt):
    chains = {"a": A}
    for func in (Pipeline(A).answer, lambda row: chains[row["which"]], lambda row: helper(row), helper):
        assert chat_models(RunnableLambda(func)) == [ONE]
    assert chat_models(RunnableLambda(len)) == []


def test_a_variable_without_a_value_yet_is_passed_over():
    def call(row):
        return later.invoke(row)

    assert chat_models(RunnableLambda(call)) == []
    later = A
    assert chat_models(RunnableLambda(call)) == [ONE]


def test_a_template_names_its_task():
    def make(text="Capital of {x}?", system="Be brief."):
        return ChatPromptTemplate.from_messages([("system", system), ("human", text)])

    name = template_name(make() | Echo() | StrOutputParser())
    assert name is not None
    assert name.startswith("template-")
    assert template_name(make()) == template_name(make() | Echo()) == name
    assert template_name(make(text="River of {x}?")) != name
    assert template_name(make(system="Explain.")) != name
    assert template_name(Echo()) is None


def test_the_values_filled_into_a_template_do_not_change_its_name():
    chat = ChatPromptTemplate.from_messages([("human", "{today}: {x}"), MessagesPlaceholder("history")])
    plain = PromptTemplate.from_template("{today}: {x}")
    for template in (chat, plain):
        names = {template_name(t) for t in (template, template.partial(today=lambda: "Tuesday"))}
        assert names == {template_name(template.partial(today="Monday"))}


def test_the_name_is_the_same_in_every_process():
    assert template_name(PromptTemplate.from_template("{a}").partial(a=lambda: "now")) == "template-e07e1525"
