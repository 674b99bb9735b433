"""names sort alike in both engines; verdicts, moves and sites named after a docroot fit their columns"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

COLUMNS = [("unit", "code", 64, 64), ("host", "name", 255, 255), ("workload", "name", 255, 600), ("verdict", "strength", 16, 32),
           ("journal", "move", 64, 255), ("comparison", "move", 64, 255)]  # fmt: skip
SORTED = {"code", "name"}


def _alter(forward: bool) -> None:
    postgresql = op.get_bind().dialect.name == "postgresql"
    for table, column, old, new in COLUMNS:
        order = ("C" if forward else "default") if postgresql and column in SORTED else None
        before, after = (old, new) if forward else (new, old)
        if postgresql or before != after:
            with op.batch_alter_table(table) as batch:
                batch.alter_column(
                    column, existing_type=sa.String(before), existing_nullable=False, type_=sa.String(after, collation=order)
                )


def upgrade() -> None:
    _alter(True)


def downgrade() -> None:
    _alter(False)
