"""The command line: parse, call one function, show. Errors become one line and exit status 1."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from thermolang._version import __version__
from thermolang.cli import audit as cli_audit
from thermolang.cli import calibration as cli_calibration
from thermolang.cli import desk as cli_desk
from thermolang.cli import evaluation as cli_evaluation
from thermolang.cli import feedback as cli_feedback
from thermolang.cli import poc as cli_poc
from thermolang.cli import threshold as cli_threshold
from thermolang.cli import transfer as cli_transfer
from thermolang.cli import users as cli_users
from thermolang.cli.common import (
    DEFAULT_MODEL,
    ModelOption,
    StoreOption,
    console,
    errors,
    escaped,
    local_model,
    opened,
    quietly,
    to_json,
    writable,
    write_json,
)
from thermolang.errors import ThermolangError

if TYPE_CHECKING:
    from thermolang.cli.demo import Threshold
    from thermolang.estimator import ConfidenceEstimator
    from thermolang.types import Confidence, Mode

app = typer.Typer(
    name="thermolang",
    help="Calibrated confidence for local Hugging Face chat models, and a desk for the doubtful answers.",
    epilog="Start with: thermolang doctor, then thermolang demo.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(cli_users.app, name="users")
app.command()(cli_calibration.calibrate)
for command in (cli_evaluation.collect, cli_evaluation.train, cli_evaluation.evaluate, cli_evaluation.score):
    app.command()(command)
app.command()(cli_threshold.threshold)
app.command()(cli_feedback.learn)
app.command()(cli_feedback.refit)
app.command()(cli_feedback.rollback)
app.add_typer(cli_audit.app, name="audit")
app.command()(cli_audit.purge)
app.command()(cli_transfer.export)
app.command()(cli_transfer.import_items)
app.command()(cli_transfer.webhooks)
app.command()(cli_transfer.backup)
app.command()(cli_poc.poc)


LOOPBACK = "127.0.0.1"
# For an answer on the desk's page, waiting for others included.
TRY_SECONDS = 300.0


def main() -> None:
    """Run the command line; a failure prints one line and exits with 1."""
    try:
        app()
    except (ThermolangError, OSError) as error:  # OSError: a full disk, a folder that cannot be written
        errors.print(f"[bold red]error:[/] {escaped(' '.join(str(error).split()))}", soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        errors.print("stopped")
        sys.exit(130)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    if version:
        console.print(f"thermolang {__version__}")
        raise typer.Exit


@app.command()
def demo(
    questions: Annotated[int, typer.Option(min=1, help="How many held-out questions to ask.")] = 105,
    seed: Annotated[int, typer.Option(help="Another seed asks other questions.")] = 0,
    threshold: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Accept from this confidence; by default chosen on labelled questions."),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Questions answered at once; 1 asks one by one.")] = 16,
    desk: Annotated[bool, typer.Option("--desk/--no-desk", help="Open the review desk afterwards.")] = True,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write all figures to this file.")] = None,
    model: ModelOption = DEFAULT_MODEL,
    store: StoreOption = None,
) -> None:
    """Ask a real model real questions through a LangChain chain, with a confidence for every answer.

    The questions come from families the calibrator was not trained on; the threshold is chosen on labelled questions
    of other families, by a guarantee on the error among accepted answers. Doubtful answers wait in the review database;
    the desk shows them. At the end a simulated operator judges some of them, from the known answers, and the demo shows
    what these verdicts change on other answers.
    """
    writable(json_file)

    from thermolang.cli import demo as job
    from thermolang.cli.show import demo_answers, show_loop, show_summary, show_threshold
    from thermolang.routing.policy import Policy

    # What earlier runs have seen would change the figures: without a memory the same seed gives the same ones.
    estimator = _estimator(model, remember=False)
    # What waits is what the figures call reviewed: nothing is drawn from the accepted answers.
    with opened(store, audit=0.0) as reviews:
        chosen = _chosen_threshold(estimator, batch_size) if threshold is None else job.Threshold(threshold)
        show_threshold(console, chosen)
        asked = job.questions(questions, seed=seed)
        policy = Policy(chosen.value)
        items = demo_answers(console, job.run(estimator, reviews, asked, policy, batch_size=batch_size), len(asked))
        figures = job.summary(items, chosen, job.taught(estimator, items, policy), seed=seed)
        show_summary(console, figures, reviews.url)
        show_loop(console, figures["loop"])
    if json_file:
        write_json(json_file, figures)
    if desk:
        # Whoever runs the demo sits at this machine.
        _serve_desk(store, port=None, login=False)


def _chosen_threshold(estimator: ConfidenceEstimator, batch_size: int) -> Threshold:
    from thermolang.cli import demo as job
    from thermolang.cli.show import demo_bar

    labelled, judged = job.labelled_questions(), []
    with demo_bar(console, "choosing the threshold on labelled questions", len(labelled)) as advance:
        for one in job.judged(estimator, labelled, batch_size=batch_size):
            judged.append(one)
            advance()
    return job.guaranteed_threshold(judged, [family for family, _ in labelled], job.usual_accuracy(estimator))


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="The question.")],
    choices: Annotated[
        str | None, typer.Option(help="Options separated by commas, such as Paris,Rome,Oslo; the model picks one.")
    ] = None,
    samples: Annotated[
        int, typer.Option(min=0, help="Sample so many answers, group them by meaning and show how often each was said.")
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    task: Annotated[str, typer.Option(help="Name of the stream of questions this one belongs to.")] = "ask",
    model: ModelOption = DEFAULT_MODEL,
) -> None:
    """Answer one question and say how likely the answer is right.

    With --samples 8 the confidence is that of the answer's meaning: how often the model, asked again, says the same
    in other words.
    """
    from thermolang.cli.show import show_confidence

    answer, confidence = _answered(_estimator(model, samples), question, choices, task)
    if as_json:
        print(to_json({"question": question, "answer": answer, **confidence.to_dict()}))  # noqa: T201
    else:
        show_confidence(console, answer, confidence)
    if confidence.value is None:
        raise typer.Exit(1)


@app.command()
def desk(
    store: StoreOption = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port; the next free one by default.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; by default no other machine reaches it.")] = LOOPBACK,
    name: Annotated[
        list[str] | None, typer.Option(help="Name under which browsers ask for the desk, such as desk.example.")
    ] = None,
    login: Annotated[
        bool, typer.Option("--login/--no-login", help="Without a login: for yourself, on this machine only.")
    ] = True,
    sso_header: Annotated[
        str, typer.Option(help="Header in which a proxy with a login of its own tells the user's name.")
    ] = "",
    sso_proxy: Annotated[
        list[str] | None, typer.Option(help="Address or network of that proxy; the header of others is ignored.")
    ] = None,
    oidc: cli_desk.OidcOption = "",
    oidc_client: cli_desk.OidcClientOption = "",
    oidc_name: cli_desk.OidcNameOption = "email",
    oidc_role: cli_desk.OidcRoleOption = None,
    oidc_role_claim: cli_desk.OidcRoleClaimOption = "groups",
    oidc_scope: cli_desk.OidcScopeOption = "openid profile email",
    webhook: cli_desk.WebhookOption = None,
    webhook_texts: cli_desk.WebhookTextsOption = False,
    mail_to: cli_desk.MailToOption = None,
    mail_from: cli_desk.MailFromOption = "",
    mail_server: cli_desk.MailServerOption = "",
    mail_after: cli_desk.MailAfterOption = 60,
    mail_decided: cli_desk.MailDecidedOption = False,
    mail_desk: cli_desk.MailDeskOption = "",
    mail_language: cli_desk.MailLanguageOption = "en",
    mail_insecure: cli_desk.MailInsecureOption = False,
    model: cli_desk.TryOption = None,
    log_json: cli_desk.LogJsonOption = False,
) -> None:
    """Open the review desk in the browser: the doubtful answers, most doubtful first.

    It needs users, see thermolang users add, or --no-login. Secrets are in the environment: THERMOLANG_WEBHOOK_SECRET
    signs webhooks, THERMOLANG_OIDC_SECRET is the desk's at the provider, THERMOLANG_SMTP_USER and
    THERMOLANG_SMTP_PASSWORD are for the mail server. thermolang webhooks lists what was told, and to whom. At /metrics
    are figures for Prometheus, for admins and whoever sends the token that THERMOLANG_METRICS_TOKEN holds.
    """
    options: dict[str, Any] = {"host": host, "login": login, "names": name or [], "log_json": log_json}
    options["metrics_token"] = os.environ.get("THERMOLANG_METRICS_TOKEN", "")
    claims: dict[str, Any] = {"name_claim": oidc_name, "role_claim": oidc_role_claim, "scope": oidc_scope}
    style: dict[str, Any] = {"desk": mail_desk, "language": mail_language, "insecure": mail_insecure}
    found = {
        "oidc": cli_desk.oidc_of(oidc, oidc_client, roles=oidc_role or [], **claims),
        "webhooks": cli_desk.webhooks_of(webhook, texts=webhook_texts),
        "mail": cli_desk.mail_of(mail_to, mail_from, mail_server, after=mail_after, decided=mail_decided, **style),
    }
    options |= {option: value for option, value in found.items() if value is not None}
    _serve_desk(store, port=port, sso=(sso_header, sso_proxy or []), model=model, **options)


@app.command()
def doctor(model: ModelOption = DEFAULT_MODEL, store: StoreOption = None) -> None:
    """Check model, calibrator, embedder, database and disk; exit with 1 if something would fail."""
    from thermolang.cli.doctor import check_all

    fine = True
    with quietly("checking"):
        for check in check_all(model, store):
            mark = "[green]ok[/]  " if check.ok else "[bold red]FAIL[/]"
            console.print(f"{mark} {check.name:<10} {escaped(check.detail)}", soft_wrap=True)
            fine = fine and check.ok
    if not fine:
        raise typer.Exit(1)


def _answered(estimator: ConfidenceEstimator, question: str, choices: str | None, task: str) -> tuple[str, Confidence]:
    from thermolang.models.prompts import LETTERS, choice_messages, question_messages
    from thermolang.readings import EMPTY
    from thermolang.types import Confidence, Example, Reason

    options = [c.strip() for c in choices.split(",")] if choices is not None else []
    if not question.strip():
        return "", Confidence.missing(EMPTY, task=task)
    if choices is None:
        messages = question_messages(Example(question))
        generation = estimator.model.generate(messages, max_new_tokens=128)
        return generation.text, estimator.score(messages, generation, task=task)
    if not 2 <= len(set(options)) == len(options) <= len(LETTERS) or not all(options):
        few = Reason("bad_choices", f"2 to {len(LETTERS)} distinct choices are needed, got {options}")
        return "", Confidence.missing(few, task=task)
    letters = list(LETTERS[: len(options)])
    letter, confidence = estimator.choose(choice_messages(question, options), letters, task=task)
    named = dict(zip(letters, options, strict=True))
    others = tuple(replace(a, text=named[a.text]) for a in confidence.alternatives)
    return (named[letter] if letter else ""), replace(confidence, alternatives=others)


def _estimator(name: str, samples: int = 0, *, remember: bool = True) -> ConfidenceEstimator:
    local = local_model(name)
    with quietly("finding its calibrator"):
        from thermolang.estimator import ConfidenceEstimator
        from thermolang.sampling import SAMPLES

        states = "default" if remember else None
        mode: Mode = "thorough" if samples else "fast"
        return ConfidenceEstimator(local, state_dir=states, mode=mode, samples=samples or SAMPLES)


def _chats(name: str) -> dict[str, Any]:
    """A model to try on the desk, by the mode in which its answers are scored."""
    estimator = _estimator(name)
    from thermolang.langchain.chat_model import ChatThermolang
    from thermolang.langchain.wrapper import with_confidence

    chat = ChatThermolang(local=estimator.model, timeout=TRY_SECONDS)  # type: ignore[arg-type]  # it is a LocalModel
    modes: tuple[Mode, ...] = ("fast", "thorough")
    return {mode: with_confidence(chat, estimator=estimator, task="try", mode=mode) for mode in modes}


def _serve_desk(
    store: str | None,
    *,
    port: int | None,
    sso: tuple[str, list[str]] = ("", []),
    model: str | None = None,
    **options: Any,
) -> None:
    thermolang_desk = cli_desk.desk_package()
    if port is not None:
        options["port"] = port
    header, proxies = sso
    if header or proxies:
        options["proxy"] = thermolang_desk.Proxy(header, tuple(proxies))
    if model is not None:
        options["chats"] = _chats(model)
    ready = console.print
    thermolang_desk.serve(
        store, ready=lambda url: ready(f"Review desk: [bold]{escaped(url)}[/]  (Ctrl+C stops it)"), **options
    )
