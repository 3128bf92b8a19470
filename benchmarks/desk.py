"""The review desk under load: 100,000 items in the database, and 20 operators over HTTP on 5,000 items."""

import argparse
import contextlib
import json
import random
import tempfile
import time
from datetime import timedelta

import postgres
from desk_operators import operators, quantiles
from sqlalchemy import func, select, text, update

from thermolang import Confidence, Decision, ReviewStore
from thermolang.review import Filter, LeadService, ReviewService
from thermolang.review.schema import ChainRow, EventRow, ItemRow, VerdictRow, band_of

WORDS = ["capital", "country", "river", "which", "city", "is", "the", "of", "mountain", "東京", "首都はどこ", "確信度"]
TASKS = ["capitals", "rivers", "translation", "首都"]


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
            # They are beside the audit chain, as if they were from before it.
            connection.execute(update(ChainRow).values(begun_after=select(func.max(EventRow.id)).scalar_subquery()))
    if store._engine.dialect.name == "postgresql":
        with store._engine.begin() as connection:
            connection.execute(text("ANALYZE"))  # as its autovacuum does within a minute


def timed(work, times=40):
    """p50 and p95 of a call, in milliseconds."""
    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        work()
        taken.append(1000 * (time.perf_counter() - begin))
    return quantiles(taken)


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
            "search, two letters, 1 of 1000": timed(lambda: desk.search(Filter("zy"))),
            "search, two letters, common": timed(lambda: desk.search(Filter("首都"))),
            "counts": timed(stats),
            "next and decide": timed(decide, 200),
        }


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


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=["large", "dashboards", "operators"], help="only this part")
    parser.add_argument("--items", type=int, help="100,000 in the large database, 5,000 that operators share")
    parser.add_argument("--operators", type=int, default=20)
    parser.add_argument("--pause", type=float, default=1.0, help="mean seconds that an operator thinks; 0: closed loop")
    parser.add_argument(
        "--kill", type=int, default=0, help="how often the server is killed and started again meanwhile"
    )
    parser.add_argument(
        "--store", default="sqlite", help="sqlite (a file), postgresql (a server of one's own), or an empty one's URL"
    )
    options = parser.parse_args()
    for part in ["large", "dashboards", "operators"] if options.part is None else [options.part]:
        with database(options.store) as url:
            if part == "operators":
                crew = {"pause": options.pause, "kills": options.kill}
                found = operators(url, fill, options.items or 5000, options.operators, **crew)
            else:
                found = (large if part == "large" else dashboards)(url, options.items or 100_000)
        print(json.dumps({part: {"store": url.partition(":")[0], **found}}, indent=2, ensure_ascii=False), flush=True)


@contextlib.contextmanager
def database(store):
    """Yields the URL of an empty database."""
    if store == "postgresql":
        with postgres.server() as url:
            yield url
    elif store == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            yield f"sqlite:///{folder}/review.db"
    else:
        yield store


if __name__ == "__main__":
    main()
