"""how names answer over HTTP"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0003_way_in"
branch_labels = None
depends_on = None


def upgrade() -> None:
    name = sa.String(255).with_variant(sa.String(255, collation="C"), "postgresql")
    op.create_table(
        "http_view",
        sa.Column("name", name, nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )


def downgrade() -> None:
    op.drop_table("http_view")
