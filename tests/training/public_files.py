"""Tiny files of public data sets in the shapes they are published in, with words of our own."""

import json

RAIN = "Rain falls in {town}. It began on day {n}."


def write_json(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def write_lines(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")


def squad(count, *, japanese=False):
    """Articles of SQuAD v2 or JSQuAD: of each passage one question is told and one is not."""
    articles = []
    for n in range(count):
        passage = f"雨 [SEP] {n}日に町で雨が降った。" if japanese else RAIN.format(town=f"town {n}", n=n)
        told = "いつ降ったか。" if japanese else f"When did rain {n} begin?"
        answer = {"text": f"{n}日" if japanese else f"day {n}", "answer_start": 3}
        qas = [{"question": told, "id": f"{n}a", "answers": [answer], "is_impossible": False}]
        if not japanese:
            qas.append({"question": f"Who saw rain {n}?", "id": f"{n}b", "answers": [], "is_impossible": True})
        articles.append({"title": "rain", "paragraphs": [{"context": passage, "qas": qas}]})
    return {"version": "v2.0", "data": articles}


def lettered(number, key, options):
    names = [{"label": "ABCDE"[i], "text": f"{option} {number}"} for i, option in enumerate(options)]
    return {"id": str(number), "answerKey": key, "question": {"stem": f"What rusts {number}?", "choices": names}}


def write_all(folder, count=8):
    """One file or more of every data set of ``recipes.DATA_SETS``, in folders and under names as people have them."""
    numbers = range(count)
    write_json(folder / "squad" / "dev-v2.0.json", squad(count))
    write_lines(
        folder / "boolq" / "validation.jsonl",
        [{"question": f"is rain {n} wet", "answer": n % 2 == 0, "passage": f"Rain {n}."} for n in numbers],
    )
    turns = [{"question": "Where?", "answers": ["a town"]}, {"question": "When?", "answers": ["today"]}]
    write_lines(
        folder / "coqa" / "dev.jsonl", [{"story": f"Rain {n} in a town today.", "turns": turns} for n in numbers]
    )
    drop = [{"query": "", "passage": f"{n} and 2.", "question": "How many?", "answers": [[str(n)]]} for n in numbers]
    write_lines(folder / "drop.jsonl", drop)
    write_lines(folder / "NQ-open.dev.jsonl", [{"question": f"who made {n}", "answer": [f"Ada {n}"]} for n in numbers])
    trivia = [{"question": f"Who sang {n}?", "answer": {"value": "Bo", "aliases": ["Bo B."]}} for n in numbers]
    write_lines(folder / "triviaqa" / "validation.jsonl", trivia)
    for part in ("test", "trainmodel", "val"):
        rows = [{"qId": f"{part}{n}", "qText": f"who is {part} {n}?", "answers": ["Cy"]} for n in numbers]
        write_json(folder / "webq" / f"{part}.json", rows)
    table = "Type,Question,Best Answer,Correct Answers\n" + "".join(f"x,Is it {n}?,No,No; It is not\n" for n in numbers)
    (folder / "TruthfulQA.csv").write_text(table, encoding="utf-8")
    write_json(folder / "jglue" / "jsquad-v1.3" / "valid-v1.3.json", squad(count, japanese=True))
    common = [lettered(n, "E", ["wood", "glass", "paper", "stone", "iron"]) for n in numbers]
    for row in common:
        row["question"]["question_concept"] = "rust"
    write_lines(folder / "commonsenseqa" / "dev_rand_split.jsonl", common)
    write_lines(folder / "ARC-Challenge-Dev.jsonl", [lettered(n, "B", ["wood", "iron", "glass"]) for n in numbers])
    hidden = lettered(99, "A", ["iron", "wood", "glass"])
    hidden["question"]["stem"] = "Which of the following rusts?"
    write_lines(folder / "ARC-Challenge-Test.jsonl", [hidden])
    jcq = [{"question": f"{n}番は？", "choice0": "海", "choice1": f"畑{n}", "label": 1} for n in numbers]  # noqa: RUF001
    write_lines(folder / "jglue" / "jcommonsenseqa-v1.3" / "train-v1.3.json", jcq)
    # What else lies about.
    write_lines(folder / "jglue" / "jnli.json", [{"sentence1": "a", "sentence2": "b", "label": "neutral"}])
    (folder / "README.md").write_text("notes", encoding="utf-8")
    (folder / "broken.json").write_text("{", encoding="utf-8")
