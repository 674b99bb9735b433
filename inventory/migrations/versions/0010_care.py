"""what was last read of the sites in care"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "care_reading",
        sa.Column("id", sa.String(255).with_variant(sa.String(255, collation="C"), "postgresql"), primary_key=True),
        sa.Column("data", sa.JSON(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("care_reading")
