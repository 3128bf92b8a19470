"""Commands over files: collect features, train a calibrator from them, measure every method; score answers."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from thermolang.cli.common import (
    ColumnsOption,
    ModelOption,
    console,
    errors,
    local_model,
    quietly,
    resumable,
    writable,
)
from thermolang.errors import InvalidInputError

if TYPE_CHECKING:
    from thermolang.bulk.files import Engine, Summary
    from thermolang.calibration.kinds import KindName
    from thermolang.training.labels import Regraded

Form = Literal["chat", "prefix"]

FeaturesArgument = Annotated[Path, typer.Argument(help="Folder that `thermolang collect` wrote.")]


def collect(
    task: Annotated[
        list[str],
        typer.Option(
            "--task",
            "-t",
            help="A file or folder of tasks (MMLU, BIG-bench, ARC, SQuAD, CoQA, ... or your own JSONL, JSON, CSV, "
            "Excel or Parquet), or hf:NAME[:CONFIG][:SPLIT]. Repeat it for more.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder to keep the features in. The same command again goes on.")],
    model: ModelOption,
    limit: Annotated[int | None, typer.Option(min=2, help="Most items a task, drawn at random.")] = None,
    parts: Annotated[
        int, typer.Option(min=1, help="Cut each task into so many, left out together; for single data sets.")
    ] = 1,
    max_characters: Annotated[int | None, typer.Option(min=1, help="Leave longer items out.")] = None,
    signals: Annotated[
        bool, typer.Option("--signals", help="Also read verbalised confidences and other option orders; another --out.")
    ] = False,
    samples: Annotated[
        int, typer.Option(min=0, help="Also sample so many answers to each free-form question; 8 are usual.")
    ] = 0,
    columns: ColumnsOption = None,
    seed: Annotated[int, typer.Option(help="Of the drawing.")] = 0,
) -> None:
    """Read the hidden states and option logits of many tasks with a model, once.

    This is the long part: about 2 items a second for a 0.5B model on two cores. Every batch is kept as it is
    read; stop it at any time and start it again. Multiple-choice questions are read in two forms at once, with
    the bare chat prompt and with the answer begun. Next: thermolang evaluate, or thermolang train.
    """
    from thermolang.cli.show import collecting_bar, show_files
    from thermolang.tasks.columns import given_columns
    from thermolang.training.collect import collect_all, tasks_to_collect

    names = given_columns(columns) if columns else {}
    tasks = tasks_to_collect(task, limit=limit, seed=seed, parts=parts, max_characters=max_characters, columns=names)
    show_files(console, task, names)
    items = sum(len(t.examples) for t in tasks)
    console.print(f"{len(tasks)} tasks, {items} items -> {out}", highlight=False, markup=False, soft_wrap=True)
    local = local_model(model)
    with resumable(out), collecting_bar(console) as report:
        collect_all(local, tasks, out, form="prefix", report=report, signals=signals, samples=samples)


def train(
    features: Annotated[list[Path], typer.Argument(help="Folders that `thermolang collect` wrote.")],
    model: ModelOption,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write; by default where with_confidence looks for it.")
    ] = None,
    form: Annotated[Form, typer.Option(help="chat (the bare prompt) or prefix.")] = "chat",
    kind: Annotated[
        list[str] | None, typer.Option(help="What each folder gives: choice (default) or self_check; in their order.")
    ] = None,
    samples: Annotated[
        int, typer.Option(min=0, help="Also learn from so many sampled answers a question, as collected.")
    ] = 0,
    steps: Annotated[int, typer.Option(min=1, help="Gradient steps.")] = 5000,
    seed: Annotated[int, typer.Option(help="Of the training.")] = 0,
) -> None:
    """Train a calibrator on collected features: the published objective, optimiser and selection.

    The model is loaded to record whose calibrator it is; nothing is read with it again. Free-form answers are graded
    anew, as graders become better; those collected without their gold answers keep their labels.
    """
    from thermolang.answers.equivalence import Equivalence
    from thermolang.answers.judging import judge_for
    from thermolang.calibration.calibrator import folder_for
    from thermolang.calibration.training import TrainingConfig
    from thermolang.cli.show import progress_bars
    from thermolang.training.calibrate import train_calibrator
    from thermolang.training.labels import regrade
    from thermolang.training.samples import with_samples
    from thermolang.training.store import load

    kinds = kind or ["choice"] * len(features)
    if len(kinds) != len(features):
        msg = f"{len(features)} folders need {len(features)} times --kind, got {kinds}"
        raise InvalidInputError(msg)
    local = local_model(model)
    tasks, same = [], Equivalence(judge=judge_for(local))
    for folder, k in zip(features, kinds, strict=True):
        if k == "self_check" and (told := _regraded(regrade(folder, local.name))):
            console.print(f"{folder}: {told}", markup=False, highlight=False, soft_wrap=True)
        read = load(folder, local.name, form=form, kind=cast("KindName", k))
        tasks += with_samples(read, folder, local.name, samples=samples, equivalence=same) if samples else read
    with progress_bars(console) as progress:
        config, judged = TrainingConfig(steps=steps, seed=seed), same.judge is not None
        calibrator = train_calibrator(local, tasks, config=config, progress=progress, judged=judged)
    saved = calibrator.save(out or folder_for(local.identity, local.name))
    console.print(f"Saved {calibrator.id} in {saved}", markup=False, soft_wrap=True)


def _regraded(found: Regraded) -> str:
    """What became of the labels; empty if nothing."""
    said = [f"{found.changed} of {found.graded} answers got another label"] if found.changed else []
    if found.without_gold:
        said.append(f"{found.without_gold} answers keep their labels: they were collected without their gold answers")
    return "; ".join(said)


def evaluate(
    features: FeaturesArgument,
    model: Annotated[list[str], typer.Option("--model", "-m", help="Models as they were collected; repeatable.")],
    protocol: Annotated[
        str, typer.Option(help="leave-one-task-out, groups:N (N groups of tasks in turn), or transfer.")
    ] = "groups:10",
    test: Annotated[Path | None, typer.Option(help="With transfer: features of the tasks to measure.")] = None,
    form: Annotated[list[str] | None, typer.Option(help="chat (default) or prefix; repeatable.")] = None,
    layer: Annotated[list[str] | None, typer.Option(help="last (default) or middle; repeatable.")] = None,
    kind: Annotated[str, typer.Option(help="choice or self_check.")] = "choice",
    train_group: Annotated[
        list[str] | None, typer.Option(help="Train on these groups of tasks only (such as squad); repeatable.")
    ] = None,
    test_group: Annotated[list[str] | None, typer.Option(help="With transfer: measure these groups only.")] = None,
    paper_labels: Annotated[
        bool,
        typer.Option("--paper-labels", help="An answer that shares a word counts as right (ROUGE-L > 0)."),
    ] = False,
    samples: Annotated[
        int, typer.Option(min=0, help="Also use so many sampled answers a question, as collected; for self_check.")
    ] = 0,
    name: Annotated[str, typer.Option(help="What the experiment is called in the report.")] = "",
    json_file: Annotated[Path | None, typer.Option("--json", help="Add the results to this file.")] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Write what the JSON file holds as one HTML page, or as tables into an .md file."),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Gradient steps; the paper has 5000.")] = 5000,
    seed: Annotated[int, typer.Option(help="Of the training.")] = 0,
) -> None:
    """Measure every method on tasks that were left out of its training, with paired intervals.

    Nothing about a held-out task reaches training: tasks of one group are left out together, and an item that
    stands in two tasks counts in the first only. With --json, experiments add up in one file; --report shows
    them all.
    """
    writable(json_file)
    writable(report)
    from thermolang.calibration.training import TrainingConfig
    from thermolang.cli.show import progress_bars, show_setting
    from thermolang.evaluation import results as results_file
    from thermolang.evaluation.report import write_report

    results = results_file.opened(json_file)
    wanted = [(m, f, la) for m in model for f in form or ["chat"] for la in layer or ["last"]]
    for one, in_form, of_layer in wanted:
        with progress_bars(console) as progress:
            setting = results_file.run_on_features(
                features,
                one,
                name=name,
                protocol=protocol,
                test=test,
                form=in_form,
                layer=of_layer,
                kind=cast("KindName", kind),
                train_groups=train_group or (),
                test_groups=test_group or (),
                paper_labels=paper_labels,
                samples=samples,
                config=TrainingConfig(steps=steps, seed=seed),
                progress=progress,
            )
        results = results_file.added(results, setting, command=" ".join(["thermolang", *sys.argv[1:]]))
        show_setting(console, setting)
        if json_file:
            results_file.save(results, json_file)
    if report:
        console.print(f"Report: {write_report(results, report)}", markup=False, soft_wrap=True)


def score(
    file: Annotated[
        Path, typer.Argument(help="JSONL, JSON, CSV, Excel or Parquet: an answer and its question in each line.")
    ],
    out: Annotated[Path, typer.Option(help="JSONL file to write. The same command again goes on.")],
    model: ModelOption,
    task: Annotated[
        str | None, typer.Option(help="Name of the stream of questions, for lines without `task`; they share one T*.")
    ] = None,
    calibrator: Annotated[
        Path | None, typer.Option(help="Folder of a calibrator; by default the one found for the model.")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Also decide: accept from this confidence, review the others.")
    ] = None,
    own_answers: Annotated[
        bool,
        typer.Option(
            "--own-answers", help="This very model wrote the answers, with these prompts; nobody has edited them."
        ),
    ] = False,
    columns: ColumnsOption = None,
    batch: Annotated[int, typer.Option(min=1, help="Lines that go through the model together.")] = 8,
    engine: Annotated[Literal["local", "ray"], typer.Option(help="ray: several models side by side.")] = "local",
    address: Annotated[
        str | None,
        typer.Option(
            help="With ray: HOST:PORT of a cluster that this machine is part of, or auto; else it starts one."
        ),
    ] = None,
    actors: Annotated[int | None, typer.Option(min=1, help="With ray: how many models; 2 by default.")] = None,
) -> None:
    """Score answers that exist already: a confidence for every line of a file.

    Another system or a person wrote them? Then leave --own-answers out: the model answers each question, too, and the
    two are compared, since words that are not its own look improbable to it even where they are right. Did the model
    itself write them? Then --own-answers is quicker and knows more: it reads how probable its own words were.

    A line is {"question": ..., "answer": ...}, with "context" if there is one, or {"messages": [...], "answer": ...}.
    With "choices" (list of texts) the answer is one of them. "task" in a line comes before --task, and all other
    keys are kept. In a table these are columns; others are named by --columns question=Q,answer=A. Each line comes back
    in its place with its "confidence", as JSONL in UTF-8; one that cannot be read says why there.

    Stop it at any time and start it again: no line is lost or scored twice, with either engine. With --own-answers the
    first 30 questions of a task are read once more, before anything is scored, so that all its answers are scored under
    one temperature.

    Example: thermolang score answers.jsonl --out scored.jsonl --model smollm2-135m --threshold 0.7
    """
    writable(out)
    from thermolang.bulk.files import score_file
    from thermolang.bulk.lines import count_lines, described
    from thermolang.cli.show import collecting_bar
    from thermolang.estimator import ConfidenceEstimator
    from thermolang.routing.policy import Policy
    from thermolang.tasks.columns import given_columns

    names, policy = given_columns(columns) if columns else {}, None if threshold is None else Policy(threshold)
    on = _engine(engine, model, address, actors)
    count_lines(file, names)  # a file that cannot be read is refused before a model loads
    local = local_model(model)
    with quietly("finding its calibrator"):
        estimator = ConfidenceEstimator(local, calibrator)
    if missing := estimator.why_no_calibrator():
        errors.print(f"warning: no answer will have a confidence: {missing.text}", markup=False, soft_wrap=True)
    console.print(f"{file}: {described(file, names)}", markup=False, highlight=False, soft_wrap=True)
    with resumable(out), collecting_bar(console) as report:
        summary = score_file(
            estimator,
            file,
            out,
            task=task,
            policy=policy,
            own_answers=own_answers,
            batch_size=batch,
            columns=names,
            progress=report,
            engine=on,
        )
    for line in _told(summary, file, out, threshold):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _engine(name: str, model: str, address: str | None, actors: int | None) -> Engine | None:
    """The engine that a command line names; None for this process."""
    if name == "local":
        if address is not None or actors is not None:
            msg = "--address and --actors are for --engine ray"
            raise InvalidInputError(msg)
        return None
    from thermolang.bulk.ray import RayEngine, check_address, ray_data
    from thermolang.models.local import LocalModel

    ray_data()  # that it is there, and answers, is found out before a model loads
    check_address(address)
    # Actors need not start in this folder.
    name = str(Path(model).absolute()) if Path(model).exists() else model
    return RayEngine(partial(LocalModel.load, name), actors or 2, address)


def _told(summary: Summary, file: Path, out: Path, threshold: float | None) -> list[str]:
    """What became of a file of answers, in a few lines."""
    state = "finished" if summary.new else "was finished already"
    mean = "" if summary.mean is None else f", mean confidence {summary.mean:.3f}"
    said = [f"{out} {state}: {summary.lines} lines, {summary.scored} scored{mean}"]
    if unscored := summary.lines - summary.scored - summary.bad:
        because = f", most often because: {summary.reason}" if summary.reason else "; the lines say why"
        said.append(f"{unscored} without a confidence{because}")
    if summary.bad:
        more = ", ..." if summary.bad > len(summary.first_bad) else ""
        said.append(f"{summary.bad} bad lines: {', '.join(f'{file}:{n}' for n in summary.first_bad)}{more}")
    if summary.accepted is not None:
        said.append(f"{summary.accepted} accepted at {threshold}, {summary.lines - summary.accepted} for review")
    return said
