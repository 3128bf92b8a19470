"""Many calls at once: what they cost beside one batch, and what shared beginnings of prompts save; one JSON line.

    python benchmarks/concurrency.py [--model smollm2-135m] [--rounds 5] [--calls 8 32] [--parts calls streams prefix]
        [--only batch ainvoke threads]

All variants take turns within each round; ratios are medians of the rounds' own, so a machine that is busy with
something else is busy for all of them. Beside ours: ChatHuggingFace in threads, which generates for each call alone,
and transformers' own continuous batching (``generate_batch``), neither with a confidence.
"""

import argparse
import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from apply import calibrator
from chat import Always
from langchain_huggingface import ChatHuggingFace, HuggingFacePipeline
from transformers import GenerationConfig, pipeline
from transformers.utils import logging

from thermolang import ChatThermolang, LocalModel, with_confidence

TOKENS = 48
TOPICS = ["the sea", "bread", "a lost key", "trains", "winter", "an old clock", "bees", "the moon"]
PASSAGE = " ".join(f"Paragraph {i} tells how the lighthouse was kept in the year {1800 + i}." for i in range(1, 29))


def questions(n):
    return [f"Write a long story about {TOPICS[i % len(TOPICS)]}, number {i}. Begin at once." for i in range(n)]


def rounds_of(variants, rounds):
    """Seconds of each variant in each round, after one to warm up; variants that fail are told and left out."""
    found = {name: [] for name in variants}
    for i in range(rounds + 1):
        for name, call in list(variants.items()):
            start = time.perf_counter()
            try:
                call()
            except Exception as error:
                print(f"{name}: {type(error).__name__}: {str(error)[:200]}", flush=True)
                del variants[name], found[name]
                continue
            if i:
                found[name].append(time.perf_counter() - start)
    return found


def told(seconds, base):
    """Median seconds, and the median of the rounds' ratios to one variant."""
    return {
        name: {
            "seconds": round(float(np.median(s)), 3),
            f"times {base}": round(float(np.median(np.array(s) / np.array(seconds[base]))), 3),
        }
        for name, s in seconds.items()
    }


async def at_once(model, asked):
    return await asyncio.gather(*(model.ainvoke(question) for question in asked))


def in_threads(call, asked):
    with ThreadPoolExecutor(len(asked)) as pool:
        list(pool.map(call, asked))


def calls(local, n, rounds, only):
    asked = questions(n)
    plain = ChatThermolang(local=local, max_tokens=TOKENS, batch_size=n)
    ours = with_confidence(
        plain, estimator=Always(local, calibrator(local.identity), allow_mismatch=True, state_dir=None)
    )
    pipe = pipeline(
        "text-generation",
        model=local.model,
        tokenizer=local.tokenizer,
        return_full_text=False,
        do_sample=False,
        max_new_tokens=TOKENS,
    )
    huggingface = ChatHuggingFace(llm=HuggingFacePipeline(pipeline=pipe), tokenizer=local.tokenizer)
    prompts = [local.encode(local.render([{"role": "user", "content": q}])) for q in asked]
    settings = GenerationConfig(
        max_new_tokens=TOKENS, do_sample=False, eos_token_id=local.tokenizer.eos_token_id, pad_token_id=0
    )
    variants = {
        "batch": lambda: ours.batch(asked),
        "abatch": lambda: asyncio.run(ours.abatch(asked)),
        "ainvoke at once": lambda: asyncio.run(at_once(ours, asked)),
        "invoke in threads": lambda: in_threads(ours.invoke, asked),
        "one after the other": lambda: [ours.invoke(q) for q in asked],
        "ChatHuggingFace in threads, no confidence": lambda: in_threads(huggingface.invoke, asked),
        "transformers generate_batch, no confidence": lambda: local.model.generate_batch(
            inputs=prompts, generation_config=settings
        ),
    }
    wanted = {name: call for name, call in variants.items() if not only or any(part in name for part in only)}
    return told(rounds_of(wanted, rounds), "batch")


def streams(local, rounds):
    """Seconds to the first token: of one stream alone, and of the median and the last of eight at once."""
    chat = ChatThermolang(local=local, max_tokens=TOKENS)

    def first(question):
        start = time.perf_counter()
        stream = chat.stream(question)
        next(chunk for chunk in stream if chunk.content)
        seconds = time.perf_counter() - start
        for _ in stream:
            pass
        return seconds

    found = []
    for i in range(rounds + 1):
        alone = first(questions(1)[0])
        with ThreadPoolExecutor(8) as pool:
            eight = sorted(pool.map(first, questions(8)))
        if i:
            found.append((alone, np.median(eight), eight[-1], np.median(eight) / alone))
    names = ("alone", "median of 8", "last of 8", "median of 8 / alone")
    return dict(zip(names, np.round(np.median(found, axis=0), 4).tolist(), strict=True))


def prefix(local, rounds):
    """Ten questions about one passage of about 500 tokens, one after the other: with kept beginnings, and without."""
    chat = ChatThermolang(local=local, max_tokens=8)
    size = len(local.encode(PASSAGE))
    kept = local.scheduler._prefixes

    def ask(turn, forget):
        for i in range(10):
            if forget:
                kept.clear()
            chat.invoke([("system", f"{turn} {PASSAGE}"), ("human", f"What happened in {1800 + i}?")])

    turns = iter(range(10_000))
    seconds = rounds_of(
        {"kept": lambda: ask(next(turns), False), "computed each time": lambda: ask(next(turns), True)}, rounds
    )
    return {"tokens": size, **told(seconds, "kept")}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, nargs="*", default=[8, 32])
    parser.add_argument("--parts", nargs="*", default=["calls", "streams", "prefix"])
    parser.add_argument("--only", nargs="*", default=[], help="of the calls, variants whose names hold one of these")
    args = parser.parse_args()
    logging.set_verbosity_error()
    local = LocalModel.load(args.model)
    found = {"model": local.name}
    if "calls" in args.parts:
        found |= {f"{n} calls": calls(local, n, args.rounds, args.only) for n in args.calls}
    if "streams" in args.parts:
        found["streams"] = streams(local, args.rounds)
    if "prefix" in args.parts:
        found["prefix"] = prefix(local, args.rounds)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
