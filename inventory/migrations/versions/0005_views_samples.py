"""how names answer over HTTP; which sites are systems; samples of load"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
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
    op.create_table(
        "sample",
        sa.Column("host_id", sa.Integer(), sa.ForeignKey("host.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), primary_key=True),
        sa.Column("data", sa.JSON(), nullable=False),
    )
    op.add_column("site", sa.Column("kind", sa.String(16), nullable=False, server_default="site"))


def downgrade() -> None:
    with op.batch_alter_table("site") as batch:
        batch.drop_column("kind")
    op.drop_table("sample")
    op.drop_table("http_view")
