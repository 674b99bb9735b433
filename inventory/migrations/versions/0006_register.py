"""imports of the register with the history of every value; rows withdrawn by complete sheets; confirmed owners"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def _name(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("site", sa.Column("clues", sa.JSON(), nullable=True))
    op.add_column("declared", sa.Column("withdrawn_at", sa.TIMESTAMP(timezone=True), nullable=True))
    op.create_table(
        "register_import",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("by", sa.String(64), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("undone_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("undone_by", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "register_change",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("import_id", sa.Integer(), sa.ForeignKey("register_import.id"), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_register_change_import_id", "register_change", ["import_id"])
    op.create_index("register_change_kind_key", "register_change", ["kind", "key"])
    op.create_table(
        "owner_confirmation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site", _name(600), nullable=False),
        sa.Column("names", sa.JSON(), nullable=False),
        sa.Column("unit_code", _name(64), sa.ForeignKey("unit.code"), nullable=False),
        sa.Column("by", sa.String(64), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("forgotten_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("forgotten_by", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def downgrade() -> None:
    with op.batch_alter_table("site") as batch:
        batch.drop_column("clues")
    op.drop_table("owner_confirmation")
    op.drop_table("register_change")
    op.drop_table("register_import")
    with op.batch_alter_table("declared") as batch:
        batch.drop_column("withdrawn_at")
