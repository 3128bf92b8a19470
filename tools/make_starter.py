"""Make the starter questions anew: python tools/make_starter.py [--check].

Needs the data packages of the dependency group ``dev``. The questions are part of the package as one compressed file,
so that using them needs none. NOTICE says where the facts come from.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import lzma
import random
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from thermolang.answers.grading import is_right  # noqa: E402
from thermolang.answers.rules.spelling import normalize  # noqa: E402
from thermolang.tasks.starter import arranged  # noqa: E402
from thermolang.types import Example  # noqa: E402
from tools.starter.items import MAKERS, Maker  # noqa: E402

FILE = ROOT / "thermolang" / "tasks" / "data" / "starter.jsonl.xz"
MODULES = (
    *("arithmetic", "calendars", "letters", "logic", "countries", "towns", "languages", "science"),
    *("invented", "japanese"),
)
ITEMS = {"free_form": 60, "choice": 200}
FEWEST = 40


def families(modules: Sequence[str] = MODULES) -> dict[str, Maker]:
    """Every family of some modules by name."""
    for module in modules:
        importlib.import_module(f"tools.starter.{module}")
    return MAKERS


def rows(makers: dict[str, Maker]) -> Iterator[dict[str, Any]]:
    """One row for each level of each family, as it stands in the file."""
    short = []
    for maker in makers.values():
        asked: set[tuple[str, str]] = set()
        for level in range(1, maker.levels + 1):
            items = _choices(maker) if maker.kind == "choice" else _free_form(maker, level, asked)
            if len(items) < FEWEST:
                short.append(f"{maker.name} has only {len(items)} items at level {level}")
            yield {
                "task": f"{maker.name}-{level}" if maker.levels > 1 else maker.name,
                "name": maker.name,
                "split": maker.split,
                "kind": maker.kind,
                "facts": maker.facts,
                "level": level,
                "items": [_fields(item) for item in items],
            }
    if short:
        sys.exit("\n".join([*short, f"{FEWEST} are needed"]))


def _free_form(maker: Maker, level: int, asked: set[tuple[str, str]]) -> list[Example]:
    # Seeded by text: unlike hash(), random.Random(str) gives the same stream in every process.
    rng = random.Random(f"{maker.name}-{level}")
    unique = {(item.question, item.context): item for item in maker.build(level, rng)}
    fit = [item for key, item in unique.items() if key not in asked and _is_fit(item, maker.shows)]
    rng.shuffle(fit)
    kept = fit[: ITEMS["free_form"]]
    asked |= {(item.question, item.context) for item in kept}
    return kept


def _is_fit(item: Example, shows: bool) -> bool:
    """Whether the answer is gradable, and a model that merely repeats the question would be wrong."""
    return _are_gradable(item.answers) and (shows or not is_right(item.question, item.answers))


@cache
def _are_gradable(answers: tuple[str, ...]) -> bool:
    return bool(answers) and all(normalize(a) and is_right(a, answers) for a in answers)


def _choices(maker: Maker) -> list[Example]:
    rng = random.Random(f"0:{maker.name}")
    unique = list({item.question: item for item in maker.build(1, rng)}.values())
    rng.shuffle(unique)
    return arranged(unique[: ITEMS["choice"]], rng)


def _fields(item: Example) -> dict[str, Any]:
    """The fields that an item has."""
    return {name: value for name, value in dataclasses.asdict(item).items() if value not in ((), "", None)}


def text(makers: dict[str, Maker]) -> str:
    """The whole file, uncompressed."""
    return "".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows(makers))


def main() -> None:
    """Write the file, or only say whether it would change."""
    made = text(families()).encode()
    if "--check" in sys.argv:
        same = FILE.is_file() and lzma.decompress(FILE.read_bytes()) == made
        sys.exit(0 if same else f"{FILE} is not what this tool makes")
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_bytes(lzma.compress(made, preset=9 | lzma.PRESET_EXTREME))
    print(f"{len(made.splitlines())} tasks, {len(made):,} bytes, compressed {FILE.stat().st_size:,}")


if __name__ == "__main__":
    main()
