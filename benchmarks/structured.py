"""Structured answers on real text: how many validate, how right each field is, how honest, and what it costs.

    python benchmarks/structured.py collect --data DATA --model MODEL --out FOLDER [--passages 300]
    python benchmarks/structured.py speed --data DATA --model MODEL [--passages 8]

An item is a passage of SQuAD 2.0, DROP or JSQuAD with 2 to 5 of its questions as one schema; in SQuAD and JSQuAD one
question may become an enum (the passage's other answers are the other options) and, in SQuAD, one a boolean (does the
passage answer it?). `collect` writes one line and one file of hidden states an item into OUT, and goes on where it
stopped; `structured_report.py` makes tables of that. `speed` times constrained beside free decoding.
"""

import argparse
import hashlib
import json
import math
import re
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from thermolang.answers.grading import is_right
from thermolang.fields import StructuredAnswer, read_fields
from thermolang.models import decoding
from thermolang.models.constrained import json_grammar
from thermolang.models.decoding import SHORT, Sampling
from thermolang.models.local import LocalModel
from thermolang.models.prompts import choice_messages, field_check, json_messages, question_messages
from thermolang.types import Example

LONGEST_PASSAGE = 2000
MAX_TOKENS = 200
ROUNDS = 5
ASK = "Answer the questions about this passage.\n\n{context}"
NAMED = 'Is "{path}": {value} correct in your answer above? Reply with yes or no only.'
SMALL_WORDS = (
    " what which who whose when where how why the a an of did does do is was were are be in to by for from on with at"
    " as has had have many much that this "
)


def number_of(text):
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)


def squad(path, source):
    """Passages with (question, aliases, kind, options); kinds are text, enum and boolean."""
    found = json.loads(path.read_text(encoding="utf-8"))
    for article in found.get("data", found):
        for paragraph in article["paragraphs"]:
            context = paragraph["context"].split("[SEP]")[-1].strip()
            asked = sorted(paragraph["qas"], key=lambda qa: number_of(qa["id"]))
            known = [
                (qa["question"].strip(), sorted({a["text"] for a in qa["answers"]})) for qa in asked if qa["answers"]
            ]
            unknown = [qa["question"].strip() for qa in asked if not qa["answers"]]
            if len(known) >= 2 and len(context) <= LONGEST_PASSAGE:
                yield source, context, fields_of(context, known, unknown)


def fields_of(context, known, unknown):
    n = 2 + number_of(context) % 4
    fields = [{"question": q, "gold": a, "kind": "text"} for q, a in known[:n]]
    others = list(dict.fromkeys(a[0] for _, a in known))
    if len(fields) >= 3 and len(others) >= 3:
        last = fields[-1]
        wrong = [o for o in others if o not in last["gold"]][:4]
        fields[-1] = {**last, "kind": "enum", "gold": last["gold"][:1], "options": sorted([last["gold"][0], *wrong])}
    if len(fields) >= 3 and unknown:
        yes = number_of(context + "boolean") % 2
        asked = fields[0]["question"] if yes else unknown[0]
        question = f"Does the passage answer this question: {asked}"
        fields[0] = {"question": question, "gold": [bool(yes)], "kind": "boolean"}
    return fields


def drop(path):
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    passages = {}
    for row in rows:
        passages.setdefault(row["passage"], []).append(row)
    for context, asked in passages.items():
        if len(asked) < 2 or len(context) > LONGEST_PASSAGE:
            continue
        asked.sort(key=lambda row: number_of(row["query_id"]))
        fields = []
        for row in asked[: 2 + number_of(context) % 4]:
            gold = [" ".join(a) if isinstance(a, list) else str(a) for a in row["answers"]]
            numeric = all(g.replace(".", "", 1).replace(",", "").isdigit() for g in gold)
            fields.append({"question": row["question"], "gold": gold, "kind": "number" if numeric else "text"})
        yield "drop", context, fields


def passages(data, wanted):
    """Half SQuAD, a quarter each DROP and JSQuAD, in an order that makes a smaller number a part of a larger one."""
    sources = [
        squad(data / "squad" / "dev-v2.0.rebuilt.json", "squad"),
        drop(data / "drop" / "olmo_drop_1000.jsonl"),
        squad(data / "jglue" / "jsquad-v1.3" / "valid-v1.3.json", "jsquad"),
    ]
    lists = [iter(sorted(source, key=lambda item: number_of(item[1]))) for source in sources]
    found = []
    while len(found) < wanted:
        turn = [next(lists[i], None) for i in (0, 1, 0, 2)]
        if all(item is None for item in turn):
            break
        found += [item for item in turn if item is not None]
    return found[:wanted]


def schema_of(fields):
    kinds = {"text": {"type": "string"}, "number": {"type": "number"}, "boolean": {"type": "boolean"}}
    properties = {}
    for field in fields:
        form = {"type": "string", "enum": field["options"]} if field["kind"] == "enum" else kinds[field["kind"]]
        properties[key_of(field, properties)] = {**form, "description": field["question"]}
    return {"type": "object", "properties": properties, "required": list(properties)}


def key_of(field, taken):
    """A name as people give their fields: the first few words of the question that say something."""
    words = [w for w in re.findall(r"[a-z0-9]+", field["question"].lower()) if f" {w} " not in SMALL_WORDS]
    name = "_".join(words[:5]) or f"answer_{len(taken) + 1}"
    return name if name not in taken else f"{name}_{len(taken) + 1}"


def right(value, field):
    if field["kind"] in ("enum", "boolean"):
        return value in field["gold"]
    return bool(is_right(str(value), field["gold"]))


class Masked:
    """Notes the log-probability of each token among the allowed ones, beside the one the library reports."""

    def __init__(self):
        self.rows, self._original = {}, decoding._masked
        decoding._masked = self

    def __call__(self, rows, logits, totals, hidden):
        found = self._original(rows, logits, totals, hidden)
        if found is not logits:
            for i, row in enumerate(rows):
                self.rows.setdefault(id(row), []).append(float(found[i].logsumexp(-1) - totals[i]))
        return found

    def logprobs(self, answers):
        """For each answer, in order."""
        found = list(self.rows.values())
        self.rows.clear()
        return [
            tuple(own - share for own, share in zip(answer.logprobs, shares, strict=True))
            for answer, shares in zip(answers, found, strict=True)
        ]


def timed(action):
    start = time.perf_counter()
    found = action()
    return found, time.perf_counter() - start


def asked_of(items):
    """Schema and conversation of each item."""
    schemas = [schema_of(fields) for *_, fields in items]
    asked = [
        json_messages([{"role": "user", "content": ASK.format(context=context)}], schema)
        for (_, context, _), schema in zip(items, schemas, strict=True)
    ]
    return schemas, asked


def collect_some(model, masked, items):
    """Lines and arrays of several passages, which are answered in one batch; seconds are those of a passage."""
    schemas, asked = asked_of(items)
    grammars, sampling = [json_grammar(schema) for schema in schemas], Sampling(MAX_TOKENS)
    masked.rows.clear()
    answers, generating = timed(lambda: model.generate_batch(asked, sampling, grammars=grammars))
    among = masked.logprobs(answers)
    found = []
    for (source, _, fields), messages, schema, answer, shares in zip(
        items, asked, schemas, answers, among, strict=True
    ):
        line, arrays = collected(model, messages, schema, answer, fields, shares)
        line["seconds"]["generate"] = generating / len(items)
        line |= {"source": source, "batch": len(items), "seconds_batch": generating}
        found.append((line, arrays))
    alone, seconds = timed(lambda: asked_alone(model, [(context, fields) for _, context, fields in items]))
    for (line, arrays), (lines, hidden) in zip(found, alone, strict=True):
        line["alone"], line["seconds"]["alone"] = lines, seconds / len(items)
        arrays |= hidden
    return found


def collected(model, messages, schema, answer, fields, shares):
    line = {"text": answer.text, "finish": answer.finish_reason, "prompt": answer.prompt_tokens}
    line |= {"tokens": len(answer.token_ids), "seconds": {}}
    arrays = {}
    if answer.finish_reason == "stop":
        one = StructuredAnswer(messages, answer, schema)
        (read,), line["seconds"]["fields"] = timed(lambda: read_fields(model, [one]))
        scores = list(read.values())
        whole, line["seconds"]["whole"] = timed(lambda: model.self_check(messages, answer))
        line["whole"] = whole.logits.tolist()
        arrays["whole"] = whole.hidden
        line["fields"] = field_lines(model, one, scores, fields, shares, arrays)
    return line, arrays


def field_lines(model, one, scores, fields, among, arrays):
    spelled = model.spelled(replace(one.answer, logprobs=among))
    pairs, told = [(one.messages, one.answer)] * len(scores), [s.field for s in scores]
    texts = {
        "described": [field_check(f.path, f.value, f.description) for f in told],
        "named": [NAMED.format(path=f.path, value=json.dumps(f.value, ensure_ascii=False)) for f in told],
    }
    checks = {name: model.self_check_batch(pairs, questions=asked) for name, asked in texts.items()}
    lines = []
    for i, (score, field) in enumerate(zip(scores, fields, strict=True)):
        arrays[f"field_{i}"] = score.scores.hidden
        arrays |= {f"{name}_{i}": found[i].hidden for name, found in checks.items()}
        lines.append(
            {
                "path": score.field.path,
                "kind": field["kind"],
                "value": score.field.value,
                "right": right(score.field.value, field),
                "scored": score.kind.name,
                "logits": score.scores.logits.tolist(),
                "given": score.given,
                "mass": score.scores.answer_mass,
                "probability": model.spelled(one.answer).probability(score.field),
                "among": spelled.probability(score.field),
                "checks": {name: found[i].logits.tolist() for name, found in checks.items()},
                "question": score.question,
            }
        )
    return lines


def asked_alone(model, items):
    """Each question by itself, all in one batch: free text by a short answer, the others by the options' logits."""
    free = [(i, f, c) for i, (c, fields) in enumerate(items) for f in fields if f["kind"] in ("text", "number")]
    asked = [question_messages(Example(f["question"], context=c)) for _, f, c in free]
    prompts = [model.encode(model.render(m)) for m in asked]
    shared = [
        model.prefix([p for p, (j, _, _) in zip(prompts, free, strict=True) if j == i]) for i in range(len(items))
    ]
    answers = model.generate_batch(asked, SHORT, prefixes=[shared[i] for i, _, _ in free]) if asked else []
    checks = model.self_check_batch(list(zip(asked, answers, strict=True))) if asked else []
    found = iter(zip(answers, checks, strict=True))
    return [lines_alone(model, context, fields, found) for context, fields in items]


def lines_alone(model, context, fields, found):
    lines, hidden = [], {}
    for i, field in enumerate(fields):
        if field["kind"] in ("text", "number"):
            answer, check = next(found)
            hidden[f"alone_{i}"] = check.hidden
            value, logits, given, logprob = answer.text, check.logits, 0, answer.mean_probability
        else:
            options = field.get("options", [True, False])
            names = [str(o) for o in options] if field["kind"] == "enum" else ["Yes", "No"]
            messages = choice_messages(field["question"], names, context=context)
            scores = model.choice_logits(messages, [chr(65 + j) for j in range(len(names))])
            hidden[f"alone_{i}"] = scores.hidden
            given, logits, logprob = int(np.argmax(scores.logits)), scores.logits, math.nan
            value = options[given]
        lines.append(
            {
                "value": value,
                "right": right(value, field),
                "logits": logits.tolist(),
                "given": given,
                "logprob": logprob,
            }
        )
    return lines, hidden


def speed(given):
    """Seconds a step with and without the grammars, in turns over the same prompts, which are kept."""
    model = LocalModel.load(given.model)
    items = passages(given.data, given.passages)
    schemas, asked = asked_of(items)
    ways = {"constrained": [json_grammar(schema) for schema in schemas], "free": None}
    found, most = {name: [] for name in ways}, MAX_TOKENS
    for turn in range(ROUNDS + 1):
        for name, grammars in ways.items():
            made, seconds = timed(lambda g=grammars, n=most: model.generate_batch(asked, Sampling(n), grammars=g))
            steps = max(len(answer.token_ids) for answer in made)
            most = steps if grammars else most
            if turn:  # the first one reads the prompts
                found[name].append(seconds / steps)
    ratios = np.divide(found["constrained"], found["free"])
    for name, each in found.items():
        print(f"{name}: {1000 * np.median(each):.1f} ms a step of {len(items)} answers")
    print(f"constrained beside free, in turns: median {np.median(ratios):.3f}, {np.round(ratios, 2)}")


def collect(given):
    given.out.mkdir(parents=True, exist_ok=True)
    lines = given.out / "items.jsonl"
    done = {json.loads(line)["number"] for line in lines.read_text("utf-8").splitlines()} if lines.exists() else set()
    model, masked = LocalModel.load(given.model), Masked()
    todo = [(i, item) for i, item in enumerate(passages(given.data, given.passages)) if i not in done]
    model.generate([{"role": "user", "content": "Hello"}], grammar=json_grammar({"type": "object"}), max_new_tokens=2)
    for first in range(0, len(todo), given.batch):
        part, start = todo[first : first + given.batch], time.perf_counter()
        found = collect_some(model, masked, [item for _, item in part])
        for (number, _), (line, arrays) in zip(part, found, strict=True):
            np.savez(given.out / f"{number}.npz", **{k: v.astype(np.float16) for k, v in arrays.items()})
            with lines.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"number": number} | line, ensure_ascii=False) + "\n")
        rights = [f["right"] for line, _ in found for f in line.get("fields", ())]
        alone = [a["right"] for line, _ in found for a in line["alone"]]
        told = f"{sum(rights)}/{len(rights)} right, alone {sum(alone)}/{len(alone)}"
        spent = (time.perf_counter() - start) / len(part)
        print(f"{time.strftime('%H:%M:%S')} {first + len(part)}/{len(todo)} {spent:.1f} s each, {told}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["collect", "speed"])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--passages", type=int)
    parser.add_argument("--batch", type=int, default=8)
    given = parser.parse_args()
    given.passages = given.passages or {"collect": 300, "speed": 8}[given.step]
    {"collect": collect, "speed": speed}[given.step](given)


if __name__ == "__main__":
    main()
