"""How much of `collect` is the model's own forward pass, and how much faster it is than one prompt at a time.

python benchmarks/collect.py [--model smollm2-135m] [--items 64] [--task FILE_OR_FOLDER] [--levels 13]

--levels: also ten items of each of so many free-form starter levels, as `thermolang calibrate` tries them: each alone,
and in the batches that small tasks share.
"""

import json
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from thermolang.models.local import LocalModel
from thermolang.models.prompts import ANSWER_PREFIX, LETTERS, question_messages
from thermolang.tasks.starter import families, starter_tasks
from thermolang.training.collect import collect_all, tasks_to_collect
from thermolang.training.difficulty import PROBES, Tried
from thermolang.training.features import collect, is_choice


class Stopwatch:
    """Times every forward pass of a model's scheduler and counts its tokens."""

    def __init__(self, scheduler):
        self.seconds, self.tokens, self._forward = 0.0, 0, scheduler._forward
        scheduler._forward = self

    def __getattr__(self, name):
        return getattr(self._forward, name)

    def __call__(self, **inputs):
        start = time.perf_counter()
        out = self._forward(**inputs)
        self.seconds += time.perf_counter() - start
        self.tokens += inputs["input_ids"].numel()
        return out


def one_at_a_time(model, task):
    """Every prompt alone, both forms, unpadded: what a plain loop does."""
    begun = {"role": "assistant", "content": ANSWER_PREFIX}
    for example in task.examples:
        messages, letters = question_messages(example), LETTERS[: len(example.choices)]
        for conversation in (messages, [*messages, begun]):
            model.choice_logits(conversation, letters)


def of_levels(local, count, rounds):
    """Items a second of levels read task by task, and read together: the medians."""
    free = [f for f in families().values() if f.kind == "free_form"]
    tasks = [Tried(f, 0, PROBES).task(PROBES) for f in free[:: max(1, len(free) // count)][:count]]
    items, rates = sum(len(t.examples) for t in tasks), {"alone": [], "together": []}
    for _ in range(rounds):
        for how, seconds in rates.items():
            with tempfile.TemporaryDirectory() as folder:
                start = time.perf_counter()
                for some in [[t] for t in tasks] if how == "alone" else [tasks]:
                    collect_all(local, some, Path(folder), form="chat", report=lambda _: None)
                seconds.append(items / (time.perf_counter() - start))
    return {f"items_per_second_of_levels_{how}": sorted(found)[rounds // 2] for how, found in rates.items()}


def main(
    model: Annotated[str, typer.Option(help="As `thermolang collect` takes it.")] = "smollm2-135m",
    items: Annotated[int, typer.Option(help="Items a task.")] = 64,
    task: Annotated[list[str] | None, typer.Option(help="Tasks; three starter families by default.")] = None,
    limit_tasks: Annotated[int, typer.Option(help="Only so many tasks.")] = 3,
    levels: Annotated[int, typer.Option(help="Starter levels that are read alone and together; 0 for none.")] = 0,
    rounds: Annotated[int, typer.Option(help="Interleaved rounds.")] = 3,
):
    local = LocalModel.load(model)
    found = (
        tasks_to_collect(task, limit=items) if task else [t for t in starter_tasks(per_family=items) if is_choice(t)]
    )
    chosen = found[:limit_tasks]
    count = sum(len(t.examples) for t in chosen)
    watch, shares, factors, rates = Stopwatch(local.scheduler), [], [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            watch.seconds, watch.tokens, start = 0.0, 0, time.perf_counter()
            for one in chosen:
                collect(local, one, Path(folder), form="prefix")
            batched = time.perf_counter() - start
        shares.append(watch.seconds / batched)
        rates.append(watch.tokens / batched)
        start = time.perf_counter()
        for one in chosen:
            one_at_a_time(local, one)
        factors.append((time.perf_counter() - start) / batched)
    figures = {
        "model": local.name,
        "tasks": [t.name for t in chosen],
        "items": count,
        "token_throughput_of_bare_forward": sorted(shares)[rounds // 2],
        "tokens_per_second": sorted(rates)[rounds // 2],
        "times_faster_than_one_at_a_time": sorted(factors)[rounds // 2],
        "rounds": [round(s, 3) for s in shares],
        **(of_levels(local, levels, rounds) if levels else {}),
    }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    typer.run(main)
