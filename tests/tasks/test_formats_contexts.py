"""Questions about passages: the passage is the same for all its questions, and nothing of a prompt is left."""

import pytest

from thermolang.tasks import formats as contexts
from thermolang.types import Example

STORY = "Ada has a red kite.\n\nHer brother Bo has a blue one."
ASKED = ["Who has a kite?", "Which color?", "Who is Bo?", "How old is he?", "And his kite?"]
FIRST = ["Ada", "red", "her brother.", "unknown", "blue"]
SECOND = ["Ada ", "It is red", "her brother.", "unknown", "blue"]


def conversations():
    """One conversation in the three shapes in which CoQA is around."""
    turns = [
        {"turn": i, "question": q, "answers": [a, b]}
        for i, (q, a, b) in enumerate(zip(ASKED, FIRST, SECOND, strict=True))
    ]
    texts = [[{"input_text": t, "turn_id": i} for i, t in enumerate(column, 1)] for column in (ASKED, FIRST, SECOND)]
    hub = {"source": "x", "story": STORY, "questions": ASKED, "answers": {"input_text": FIRST, "answer_start": [0] * 5}}
    return (
        contexts.coqa_grouped({"story": STORY, "turns": turns}),
        contexts.coqa_story(
            {"story": STORY, "questions": texts[0], "answers": texts[1], "additional_answers": {"0": texts[2]}}
        ),
        contexts.coqa_hub(hub),
    )


def test_a_conversation_shares_one_context_and_carries_its_last_three_turns():
    examples = conversations()[0]
    assert {e.context for e in examples} == {STORY}
    assert examples[0] == Example("Who has a kite?", ("Ada",), context=STORY)
    assert examples[1].question == "Q: Who has a kite?\nA: Ada\nWhich color?"
    assert examples[4].question == (
        "Q: Which color?\nA: red\nQ: Who is Bo?\nA: her brother.\nQ: How old is he?\nA: unknown\nAnd his kite?"
    )
    assert examples[1].answers == ("red", "It is red")


def test_a_turn_without_an_answer_has_no_gold():
    assert [bool(e.answers) for e in conversations()[0]] == [True, True, True, False, True]


def test_the_three_shapes_of_coqa_agree():
    grouped, published, hub = conversations()
    assert grouped == published
    assert [(e.question, e.context) for e in hub] == [(e.question, e.context) for e in grouped]
    assert [e.answers[:1] for e in hub] == [e.answers[:1] for e in grouped]


def test_lists_of_a_conversation_must_be_equally_long():
    with pytest.raises(ValueError, match="zip"):
        contexts.coqa_hub({"story": "s", "questions": ["a?", "b?"], "answers": {"input_text": ["a"]}})


def spans(*texts):
    return [{"text": text, "answer_start": 0} for text in texts]


def test_the_shapes_of_squad_agree():
    context, question, answers = "Rain: fell.\nQuestion: why?\nNobody knew.", "What fell?", ["rain", "Rain", "rain"]
    wanted = [Example(question, ("rain", "Rain"), context=context)]
    qas = [{"question": question, "answers": spans(*answers), "is_impossible": False}]
    prompt = f"Title: Weather: a\nBackground: {context}\nQuestion: {question}\nAnswer:"
    assert contexts.squad_article({"title": "t", "paragraphs": [{"context": context, "qas": qas}]}) == wanted
    assert contexts.squad_row({"context": f" {context} ", "question": question, "answers": {"text": answers}}) == wanted
    # The context holds a line that looks like the prompt's last one.
    assert contexts.squad_olmo({"query": prompt, "answers_text": answers})[0].answers == ("rain", "Rain")
    assert contexts.squad_olmo({"query": prompt, "answers_text": answers}) == wanted


def test_unanswerable_questions_have_no_gold():
    qas = [{"question": "a?", "answers": [], "is_impossible": True}, {"question": "b?", "answers": spans("b")}]
    examples = contexts.squad_article({"paragraphs": [{"context": "c", "qas": qas}]})
    assert [e.answers for e in examples] == [(), ("b",)]
    assert contexts.squad_row({"context": "c", "question": "a?", "answers": {"text": []}})[0].answers == ()


def test_the_title_of_jsquad_is_a_line_of_its_own():
    qas = [{"question": "いつ?", "answers": spans("六月")}]
    (example,) = contexts.squad_article({"paragraphs": [{"context": "梅雨 [SEP] 梅雨は六月。", "qas": qas}]})
    assert example == Example("いつ?", ("六月",), context="梅雨\n梅雨は六月。")


def test_another_prompt_is_refused():
    with pytest.raises(ValueError, match="`query` is not of the form"):
        contexts.squad_olmo({"query": "What fell?", "answers_text": ["rain"]})


@pytest.mark.parametrize(("answer", "text"), [(True, "yes"), (False, "no")])
@pytest.mark.parametrize("question", ["is rain wet", "is rain wet?", " is rain wet "])
def test_boolq_gets_its_question_mark(question, answer, text):
    row = {"question": question, "answer": answer, "passage": "Rain.\n"}
    assert contexts.boolq(row) == [Example("is rain wet?", (text,), context="Rain.")]


@pytest.mark.parametrize(
    ("answers", "aliases"),
    [
        ([["3"]], ("3",)),
        ([["3"], ["2"], ["3"]], ("3", "2")),
        # Spans of one answer belong together: one of them alone is not right.
        ([["Burma and China"], ["Burma", "China"]], ("Burma and China", "Burma, China")),
        (["3", "three"], ("3", "three")),
    ],
)
def test_answers_of_drop(answers, aliases):
    row = {"passage": "p", "question": "How many?", "answers": answers}
    assert contexts.drop_olmo(row) == [Example("How many?", aliases, context="p")]


@pytest.mark.parametrize(("found", "aliases"), [(["3"], ("3",)), (["3", "3 "], ("3",)), (["Burma", "China"], ())])
def test_answers_of_drop_on_the_hub_that_could_be_a_list_are_not_used(found, aliases):
    row = {"passage": "p", "question": "Which?", "answers_spans": {"spans": found, "types": ["span"] * len(found)}}
    assert contexts.drop_hub(row)[0].answers == aliases
