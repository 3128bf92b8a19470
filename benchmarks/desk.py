"""The review desk under load: 100,000 items in the database, and 20 operators over HTTP on 5,000 items."""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from datetime import timedelta
from pathlib import Path

import httpx
from sqlalchemy import select, update

from thermolang import Confidence, Decision, ReviewStore
from thermolang.review import Filter, LeadService, ReviewService, UserStore
from thermolang.review.schema import EventRow, ItemRow, VerdictRow, band_of

PASSWORD = "correct horse battery"
WORDS = ["capital", "country", "river", "which", "city", "is", "the", "of", "mountain", "東京", "首都はどこ", "確信度"]
TASKS = ["capitals", "rivers", "translation", "首都"]
SERVE = (
    "import sys; from thermolang_desk import serve; serve(sys.argv[1], port=0, ready=lambda u: print(u, flush=True))"
)


def fill(store, count, seed=0):
    """Write items as ``submit`` does, in few transactions. 1 of 20 has no confidence, 1 of 1,000 a rare word."""
    draw = random.Random(seed)
    decision = Decision("review", "confidence is below the threshold 0.80", 0.8)
    at = store.submit("first", "item", confidence=Confidence(0.5), decision=decision).created_at
    record = Confidence(0.5).to_dict()
    for start in range(0, count, 5000):
        items, events = [], []
        for _ in range(start, min(start + 5000, count)):
            value = None if draw.random() < 0.05 else draw.random() * 0.8
            place, item_id = draw.random() if value is None else value, f"{draw.getrandbits(128):032x}"
            rare = " zymurgy" if draw.random() < 0.001 else ""
            items.append(
                {
                    "id": item_id,
                    "created_at": at,
                    "task": draw.choice(TASKS),
                    "context": "",
                    "model": "m",
                    "question": " ".join(draw.choices(WORDS, k=12)) + rare,
                    "answer": " ".join(draw.choices(WORDS, k=40)),
                    "confidence": value,
                    "confidence_record": record | {"value": value},
                    "reason": "low",
                    "decision_action": "review",
                    "decision_threshold": 0.8,
                    "status": "pending",
                    "version": 1,
                    "place": place,
                    "band": band_of(place),
                    "flagged": False,
                    "reason_code": "no_value" if value is None else "below_threshold",
                }
            )
            events.append({"item_id": item_id, "at": at, "actor": "m", "what": "submitted", "detail": {}})
        with store._engine.begin() as connection:
            connection.execute(ItemRow.__table__.insert(), items)
            connection.execute(EventRow.__table__.insert(), events)


def timed(work, times=40):
    """p50 and p95 of a call, in milliseconds."""
    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        work()
        taken.append(1000 * (time.perf_counter() - begin))
    return quantiles(taken)


def quantiles(taken):
    taken = sorted(taken)
    return {"p50": round(taken[len(taken) // 2], 1), "p95": round(taken[int(len(taken) * 0.95)], 1)}


def large(url, count):
    """A desk with many items, without the web."""
    with ReviewStore(url) as store:
        fill(store, count)
        desk = ReviewService(store)

        def decide():
            item = desk.next("ann").item
            desk.decide(item.id, item.version, "accept", operator="ann")

        def stats():
            desk._counted = (-1, {})
            desk.stats("ann")

        return {
            "items": count,
            "first page": timed(desk.search),
            "newest first": timed(lambda: desk.search(order="newest")),
            "all statuses": timed(lambda: desk.search(Filter(status=None))),
            "page 1000": timed(lambda: desk.search(offset=min(50_000, count // 2))),
            "filter task and reason": timed(lambda: desk.search(Filter(task="rivers", reason_code="no_value"))),
            "filter band": timed(lambda: desk.search(Filter(band="medium"))),
            "search, no hit": timed(lambda: desk.search(Filter("qqzzqq"))),
            "search, 1 of 1000": timed(lambda: desk.search(Filter("zymurgy"))),
            "search, common": timed(lambda: desk.search(Filter("capital"))),
            "search, Japanese": timed(lambda: desk.search(Filter("首都はどこ"))),
            "search, two letters": timed(lambda: desk.search(Filter("qz"))),
            "counts": timed(stats),
            "next and decide": timed(decide, 200),
        }


class Operator(threading.Thread):
    """Logs in and works until nothing is left."""

    def __init__(self, address, name):
        super().__init__()
        self.name, self.taken, self.decided, self.collisions, self.failures = name, [], [], 0, []
        self.client = httpx.Client(base_url=address, timeout=120)

    def run(self):
        try:
            self.client.post("/api/v1/login", json={"name": self.name, "password": PASSWORD}).raise_for_status()
            lease = self.client.post("/api/v1/next", json={}).json()["lease"]
            while lease:
                lease = self.step(lease["item"])
        except Exception as error:
            self.failures.append(repr(error))

    def step(self, item):
        begin = time.perf_counter()
        body = {"action": "accept", "version": item["version"], "next": {}}
        answer = self.client.post(f"/api/v1/items/{item['id']}/decide", json=body)
        self.taken.append(1000 * (time.perf_counter() - begin))
        if answer.status_code == 409:
            self.collisions += 1
            return self.client.post("/api/v1/next", json={}).json()["lease"]
        answer.raise_for_status()
        self.decided.append(item["id"])
        return answer.json()["lease"]


def decide_half(store, seed=1):
    """Give every second item a verdict; the more confident ones are accepted more often."""
    draw = random.Random(seed)
    with store._engine.begin() as connection:
        found = connection.execute(
            select(ItemRow.id, ItemRow.confidence, ItemRow.created_at).order_by(ItemRow.id)
        ).all()
        chosen = found[::2]
        verdicts = [
            {
                "item_id": item_id,
                "action": "accept" if draw.random() < (confidence or 0.5) else "reject",
                "operator": draw.choice(["ann", "bob", "cem"]),
                "note": "",
                "created_at": at + timedelta(minutes=draw.expovariate(1 / 60)),
                "reason_code": "",
            }
            for item_id, confidence, at in chosen
        ]
        connection.execute(VerdictRow.__table__.insert(), verdicts)
        decided = ItemRow.id.in_(select(VerdictRow.item_id))
        connection.execute(update(ItemRow).where(decided).values(status="accepted", version=2))


def dashboards(url, count):
    """The leads' figures with many items, half of them decided."""
    with ReviewStore(url) as store:
        fill(store, count)
        decide_half(store)
        leads = LeadService(store)
        return {
            "items": count,
            "reliability and threshold": timed(lambda: leads.quality(0.7), 10),
            "load": timed(leads.load, 10),
            "waiting time": timed(leads.waits, 10),
            "people and agreement": timed(lambda: (leads.helps(), leads.agreement(), leads.disagreements()), 10),
            "next item": timed(lambda: leads._desk.release(leads._desk.next("ann").item.id, "ann"), 20),
        }


def operators(url, count, people):
    """Several operators over HTTP on one queue."""
    with ReviewStore(url) as store:
        fill(store, count - 1)
        users = UserStore(store)
        names = [f"op{number}" for number in range(people)]
        for name in names:
            users.add(name, PASSWORD)
        begin = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-c", SERVE, url], stdout=subprocess.PIPE, text=True)
        address = process.stdout.readline().strip()
        ready = time.perf_counter() - begin
        memory = resident(process.pid)
        crew = [Operator(address, name) for name in names]
        begin = time.perf_counter()
        for each in crew:
            each.start()
        for each in crew:
            each.join()
        seconds = time.perf_counter() - begin
        peak = resident(process.pid)
        process.kill()
        decided = [item for each in crew for item in each.decided]
        collisions = sum(each.collisions for each in crew)
        return {
            "items": count,
            "operators": people,
            "ready, s": round(ready, 1),
            "memory at rest and after, MB": [memory, peak],
            "failures": [failure for each in crew for failure in each.failures],
            "decided twice": len(decided) - len(set(decided)),
            "lost": store.counts()["pending"],
            "collisions": collisions,
            "collisions, %": round(100 * collisions / max(1, len(decided)), 2),
            "decide and next": quantiles([taken for each in crew for taken in each.taken]),
            "decisions a second": round(len(decided) / seconds, 1),
        }


def resident(pid):
    """Memory of a process in MB; None where the system does not tell."""
    status = Path(f"/proc/{pid}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) // 1024 for line in lines if line.startswith("VmRSS")), None)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=100_000, help="items in the large database")
    parser.add_argument("--shared", type=int, default=5000, help="items that the operators share")
    parser.add_argument("--operators", type=int, default=20)
    parser.add_argument("--store", help="URL of an empty database instead of an SQLite file; use it with one part only")
    parser.add_argument("--part", choices=["large", "dashboards", "operators"], help="only this part")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for part in ["large", "dashboards", "operators"] if options.part is None else [options.part]:
            url = options.store or f"sqlite:///{folder}/{part}.db"
            if part == "operators":
                found = operators(url, options.shared, options.operators)
            else:
                found = (large if part == "large" else dashboards)(url, options.items)
            print(json.dumps({part: found}, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
