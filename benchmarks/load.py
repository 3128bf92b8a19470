"""A service under mixed load: is a call lost, does a client that goes away free its row, does memory stay flat?

    python benchmarks/load.py [--minutes 60] [--clients 8] [--pause 2.0]
    python benchmarks/load.py --streams 8 [--rounds 5]

Starts examples/fastapi_service.py on a free port of this machine and sends it questions of random length from several
clients: some wait for the answer, some read a stream, some go away in the middle of one. Each pauses between calls, so
that the load is bounded. Shows its progress, and prints one JSON line: calls, those without an answer, the answers that
grow or wait after the last client has gone, milliseconds, and the process's memory in each tenth of the time.

With ``--streams``, so many streams are read at once instead, and nothing else: seconds to the first token and to the
end, beside one stream alone, and beside ``batch`` of the same questions by the same chain in a process of its own. All
take turns within each round, and only one of the two processes works at a time.
"""

import argparse
import asyncio
import json
import os
import random
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import httpx
import numpy as np
import psutil
from rich.progress import Progress

SERVICE = Path(__file__).resolve().parent.parent / "examples"
START = (
    "import sys, uvicorn; sys.path.insert(0, sys.argv[1]); import fastapi_service;"
    "uvicorn.run(fastapi_service.create_app(), host='127.0.0.1', port=int(sys.argv[2]), log_level='warning')"
)
WAYS = ("ask", "ask", "stream", "stream", "leave")


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def question(rng):
    subject = rng.choice(["France", "the moon", "a lost key", "bread", "winter", "Japan"])
    return f"Number {rng.randrange(10**6)}: what do you know of {subject}?" + " Say it plainly." * rng.randrange(12)


async def call(client, way, rng):
    """What came of one call."""
    asked = {"question": question(rng)}
    if way == "ask":
        found = await client.post("/ask", json=asked)
        return (
            "answered" if found.status_code == 200 and "confidence" in found.json() else f"status {found.status_code}"
        )
    async with client.stream("POST", "/stream", json=asked) as stream:
        if stream.status_code != 200:
            return f"status {stream.status_code}"
        last = ""
        async for line in stream.aiter_lines():
            if line and way == "leave" and rng.random() < 0.3:
                return "left"
            last = line or last
    return "streamed" if "confidence" in last else "stream without a confidence"


async def visitor(client, number, end, pause, outcomes, seconds):
    rng = random.Random(number)
    while time.monotonic() < end:
        way, start = rng.choice(WAYS), time.monotonic()
        try:
            outcome = await call(client, way, rng)
        except httpx.HTTPError as error:
            outcome = type(error).__name__
        outcomes[outcome] += 1
        seconds.append(time.monotonic() - start)
        await asyncio.sleep(rng.expovariate(1 / pause))


async def watch(process, minutes):
    """Megabytes of the service, in each tenth of the time."""
    found = []
    with Progress() as bar:
        for _ in bar.track(range(100), description="mixed load"):
            await asyncio.sleep(minutes * 0.6)
            found.append(process.memory_info().rss / 2**20)
    return [round(float(np.mean(part))) for part in np.array_split(found, 10)]


async def ready(client):
    for _ in range(600):
        try:
            return (await client.get("/healthz")).raise_for_status()
        except httpx.HTTPError:
            await asyncio.sleep(0.2)
    raise SystemExit("the service did not start within two minutes")


async def loaded(port, process, args):
    outcomes, seconds = Counter(), []
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=300) as client:
        await ready(client)
        end = time.monotonic() + args.minutes * 60
        visitors = [visitor(client, i, end, args.pause, outcomes, seconds) for i in range(args.clients)]
        memory, *_ = await asyncio.gather(watch(process, args.minutes), *visitors)
        await asyncio.sleep(2)
        metrics = dict(
            line.rsplit(" ", 1)
            for line in (await client.get("/metrics")).text.splitlines()
            if line[:1] not in ("", "#")
        )
    return {
        "calls": sum(outcomes.values()),
        "outcomes": dict(outcomes),
        "milliseconds": {p: round(float(np.quantile(seconds, p / 100)) * 1000) for p in (50, 95, 100)},
        "megabytes": memory,
        "metrics": {name: float(value) for name, value in metrics.items()},
    }


async def stream(client, number):
    """Seconds to the first token and to the end of one stream."""
    start, first = time.monotonic(), None
    asked = {"question": f"Write a long story about the sea, number {number}. Begin at once."}
    async with client.stream("POST", "/stream", json=asked) as lines:
        async for line in lines.aiter_lines():
            if first is None and line:
                first = time.monotonic() - start
    return first, time.monotonic() - start


def batch_of(count):
    """The service's chain in this process, asked with ``batch``."""
    sys.path.insert(0, str(SERVICE))
    from fastapi_service import PROMPT

    from thermolang import ChatThermolang, with_confidence

    chain = with_confidence(PROMPT | ChatThermolang.from_model("smollm2-135m", max_tokens=24))

    def ask(turn):
        start = time.monotonic()
        chain.batch(
            [{"question": f"Write a long story about the sea, number {turn + i}. Begin at once."} for i in range(count)]
        )
        return time.monotonic() - start

    return ask


async def streamed(port, args):
    batch, rounds = batch_of(args.streams), []
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=300) as client:
        await ready(client)
        for turn in range(0, 100 * (args.rounds + 1), 100):
            alone = await stream(client, turn)
            many = await asyncio.gather(*(stream(client, turn + i) for i in range(args.streams)))
            first, whole = float(np.median([f for f, _ in many])), max(end for _, end in many)
            rounds.append((alone[0], first, first / alone[0], whole, whole / batch(turn)))
    names = ("first token alone", "median first token", "times alone", "all ended", "times batch")
    return dict(zip(names, np.round(np.median(rounds[1:], axis=0), 3).tolist(), strict=True))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--pause", type=float, default=2.0, help="mean seconds between two calls of a client")
    parser.add_argument("--streams", type=int, help="read so many streams at once, instead of mixed load")
    parser.add_argument("--rounds", type=int, default=5, help="of --streams; the first of all is not counted")
    args = parser.parse_args()
    port = free_port()
    service = subprocess.Popen([sys.executable, "-c", START, str(SERVICE), str(port)], env=os.environ)
    measured = streamed(port, args) if args.streams else loaded(port, psutil.Process(service.pid), args)
    try:
        print(json.dumps(asyncio.run(measured)))
    finally:
        service.terminate()
        service.wait(30)


if __name__ == "__main__":
    main()
