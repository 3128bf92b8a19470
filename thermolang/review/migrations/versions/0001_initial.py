"""Items, verdicts and the audit trail."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_items()
    create_verdicts()
    create_events()


def create_items() -> None:
    op.create_table(
        "items",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("context", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("confidence", sa.Double(), nullable=True),
        sa.Column("confidence_record", sa.JSON(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("decision_action", sa.String(10), nullable=False),
        sa.Column("decision_threshold", sa.Double(), nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_items")),
        sa.CheckConstraint("status IN ('pending', 'accepted', 'corrected', 'rejected')", name=op.f("ck_items_status")),
        sa.CheckConstraint("decision_action IN ('accept', 'review', 'reject')", name=op.f("ck_items_decision_action")),
        sa.CheckConstraint("confidence BETWEEN 0 AND 1", name=op.f("ck_items_confidence")),
        sa.CheckConstraint("version >= 1", name=op.f("ck_items_version")),
    )
    queue = ["status", "confidence", "created_at", "id"]
    op.create_index("ix_items_status_confidence_created_at_id", "items", queue)
    op.create_index("ix_items_task_status_confidence", "items", ["task", "status", "confidence"])


def create_verdicts() -> None:
    op.create_table(
        "verdicts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("item_id", sa.String(32), nullable=False),
        sa.Column("action", sa.String(10), nullable=False),
        sa.Column("corrected_answer", sa.Text(), nullable=True),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verdicts")),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_verdicts_item_id")),
        sa.UniqueConstraint("item_id", name=op.f("uq_verdicts_item_id")),
        sa.CheckConstraint("action IN ('accept', 'correct', 'reject')", name=op.f("ck_verdicts_action")),
        sa.CheckConstraint(
            "(action = 'correct') = (corrected_answer IS NOT NULL)", name=op.f("ck_verdicts_correction")
        ),
        sa.CheckConstraint("corrected_answer <> ''", name=op.f("ck_verdicts_corrected_answer")),
        sa.CheckConstraint("operator <> ''", name=op.f("ck_verdicts_operator")),
    )


def create_events() -> None:
    op.create_table(
        "events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("item_id", sa.String(32), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("what", sa.String(20), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_events_item_id")),
    )
    op.create_index("ix_events_item_id_id", "events", ["item_id", "id"])


def downgrade() -> None:
    op.drop_table("events")
    op.drop_table("verdicts")
    op.drop_table("items")
