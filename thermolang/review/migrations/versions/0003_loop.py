"""What a decision said and rested on, the audit of accepted answers, what was learned, and the chain of events."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def item_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("decision_code", sa.String(30), nullable=False, server_default=""),
        sa.Column("decision_mode", sa.String(10), nullable=False, server_default="enforce"),
        sa.Column("decision_fields", sa.JSON(), nullable=True),
        sa.Column("reason_ja", sa.Text(), nullable=False, server_default=""),
        sa.Column("calibrator", sa.Text(), nullable=False, server_default=""),
        sa.Column("task_version", sa.Integer(), nullable=True),
        sa.Column("policy", sa.String(64), nullable=False, server_default=""),
        sa.Column("audit", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("draw", sa.Double(), nullable=True),
        sa.Column("audit_rate", sa.Double(), nullable=True),
        sa.Column("purged_at", sa.DateTime(timezone=True), nullable=True),
    ]


def event_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("position", sa.Integer(), nullable=True),
        sa.Column("salt", sa.String(32), nullable=False, server_default=""),
        sa.Column("private", sa.String(64), nullable=False, server_default=""),
        sa.Column("head", sa.String(64), nullable=False, server_default=""),
    ]


def upgrade() -> None:
    # One by one: SQLite would have to copy the whole table for anything else.
    for column in item_columns():
        op.add_column("items", column)
    for column in event_columns():
        op.add_column("events", column)
    op.create_index("ix_items_audit_draw", "items", ["audit", "draw"])
    op.create_index("ix_items_purged_at_created_at", "items", ["purged_at", "created_at"])
    op.create_index("ix_events_position", "events", ["position"], unique=True)
    op.create_table(
        "learned",
        sa.Column("item_id", sa.String(32), nullable=False),
        sa.Column("calibrator", sa.String(200), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("item_id", "calibrator", name=op.f("pk_learned")),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_learned_item_id")),
    )
    begin_chain()


def begin_chain() -> None:
    """What happened before could be anything by now, so the chain begins after it and says where."""
    chain = op.create_table(
        "chain",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.Column("head", sa.String(64), nullable=False),
        sa.Column("begun_after", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chain")),
    )
    last = op.get_bind().scalar(sa.text("SELECT max(id) FROM events")) or 0
    op.bulk_insert(chain, [{"id": 1, "length": 0, "head": "0" * 64, "begun_after": last}])


def downgrade() -> None:
    op.drop_table("chain")
    op.drop_table("learned")
    op.drop_index("ix_events_position", "events")
    op.drop_index("ix_items_purged_at_created_at", "items")
    op.drop_index("ix_items_audit_draw", "items")
    for column in reversed(event_columns()):
        op.drop_column("events", column.name)
    for column in reversed(item_columns()):
        op.drop_column("items", column.name)
