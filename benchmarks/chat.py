"""What a confidence costs in LangChain, and ChatThermolang beside ChatHuggingFace; one JSON line for each model.

    python benchmarks/chat.py [--model smollm2-135m] [--rounds 8] [--loop 1000] [--parts free choices batch ...]

All variants take turns within each round, so that a noisy machine is noisy for all of them. The times are medians over
the rounds; the ratios are medians of the rounds' own ratios, with a 95 % bootstrap interval. A calibrator of random
numbers is used: it costs what a real one costs, for any model.
"""

import argparse
import gc
import json
import resource
import time

import numpy as np
from apply import calibrator
from langchain_huggingface import ChatHuggingFace, HuggingFacePipeline
from scipy.stats import bootstrap
from transformers import pipeline
from transformers.utils import logging

from thermolang import ChatThermolang, ConfidenceEstimator, LocalModel, with_confidence

TOKENS = 64
STORY = "Write a long story about a lighthouse keeper and the sea. Begin at once."
LETTER = "Answer with the letter A, B, C or D only.\nCapital of France?\nA. Rome\nB. Paris\nC. Oslo\nD. Bonn"


def chats(local):
    """The chat models that are compared, over the same weights."""
    pipe = pipeline(
        "text-generation",
        model=local.model,
        tokenizer=local.tokenizer,
        return_full_text=False,
        do_sample=False,
        max_new_tokens=TOKENS,
    )
    huggingface = ChatHuggingFace(llm=HuggingFacePipeline(pipeline=pipe), tokenizer=local.tokenizer)
    # The options hardly ever get 1 % of the next token of a story; a reading that is refused would cost less.
    estimator = Always(local, calibrator(local.identity), allow_mismatch=True, state_dir=None)
    plain = ChatThermolang(local=local, max_tokens=TOKENS)
    return {
        "ChatHuggingFace": huggingface,
        "ChatHuggingFace, rescore": with_confidence(huggingface, estimator=estimator),
        "ChatThermolang": plain,
        "ChatThermolang, native": with_confidence(plain, estimator=estimator),
    }, estimator


class Always(ConfidenceEstimator):
    """One that does not look whether the calibrator is this model's."""

    def _choose(self, calibrator, *, allow_mismatch):
        return calibrator


def rounds_of(variants, rounds):
    """Seconds of each variant in each round, after one round to warm up."""
    found = {name: [] for name in variants}
    for i in range(rounds + 1):
        for name, call in variants.items():
            start = time.perf_counter()
            call()
            if i:
                found[name].append(time.perf_counter() - start)
    return found


def compared(seconds, name, base):
    """Median of the rounds' ratios, and its interval."""
    ratio = np.array(seconds[name]) / np.array(seconds[base])
    low, high = bootstrap((ratio,), np.median, vectorized=False, random_state=0).confidence_interval
    return {"ratio": round(float(np.median(ratio)), 3), "interval": [round(float(low), 3), round(float(high), 3)]}


def medians(seconds, scale=1.0):
    return {name: round(scale * float(np.median(s)), 4) for name, s in seconds.items()}


def free_form(models, rounds):
    tokens = models["ChatThermolang"].invoke(STORY).usage_metadata["output_tokens"]
    assert tokens == TOKENS, f"the story has only {tokens} tokens"
    seconds = rounds_of({name: lambda m=m: m.invoke(STORY) for name, m in models.items()}, rounds)
    return {
        "seconds": medians(seconds),
        "native beside none": compared(seconds, "ChatThermolang, native", "ChatThermolang"),
        "rescore beside none": compared(seconds, "ChatHuggingFace, rescore", "ChatHuggingFace"),
        "native beside ChatHuggingFace without": compared(seconds, "ChatThermolang, native", "ChatHuggingFace"),
    }


def choices(models, estimator, rounds):
    plain = models["ChatThermolang"].model_copy(update={"max_tokens": 1})
    letter = plain.invoke(LETTER).content
    scored = with_confidence(plain, choices=[letter, *(c for c in "ABCD" if c != letter)][:4], estimator=estimator)
    assert scored.invoke(LETTER).response_metadata["thermolang"]["value"] is not None
    seconds = rounds_of({"without": lambda: plain.invoke(LETTER), "with": lambda: scored.invoke(LETTER)}, rounds)
    added = 1000 * (np.array(seconds["with"]) - np.array(seconds["without"]))
    low, high = bootstrap((added,), np.median, vectorized=False, random_state=0).confidence_interval
    inside = [scored.invoke(LETTER).response_metadata["thermolang"]["seconds"] for _ in range(rounds)]
    share = 100 * float(np.median(added)) / (1000 * float(np.median(seconds["without"])))
    return {
        "ms": medians(seconds, 1000),
        "added_ms": round(float(np.median(added)), 3),
        "interval": [round(float(low), 3), round(float(high), 3)],
        "percent of the call": round(share, 2),
        "scoring alone, ms": round(1000 * float(np.median(inside)), 3),
    }


def batches(models, rounds, size=8):
    asked = [f"{STORY} Chapter {i}." for i in range(size)]
    names = ("ChatHuggingFace", "ChatThermolang, native")
    seconds = rounds_of({name: lambda m=models[name]: m.batch(asked) for name in names}, rounds)
    return {"seconds": medians(seconds), "ChatHuggingFace takes": compared(seconds, *names)}


def first_tokens(models, rounds):
    names = ("ChatHuggingFace", "ChatThermolang, native")
    seconds = {name: [] for name in names}
    for i in range(rounds + 1):
        for name in names:
            start = time.perf_counter()
            stream = models[name].stream(STORY)
            next(chunk for chunk in stream if chunk.content)
            if i:
                seconds[name].append(time.perf_counter() - start)
            for _ in stream:  # ChatHuggingFace would go on generating in its thread
                pass
    return {"seconds": medians(seconds), "native beside ChatHuggingFace": compared(seconds, *reversed(names))}


def memory(models, calls):
    """Resident megabytes after 100 calls and after all of them."""
    model = models["ChatThermolang, native"].model_copy(update={"max_tokens": 2})
    seen = {}
    for i in range(calls + 1):
        model.invoke(f"Question {i}?")
        if i in (100, calls):
            gc.collect()
            seen[i] = resident()
    return {f"MB after {i}": value for i, value in seen.items()}


def resident():
    with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123 - no file of ours
        return round(int(statm.read().split()[1]) * resource.getpagesize() / 1e6, 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--loop", type=int, default=1000)
    parser.add_argument("--parts", nargs="+", default=["free", "choices", "batch", "first", "memory"])
    arguments = parser.parse_args()
    logging.set_verbosity_error()
    local = LocalModel.load(arguments.model)
    models, estimator = chats(local)
    few = max(3, arguments.rounds // 2)
    parts = {
        "free": lambda: free_form(models, arguments.rounds),
        "choices": lambda: choices(models, estimator, 10 * arguments.rounds),
        "batch": lambda: batches(models, few),
        "first": lambda: first_tokens(models, few),
        "memory": lambda: memory(models, arguments.loop),
    }
    figures = {"model": local.name, "tokens": TOKENS} | {name: parts[name]() for name in arguments.parts}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
