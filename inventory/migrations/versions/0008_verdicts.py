"""verdicts without what their rules say of all of them; the rule sets that they were made with; rates of samples by the day"""

import json
import zlib
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_BATCH = 500
_VERDICT = sa.table(
    "verdict", sa.column("id", sa.Integer), sa.column("data", sa.JSON), sa.column("summary", sa.JSON), sa.column("reasons", sa.LargeBinary)
)


# frozen as they were: the product's own functions may change after this migration
def _small(value: dict[str, Any]) -> bytes:
    return zlib.compress(json.dumps(value, ensure_ascii=False).encode(), 1)


def _large(body: bytes | None) -> Any:
    return {} if body is None else json.loads(body if body[:1] == b"{" else zlib.decompress(body))


def upgrade() -> None:
    op.create_table(
        "rule_set",
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("rules", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("hash"),
    )
    op.create_table(
        "sample_day",
        sa.Column("host_id", sa.Integer(), sa.ForeignKey("host.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
        sa.Column("day", sa.String(10), primary_key=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
    )
    op.add_column("verdict", sa.Column("summary", sa.JSON(), nullable=False, server_default="{}"))
    op.add_column("verdict", sa.Column("reasons", sa.LargeBinary(), nullable=True))
    _each(
        ("data",),
        lambda row: {
            "summary": {name: value for name, value in (row.data or {}).items() if name != "findings"},
            "reasons": _small({"whole": row.data["findings"]} if (row.data or {}).get("findings") else {}),
        },
    )
    with op.batch_alter_table("verdict") as batch:
        batch.drop_column("data")
        batch.alter_column("summary", server_default=None)
        batch.alter_column("reasons", existing_type=sa.LargeBinary(), nullable=False)


def downgrade() -> None:
    op.add_column("verdict", sa.Column("data", sa.JSON(), nullable=False, server_default="{}"))
    # the sentences of verdicts made since stand in the rule sets, which this schema has no place for: the next assessment makes them anew
    _each(("summary", "reasons"), lambda row: {"data": {**row.summary, "findings": _large(row.reasons).get("whole", [])}})
    with op.batch_alter_table("verdict") as batch:
        batch.drop_column("reasons")
        batch.drop_column("summary")
        batch.alter_column("data", server_default=None)
    op.get_bind().execute(sa.text("UPDATE verdict SET facts_hash = ''"))
    op.drop_table("rule_set")
    op.drop_table("sample_day")


def _each(names, made) -> None:  # type: ignore[no-untyped-def]
    """Give every verdict the columns that are made of those named, some hundred at a time."""
    connection, last = op.get_bind(), 0
    columns = [_VERDICT.c.id, *(_VERDICT.c[name] for name in names)]
    while rows := connection.execute(sa.select(*columns).where(_VERDICT.c.id > last).order_by(_VERDICT.c.id).limit(_BATCH)).all():
        for row in rows:
            connection.execute(sa.update(_VERDICT).where(_VERDICT.c.id == row.id).values(made(row)))
        last = rows[-1].id
