"""by which login, through which bastions and with which algorithms a host was last visited"""

import sqlalchemy as sa
from alembic import op

revision = "0003_way_in"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("host", sa.Column("way", sa.JSON(), nullable=False, server_default="{}"))
    with op.batch_alter_table("host") as batch:  # the default was for the rows that are there
        batch.alter_column("way", existing_type=sa.JSON(), existing_nullable=False, server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("host") as batch:
        batch.drop_column("way")
