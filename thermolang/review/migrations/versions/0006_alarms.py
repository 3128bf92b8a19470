"""Alarms of monitors, and an index of texts of one or two letters."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

TIME = sa.DateTime(timezone=True)
# One of two constants of this file is all that is ever put into a statement.
BODY = "substr({0}question || char(10) || {0}answer, 1, 20000)"


def upgrade() -> None:
    create_alarms()
    # Two line breaks at the end: so each letter begins a group of three, and a list of these groups finds it.
    index_texts(BODY + " || char(10) || char(10)")
    if has_text_index():
        op.execute("CREATE VIRTUAL TABLE items_text_terms USING fts5vocab('items_text', 'instance')")


def create_alarms() -> None:
    op.create_table(
        "alarms",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("code", sa.String(20), nullable=False),
        sa.Column("item", sa.Integer(), nullable=False),
        sa.Column("since", sa.Integer(), nullable=False),
        sa.Column("evidence", sa.Double(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("seen_by", sa.String(200), nullable=True),
        sa.Column("seen_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarms")),
    )
    op.create_index("ix_alarms_seen_at_at", "alarms", ["seen_at", "at"])


def has_text_index() -> bool:
    """Whether this is SQLite, and its index of the text could be made."""
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        return False
    return connection.exec_driver_sql("SELECT 1 FROM sqlite_master WHERE name = 'items_text'").first() is not None


def index_texts(body: str) -> None:
    """Make SQLite's index of the text anew."""
    if not has_text_index():
        return
    op.execute("DROP TRIGGER items_text_insert")
    op.execute("DROP TABLE items_text")
    op.execute("CREATE VIRTUAL TABLE items_text USING fts5(item_id UNINDEXED, body, tokenize='trigram')")
    op.execute(
        "CREATE TRIGGER items_text_insert AFTER INSERT ON items BEGIN INSERT INTO items_text (item_id, body)"  # nosec # B608: constants
        f" VALUES (new.id, {body.format('new.')}); END"
    )
    op.execute(
        f"INSERT INTO items_text (item_id, body) SELECT id, {body.format('')} FROM items WHERE purged_at IS NULL"  # nosec # B608: constants
    )


def downgrade() -> None:
    if has_text_index():
        op.execute("DROP TABLE items_text_terms")
        index_texts(BODY)
    op.drop_table("alarms")
