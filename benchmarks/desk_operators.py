"""Operators at the desk over HTTP: how long a verdict with the next item takes, and whether any goes astray.

An operator takes an item, thinks, decides, and gets the next one with the answer. Thinking takes a log-normal time
(sigma 0.5, as times of people's decisions are skewed) of the given mean; 0 is the closed loop, in which the desk is
always asked as much as it can bear and the time per request is little more than operators / throughput.

The server can be killed with SIGKILL meanwhile. It is started again at once; an operator whose request got no answer
asks again, as a person would. What each of them was told is then compared with the database.
"""

import collections
import contextlib
import math
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
from sqlalchemy import func, select

from thermolang import ReviewStore
from thermolang.review import STATUSES, UserStore, verify
from thermolang.review.schema import EventRow, VerdictRow

PASSWORD = "correct horse battery"
SIGMA = 0.5
SERVE = (
    "import sys; from thermolang_desk import serve;"
    " serve(sys.argv[1], port=int(sys.argv[2]), ready=lambda url: print(url, flush=True))"
)
PATIENCE = 120  # seconds that an operator goes on asking a desk that does not answer


class Server:
    """The desk in a process of its own, always on the same port."""

    def __init__(self, url):
        self.url, self.cpu, self._begun = url, 0.0, 0.0
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.process = None

    def start(self):
        """Returns the seconds until it answered."""
        begin = time.perf_counter()
        command = [sys.executable, "-c", SERVE, self.url, str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        if not self.process.stdout.readline():
            raise RuntimeError("the desk did not start")
        self.count_from_here()
        return time.perf_counter() - begin

    def count_from_here(self):
        """What was computed before is no work on items."""
        self._begun = processor_seconds(self.process.pid)

    def kill(self):
        self.cpu += processor_seconds(self.process.pid) - self._begun
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()


class Operator(threading.Thread):
    """Logs in and works until nothing is pending any more."""

    def __init__(self, address, name, pause):
        super().__init__(daemon=True)
        self.name, self.pause, self.draw = name, pause, random.Random(name)
        self.taken, self.confirmed, self.found_done = [], [], []
        self.collisions, self.unanswered, self.failures = 0, 0, []
        self.client = httpx.Client(base_url=address, timeout=30)

    def log_in(self):
        self.client.post("/api/v1/login", json={"name": self.name, "password": PASSWORD}).raise_for_status()

    def run(self):
        try:
            # Not all at the same moment.
            time.sleep(self.draw.random() * self.pause)
            while (lease := self.next()) or self.pending():
                while lease:
                    lease = self.step(lease["item"])
                time.sleep(0.5)
        except Exception as error:
            self.failures.append(repr(error))

    def think(self):
        if self.pause:
            time.sleep(self.draw.lognormvariate(math.log(self.pause) - SIGMA**2 / 2, SIGMA))

    def step(self, item):
        """Decide one item; returns the next lease."""
        self.think()
        begin, body = time.perf_counter(), {"action": "accept", "version": item["version"], "next": {}}
        try:
            answer = self.client.post(f"/api/v1/items/{item['id']}/decide", json=body)
        except httpx.TransportError:
            return self.again(item, body)
        self.taken.append(1000 * (time.perf_counter() - begin))
        return self.told(item, answer)

    def told(self, item, answer):
        if answer.status_code == 409:
            self.collisions += 1
            return self.next()
        answer.raise_for_status()
        self.confirmed.append(item["id"])
        return answer.json()["lease"]

    def again(self, item, body):
        """The desk gave no answer: look whether the verdict is there, and give it if not."""
        self.unanswered += 1
        shown = self.ask("POST", f"/api/v1/items/{item['id']}/open").json()["lease"]
        if shown["item"]["status"] == "pending":
            return self.told(item, self.ask("POST", f"/api/v1/items/{item['id']}/decide", body))
        if shown["item"]["operator"] == self.name:
            self.found_done.append(item["id"])
        else:
            self.collisions += 1
        return self.next()

    def next(self):
        answer = self.ask("POST", "/api/v1/next")
        answer.raise_for_status()
        return answer.json()["lease"]

    def pending(self):
        return self.ask("GET", "/api/v1/stats").json()["pending"]

    def ask(self, method, path, body=None):
        """Ask until there is an answer."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return self.client.request(method, path, json=body or {} if method == "POST" else None)
            except httpx.TransportError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)


def operators(url, fill, count, people, *, pause, kills):
    """Several operators on one queue.

    Args:
        url: Of an empty database.
        fill: Puts so many items into a store.
        count: Items.
        people: Operators.
        pause: Mean of the time that an operator thinks, in seconds.
        kills: How often the server is killed and started again.
    """
    with ReviewStore(url) as store:
        fill(store, count - 1)
        users, names = UserStore(store), [f"op{number}" for number in range(people)]
        for name in names:
            users.add(name, PASSWORD)
    server = Server(url)
    ready = server.start()
    crew = [Operator(server.address, name, pause) for name in names]
    for each in crew:
        each.log_in()
    memory = resident(server.process.pid)
    server.count_from_here()
    begin, restarts = time.perf_counter(), []
    for each in crew:
        each.start()
    for number in range(kills):
        wait_for(crew, (number + 1) * count // (kills + 1))
        server.kill()
        restarts.append(round(server.start(), 1))
    for each in crew:
        each.join()
    seconds, peak = time.perf_counter() - begin, resident(server.process.pid)
    server.kill()
    return {
        "items": count,
        "operators": people,
        "pause, s": f"log-normal, mean {pause}, sigma {SIGMA}" if pause else "none: closed loop",
        "ready, s": round(ready, 1),
        "killed and ready again after, s": restarts,
        "memory at rest and after, MB": [memory, peak],
        **compared(url, crew),
        "decide and next, ms": quantiles([taken for each in crew for taken in each.taken]),
        "decisions a second": round(count / seconds, 1),
        "server processor time per decision, ms": round(1000 * server.cpu / count, 1),
    }


def wait_for(crew, decided):
    while sum(len(each.confirmed) for each in crew) < decided and any(each.is_alive() for each in crew):
        time.sleep(0.02)


def compared(url, crew):
    """What the operators were told, against what is in the database."""
    confirmed = [(item, each.name) for each in crew for item in each.confirmed + each.found_done]
    with ReviewStore(url) as store, store._engine.connect() as connection:
        there = dict(connection.execute(select(VerdictRow.item_id, VerdictRow.operator)).all())
        told = select(EventRow.item_id).where(EventRow.what.in_(STATUSES)).group_by(EventRow.item_id)
        twice = connection.execute(told.having(func.count() > 1)).all()
        pending = store.counts()["pending"]
        problems = [problem.what for problem in verify(store).problems]
    by_item = collections.Counter(item for item, _ in confirmed)
    collisions = sum(each.collisions for each in crew)
    return {
        "failures": [failure for each in crew for failure in each.failures],
        "requests without an answer": sum(each.unanswered for each in crew),
        "of them recorded all the same": sum(len(each.found_done) for each in crew),
        "decided twice": len(twice) + sum(count > 1 for count in by_item.values()),
        "lost": pending,
        "told done, but not there": sum(there.get(item) != name for item, name in confirmed),
        "there, but nobody was told": len(there.keys() - by_item.keys()),
        "problems of the audit chain": problems,
        "collisions": collisions,
        "collisions, %": round(100 * collisions / max(1, len(confirmed)), 2),
    }


def quantiles(taken):
    taken = sorted(taken)
    return {f"p{share}": round(taken[min(len(taken) - 1, len(taken) * share // 100)], 1) for share in (50, 95, 99)}


def resident(pid):
    """Memory of a process in MB; None where the system does not tell."""
    status = Path(f"/proc/{pid}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) // 1024 for line in lines if line.startswith("VmRSS")), None)


def processor_seconds(pid):
    """What a process has computed so far; 0 where the system does not tell."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0
