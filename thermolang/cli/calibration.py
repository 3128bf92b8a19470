"""The command that makes a calibrator for the user's own model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from thermolang.cli.common import (
    DEFAULT_MODEL,
    ColumnsOption,
    ModelOption,
    console,
    escaped,
    local_model,
    resumable,
    runs_on,
)
from thermolang.errors import InvalidInputError


def calibrate(
    model: ModelOption = DEFAULT_MODEL,
    recipe: Annotated[
        Literal["standard", "offline"] | None,
        typer.Option(
            help="What to learn from. standard: 12 public data sets (SQuAD, BoolQ, CoQA, DROP, NQ, TriviaQA, "
            "WebQuestions, TruthfulQA, ARC, CommonsenseQA, JSQuAD, JCommonsenseQA) and the starter tasks; from the "
            "Hugging Face hub, or from --data-folder. offline: the starter tasks alone; the default without --tasks."
        ),
    ] = None,
    data_folder: Annotated[
        Path | None,
        typer.Option(help="With standard: a folder with files of the data sets, as published, in any layout."),
    ] = None,
    tasks: Annotated[
        list[str] | None,
        typer.Option(
            "--tasks", help="Your own questions: JSONL, JSON, CSV, Excel or Parquet, one task a file; repeatable."
        ),
    ] = None,
    columns: ColumnsOption = None,
    items: Annotated[int, typer.Option(min=10, help="Most items of each task; more are better and slower.")] = 120,
    samples: Annotated[
        int, typer.Option(min=0, help="Also sample so many answers to free-form questions, for `ask --samples`; 8.")
    ] = 0,
    features: Annotated[
        Path | None, typer.Option(help="Folder to keep what is read; by default in the cache folder.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write; by default where with_confidence looks for it.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the training.")] = 0,
) -> None:
    """Make a calibrator for YOUR model: from public data sets, from the starter tasks, or from your own files.

    Every item is answered by the model and graded; then a small network learns to predict a task's temperature.
    The questions should be like yours: of all difficulties, with passages and without. So standard is better than
    offline, and your own questions are best.

    What was read is kept: stop it at any time, and the same command goes on where it stopped.

    For example:

    thermolang calibrate --model Qwen/Qwen2.5-1.5B-Instruct --recipe standard

    thermolang calibrate --model ./my-model --recipe standard --data-folder ./data --items 200

    thermolang calibrate --model ./my-model --tasks tickets.jsonl --tasks contracts.jsonl --tasks faq.csv
    """
    from thermolang.calibration.calibrator import folder_for
    from thermolang.calibration.training import TrainingConfig
    from thermolang.cli.show import collecting_bar, show_comparisons, show_data_sets, show_files, show_levels
    from thermolang.storage import cache_dir
    from thermolang.tasks.columns import given_columns
    from thermolang.training import calibrate as calibrating
    from thermolang.training.collect import tasks_to_collect
    from thermolang.training.recipes import ingredients

    if data_folder is not None and recipe != "standard":
        msg = "--data-folder names the files of the recipe standard: add --recipe standard, or leave it out"
        raise InvalidInputError(msg)
    names = given_columns(columns) if columns else {}
    own = tasks_to_collect(tasks or (), columns=names)
    found = ingredients(recipe or (None if own else "offline"), own=own, items=items, data_folder=data_folder)
    show_files(console, tasks or (), names)
    show_data_sets(console, found)
    local, kept = local_model(model), features or cache_dir() / "features"
    said = f"{local.name}, {runs_on(local)}; kept in {kept}"
    console.print(said, highlight=False, markup=False, soft_wrap=True)
    with resumable(kept):
        with collecting_bar(console) as report:
            gathered = found.gathered(local, items, kept, report)
        show_levels(console, gathered)
        with collecting_bar(console) as report:
            result = calibrating.calibrate(
                local,
                gathered.training,
                gathered.testing,
                config=TrainingConfig(seed=seed),
                features=kept,
                samples=samples,
                report=report,
            )
    folder = result.calibrator.save(out or folder_for(local.identity, local.name))
    show_comparisons(console, result.comparisons)
    console.print(f"Saved [bold]{result.calibrator.id}[/] in {escaped(str(folder))}", soft_wrap=True)
