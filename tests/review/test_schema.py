"""Migrations: from nothing to the declared tables, safely."""

import multiprocessing
import sqlite3
import threading

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from filelock import FileLock
from sqlalchemy import CheckConstraint, inspect, text
from sqlalchemy.exc import IntegrityError

from thermolang import ReviewStore
from thermolang.errors import StoreError
from thermolang.review import Filter, ReviewService, database
from thermolang.review.schema import STATUS_AFTER, STATUSES, Base


@pytest.fixture
def engine(tmp_path):
    engine = database.open_engine(database.parse_url(f"sqlite:///{tmp_path / 'r.db'}"), timeout=5)
    yield engine
    engine.dispose()


def open_and_close(url):
    database.open_engine(database.parse_url(url), timeout=30).dispose()


def open_in_process(url, start, failures):
    start.wait()
    try:
        open_and_close(url)
    except Exception as error:
        failures.put(repr(error))


def declared_name(name, kind, _parents):
    """Leaves out the index of the text: each database has its own, which is no table of thermolang's."""
    return not (name or "").startswith("items_text")


def test_migrating_from_nothing_gives_the_declared_tables(engine):
    with engine.connect() as connection:
        options = {"compare_type": True, "version_table": database.VERSION_TABLE, "include_name": declared_name}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Base.metadata) == []


def test_check_constraints_are_the_declared_ones(engine):
    found = {
        (table, check["name"], check["sqltext"])
        for table in Base.metadata.tables
        for check in inspect(engine).get_check_constraints(table)
    }
    declared = {
        (table.name, constraint.name, str(constraint.sqltext))
        for table in Base.metadata.tables.values()
        for constraint in table.constraints
        if isinstance(constraint, CheckConstraint)
    }
    assert found == declared
    assert len(found) == 14


def test_each_verb_has_its_status():
    assert STATUS_AFTER == {"accept": "accepted", "correct": "corrected", "reject": "rejected"}
    assert set(STATUSES) == {"pending", *STATUS_AFTER.values()}


@pytest.mark.parametrize("values", ["'odd', 0.5", "'pending', 1.5"])
def test_the_database_itself_refuses_wrong_values(engine, values):
    insert = (
        "INSERT INTO items (id, created_at, task, question, context, answer, model, confidence_record,"
        " reason, decision_action, decision_threshold, version, status, confidence)"
        f" VALUES ('x', '2026-01-01', '', '', '', '', '', '{{}}', '', 'review', 0.8, 1, {values})"
    )
    with engine.connect() as connection, pytest.raises(IntegrityError, match="CHECK"):
        connection.exec_driver_sql(insert)


def test_commits_wait_for_the_disk(engine):
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 5000


def test_four_processes_open_a_fresh_database_at_once(tmp_path):
    context = multiprocessing.get_context("spawn")
    url, start, failures = f"sqlite:///{tmp_path / 'r.db'}", context.Barrier(4), context.Queue()
    workers = [context.Process(target=open_in_process, args=(url, start, failures)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert failures.empty(), failures.get()


def test_only_the_holder_of_the_lock_migrates(tmp_path):
    url = database.parse_url(f"sqlite:///{tmp_path / 'r.db'}")
    with FileLock(tmp_path / "r.db.lock"), pytest.raises(StoreError, match="another program keeps it locked"):
        database.open_engine(url, timeout=0.1)
    database.open_engine(url, timeout=0.1).dispose()
    with FileLock(tmp_path / "r.db.lock"):
        database.open_engine(url, timeout=0.1).dispose()


def test_threads_open_several_fresh_databases_at_once(tmp_path):
    failures = []

    def work(number):
        try:
            open_and_close(f"sqlite:///{tmp_path / f'{number % 3}.db'}")
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_newer_schema_is_refused_and_left_alone(tmp_path, engine):
    with engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE {database.VERSION_TABLE} SET version_num = '9999'")
    with pytest.raises(StoreError, match=r"schema 9999 is newer than this thermolang; pip install --upgrade"):
        open_and_close(f"sqlite:///{tmp_path / 'r.db'}")


def test_tables_of_another_program_are_left_alone(tmp_path):
    with sqlite3.connect(tmp_path / "theirs.db") as theirs:
        theirs.execute("CREATE TABLE items (a)")
    theirs.close()
    with pytest.raises(StoreError, match="tables of another program"):
        open_and_close(f"sqlite:///{tmp_path / 'theirs.db'}")
    theirs = sqlite3.connect(tmp_path / "theirs.db")
    assert theirs.execute("SELECT name FROM sqlite_master").fetchall() == [("items",)]
    theirs.close()


BROKEN = """
import sqlalchemy as sa
from alembic import op
revision = "1"
down_revision = None
def upgrade():
    op.create_table("items", sa.Column("a", sa.Integer()))
    op.execute("nonsense")
"""


def test_a_failed_migration_leaves_nothing_behind(tmp_path, monkeypatch):
    scripts = tmp_path / "scripts"
    (scripts / "versions").mkdir(parents=True)
    (scripts / "versions" / "1.py").write_text(BROKEN)
    own = ScriptDirectory.from_config(database._config()).dir
    (scripts / "env.py").write_text((database.Path(own) / "env.py").read_text())
    original = database._config

    def config(connection=None):
        made = original(connection)
        made.set_main_option("script_location", str(scripts))
        return made

    monkeypatch.setattr(database, "_config", config)
    with pytest.raises(StoreError, match="nonsense"):
        open_and_close(f"sqlite:///{tmp_path / 'r.db'}")
    connection = sqlite3.connect(tmp_path / "r.db")
    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == []
    connection.close()


def test_downgrade_undoes_the_migration(engine):
    with database._alembic, engine.connect() as connection:
        database.command.downgrade(database._config(connection), "base")
        connection.commit()
    assert inspect(engine).get_table_names() == [database.VERSION_TABLE]


OLD_ROW = (
    "INSERT INTO items (id, created_at, task, question, context, answer, model, confidence, confidence_record, reason,"
    " decision_action, decision_threshold, status, version) VALUES ('{id}', '2026-01-01 00:00:00', 'qa',"
    " 'Where is {id}', '', 'a', '', {value}, '{record}', '', 'review', 0.8, '{status}', 1)"
)
OLD_VERDICT = (
    "INSERT INTO verdicts (item_id, action, operator, note, created_at)"
    " VALUES ('c', 'accept', 'ann', '', '2026-01-02 00:00:00')"
)


def old_database(url):
    """A database of the first schema with three items, one of them decided."""
    engine = database._create_engine(database.parse_url(url), 10)
    with database._alembic, engine.connect() as connection:
        database._begin(connection)
        database.command.upgrade(database._config(connection), "0001")
        connection.commit()
    rows = [("a", 0.3, "{}", "pending"), ("b", "NULL", '{"reason_code": "no_calibrator"}', "pending")]
    with engine.begin() as connection:
        for name, value, record, status in [*rows, ("c", 0.9, "{}", "accepted")]:
            connection.execute(
                text(OLD_ROW.format(id=name, value=value, record=record.replace(":", "\\:"), status=status))
            )
        connection.execute(text(OLD_VERDICT))
    engine.dispose()


def test_the_previous_schema_is_migrated_with_its_data(any_empty_url):
    old_database(any_empty_url)
    with ReviewStore(any_empty_url) as store:
        with store._engine.connect() as connection:
            query = "SELECT id, place, band, reason_code, flagged FROM items ORDER BY id"
            rows = [tuple(row) for row in connection.execute(text(query))]
            index = connection.execute(text("SELECT operator, reason_code FROM verdicts")).all()
        assert rows[0] == ("a", 0.3, 1, "below_threshold", False)
        # Without a confidence it stands where one of the others does.
        assert rows[1][1] in (0.3, 0.9) and rows[1][3] == "no_calibrator"
        assert rows[2][1:4] == (0.9, 3, "chosen")
        assert [tuple(row) for row in index] == [("ann", "")]
        assert [row.id for row in ReviewService(store).search(Filter("here is b")).rows] == ["b"]
        assert ReviewService(store).stats()["pending"] == 2


def test_the_migration_can_be_taken_back_with_its_data(any_empty_url):
    old_database(any_empty_url)
    ReviewStore(any_empty_url).close()
    engine = database._create_engine(database.parse_url(any_empty_url), 10)
    with database._alembic, engine.connect() as connection:
        database.command.downgrade(database._config(connection), "0001")
        connection.commit()
    with engine.connect() as connection:
        assert connection.execute(text("SELECT id, confidence, status FROM items ORDER BY id")).all() == [
            ("a", 0.3, "pending"),
            ("b", None, "pending"),
            ("c", 0.9, "accepted"),
        ]
    assert "leases" not in inspect(engine).get_table_names()
    engine.dispose()


def test_a_migration_that_fails_half_way_leaves_the_previous_schema(any_empty_url, monkeypatch):
    old_database(any_empty_url)
    monkeypatch.setattr(sqlalchemy, "false", lambda: 1 / 0)  # the fourth column of 0002 needs it
    with pytest.raises(ZeroDivisionError):
        ReviewStore(any_empty_url)
    monkeypatch.undo()
    engine = database._create_engine(database.parse_url(any_empty_url), 10)
    assert "place" not in {column["name"] for column in inspect(engine).get_columns("items")}
    engine.dispose()
    with ReviewStore(any_empty_url) as store:
        assert store.counts()["pending"] == 2
