"""Places in the queue, leases, drafts, users and an index of the text."""

import random
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

LIMITS = (0.25, 0.5, 0.75)
BATCH = 1000
# As in 0001.
OLD_INDEXES = {
    "ix_items_status_confidence_created_at_id": ["status", "confidence", "created_at", "id"],
    "ix_items_task_status_confidence": ["task", "status", "confidence"],
}
NEW_INDEXES = (
    ["status", "place", "created_at", "id"],
    ["place", "created_at", "id"],
    ["status", "created_at", "id"],
    ["created_at", "id"],
    ["task", "status", "place", "created_at", "id"],
    ["status", "band", "id"],
    ["task", "status", "band", "id"],
    ["reason_code", "status", "band", "id"],
    ["flagged", "status", "band", "id"],
)


def upgrade() -> None:
    add_columns()
    fill_columns()
    for name in OLD_INDEXES:
        op.drop_index(name, "items")
    for columns in NEW_INDEXES:
        op.create_index(f"ix_items_{'_'.join(columns)}", "items", columns)
    op.create_index("ix_verdicts_operator", "verdicts", ["operator"])
    create_work_tables()
    create_user_tables()
    create_text_index()


def add_columns() -> None:
    # Added one by one: SQLite would have to copy the whole table for anything else.
    op.add_column("items", sa.Column("place", sa.Double(), nullable=False, server_default="0.5"))
    op.add_column("items", sa.Column("band", sa.Integer(), nullable=False, server_default="2"))
    op.add_column("items", sa.Column("reason_code", sa.String(30), nullable=False, server_default=""))
    op.add_column("items", sa.Column("flagged", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("verdicts", sa.Column("reason_code", sa.String(30), nullable=False, server_default=""))


def fill_columns() -> None:
    """Give each item its place and its reason's code, as ``ReviewStore.submit`` does."""
    connection = op.get_bind()
    items = sa.table(
        "items",
        sa.column("id", sa.String),
        sa.column("confidence", sa.Double),
        sa.column("confidence_record", sa.JSON),
        sa.column("decision_action", sa.String),
        sa.column("decision_threshold", sa.Double),
        sa.column("place", sa.Double),
        sa.column("band", sa.Integer),
        sa.column("reason_code", sa.String),
    )
    known = connection.scalars(sa.select(items.c.confidence).where(items.c.confidence.is_not(None))).all()
    draw = random.Random(2)
    change = (
        items.update()
        .where(items.c.id == sa.bindparam("item"))
        .values(place=sa.bindparam("p"), band=sa.bindparam("b"), reason_code=sa.bindparam("r"))
    )
    last = ""
    while rows := connection.execute(sa.select(items).where(items.c.id > last).order_by(items.c.id).limit(BATCH)).all():
        last = rows[-1].id
        changes = []
        for row in rows:
            place = row.confidence if row.confidence is not None else draw.choice(known) if known else 0.5
            band = sum(place >= limit for limit in LIMITS)
            changes.append({"item": row.id, "p": place, "b": band, "r": reason_code(row)})
        connection.execute(change, changes)


def reason_code(row: sa.Row[Any]) -> str:
    record = row.confidence_record or {}
    if record.get("reason_code"):
        return str(record["reason_code"])[:30]
    if row.confidence is None:
        return "no_value"
    if not record.get("supported", True):
        return "new_input"
    if row.decision_action == "reject":
        return "below_rejection"
    return "below_threshold" if row.confidence < row.decision_threshold else "chosen"


def create_work_tables() -> None:
    """Leases, passes and drafts: what an operator and an item have to do with each other before a verdict."""

    def item() -> sa.Column[Any]:
        return sa.Column("item_id", sa.String(32), nullable=False)

    def operator() -> sa.Column[Any]:
        return sa.Column("operator", sa.String(200), nullable=False)

    def at(name: str) -> sa.Column[Any]:
        return sa.Column(name, sa.DateTime(timezone=True), nullable=False)

    def key(table: str) -> sa.ForeignKeyConstraint:
        return sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f(f"fk_{table}_item_id"))

    op.create_table(
        "leases",
        item(),
        operator(),
        at("until"),
        sa.PrimaryKeyConstraint("item_id", name=op.f("pk_leases")),
        key("leases"),
    )
    op.create_index("ix_leases_operator_until", "leases", ["operator", "until"])
    op.create_table(
        "passes",
        item(),
        operator(),
        sa.Column("kind", sa.String(20), nullable=False),
        at("at"),
        sa.PrimaryKeyConstraint("item_id", "operator", name=op.f("pk_passes")),
        key("passes"),
        sa.CheckConstraint("kind IN ('skip', 'cannot_tell')", name=op.f("ck_passes_kind")),
    )
    op.create_table(
        "drafts",
        item(),
        operator(),
        sa.Column("content", sa.JSON(), nullable=False),
        at("at"),
        sa.PrimaryKeyConstraint("item_id", "operator", name=op.f("pk_drafts")),
        key("drafts"),
    )


def create_user_tables() -> None:
    op.create_table(
        "users",
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("role", sa.String(10), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_users")),
        sa.CheckConstraint("role IN ('reviewer', 'lead', 'admin')", name=op.f("ck_users_role")),
    )
    op.create_table(
        "sessions",
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("user_name", sa.String(200), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_sessions")),
        sa.ForeignKeyConstraint(["user_name"], ["users.name"], name=op.f("fk_sessions_user_name")),
    )
    op.create_index("ix_sessions_user_name", "sessions", ["user_name"])
    op.create_table(
        "failed_logins",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(300), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_failed_logins")),
    )
    op.create_index("ix_failed_logins_key_at", "failed_logins", ["key", "at"])


# Three letters in a row are the unit of both indexes, so that they find parts of words, and Japanese.
SQLITE_TEXT = (
    "CREATE VIRTUAL TABLE items_text USING fts5(item_id UNINDEXED, body, tokenize='trigram')",
    "CREATE TRIGGER items_text_insert AFTER INSERT ON items BEGIN INSERT INTO items_text (item_id, body)"
    " VALUES (new.id, substr(new.question || char(10) || new.answer, 1, 20000)); END",
    "INSERT INTO items_text (item_id, body) SELECT id, substr(question || char(10) || answer, 1, 20000) FROM items",
)
POSTGRES_TEXT = (
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    "CREATE INDEX items_text ON items USING gin (substr(question || chr(10) || answer, 1, 20000) gin_trgm_ops)",
)


def create_text_index() -> None:
    """Where the database has no such index, or does not let this user make one, search reads the rows instead."""
    connection = op.get_bind()
    point = connection.begin_nested()
    try:
        for statement in SQLITE_TEXT if connection.dialect.name == "sqlite" else POSTGRES_TEXT:
            connection.exec_driver_sql(statement)
    except (sa.exc.OperationalError, sa.exc.ProgrammingError, sa.exc.NotSupportedError):
        point.rollback()
    else:
        point.commit()


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER IF EXISTS items_text_insert")
        op.execute("DROP TABLE IF EXISTS items_text")
    else:
        op.execute("DROP INDEX IF EXISTS items_text")
    for table in ("failed_logins", "sessions", "users", "drafts", "passes", "leases"):
        op.drop_table(table)
    for columns in NEW_INDEXES:
        op.drop_index(f"ix_items_{'_'.join(columns)}", "items")
    for name, columns in OLD_INDEXES.items():
        op.create_index(name, "items", columns)
    op.drop_index("ix_verdicts_operator", "verdicts")
    op.drop_column("verdicts", "reason_code")
    for column in ("flagged", "reason_code", "band", "place"):
        op.drop_column("items", column)
