"""What leaves the desk: tokens of programs that submit answers, and deliveries to webhooks."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

NAME = sa.String(200)
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    create_tokens()
    create_webhooks()
    create_deliveries()


def create_tokens() -> None:
    op.create_table(
        "tokens",
        sa.Column("name", NAME, nullable=False),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_tokens")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_tokens_token_hash")),
    )


def create_webhooks() -> None:
    op.create_table(
        "webhooks",
        sa.Column("url", sa.String(2000), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("url", name=op.f("pk_webhooks")),
    )


def create_deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("url", sa.String(2000), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("item_id", sa.String(32), nullable=True),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", TIME, nullable=False),
        sa.Column("said", sa.String(300), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_deliveries_item_id")),
        sa.CheckConstraint("kind IN ('item_waits', 'decided', 'alarm')", name=op.f("ck_deliveries_kind")),
        sa.CheckConstraint("state IN ('waiting', 'delivered', 'given_up')", name=op.f("ck_deliveries_state")),
    )
    op.create_index("ix_deliveries_state_next_at", "deliveries", ["state", "next_at"])
    op.create_index("ix_deliveries_created_at", "deliveries", ["created_at"])


def downgrade() -> None:
    for table in ("deliveries", "webhooks", "tokens"):
        op.drop_table(table)
