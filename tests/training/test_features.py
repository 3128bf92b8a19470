"""Reading tasks: what is kept on disk, what a restart computes, and what bad files cost."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.fakes import CHATML, tiny_llama, tiny_tokenizer
from thermolang.calibration.kinds import KINDS
from thermolang.errors import TaskFormatError
from thermolang.models.local import LocalModel
from thermolang.models.prompts import ANSWER_PREFIX, question_messages
from thermolang.training import features
from thermolang.training.features import collect, is_choice, item_key, order_signals, over_orders, with_rotations
from thermolang.training.store import load, text_key
from thermolang.types import Example, Generation, Task

ROOT = Path(__file__).parents[2]

CHOICES = Task(
    "choices", tuple(Example(f"Which? {'x' * (i % 7)} {i}", choices=("a", "b", "c"), label=i % 3) for i in range(15))
)
FREE = Task("free", tuple(Example(f"What is {i}?", answers=("Paris",)) for i in range(15)))
MIXED = Task("mixed", (CHOICES.examples[0], FREE.examples[0]))


class Reader(LocalModel):
    """The tiny model; counts the items it reads, and answers Paris to even questions."""

    def __init__(self):
        tokenizer = tiny_tokenizer()
        super().__init__(tiny_llama(len(tokenizer)), tokenizer, name="tiny")
        self.items = 0

    def read_at(self, prompts, option_ids, options, **how):
        self.items += len(prompts) * (len(options[0]) < 10)  # the digits of a verbalised confidence are no item
        return super().read_at(prompts, option_ids, options, **how)

    def generate_batch(self, conversations, sampling, *, prefixes=()):
        texts = [messages[-1]["content"] for messages in conversations]
        said = ["Paris." if int(text.split()[-1].strip("?")) % 2 == 0 else "Rome" for text in texts]
        return [Generation(text, (1,), (0.0,), "stop", 1) for text in said]


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(features, "ROWS_AT_ONCE", 4)


@pytest.fixture(scope="module")
def shared_reader():
    return Reader()


@pytest.fixture
def reader(shared_reader):
    shared_reader.items = 0
    return shared_reader


def assert_same(ours, theirs):
    assert ours.name == theirs.name
    np.testing.assert_array_equal(ours.labels, theirs.labels)
    np.testing.assert_array_equal(ours.hidden, theirs.hidden)
    np.testing.assert_array_equal(ours.logits, theirs.logits)


# What is read


def test_choices_are_read_in_the_tasks_order(reader, tmp_path):
    found = collect(reader, CHOICES, tmp_path)
    assert found.name == "choices"
    assert found.labels.tolist() == [e.label for e in CHOICES.examples]
    assert found.hidden.shape == (15, 32) and found.logits.shape == (15, 3)
    for i, example in enumerate(CHOICES.examples):
        alone = reader.choice_logits(question_messages(example), "ABC")
        np.testing.assert_allclose(found.logits[i], alone.logits, atol=1e-4)
        np.testing.assert_allclose(found.hidden[i], alone.hidden, atol=1e-2)


def test_answers_are_graded_and_checked(reader, tmp_path):
    found = collect(reader, FREE, tmp_path)
    assert found.labels.tolist() == [i % 2 for i in range(15)]  # 0: the answer is right
    assert found.logits.shape == (15, 2)
    for i, example in enumerate(FREE.examples):
        alone = reader.self_check(question_messages(example), ["Paris.", "Rome"][i % 2])
        np.testing.assert_allclose(found.logits[i], alone.logits, atol=1e-4)
        np.testing.assert_allclose(found.hidden[i], alone.hidden, atol=1e-2)


def test_the_model_answers_in_one_short_line(tiny_model):
    task = replace(FREE, examples=FREE.examples[:3])
    found = collect(tiny_model, task)
    for i, example in enumerate(task.examples):
        messages = question_messages(example)
        answer = tiny_model.generate(messages, max_new_tokens=32, stop=("\n",))
        assert "\n" not in answer.text
        np.testing.assert_allclose(found.logits[i], tiny_model.self_check(messages, answer.text).logits, atol=1e-3)


def test_without_a_folder_nothing_is_kept(reader, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    collect(reader, CHOICES)
    collect(reader, CHOICES)
    assert reader.items == 30
    assert list(tmp_path.iterdir()) == []


def test_both_forms_come_from_one_reading(reader, tmp_path):
    prefixed = collect(reader, CHOICES, tmp_path, form="prefix")
    assert reader.items == 15
    chat = collect(reader, CHOICES, tmp_path)
    assert reader.items == 15
    begun = {"role": "assistant", "content": ANSWER_PREFIX}
    for i, example in enumerate(CHOICES.examples):
        messages = question_messages(example)
        alone = reader.choice_logits([*messages, begun], "ABC")
        np.testing.assert_allclose(prefixed.logits[i], alone.logits, atol=1e-4)
        np.testing.assert_allclose(chat.logits[i], reader.choice_logits(messages, "ABC").logits, atol=1e-4)
    assert np.abs(prefixed.logits - chat.logits).max() > 0.01


def test_a_template_that_renders_the_forms_differently_costs_two_readings(tmp_path):
    tokenizer = tiny_tokenizer(
        template=CHATML.replace("{% if add_generation_prompt %}", "{% if add_generation_prompt %}!")
    )
    model = Reader()
    model.tokenizer = tokenizer
    found = collect(model, CHOICES, tmp_path, form="prefix")
    assert model.items == 30
    messages = [*question_messages(CHOICES.examples[3]), {"role": "assistant", "content": ANSWER_PREFIX}]
    np.testing.assert_allclose(found.logits[3], model.choice_logits(messages, "ABC").logits, atol=1e-4)


def test_the_middle_layer_is_that_of_transformers(reader):
    import torch

    found = collect(reader, CHOICES, layer="middle")
    ids = torch.tensor([reader.encode(reader.render(question_messages(CHOICES.examples[0])))])
    with torch.inference_mode():
        layers = reader.model(input_ids=ids, output_hidden_states=True).hidden_states
    assert reader.middle_layer == 1
    np.testing.assert_allclose(found.hidden[0], layers[1][0, -1].numpy(), atol=1e-2)


def test_questions_about_one_passage_share_it(tiny_model):
    passages = ["A long story about a fox and a hen. " * 2, "Another one, about the sea. " * 2, "One alone. " * 3]
    examples = [Example(f"Who {i}?", answers=("x",), context=passages[i % 2]) for i in range(6)]
    task = Task("stories", (*examples, Example("What?", answers=("x",), context=passages[2])))
    found = collect(tiny_model, task)
    for i, example in enumerate(task.examples):
        messages = question_messages(example)
        answer = tiny_model.generate(messages, max_new_tokens=32, stop=("\n",))
        np.testing.assert_allclose(found.logits[i], tiny_model.self_check(messages, answer.text).logits, atol=1e-3)


def test_signals_of_free_form_answers(reader):
    assert set(collect(reader, FREE).signals) == {"mean_logprob", "rouge_l"}
    found = collect(reader, FREE, signals=True)
    assert set(found.signals) == {"mean_logprob", "verbalised", "rouge_l"}
    assert found.signals["mean_logprob"].tolist() == [1.0] * 15  # the stand-in answers with log-probability 0
    assert ((found.signals["verbalised"] >= 0) & (found.signals["verbalised"] <= 1)).all()
    assert found.signals["rouge_l"].tolist() == [1.0 - i % 2 for i in range(15)]


def test_baselines_of_choices_are_read_on_demand(reader, tmp_path):
    assert collect(reader, CHOICES).signals == {}
    found = collect(reader, CHOICES, tmp_path, signals=True)
    assert set(found.signals) == {"verbalised", "shuffled", "rotated.A", "rotated.B", "rotated.C"}
    # The three orders, read by hand for one question.
    example, chosen, orders = CHOICES.examples[2], int(found.logits[2].argmax()), []
    for shift in range(3):
        moved = replace(example, choices=example.choices[shift:] + example.choices[:shift])
        logits = reader.choice_logits(question_messages(moved), "ABC").logits
        orders.append([logits[moved.choices.index(option)] for option in example.choices])
    assert found.signals["shuffled"][2] == np.mean(np.argmax(orders, axis=1) == chosen)
    mean = np.exp(np.mean(orders, axis=0))
    rotated = [found.signals[f"rotated.{letter}"][2] for letter in "ABC"]
    np.testing.assert_allclose(rotated, mean / mean.sum(), atol=1e-4)
    assert collect(reader, CHOICES, form="prefix", signals=True).signals == {}  # they are about the chat form's answer
    (loaded,) = load(tmp_path, "tiny")
    for name, values in found.signals.items():
        assert sorted(loaded.signals[name]) == sorted(values)


def test_the_average_over_orders_is_that_of_the_scorer(reader):
    found = with_rotations(collect(reader, CHOICES, signals=True))
    for i in (0, 7):
        alone = reader.choice_logits(question_messages(CHOICES.examples[i]), "ABC", rotations=3)
        mine, theirs = (z - z.mean() for z in (found.logits[i], alone.logits))  # log-probabilities, and logits
        np.testing.assert_allclose(mine, theirs, atol=1e-4)
    assert with_rotations(collect(reader, CHOICES)) is None
    assert with_rotations(collect(reader, FREE)) is None


def test_a_task_of_differently_many_options_is_refused_after_its_orders_were_read(reader, tmp_path):
    two = replace(CHOICES.examples[0], choices=("a", "b"), label=0)
    mixed = replace(CHOICES, examples=(*CHOICES.examples[:3], two))
    with pytest.raises(TaskFormatError, match=r"items of \[2, 3\] options"):
        collect(reader, mixed, tmp_path, signals=True)
    assert set(collect(reader, replace(mixed, examples=mixed.examples[:3]), tmp_path, signals=True).signals) >= {
        "shuffled",
        "rotated.C",
    }


def test_a_model_that_always_says_the_same_letter_is_inconsistent_and_undecided(reader, monkeypatch):
    scores = reader.choice_logits(question_messages(CHOICES.examples[0]), "ABC")
    always_a = replace(scores, logits=np.array([3.0, 0.0, 0.0]), middle=scores.hidden)
    monkeypatch.setattr(reader, "read", lambda prompts, *a, **k: [always_a] * len(prompts))
    for orders in over_orders(reader, CHOICES.examples[:4], [always_a.logits] * 4):
        assert order_signals(orders) == {"shuffled": 1 / 3} | {
            f"rotated.{letter}": pytest.approx(1 / 3) for letter in "ABC"
        }


def test_questions_of_many_options_are_read_in_four_orders_far_apart(reader):
    names = tuple("abcdefgh")
    (orders,) = over_orders(reader, [Example("Which?", choices=names, label=0)], [np.zeros(8)])
    assert orders.shape == (4, 8)
    for row, shift in zip(orders[1:], (2, 4, 6), strict=True):
        moved = Example("Which?", choices=names[shift:] + names[:shift], label=0)
        alone = reader.choice_logits(question_messages(moved), "ABCDEFGH")
        np.testing.assert_allclose(row, np.roll(alone.logits, shift), atol=1e-4)


# What is kept


def test_what_was_collected_is_loaded_without_the_model(reader, tmp_path):
    kept = {t.name: collect(reader, replace(t, group="g"), tmp_path) for t in (CHOICES, FREE)}
    for kind, name in (("choice", "choices"), ("self_check", "free")):
        (loaded,) = load(tmp_path, "some/where/tiny", kind=kind)
        assert (loaded.name, loaded.group, loaded.kind) == (name, "g", KINDS[kind])
        order = [loaded.texts.index(text) for text in kept[name].texts]
        np.testing.assert_array_equal(loaded.logits[order], kept[name].logits)
        np.testing.assert_array_equal(loaded.labels[order], kept[name].labels)
    with pytest.raises(TaskFormatError, match="no features of 'other'"):
        load(tmp_path, "other")


def test_the_papers_labels_are_shared_words(reader, tmp_path):
    examples = tuple(Example(f"What is {i}?", answers=("Paris in France",)) for i in range(4))
    assert collect(reader, Task("free", examples), tmp_path).labels.tolist() == [1, 1, 1, 1]
    (loaded,) = load(tmp_path, "tiny", kind="self_check", paper_labels=True)
    assert sorted(loaded.labels.tolist()) == [0, 0, 1, 1]  # "Paris." shares a word with the alias, "Rome" does not


def test_without_rouge_the_papers_labels_are_refused(reader, tmp_path, monkeypatch):
    monkeypatch.setattr(features.importlib.util, "find_spec", lambda _name: None)
    collect(reader, FREE, tmp_path)
    with pytest.raises(TaskFormatError, match="need ROUGE-L, which \\['free'\\] lack"):
        load(tmp_path, "tiny", kind="self_check", paper_labels=True)


def test_options_that_the_model_does_not_mean_are_warned_of(reader, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("thermolang.training.store.MIN_ANSWER_MASS", 0.0)
    collect(reader, CHOICES, tmp_path)
    assert caplog.text == ""
    monkeypatch.setattr("thermolang.training.store.MIN_ANSWER_MASS", 1.0)
    load(tmp_path, "tiny")
    assert "task 'choices': in 15 of 15 items the options have under 1" in caplog.text


def test_signals_that_some_items_lack_are_left_out(reader, tmp_path):
    collect(reader, replace(CHOICES, examples=CHOICES.examples[:5]), tmp_path)
    assert collect(reader, CHOICES, tmp_path, signals=True).signals == {}


def test_the_text_key_ignores_the_order_of_options():
    a = Example("Which  one?", choices=("x", "y"), label=0)
    assert text_key(a) == text_key(replace(a, question="which one?", choices=("y", "x"), label=1))
    assert text_key(a) != text_key(replace(a, choices=("x", "z")))


@pytest.mark.parametrize("task", [CHOICES, FREE], ids=lambda t: t.name)
def test_what_was_read_is_not_read_again(reader, tmp_path, task):
    first = collect(reader, task, tmp_path)
    assert reader.items == 15
    assert_same(collect(reader, task, tmp_path), first)  # to the last bit: a restart changes no result
    assert reader.items == 15


def test_progress_counts_to_the_end(reader, tmp_path):
    seen = []
    collect(reader, CHOICES, tmp_path, progress=lambda *step: seen.append(step))
    assert seen == [("choices", done, 15) for done in (0, 4, 8, 12, 15)]
    seen.clear()
    collect(reader, CHOICES, tmp_path, progress=lambda *step: seen.append(step))
    assert seen == [("choices", 15, 15)]


@pytest.mark.parametrize("task", [CHOICES, FREE], ids=lambda t: t.name)
def test_an_interrupted_run_goes_on(reader, tmp_path, task):
    def interrupt(_name, done, _total):
        if done == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        collect(reader, task, tmp_path, progress=interrupt)
    assert reader.items == 8
    found = collect(reader, task, tmp_path)
    assert reader.items == 15
    assert found.labels.tolist() == collect(reader, task).labels.tolist()
    np.testing.assert_allclose(found.logits, collect(reader, task).logits, atol=1e-4)


def killed_in_the_third_chunk(folder):
    """Run in another process."""
    features.ROWS_AT_ONCE = 4
    reader = Reader()
    read = reader.read_at

    def deadly(*args, **how):
        if reader.items == 8:
            os.kill(os.getpid(), signal.SIGKILL)
        return read(*args, **how)

    reader.read_at = deadly
    collect(reader, CHOICES, Path(folder))


def test_a_killed_run_goes_on(reader, tmp_path):
    code = f"from tests.training.test_features import *; killed_in_the_third_chunk({str(tmp_path)!r})"
    killed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, timeout=60)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert len(list(tmp_path.rglob("*.safetensors"))) == 2
    found = collect(reader, CHOICES, tmp_path)
    assert reader.items == 15 - 8
    np.testing.assert_allclose(found.logits, collect(reader, CHOICES).logits, atol=1e-4)


def test_new_items_are_added_and_the_order_is_the_tasks(reader, tmp_path):
    collect(reader, replace(CHOICES, examples=CHOICES.examples[5:]), tmp_path)
    backwards = replace(CHOICES, examples=CHOICES.examples[::-1])
    found = collect(reader, backwards, tmp_path)
    assert reader.items == 15
    assert found.labels.tolist() == [e.label for e in backwards.examples]
    np.testing.assert_array_equal(found.logits, collect(reader, CHOICES, tmp_path).logits[::-1])


def test_the_same_item_twice_is_two_rows(reader, tmp_path):
    twice = replace(CHOICES, examples=CHOICES.examples[:3] * 2)
    found = collect(reader, twice, tmp_path)
    assert found.labels.tolist() == [0, 1, 2] * 2
    np.testing.assert_array_equal(found.hidden[:3], found.hidden[3:])


# Files that are not ours


def chunks(folder):
    return sorted(folder.rglob("*.safetensors"))


def torn(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path):
    path.write_bytes(b"")


def without_texts(path):
    save_file({"hidden": np.zeros((4, 32))}, path)


def with_texts_of_others(path):
    columns = {"hidden": np.zeros((4, 32), np.float16), "logits": np.zeros((4, 3)), "label": np.zeros(4)}
    save_file(columns, path, metadata={"keys": "3", "answers": "[]"})


def with_too_few_rows(path):
    columns = {"hidden": np.zeros((1, 32), np.float16), "logits": np.zeros((1, 3)), "label": np.zeros(1)}
    save_file(columns, path, metadata={"keys": '["a", "b"]', "answers": '["", ""]'})


@pytest.mark.parametrize(
    "damage", [torn, empty, without_texts, with_texts_of_others, with_too_few_rows], ids=lambda d: d.__name__
)
def test_a_damaged_file_costs_its_items_only(reader, tmp_path, damage):
    first = collect(reader, CHOICES, tmp_path)
    damage(chunks(tmp_path)[0])
    reader.items = 0
    found = collect(reader, CHOICES, tmp_path)
    assert reader.items in (3, 4)  # one chunk
    assert found.labels.tolist() == first.labels.tolist()
    np.testing.assert_allclose(found.logits, first.logits, atol=1e-4)


def test_unfinished_files_are_not_read(reader, tmp_path):
    collect(reader, CHOICES, tmp_path)
    for chunk in chunks(tmp_path):
        chunk.rename(chunk.with_suffix(".123.part"))
    collect(reader, CHOICES, tmp_path)
    assert reader.items == 30


# Whose rows are whose


def test_another_template_reads_its_own(reader, tmp_path):
    collect(reader, CHOICES, tmp_path)
    other = LocalModel(reader.model, tiny_tokenizer(template=CHATML.replace("assistant", "helper")), name="tiny")
    collect(other, CHOICES, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_changed_gold_answer_is_another_item(reader):
    example = CHOICES.examples[0]
    keys = {item_key(reader, e) for e in (example, replace(example, label=1), replace(example, question="?"))}
    assert len(keys) == 3


@pytest.mark.parametrize("name", ["../../evil", "a/b", "CON: ?*", "質問", "x" * 300, "", ".", ".."])
def test_a_tasks_name_is_no_path(reader, tmp_path, name):
    home = tmp_path / "features"
    task = Task(name, CHOICES.examples[:2])
    first = collect(reader, task, home)
    assert all(chunk.is_relative_to(home) and chunk.parents[3] == home for chunk in chunks(tmp_path))
    assert len(chunks(tmp_path)) == 1
    assert_same(collect(reader, task, home), first)
    assert reader.items == 2
    assert [t.name for t in load(home, "tiny")] == [name]


def test_tasks_with_alike_names_are_kept_apart(reader, tmp_path):
    for name in ("a b", "a-b", "a/b"):
        collect(reader, Task(name, CHOICES.examples[:2]), tmp_path)
    assert len({chunk.parent for chunk in chunks(tmp_path)}) == 3


# Tasks that are none


@pytest.mark.parametrize(
    "task",
    [
        MIXED,
        Task("no gold answer", (Example("What?"),)),
        Task("no label", (Example("Which?", choices=("a", "b")),)),
        Task("no items", ()),
    ],
    ids=lambda t: t.name,
)
def test_a_mixture_is_refused(reader, tmp_path, task):
    with pytest.raises(TaskFormatError, match=f"task '{task.name}': every item needs"):
        collect(reader, task, tmp_path)
    assert reader.items == 0
    assert list(tmp_path.iterdir()) == []


def test_the_kinds_of_tasks():
    assert is_choice(CHOICES)
    assert not is_choice(FREE)
