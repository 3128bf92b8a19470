"""What LangChain asks of a chat model besides answers: token counts, a profile, options by other names, copies."""

import copy
import pickle

import pytest
from langchain.agents.middleware import SummarizationMiddleware
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage, trim_messages

from tests.chat_templates import KINDS
from tests.fakes import chat_huggingface, tiny_llama, tiny_tokenizer
from thermolang import ChatThermolang, ConfidenceEstimator, LocalModel, confidence_of, with_confidence
from thermolang.errors import InvalidInputError, ModelError, ModelTimeoutError

TEXT = "hello world, how are you?"
TALK = [SystemMessage("Be brief."), HumanMessage("Why?"), AIMessage("Because."), HumanMessage("What is the capital?")]


@pytest.fixture
def chat(tiny_model):
    return ChatThermolang(local=tiny_model, max_tokens=6)


def of_family(tiny_model, name):
    tokenizer = tiny_tokenizer(template=KINDS[name].template)
    return ChatThermolang(local=LocalModel(tiny_model.model, tokenizer, name=name))


# Tokens


def test_a_text_is_counted_by_the_models_own_tokenizer(chat, monkeypatch):
    monkeypatch.setattr("langchain_core.language_models.base.get_tokenizer", lambda: 1 / 0)  # GPT-2's, from the hub
    assert chat.get_num_tokens(TEXT) == len(chat.local.tokenizer(TEXT, add_special_tokens=False)["input_ids"]) > 0
    assert chat.get_token_ids(TEXT) == chat.local.encode(TEXT)


def test_messages_are_counted_as_the_prompt_that_they_make(chat, tiny_model):
    for talk in (TALK, TALK[1:], TALK[:1], TALK[:3]):
        expected = chat.invoke(talk).usage_metadata["input_tokens"]
        assert chat.get_num_tokens_from_messages(talk) == expected
    assert chat.get_num_tokens_from_messages([]) == 0


def test_tools_are_counted_too(tiny_model):
    def weather(city: str) -> str:
        """Weather of a city."""
        return city

    chat = of_family(tiny_model, "qwen-2.5")
    assert chat.get_num_tokens_from_messages(TALK, tools=[weather]) > chat.get_num_tokens_from_messages(TALK) + 50


@pytest.mark.parametrize("name", ["gemma-2", "mistral-0.1"])
def test_part_of_a_conversation_is_counted_where_the_template_refuses_it(tiny_model, name):
    chat = of_family(tiny_model, name)
    with pytest.raises(ModelError, match="begins with the user's turn"):
        chat.invoke(TALK[2:])
    whole, tail = chat.get_num_tokens_from_messages(TALK[1:]), chat.get_num_tokens_from_messages(TALK[2:])
    assert 0 < tail < whole
    alone = chat.get_num_tokens_from_messages([ToolMessage("rain", tool_call_id="1")])
    assert alone == chat.get_num_tokens_from_messages([HumanMessage("rain")])


def test_history_is_trimmed_to_a_number_of_tokens(chat):
    talk = [TALK[0], *TALK[1:3] * 10, TALK[3]]
    # LangChain counts the system message and the rest apart, each with the beginning of an answer.
    most = chat.get_num_tokens_from_messages(TALK) + len(chat.get_token_ids("<|im_start|>assistant\n"))
    trimmed = trim_messages(
        talk, max_tokens=most, token_counter=chat, strategy="last", start_on="human", include_system=True
    )
    assert trimmed == TALK
    assert chat.get_num_tokens_from_messages(trimmed) <= most < chat.get_num_tokens_from_messages(talk)


# Profile


def test_the_profile_knows_the_context_and_the_tools(chat, tiny_model):
    assert chat.profile["max_input_tokens"] == 256
    assert (chat.profile["tool_calling"], chat.profile["image_inputs"]) == (False, False)
    assert of_family(tiny_model, "qwen-2.5").profile["tool_calling"]
    assert with_confidence(chat, estimator=ConfidenceEstimator(tiny_model)).profile == chat.profile
    own = {"max_input_tokens": 7}
    assert ChatThermolang(local=tiny_model, profile=own).profile == own


def test_a_context_that_is_not_known_is_not_told(tiny_model):
    model = copy.copy(tiny_model.model)
    model.config = copy.deepcopy(model.config)
    model.config.max_position_embeddings = 0
    assert "max_input_tokens" not in ChatThermolang(local=LocalModel(model, tiny_model.tokenizer)).profile


def test_a_fraction_of_the_context_can_be_summarised():
    tokenizer = tiny_tokenizer()
    chat = ChatThermolang(local=LocalModel(tiny_llama(len(tokenizer), context=6000), tokenizer), max_tokens=6)
    middleware = SummarizationMiddleware(
        model=chat,
        trigger=("fraction", 0.5),
        keep=("fraction", 0.2),
        token_counter=chat.get_num_tokens_from_messages,
        trim_tokens_to_summarize=500,
    )
    long = [*TALK[1:3] * 150, TALK[3]]
    changed = middleware.before_model({"messages": long}, None)["messages"]
    assert len(changed) < len(long) and changed[-1].content == TALK[3].content
    assert middleware.before_model({"messages": TALK}, None) is None


# Options by other names


def test_hugging_faces_names_of_options_are_taken_with_a_call(chat):
    short = chat.invoke("Why?", max_tokens=3)
    assert chat.invoke("Why?", max_new_tokens=3).content == short.content
    assert chat.bind(max_new_tokens=3).invoke("Why?").usage_metadata["output_tokens"] == 3
    free = chat.invoke("Why?").content
    assert chat.invoke("Why?", stop_sequences=[free[2]]).content == chat.invoke("Why?", stop=[free[2]]).content
    assert list(chat.stream("Why?", max_new_tokens=3))[-1].usage_metadata["output_tokens"] == 3


def test_what_is_always_done_may_be_asked_for(chat):
    free = chat.invoke("Why?").content
    assert chat.invoke("Why?", skip_prompt=True, return_full_text=False).content == free
    assert "".join(chunk.content for chunk in chat.stream("Why?", skip_prompt=True)) == free


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"skip_prompt": False}, "the prompt is never part of an answer"),
        ({"return_full_text": True}, "the prompt is never part of an answer"),
        ({"max_tokens": 3, "max_new_tokens": 4}, "are one option: give it once"),
        ({"max_new_token": 3}, "does not know max_new_token; it knows"),
    ],
)
def test_options_that_cannot_be_obeyed_are_refused(chat, options, match):
    with pytest.raises(InvalidInputError, match=match):
        chat.invoke("Why?", **options)


def test_an_argument_of_transformers_is_told_where_it_goes():
    with pytest.raises(InvalidInputError, match=r"device_map; it knows .*model_kwargs") as error:
        ChatThermolang.from_model("nowhere", device_map="auto")
    said = str(error.value)
    assert all(name in said for name in ("max_tokens", "temperature", "batch_size"))
    assert not any(name in said for name in ("local", "scoring", "rate_limiter", "custom_get_token_ids"))


@pytest.mark.parametrize("name", ["local", "scoring"])
def test_what_belongs_to_the_class_alone_is_no_option(name, tiny_chat):
    with pytest.raises(InvalidInputError, match=f"does not know {name}"):
        ChatThermolang.from_chat_huggingface(tiny_chat, **{name: None})


def test_arguments_of_transformers_and_of_the_template_reach_them(tiny_model, tmp_path):
    tiny_model.model.save_pretrained(tmp_path)
    tiny_tokenizer(template=KINDS["qwen-3"].template).save_pretrained(tmp_path)
    chat = ChatThermolang.from_model(
        str(tmp_path),
        dtype="float32",
        model_kwargs={"device_map": "cpu", "attn_implementation": "eager"},
        template_arguments={"enable_thinking": False},
        max_new_tokens=3,
    )
    assert chat.local.model.config._attn_implementation == "eager"
    assert chat.local.render([{"role": "user", "content": "Why?"}]).endswith("</think>\n\n")
    assert chat.max_tokens == 3


# Copies


@pytest.fixture
def estimator(tiny_model, calibrator_for, monkeypatch):
    monkeypatch.setattr("thermolang.estimator.MIN_ANSWER_MASS", 0.0)
    return ConfidenceEstimator(tiny_model, calibrator_for(tiny_model, sources=("self_check",)), state_dir=None)


COPIES = {"deepcopy": copy.deepcopy, "pickle": lambda one: pickle.loads(pickle.dumps(one))}


@pytest.mark.parametrize("how", COPIES)
def test_a_scored_model_or_chain_is_copied(calibrator_for, how):
    # Weights of its own: a model whose middle layers were asked for has hooks of transformers that cannot be pickled.
    tokenizer = tiny_tokenizer()
    local = LocalModel(tiny_llama(len(tokenizer)), tokenizer, name="tiny")
    chat, tiny_chat = ChatThermolang(local=local, max_tokens=6), chat_huggingface(local)
    estimator = ConfidenceEstimator(local, calibrator_for(local), state_dir=None)
    for scored in (
        with_confidence(chat, estimator=estimator, task="t"),
        with_confidence(tiny_chat, estimator=estimator, task="t"),
    ):
        before = scored.invoke("Why?")
        after = COPIES[how](scored).invoke("Why?")
        assert after.content == before.content
        assert confidence_of(after).value == pytest.approx(confidence_of(before).value, abs=1e-4)


@pytest.mark.parametrize("how", COPIES)
def test_the_users_model_is_copied_after_it_was_used(how):
    tokenizer = tiny_tokenizer()
    weights = tiny_llama(len(tokenizer))
    model = LocalModel(weights, tokenizer)
    asked = [{"role": "user", "content": "Why?"}]
    scores = model.self_check(asked, "So.")
    model.choice_logits(asked, ["A", "B"])
    again = LocalModel(COPIES[how](weights), COPIES[how](tokenizer)).self_check(asked, "So.")
    assert again.logits == pytest.approx(scores.logits, abs=1e-5)
    assert COPIES[how](model).identity == model.identity
    assert COPIES[how](chat_huggingface(model)).invoke("Why?").content == chat_huggingface(model).invoke("Why?").content


# Time


def test_an_answer_that_takes_too_long_is_an_error_and_the_next_is_not(chat):
    with pytest.raises(ModelTimeoutError, match="within 1e-09 seconds"):
        chat.invoke(TALK, timeout=1e-9)
    assert chat.invoke(TALK).text == chat.invoke(TALK, timeout=600).text
