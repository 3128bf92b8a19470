"""Concurrent calls share the model: each gets what it would get alone, and one's trouble is not another's."""

import multiprocessing
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.models.test_decoding import ask
from thermolang.errors import InvalidInputError, ModelBusyError, ModelError, ModelTimeoutError
from thermolang.models.caches import WORTH_KEEPING, PrefixCache
from thermolang.models.decoding import Sampling
from thermolang.models.forward import ForwardPass
from thermolang.models.limits import Limits
from thermolang.models.local import LocalModel
from thermolang.models.scheduler import Scheduler, scheduler_of

EXAMPLES = int(os.environ.get("THERMOLANG_SCHEDULES", "60"))
"""Random schedules; a long run takes a thousand."""

QUESTIONS = ["Why?", "What is the capital of France?", "x", "12 + 13", "Who wrote it, and when was that? " * 4]


@pytest.fixture
def passes(monkeypatch):
    """The shape of the input of each forward pass; while ``gate`` is closed none ends."""
    seen, gate = [], threading.Event()
    gate.set()
    forward = ForwardPass.__call__

    def counted(self, **inputs):
        seen.append(tuple(inputs["input_ids"].shape))
        gate.wait(60)
        return forward(self, **inputs)

    monkeypatch.setattr(ForwardPass, "__call__", counted)
    asked, wake = [], Scheduler._wake
    monkeypatch.setattr(Scheduler, "_wake", lambda self: asked.append(self) or wake(self))
    return SimpleNamespace(seen=seen, gate=gate, asked=asked)


def limited(tiny_model, monkeypatch, **limits):
    """The tiny model with limits of its own."""
    model = LocalModel(tiny_model.model, tiny_model.tokenizer, name="tiny")
    monkeypatch.setitem(model.__dict__, "scheduler", Scheduler(tiny_model.model, Limits(**limits)))
    return model


SCHEDULES = st.lists(
    st.tuples(
        st.integers(0, len(QUESTIONS) - 1),
        st.integers(1, 12),  # tokens
        st.sampled_from([(0.0, 1.0), (1.0, 1.0), (0.7, 0.8)]),
        st.integers(0, 3),  # seed
        st.sampled_from(["", "e", "the", " "]),  # stop string
        st.integers(0, 8),  # milliseconds until the call
        st.one_of(st.none(), st.integers(1, 4)),  # cancelled after so many tokens
    ),
    min_size=2,
    max_size=6,
)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SCHEDULES)
def test_each_call_gets_what_it_would_get_alone(tiny_model, alone, schedule):
    def call(question, tokens, how, seed, stop, delay, cancelled_after):
        time.sleep(delay / 1000)
        sampling = Sampling(tokens, *how, seed, (stop,) if stop else ())
        pieces = tiny_model.stream(ask(QUESTIONS[question]), sampling)
        if cancelled_after is not None:
            for _ in zip(range(cancelled_after), pieces, strict=False):
                pass
            pieces.close()
            return None
        *_, answer = pieces
        return answer, tiny_model.self_check(ask(QUESTIONS[question]), answer)

    with ThreadPoolExecutor(len(schedule)) as pool:
        found = list(pool.map(lambda one: call(*one), schedule))
    for one, got in zip(schedule, found, strict=True):
        if got is not None:
            answer, check = alone(*one[:5])
            assert got[0].token_ids == answer.token_ids and got[0].text == answer.text
            assert got[0].finish_reason == answer.finish_reason
            np.testing.assert_allclose(got[0].logprobs, answer.logprobs, atol=1e-5)
            np.testing.assert_allclose(got[1].logits, check.logits, atol=1e-5)
            np.testing.assert_allclose(got[1].hidden, check.hidden, atol=1e-5)
    until(lambda: not tiny_model.scheduler._calls)  # cancelled answers leave at the next token


def until(condition):
    """Wait for what another thread is about to do."""
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.01)
    pytest.fail("it did not happen within a minute")


@pytest.fixture(scope="module")
def alone(tiny_model):
    known = {}

    def answered(*key):
        if key not in known:
            question, tokens, how, seed, stop = key
            sampling = Sampling(tokens, *how, seed, (stop,) if stop else ())
            answer = tiny_model.generate_batch([ask(QUESTIONS[question])], sampling)[0]
            known[key] = answer, tiny_model.self_check(ask(QUESTIONS[question]), answer)
        return known[key]

    return answered


def together(passes, model, calls):
    """Run calls in threads that have all asked the model before its first pass ends."""
    passes.gate.clear()
    passes.asked.clear()
    with ThreadPoolExecutor(len(calls)) as pool:
        running = [pool.submit(call) for call in calls]
        until(lambda: len(passes.asked) >= len(calls))
        passes.gate.set()
        wait(running)
    return running


def test_concurrent_calls_share_forward_passes(tiny_model, passes):
    calls = [lambda q=q: tiny_model.generate(ask(q), max_new_tokens=10) for q in QUESTIONS[:4]]
    together(passes, tiny_model, calls)
    # One begins alone, the others join it at its second token.
    assert len(passes.seen) <= 10 + 2
    assert max(rows for rows, _ in passes.seen) == 4


def test_what_comes_while_a_prompt_is_read_is_read_next(tiny_model, passes):
    tiny_model.scheduler.forget_prompts()
    passes.gate.clear()
    with ThreadPoolExecutor(2) as pool:
        for i, question in enumerate(QUESTIONS[:2]):
            pool.submit(tiny_model.generate, ask(question), max_new_tokens=4)
            until(lambda i=i: len(tiny_model.scheduler._calls) > i and passes.seen)
        passes.gate.set()
    # Not a token of the first, for which the second's first would wait.
    assert [tokens > 1 for _, tokens in passes.seen[:3]] == [True, True, False]


def test_concurrent_self_checks_share_a_pass(tiny_model, passes):
    answers = [tiny_model.generate(ask(q), max_new_tokens=5) for q in QUESTIONS[:4]]
    passes.seen.clear()
    calls = [lambda q=q, a=a: tiny_model.self_check(ask(q), a) for q, a in zip(QUESTIONS, answers, strict=False)]
    found = together(passes, tiny_model, calls)
    assert len(passes.seen) <= 2
    assert all(f.result().cache_reused for f in found)


def test_calls_of_different_settings_grow_together(tiny_model, passes):
    ways = [Sampling(8), Sampling(8, 1.0, 0.9, 3), Sampling(8, 0.5, 1.0, 4)]
    alone = [tiny_model.generate_batch([ask("Why?")], way)[0] for way in ways]
    calls = [lambda w=w: tiny_model.generate_batch([ask("Why?")], w)[0] for w in ways]
    passes.seen.clear()
    found = [f.result() for f in together(passes, tiny_model, calls)]
    assert [a.token_ids for a in found] == [a.token_ids for a in alone]
    assert len(passes.seen) <= 8 + 2


def test_only_the_guilty_call_fails(tiny_model, monkeypatch):
    """A model that raises whenever one certain prompt is in the batch."""
    guilty = tiny_model.encode("guilty")[0]
    forward = ForwardPass.__call__
    prompts = []

    def raising(self, **inputs):
        if guilty in inputs["input_ids"]:
            raise ZeroDivisionError
        prompts.append(len(inputs["input_ids"]))
        return forward(self, **inputs)

    good = [tiny_model.generate(ask(q), max_new_tokens=8) for q in QUESTIONS[:3]]
    monkeypatch.setattr(ForwardPass, "__call__", raising)
    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(tiny_model.generate, ask(q), max_new_tokens=8) for q in QUESTIONS[:3]]
        bad = pool.submit(tiny_model.generate, ask("guilty"), max_new_tokens=8)
        assert [f.result().token_ids for f in running] == [a.token_ids for a in good]
        with pytest.raises(ZeroDivisionError):
            bad.result()


def test_a_model_that_raises_once_in_the_middle_loses_nothing(tiny_model, monkeypatch):
    expected = [a.token_ids for a in (tiny_model.generate(ask(q), max_new_tokens=9) for q in QUESTIONS[:3])]
    forward, count = ForwardPass.__call__, []

    def raising(self, **inputs):
        count.append(1)
        if len(count) == 4:
            raise RuntimeError("out of memory")
        return forward(self, **inputs)

    monkeypatch.setattr(ForwardPass, "__call__", raising)
    found = tiny_model.generate_batch([ask(q) for q in QUESTIONS[:3]], Sampling(9))
    assert [a.token_ids for a in found] == expected


def test_one_row_that_is_not_finite_fails_alone(tiny_model, monkeypatch):
    forward = ForwardPass.__call__

    def poisoned(self, **inputs):
        out = forward(self, **inputs)
        if len(out.logits) > 2:
            out.logits[1] = float("nan")
        return out

    expected = [tiny_model.generate(ask(q), max_new_tokens=6).token_ids for q in QUESTIONS[:3]]
    rows = tiny_model._rows([tiny_model._prompt(ask(q), ()) for q in QUESTIONS[:3]], Sampling(6))
    monkeypatch.setattr(ForwardPass, "__call__", poisoned)
    with pytest.raises(ModelError, match="not finite"):
        for _ in tiny_model.scheduler.answers(rows):
            pass
    calls = [tiny_model._rows([r.prompt], Sampling(6)) for r in rows]
    found = []

    def collect(rows):
        try:
            for _ in tiny_model.scheduler.answers(rows):
                pass
            found.append((rows[0].prompt, tuple(rows[0].token_ids)))
        except ModelError:
            found.append((rows[0].prompt, None))

    threads = [threading.Thread(target=collect, args=(rows,)) for rows in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    fine = {tuple(p): t for p, t in found if t is not None}
    assert len(fine) >= 2
    assert all(t == e for r, e in zip(rows, expected, strict=True) if (t := fine.get(tuple(r.prompt))) is not None)


def test_a_full_queue_is_an_error_that_says_so(tiny_model, monkeypatch, passes):
    model = limited(tiny_model, monkeypatch, max_batch_size=1, max_waiting=2)
    passes.gate.clear()
    with ThreadPoolExecutor(8) as pool:
        running = [pool.submit(model.generate, ask("Why?"), max_new_tokens=2)]
        until(lambda: passes.seen)  # it has left the queue
        running += [pool.submit(model.generate, ask("Why?"), max_new_tokens=2) for _ in range(2)]
        until(lambda: model.scheduler.waiting == 2)
        with pytest.raises(ModelBusyError, match="2 answers wait for this model already"):
            model.generate(ask("Why?"))
        passes.gate.set()
        assert all(len(f.result().token_ids) == 2 for f in running)


def test_an_answer_that_takes_too_long_fails_alone(tiny_model, passes):
    passes.gate.clear()
    with ThreadPoolExecutor(2) as pool:
        other = pool.submit(tiny_model.generate, ask("Why?"), max_new_tokens=3)
        late = pool.submit(tiny_model.generate_batch, [ask("How?")], Sampling(3, timeout=0.01))
        with pytest.raises(ModelTimeoutError, match=r"1 of 1 answers were not finished within 0.01 seconds"):
            late.result()
        passes.gate.set()
        assert len(other.result().token_ids) == 3
    until(lambda: not tiny_model.scheduler._calls)


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_a_timeout_is_a_number_of_seconds(seconds):
    with pytest.raises(ModelError, match="a timeout is a number of seconds above 0"):
        Sampling(timeout=seconds)


@pytest.mark.parametrize("limits", [{"max_batch_size": 2}, {"cache_bytes": 1}])
def test_answers_that_do_not_fit_wait(tiny_model, monkeypatch, passes, limits):
    model = limited(tiny_model, monkeypatch, **limits)
    model.generate(ask("Why?"), max_new_tokens=2)  # so that the size of a token is known
    passes.seen.clear()
    found = model.generate_batch([ask(q) for q in QUESTIONS], Sampling(6))
    assert max(rows for rows, _ in passes.seen) == limits.get("max_batch_size", 1)
    assert [a.token_ids for a in found] == [tiny_model.generate(ask(q), max_new_tokens=6).token_ids for q in QUESTIONS]


def test_a_stream_comes_before_others_that_wait(tiny_model, monkeypatch, passes):
    model = limited(tiny_model, monkeypatch, max_batch_size=1)
    ended = []
    passes.gate.clear()

    def answer(name, stream):
        list(model.stream(ask("Why?"), Sampling(2))) if stream else model.generate(ask("Why?"), max_new_tokens=2)
        ended.append(name)

    with ThreadPoolExecutor(4) as pool:
        for i, name in enumerate(["running", "waiting", "stream"]):
            pool.submit(answer, name, name == "stream")
            until(lambda i=i: len(model.scheduler._calls) > i and passes.seen)
        passes.gate.set()
    assert ended.index("stream") < ended.index("waiting")


def test_nothing_is_kept_of_calls_that_ended(tiny_model):
    tiny_model.generate(ask("Why?"), max_new_tokens=3)
    stream = tiny_model.stream(ask("Why?"), Sampling(100))
    next(stream)
    stream.close()
    until(lambda: not tiny_model.scheduler._calls)
    assert not tiny_model.scheduler._waiting and not tiny_model.scheduler._reads


def test_counters_tell_what_was_done(tiny_model, monkeypatch):
    model = limited(tiny_model, monkeypatch)
    answers = model.generate_batch([ask(q) for q in QUESTIONS], Sampling(7))
    model.self_check_batch([(ask(q), a) for q, a in zip(QUESTIONS, answers, strict=True)])
    done = model.scheduler.counters
    assert done.tokens == sum(len(a.token_ids) for a in answers)
    assert done.steps == 7 and done.reads == 1 and done.rows_read == 5
    assert done.prompt_tokens == sum(a.prompt_tokens for a in answers)
    assert done.failed == done.cancelled == 0


# What prompts share


LONG = "You are a helpful assistant who answers in a few words and never says more than was asked. " * 3


def test_a_long_beginning_is_computed_once(tiny_model, monkeypatch, passes):
    model = limited(tiny_model, monkeypatch)
    asked = [[{"role": "system", "content": LONG}, {"role": "user", "content": q}] for q in QUESTIONS]
    found = [model.generate(messages, max_new_tokens=6) for messages in asked]
    whole = [columns for _, columns in passes.seen if columns > 1]
    assert all(columns < whole[0] / 2 for columns in whole[1:])
    assert model.scheduler.counters.prefix_hits == len(QUESTIONS) - 1
    plain = limited(tiny_model, monkeypatch, prefix_bytes=0)
    for messages, answer in zip(asked, found, strict=True):
        expected = plain.generate(messages, max_new_tokens=6)
        assert answer.token_ids == expected.token_ids
        np.testing.assert_allclose(answer.logprobs, expected.logprobs, atol=1e-5)
        np.testing.assert_allclose(answer.cache.start[1], expected.cache.start[1], atol=1e-5)
        mine, theirs = model.self_check(messages, answer), plain.self_check(messages, expected)
        np.testing.assert_allclose(mine.logits, theirs.logits, atol=1e-5)
    assert plain.scheduler.counters.prefix_hits == 0


def test_a_prefix_that_is_used_is_never_written(tiny_model, monkeypatch):
    model = limited(tiny_model, monkeypatch)
    asked = [{"role": "system", "content": LONG}, {"role": "user", "content": "Why?"}]
    first = model.generate(asked, max_new_tokens=6)
    again = [model.generate(asked, max_new_tokens=6) for _ in range(3)]
    assert all(a.token_ids == first.token_ids for a in again)


def kept_cache(tokens):
    from transformers import DynamicCache

    cache = DynamicCache()
    cache.update(torch.zeros(1, 2, tokens, 4), torch.zeros(1, 2, tokens, 4), 0)
    return lambda: cache


def test_the_prefix_that_was_not_used_for_longest_is_forgotten():
    size = 2 * 2 * 100 * 4 * 4
    cache = PrefixCache(2 * size)
    prompts = [[start, *range(1000, 1099)] for start in range(3)]
    cache.keep(prompts[0], kept_cache(100))
    cache.keep(prompts[1], kept_cache(100))
    assert len(cache.longest([*prompts[0], 5]).ids) == 100  # used again
    cache.keep(prompts[2], kept_cache(100))
    assert [len(cache.longest([*p, 5]).ids) for p in prompts] == [100, 0, 100]


def test_a_prefix_leaves_a_token_to_compute_and_short_ones_are_not_kept():
    cache = PrefixCache(2**20)
    cache.keep(range(100), kept_cache(100))
    assert cache.longest(range(100)).ids == tuple(range(99))
    assert cache.longest([*range(80), 7]).values.get_seq_length() == 80
    assert cache.longest(range(WORTH_KEEPING)).ids == ()
    cache.keep(range(500, 500 + WORTH_KEEPING), lambda: pytest.fail("too short to be cut"))
    assert len(cache) == 1


# Life and death


def test_all_that_wrap_a_model_share_its_scheduler(tiny_model):
    other = LocalModel(tiny_model.model, tiny_model.tokenizer)
    assert other.scheduler is tiny_model.scheduler is scheduler_of(tiny_model.model)


def test_the_thread_ends_when_there_is_nothing_to_do(tiny_model, monkeypatch):
    monkeypatch.setattr("thermolang.models.scheduler.IDLE", 0.05)
    model = limited(tiny_model, monkeypatch)
    first = model.generate(ask("Why?"), max_new_tokens=3)
    thread = model.scheduler._thread
    if thread is not None:
        thread.join(60)
    assert model.scheduler._thread is None
    assert model.generate(ask("Why?"), max_new_tokens=3) == first


@pytest.mark.parametrize("limits", [{"max_batch_size": 0}, {"prefix_bytes": -1}])
def test_limits_that_mean_nothing_are_refused(limits):
    with pytest.raises(InvalidInputError, match=next(iter(limits))):
        Limits(**limits)


def _in_child(model, said):
    said.put(model.generate(ask("Why?"), max_new_tokens=4).token_ids)


@pytest.mark.skipif(sys.platform != "linux", reason="needs fork")
def test_a_fork_after_the_start_has_a_thread_of_its_own(tiny_model):
    torch.set_num_threads(1)  # other threads of torch's do not survive a fork
    expected = tiny_model.generate(ask("Why?"), max_new_tokens=4).token_ids
    context = multiprocessing.get_context("fork")
    said = context.Queue()
    child = context.Process(target=_in_child, args=(tiny_model, said))
    child.start()
    assert said.get(timeout=60) == expected
    child.join(60)
    assert child.exitcode == 0


def test_an_interpreter_may_exit_with_calls_in_flight():
    code = """
import threading, time
from tests.fakes import tiny_llama, tiny_tokenizer
from thermolang.models.local import LocalModel
tokenizer = tiny_tokenizer()
model = LocalModel(tiny_llama(len(tokenizer)), tokenizer, name="tiny")
ask = [{"role": "user", "content": "Why?"}]
for _ in range(4):
    threading.Thread(target=lambda: model.generate(ask, max_new_tokens=200), daemon=True).start()
time.sleep(0.1)
print("leaving")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "leaving\n"
