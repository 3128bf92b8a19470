"""The JSON file in which experiments add up, and experiments on a folder of collected features."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from thermolang._version import __version__
from thermolang.calibration.kinds import KindName
from thermolang.calibration.training import TrainingConfig
from thermolang.errors import InvalidInputError, TaskFormatError
from thermolang.evaluation.experiment import run
from thermolang.storage import write_atomically
from thermolang.training.samples import examples, with_samples
from thermolang.training.store import Form, Layer, load

if TYPE_CHECKING:
    from thermolang.calibration.features import TaskFeatures

Results = dict[str, Any]
"""What the file holds; ``report`` says what is in it."""

FORMAT = 1
"""Of the file; a file of another format is refused."""


def run_on_features(
    features: Path,
    model: str,
    *,
    name: str = "",
    protocol: str,
    test: Path | None = None,
    form: str = "chat",
    layer: str = "last",
    kind: KindName = "choice",
    train_groups: Sequence[str] = (),
    test_groups: Sequence[str] = (),
    paper_labels: bool = False,
    samples: int = 0,
    config: TrainingConfig | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, Any]:
    """Run one experiment on collected features.

    Args:
        features: Folder of the training tasks.
        model: The model as it was collected.
        name: What it is called; made from the other arguments by default.
        protocol: As in ``protocol.make_folds``.
        test: Folder of the tasks to measure, with ``transfer``; ``features`` itself if only groups are given.
        form: ``"chat"`` or ``"prefix"``.
        layer: ``"last"`` or ``"middle"``.
        kind: ``"choice"`` or ``"self_check"``.
        train_groups: Train on tasks of these groups only; a task without a group is its own.
        test_groups: Measure these groups only.
        paper_labels: Grade free-form answers as the paper's code does.
        samples: Also use so many sampled answers a question, where they were collected.
        config: How networks are trained.
        progress: Called with (what, done, total).

    Raises:
        InvalidInputError: An unknown form, layer or kind.
        TaskFormatError: Nothing was collected under these names.
    """
    for what, value, known in (
        ("form", form, ("chat", "prefix")),
        ("layer", layer, ("last", "middle")),
        ("kind", kind, ("choice", "self_check")),
    ):
        if value not in known:
            msg = f"unknown {what} {value!r}: expected one of {', '.join(known)}"
            raise InvalidInputError(msg)

    def read(folder: Path) -> list[TaskFeatures]:
        tasks = load(
            folder, model, form=cast("Form", form), layer=cast("Layer", layer), kind=kind, paper_labels=paper_labels
        )
        return with_samples(tasks, folder, model, samples=samples, progress=progress) if samples else tasks

    tasks = _of_groups(read(features), train_groups)
    others = _of_groups(read(test or features), test_groups) if test or test_groups else []
    short = model.rstrip("/").rsplit("/", 1)[-1]
    called = f"{short}, {form} prompt, {name or kind}" + (f", {layer} layer" if layer != "last" else "")
    about = {"name": called, "model": short, "form": form, "layer": layer}
    setting = run(tasks, others, protocol=protocol, config=config, about=about, progress=progress)
    shown = examples(others or tasks, test or features, model, samples=samples) if samples else []
    return {**setting, "examples": shown}


def opened(path: Path | None) -> Results:
    """The results in a file, or empty ones.

    Raises:
        TaskFormatError: The file holds something else.
    """
    if path is None or not path.is_file():
        return {
            "format": FORMAT,
            "title": "thermolang evaluation",
            "version": __version__,
            "settings": [],
            "commands": [],
        }
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
        results["settings"], results["commands"] = list(results["settings"]), list(results["commands"])
        if results["format"] != FORMAT:
            msg = f"{path} has format {results['format']!r}, this thermolang writes {FORMAT}; give another file"
            raise TaskFormatError(msg)
    except (ValueError, KeyError, TypeError) as error:
        msg = f"{path} does not hold results of thermolang evaluate ({error!r}); give another file"
        raise TaskFormatError(msg) from error
    return cast("Results", results)


def added(results: Results, setting: dict[str, Any], *, command: str) -> Results:
    """Results with one more experiment; one of the same name is replaced, and checks of the former ones are dropped."""
    settings = [*(s for s in results["settings"] if s["name"] != setting["name"]), setting]
    commands = [*(c for c in results["commands"] if c != command), command]
    return {
        **{k: v for k, v in results.items() if k != "checks"},
        "version": __version__,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "command": "\n".join(commands),
        "commands": commands,
        "settings": settings,
    }


def save(results: Results, path: Path) -> None:
    """Write the results, six decimals each; numbers that are not defined become null."""
    write_atomically(path, json.dumps(_finite(results), indent=1, ensure_ascii=False) + "\n")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float):
        return round(value, 6) if abs(value) < float("inf") else None
    return value


def _of_groups(tasks: list[TaskFeatures], groups: Sequence[str]) -> list[TaskFeatures]:
    chosen = [t for t in tasks if not groups or (t.group or t.name) in groups]
    if not chosen:
        msg = (
            f"no collected task is of the groups {list(groups)}; there are {sorted({t.group or t.name for t in tasks})}"
        )
        raise TaskFormatError(msg)
    return chosen
