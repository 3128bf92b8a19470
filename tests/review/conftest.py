"""A store on each database; PostgreSQL is started for the tests where its programs are installed."""

import itertools
import os
import shutil
import subprocess
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from thermolang import Confidence, Decision, ReviewStore
from thermolang.review import ReviewService

REVIEW = Decision("review", "confidence 0.40 is below the threshold 0.80", 0.8)
NOBODY = 65534
NUMBERS = itertools.count()


class Clock:
    """A clock that stands still until a test moves it."""

    def __init__(self):
        self.now = datetime(2026, 11, 29, 8, 0, tzinfo=timezone.utc)

    def __call__(self):
        return self.now

    def move(self, **delta):
        self.now += timedelta(**delta)


@pytest.fixture
def clock():
    return Clock()


def programs():
    """The folder of PostgreSQL's programs; None if it is not installed."""
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return folders[-1] if folders else None


@pytest.fixture(scope="session")
def postgres():
    """URL of a server of one's own, without a database; it listens on a socket in its folder only."""
    bin_folder = programs()
    if bin_folder is None and not os.environ.get("CI"):
        pytest.skip("PostgreSQL is not installed")
    pytest.importorskip("psycopg")
    folder = Path(tempfile.mkdtemp(prefix="thermolang-pg-"))
    # PostgreSQL refuses to run as root.
    user = {"user": NOBODY, "group": NOBODY} if os.getuid() == 0 else {}
    if user:
        os.chown(folder, NOBODY, NOBODY)

    def run(program, *arguments):
        command = [bin_folder / program, "-D", folder / "data", *arguments]
        subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, **user)

    run("initdb", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync")
    run("pg_ctl", "-w", "-l", folder / "log", "-o", f"-k {folder} -c listen_addresses='' -c fsync=off", "start")
    yield f"postgresql://postgres@/{{name}}?host={folder}"
    run("pg_ctl", "-m", "immediate", "stop")
    shutil.rmtree(folder)


def new_database(server, template="template1"):
    """URL of a new database on the server."""
    import psycopg

    name = f"desk{next(NUMBERS)}"
    with psycopg.connect(server.format(name="postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    return server.format(name=name)


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory):
    path = tmp_path_factory.mktemp("migrated") / "review.db"
    ReviewStore(f"sqlite:///{path}").close()
    return path


@pytest.fixture(scope="session")
def clean_databases():
    """URLs of databases on the server that a test has given back."""
    return []


def migrated(url):
    """The same database with tables, and a copy of the rows that migrations have put into them."""
    import psycopg

    ReviewStore(url).close()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA first")
        for table in tables(connection):
            connection.execute(f"CREATE TABLE first.{table} AS TABLE public.{table}")
    return url


def tables(connection):
    rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return [name for (name,) in rows]


def emptied(url):
    """Whether a database could be brought back to what it was after the migrations."""
    import psycopg

    try:
        with psycopg.connect(url, options="-c lock_timeout=2s") as connection:
            names = tables(connection)
            connection.execute(f"TRUNCATE {', '.join(names)} RESTART IDENTITY CASCADE")
            for table in names:
                connection.execute(f"INSERT INTO public.{table} SELECT * FROM first.{table}")
    except psycopg.Error:  # a test has left a connection open, or has changed the tables
        return False
    return True


@pytest.fixture(params=["sqlite", "postgresql"])
def any_empty_url(request, tmp_path):
    """URL of a new database of each kind, without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'review.db'}"
    return new_database(request.getfixturevalue("postgres"))


@pytest.fixture(params=["sqlite", "postgresql"])
def any_url(request, tmp_path):
    """URL of an empty database of each kind, with tables, because migrating takes longer than most tests."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_sqlite"), tmp_path / "review.db")
        yield f"sqlite:///{tmp_path / 'review.db'}"
        return
    clean = request.getfixturevalue("clean_databases")
    url = clean.pop() if clean else migrated(new_database(request.getfixturevalue("postgres")))
    yield url
    if emptied(url):
        clean.append(url)


@pytest.fixture
def any_store(any_url):
    with ReviewStore(any_url) as store:
        yield store


@pytest.fixture
def store(any_store):
    return any_store


@pytest.fixture
def desk(store, clock):
    return ReviewService(store, clock=clock)


def submit(store, value=0.4, question="Capital of Australia?", answer="Sydney", **options):
    options = {"decision": REVIEW, **options}
    return store.submit(question, answer, confidence=Confidence(value), **options)
