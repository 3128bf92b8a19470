"""How people judge: settings of tasks, what was shown to whom, probes, and second reviews."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

NAME = sa.String(200)
CONFIDENCE_INDEX = "ix_items_status_confidence_decision_threshold"
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    create_settings()
    create_showings()
    create_probes()
    create_repeats()
    create_doubles()
    op.create_index(CONFIDENCE_INDEX, "items", ["status", "confidence", "decision_threshold"])


def item(name: str = "item_id", *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.String(32), nullable=nullable)


def of_item(table: str, name: str = "item_id") -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([name], ["items.id"], name=op.f(f"fk_{table}_{name}"))


def create_settings() -> None:
    op.create_table(
        "task_settings",
        sa.Column("task", sa.String(500), nullable=False),
        sa.Column("mode", sa.String(10), nullable=False),
        sa.Column("blind_share", sa.Double(), nullable=False),
        sa.Column("probe_share", sa.Double(), nullable=False),
        sa.Column("double_share", sa.Double(), nullable=False),
        sa.Column("changed_by", NAME, nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("task", name=op.f("pk_task_settings")),
        sa.CheckConstraint("mode IN ('shown', 'blind', 'random')", name=op.f("ck_task_settings_mode")),
    )


def create_showings() -> None:
    op.create_table(
        "showings",
        item(),
        sa.Column("operator", NAME, nullable=False),
        sa.Column("with_number", sa.Boolean(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("seconds", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("item_id", "operator", name=op.f("pk_showings")),
        of_item("showings"),
    )


def create_probes() -> None:
    op.create_table(
        "probes",
        item(),
        sa.Column("known_right", sa.Boolean(), nullable=False),
        sa.Column("marked_by", NAME, nullable=False),
        sa.Column("marked_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("item_id", name=op.f("pk_probes")),
        of_item("probes"),
    )


def create_repeats() -> None:
    op.create_table(
        "repeats",
        item(),
        item("original_id"),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("operator", NAME, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("item_id", name=op.f("pk_repeats")),
        of_item("repeats"),
        of_item("repeats", "original_id"),
        sa.CheckConstraint("kind IN ('probe', 'second')", name=op.f("ck_repeats_kind")),
    )
    op.create_index("ix_repeats_operator", "repeats", ["operator"])
    op.create_index("ix_repeats_original_id", "repeats", ["original_id"])


def create_doubles() -> None:
    op.create_table(
        "doubles",
        item(),
        sa.Column("first_operator", NAME, nullable=False),
        sa.Column("first_right", sa.Boolean(), nullable=False),
        item("copy_id", nullable=True),
        sa.Column("second_operator", NAME, nullable=True),
        sa.Column("second_right", sa.Boolean(), nullable=True),
        sa.Column("settled_by", NAME, nullable=True),
        sa.Column("settled_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("item_id", name=op.f("pk_doubles")),
        of_item("doubles"),
        of_item("doubles", "copy_id"),
        sa.UniqueConstraint("copy_id", name=op.f("uq_doubles_copy_id")),
    )


def downgrade() -> None:
    op.drop_index(CONFIDENCE_INDEX, "items")
    for table in ("doubles", "repeats", "probes", "showings", "task_settings"):
        op.drop_table(table)
