"""answers of people, decisions of admins, approvals of plans, agreements of units"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def _name(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def _withdrawn() -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("withdrawn_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("withdrawn_by", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    ]


def upgrade() -> None:
    op.create_table(
        "answer",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site", _name(600), nullable=False),
        sa.Column("names", sa.JSON(), nullable=False),
        sa.Column("question", _name(64), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.Column("by", sa.String(64), nullable=False),
        sa.Column("answered_on", sa.String(10), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        *_withdrawn(),
    )
    op.create_index("ix_answer_site", "answer", ["site"])
    op.create_table(
        "decision",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site", _name(600), nullable=False),
        sa.Column("names", sa.JSON(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("value", _name(255), nullable=False),
        sa.Column("by", sa.String(64), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("until", sa.String(10), nullable=False),
        *_withdrawn(),
    )
    op.create_index("ix_decision_site", "decision", ["site"])
    op.create_table(
        "approval",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("plan_id", sa.String(64), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("by", sa.String(64), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        *_withdrawn(),
    )
    op.create_index("ix_approval_plan_id", "approval", ["plan_id"])
    op.create_table(
        "agreement",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site", _name(600), nullable=False),
        sa.Column("unit_code", _name(64), nullable=False),
        sa.Column("placement", sa.String(32), nullable=False),
        sa.Column("cutover", sa.String(10), nullable=False),
        sa.Column("answer", sa.String(16), nullable=False),
        sa.Column("by", sa.String(64), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        *_withdrawn(),
    )
    op.create_index("ix_agreement_site", "agreement", ["site"])


def downgrade() -> None:
    for table in ("agreement", "approval", "decision", "answer"):
        op.drop_table(table)
