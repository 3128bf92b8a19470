"""Two weeks of a review desk with invented answers and people, for tools/desk_screens.py."""

from __future__ import annotations

import math
import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from thermolang import Confidence, Decision, Policy, ReviewStore
from thermolang.review import Audit, LeadService, Lease, ReviewService, TaskSettings, UserStore, tell_alarm
from thermolang.routing import Alarm
from thermolang.types import Alternative, Reason

PASSWORD = "correct horse battery"
LEAD, REVIEWERS = "ann", ("ben", "carla", "花子")
DAYS = 14
THRESHOLD = 0.8
MODEL = "qwen3-4b"
OPEN, CONTRACTS, SHIPPING, JAPANESE, INVOICES = "opening hours", "contracts", "shipping", "お問い合わせ", "invoices"
CALIBRATOR = {"calibrator": "qwen3-4b-2026-11", "temperature": 1.62, "task_version": 4}


class Asked(NamedTuple):
    """A question with the right answer, a wrong one and the passage that tells."""

    task: str
    question: str
    right: str
    wrong: str
    context: str = ""


@dataclass(frozen=True)
class Special:
    """An answer that is written by hand, to show one thing each; nobody has decided it yet."""

    task: str
    question: str
    answer: str
    confidence: Confidence
    context: str = ""
    flag: str = ""


def everyday(rng: random.Random) -> list[Asked]:
    """Questions that a company's customers and clerks ask, in random order."""
    asked = [*_hours(rng), *_contracts(rng), *_shipping(rng), *_japanese(rng)]
    rng.shuffle(asked)
    return asked


def _hours(rng: random.Random) -> Iterator[Asked]:
    towns = (
        "Leeds",
        "York",
        "Bath",
        "Derby",
        "Exeter",
        "Oxford",
        "Truro",
        "Wells",
        "Ripon",
        "Durham",
        "Lincoln",
        "Hull",
        "Stoke",
        "Dover",
        "Luton",
    )
    for town in towns:
        late, early = rng.sample(("5 pm", "6 pm", "7 pm", "8 pm"), 2)
        told = f"{town}: Monday to Friday 9 am to {late}, Saturday 10 am to {early}. Closed on Sundays and holidays."
        yield Asked(OPEN, f"When does the shop in {town} close on Saturdays?", early, late, told)
        yield Asked(OPEN, f"How long is the shop in {town} open on Tuesdays?", f"until {late}", f"until {early}", told)
        yield Asked(OPEN, f"Is the shop in {town} open on Sundays?", "No", "Yes", told)


def _contracts(rng: random.Random) -> Iterator[Asked]:
    names = ("Norwind", "Alba Foods", "Tern & Co", "Kestrel", "Brightwater", "Lindqvist", "Moreau", "Halden", "Ostia")
    names += ("Pinewood", "Sarum", "Vega Print", "Ullmann", "Quayside")
    for name in names:
        notice, other = rng.sample(("one month", "three months", "six months", "30 days"), 2)
        days, wrong = rng.sample((14, 30, 45, 60), 2)
        told = f"Either party may end the agreement with {name} at {notice}' notice. Invoices are due in {days} days."
        yield Asked(CONTRACTS, f"What is the notice period in the contract with {name}?", notice, other, told)
        question = f"When are invoices of {name} due?"
        yield Asked(CONTRACTS, question, f"after {days} days", f"after {wrong} days", told)
        yield Asked(CONTRACTS, f"May {name} raise prices within the first year?", "No", "Yes, by up to 5 %")


def _shipping(rng: random.Random) -> Iterator[Asked]:
    countries = ("Norway", "Spain", "Japan", "Chile", "Poland", "Kenya", "Canada", "Greece", "Malta", "India", "Peru")
    for country in (*countries, "Austria", "Iceland", "Brazil", "Ghana", "Korea"):
        for kilos in (2, 5, 10, 20, 30):
            price = rng.randrange(90, 400) / 10 + kilos
            right, wrong = (f"€{price + more:.2f}" for more in (0, rng.choice((-4, 3.5, 10))))
            question = f"What does express shipping of {kilos} kg to {country} cost?"
            yield Asked(SHIPPING, question, right, wrong, f"Express to {country}: {kilos} kg {right}, two days.")
        days, more = rng.sample(range(2, 9), 2)
        question = f"How many days does a parcel to {country} take?"
        yield Asked(SHIPPING, question, f"{days} days", f"{more} days")


def _japanese(rng: random.Random) -> Iterator[Asked]:
    for town in ("大阪", "京都", "札幌", "福岡", "仙台", "広島", "名古屋", "神戸", "那覇", "金沢", "長野", "松山"):
        late, early = rng.sample((17, 18, 19, 20, 21), 2)
        told = f"{town}店の営業時間は平日 10 時〜{late} 時、土日祝は 10 時〜{early} 時です。"
        yield Asked(
            JAPANESE, f"{town}店は土曜日に何時まで営業していますか。", f"{early} 時まで", f"{late} 時まで", told
        )
        yield Asked(JAPANESE, f"{town}店の平日の閉店時間を教えてください。", f"{late} 時", f"{early} 時", told)
        fee, wrong = rng.sample((550, 660, 770, 880, 990), 2)
        yield Asked(JAPANESE, f"{town}市内への送料はいくらですか。", f"{fee} 円", f"{wrong} 円")


def specials() -> list[Special]:
    """One item for each thing that the desk can show."""
    fields = {
        "supplier": Confidence(0.96, raw=0.99, source="self_check"),
        "number": Confidence(0.91, raw=0.97, source="self_check"),
        "total": Confidence(0.44, raw=0.71, source="self_check"),
        "due": Confidence(0.63, raw=0.80, source="self_check"),
    }
    invoice = '{"supplier": "Alba Foods Ltd", "number": "2026-1187", "total": "1,240.00", "due": "2026-12-14"}'
    return [
        Special(
            INVOICES,
            "Read supplier, number, total and due date from the invoice.",
            invoice,
            Confidence(0.41, raw=0.62, interval=(0.30, 0.55), source="fields", novelty=0.42, fields=fields),
            "Alba Foods Ltd, invoice 2026-1187 of 14 November 2026. Net 1,240.00, VAT 20 % 248.00, total 1,488.00. "
            "Payable within 30 days.",
        ),
        Special(
            CONTRACTS,
            "By when must Brightwater be told that we do not renew?",
            "You have to give notice **by 31 October**:\n\n- the contract ends on 31 December\n- notice is two months",
            _said(0.34, 0.5, ("by 30 September", 3), ("by 31 December", 1), ("there is no deadline", 1)),
            "12.1 The agreement runs until 31 December and is renewed for a year at a time. 12.2 A party that does not "
            "want it renewed says so in writing three months before it ends, that is by 30 September. 12.3 A notice "
            "by e-mail counts once its receipt is confirmed.",
        ),
        Special(
            JAPANESE,
            "商品が破損していた場合、返品の送料はどちらの負担ですか。",
            "お客様のご負担です。",
            _said(0.23, 0.4, ("当社の負担です。", 5), ("着払いで返送できます。", 1)),
            "お客様のご都合による返品の送料はお客様のご負担となります。商品に破損や誤りがあった場合は当社が負担し、着払いで承ります。",
        ),
        Special(
            JAPANESE,
            "法人契約の最低利用期間は何か月ですか。",
            "12 か月です。",
            Confidence(0.57, raw=0.74, interval=(0.44, 0.69), source="self_check", supported=False, novelty=1.31),
        ),
        Special(
            SHIPPING,
            "Which of the three carriers delivers to Svalbard?",
            "The blue one.",
            Confidence.missing(Reason("off_options", "the model wants to say something else than the options")),
        ),
        Special(
            SHIPPING,
            "Do lithium batteries go by air?",
            "Yes, up to 100 Wh each.",
            replace(_said(0.66, 0.8, ("No, only by road", 2)), reason="17 of 30 inputs", reason_code="few_inputs"),
        ),
        Special(
            CONTRACTS,
            "Does the framework agreement with Ostia cover the branch in Lyon?",
            "Yes, it covers all branches in the EU.",
            Confidence(0.48, raw=0.66, interval=(0.36, 0.61), source="self_check", novelty=0.77),
            flag="Annex C names the branches, and I do not have it.",
        ),
    ]


def _said(value: float, own: float, *others: tuple[str, int]) -> Confidence:
    """The confidence of an answer whose question was asked ten times."""
    alternatives = tuple(Alternative(text, count / 10, count) for text, count in others)
    interval = (value - 0.11, value + 0.13)
    return Confidence(value, raw=own, interval=interval, source="meaning", novelty=0.58, alternatives=alternatives)


class Clock:
    """A time that the story sets."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at


class History:
    """Writes some days of work into a store of its own.

    Args:
        store: An empty one, in an SQLite file.
        file: That file: a store stamps items with the time now, so their age is put in past it, and ``verify`` says so.
        now: When they end.
        rng: Makes up the answers and the people.
    """

    def __init__(self, store: ReviewStore, file: Path, now: datetime, rng: random.Random) -> None:
        self.store, self.file, self.now, self.rng = store, file, now, rng
        self.clock, self.leads = Clock(now), LeadService(store)
        self.desk = ReviewService(store, clock=self.clock, draw=self.rng.random)
        self.truths: dict[str, str] = {}
        self.probed: set[str] = set()

    def write(self, days: int) -> None:
        """All of it: people, answers, verdicts, probes, second reviews, alarms."""
        users = UserStore(self.store)
        users.add(LEAD, PASSWORD, "lead")
        for name in REVIEWERS:
            users.add(name, PASSWORD)
        # By chance, which alone tells whether the confidence helps.
        self.leads.set_settings("*", TaskSettings("random", 0.5, 0.5, 0.25), operator=LEAD)
        left = everyday(self.rng)
        for day in range(days - 1, -1, -1):
            start = self.now - timedelta(days=day, hours=4)
            weekend = day > 0 and start.weekday() >= 5
            count = self.rng.randint(3, 6) if weekend else self.rng.randint(15, 24)
            new, left = left[:count], left[count:]
            self._day(new, start, until=26 if day == 0 else self.rng.randint(2, 8))
            self._probe(most=1)
        self._settle()
        self._specials()
        self._alarms()
        self.leads.set_settings("*", TaskSettings("shown", 0.5, 0.05, 0.1), operator=LEAD)

    def _day(self, new: list[Asked], start: datetime, *, until: int) -> None:
        """Answers come, and people decide until only so many are left."""
        for asked in new:
            self._submit(asked, start - timedelta(minutes=self.rng.expovariate(1 / 90)))
        self.clock.at = start
        while self.store.counts()["pending"] > until:
            for name in REVIEWERS:
                self.desk.prepare(name)
                if lease := self.desk.next(name):
                    self._judge(lease, name)

    def _submit(self, asked: Asked, at: datetime) -> None:
        value = round(min(0.98, max(0.03, self.rng.betavariate(2.2, 1.6))), 3)
        # A little too sure, as models are.
        right = self.rng.random() < value**1.15
        other = asked.wrong if right else asked.right
        alternatives = (Alternative(other, round(0.8 * (1 - value), 2)),)
        confidence = Confidence(
            value,
            raw=1 / (1 + math.exp(-1.62 * math.log(value / (1 - value)))),
            interval=(max(0.0, value - 0.12), min(1.0, value + 0.1)),
            source="choice" if asked.right in ("Yes", "No") else "self_check",
            novelty=round(self.rng.uniform(0.2, 0.9), 2),
            alternatives=alternatives,
            task=asked.task,
            **CALIBRATOR,
        )
        self.truths[asked.question] = asked.right
        answer = asked.right if right else asked.wrong
        self._put(asked.task, asked.question, answer, asked.context, confidence, at)

    def _put(
        self, task: str, question: str, answer: str, context: str, confidence: Confidence, at: datetime
    ) -> str | None:
        decision: Decision = Policy(THRESHOLD).decide(confidence)
        submit: Callable = self.store.submit_accepted if decision.action == "accept" else self.store.submit
        texts = {"context": context, "model": MODEL, "task": task, "key": question}
        item = submit(question, answer, confidence=confidence, decision=decision, **texts)
        if item is None:
            return None
        with closing(sqlite3.connect(self.file)) as database, database:
            database.execute("UPDATE items SET created_at = ? WHERE id = ?", (f"{at:%Y-%m-%d %H:%M:%S.%f}", item.id))
        return str(item.id)

    def _judge(self, lease: Lease, name: str) -> None:
        """A person who judges better with the number, and believes a high one too easily."""
        item, rng = lease.item, self.rng
        truth = self.truths[item.question]
        right, value = item.answer == truth, item.confidence.value or 0.0
        skill = 0.95 if right or value < 0.5 else 0.83
        well = rng.random() < (skill if lease.with_number else 0.76)
        self.clock.at += timedelta(seconds=rng.lognormvariate(2.0 if lease.with_number else 2.4, 0.4))
        given = {"operator": name}
        if well == right:
            self.desk.decide(item.id, item.version, "accept", **given)
        elif right or rng.random() < 0.4:
            code = rng.choice(("wrong", "unsupported", "incomplete"))
            self.desk.decide(item.id, item.version, "reject", reason_code=code, **given)
        else:
            self.desk.decide(item.id, item.version, "correct", corrected_answer=truth, **given)

    def _probe(self, *, most: int) -> None:
        """The lead lets some of what was decided well test people."""
        for status in ("corrected", "accepted", "rejected"):
            fit = [
                item
                for item in self.store.list(status=status, limit=1000)
                if (item.answer == self.truths[item.question]) == (status == "accepted")
                and item.question not in self.probed
            ]
            # Those with the highest confidence, which tell most.
            for item in fit[-most:]:
                self.probed.add(item.question)
                self.leads.mark_probe(item.id, operator=LEAD)

    def _settle(self) -> None:
        for pair in self.leads.disagreements()[:-2]:
            first = (pair.first.verdict.action == "accept") == (pair.first.answer == self.truths[pair.first.question])
            self.leads.settle(pair.first.id, "first" if first else "second", operator=LEAD)

    def _specials(self) -> None:
        for number, one in enumerate(specials()):
            known = replace(one.confidence, task=one.task, **CALIBRATOR)
            at = self.now - timedelta(minutes=3 + 11 * number)
            item_id = self._put(one.task, one.question, one.answer, one.context, known, at)
            self.clock.at = self.now - timedelta(minutes=2)
            if one.flag and item_id:
                lease = self.desk.open(item_id, "ben")
                self.desk.leave(item_id, lease.item.version, "cannot_tell", operator="ben", note=one.flag)

    def _alarms(self) -> None:
        for hours, alarm in (
            (70, Alarm("confidence", 812, 640, 3.2, "confidences are lower than in the reference: p < 0.0003")),
            (26, Alarm("novelty", 1190, 1105, 1.7, "questions are less like the training tasks than before")),
            (5, Alarm("error", 96, 71, 1.4, "11 of the last 25 audited answers are wrong; 5 % were promised")),
        ):
            tell_alarm(self.store, alarm, now=self.now - timedelta(hours=hours))
        oldest = min(self.leads.alarms(), key=lambda alarm: alarm.at)
        self.leads.see_alarm(oldest.id, operator=LEAD)


def fill(file: Path, now: datetime, *, days: int = DAYS, seed: int = 1) -> None:
    """Make an SQLite file with the history of a desk.

    Args:
        file: A new file.
        now: When it ends, aware.
        days: How long it is.
        seed: Other seeds make other answers and people.
    """
    with ReviewStore(f"sqlite:///{file}", audit=Audit(0.4)) as store:
        History(store, file, now, random.Random(seed)).write(days)
