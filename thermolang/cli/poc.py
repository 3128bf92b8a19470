"""The command for a proof of concept on a company's own questions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from thermolang.cli.common import ColumnsOption, ModelOption, console, errors, local_model, quietly, resumable, writable
from thermolang.errors import require


def poc(
    questions: Annotated[
        Path,
        typer.Argument(help="Your questions: JSONL, JSON, CSV, Excel or Parquet, with right answers or without."),
    ],
    model: ModelOption,
    labels: Annotated[
        str | None,
        typer.Option(
            help="Verdicts or right answers: a file with the columns question and correct (or answers), or the URL of "
            "a review database. By default the right answers in QUESTIONS."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write; by default poc-NAME here. The same command again goes on.")
    ] = None,
    lang: Annotated[Literal["en", "ja"], typer.Option(help="Language of the report.")] = "en",
    prices: Annotated[
        str | None,
        typer.Option(
            help="wrong=50,review=2,minutes=3,volume=10000,currency=EUR: what a wrong answer and a review cost, how "
            "long a review takes, and answers a month."
        ),
    ] = None,
    max_error: Annotated[
        float, typer.Option("--max-error", help="Largest share of wrong answers among those that go out by themselves.")
    ] = 0.05,
    certainty: Annotated[float, typer.Option(help="Probability with which that must hold.")] = 0.95,
    calibrator: Annotated[
        Path | None, typer.Option(help="Folder of a calibrator; by default the one found for the model.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Most questions, drawn at random.")] = None,
    columns: ColumnsOption = None,
    grader: Annotated[
        str, typer.Option(help="Compares free-form answers with right ones: combined, alias_match, exact_match, ...")
    ] = "combined",
    samples: Annotated[
        int, typer.Option(min=0, help="Also compare with so many sampled answers a question; 8 are usual, and slow.")
    ] = 0,
    pairs: Annotated[int, typer.Option(min=2, help="Questions that are timed with and without a confidence.")] = 30,
    examples: Annotated[
        int, typer.Option(min=0, help="Worst cases in the report, of each sort; 0 keeps questions out of it.")
    ] = 5,
) -> None:
    """Try calibrated confidence on YOUR questions, and write a report that a manager can decide with.

    The model answers each question; the report says whether the confidences are honest, how many answers could go out
    unseen and with what guarantee, what that costs, how much slower it is, and what simpler methods would give. Without
    right answers it says what it can, and prepares the labelling. At least 30 questions are needed; 200 are useful.

    In the folder: report.html (one file, nothing from outside; print it for a PDF), results.json, answers.jsonl,
    policy.toml in shadow mode, and items.jsonl for the review desk. Stop it at any time; the same command goes on.

    For example:

    thermolang poc faq.xlsx --model Qwen/Qwen2.5-1.5B-Instruct --lang ja --prices
    wrong=5000,review=300,minutes=3,volume=10000,currency=円
    """
    from thermolang.cli.show import collecting_bar, show_files
    from thermolang.estimator import ConfidenceEstimator
    from thermolang.evaluation.poc import Options, run_poc
    from thermolang.evaluation.poc_figures import Aim, Prices
    from thermolang.evaluation.poc_questions import read_labels, read_questions
    from thermolang.evaluation.poc_report import decisions, write_page
    from thermolang.tasks.columns import given_columns

    require("matplotlib", "eval")
    names = given_columns(columns) if columns else {}
    aim = Aim(max_error, certainty, Prices.parse(prices) if prices else None, examples)
    options = Options(aim, grader, samples, pairs)
    folder = out or Path(f"poc-{questions.stem}")
    writable(folder / "report.html" if folder.exists() else folder)
    task = read_questions(questions, limit=limit, columns=names)
    known = read_labels(labels, task, columns=names) if labels else None
    show_files(console, [str(questions)], names)
    local = local_model(model)
    with quietly("finding its calibrator"):
        # What earlier runs have seen would change the figures.
        estimator = ConfidenceEstimator(local, calibrator, state_dir=None)
    console.print(f"{len(task.examples)} questions -> {folder}", markup=False, highlight=False, soft_wrap=True)
    with resumable(folder), collecting_bar(console) as report:
        results = run_poc(estimator, task, folder, labels=known, options=options, report=report)
    page = write_page(results, folder / "report.html", lang=lang)
    for line in decisions(results):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    errors.print(f"Report: {page}", markup=False, soft_wrap=True)
