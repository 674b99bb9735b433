"""ten thousand hosts: observations by kind and section, sites apart from workloads with columns for lists, discoveries as rows"""

import json
import zlib
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003_way_in"
branch_labels = None
depends_on = None

# frozen as they were: the product's own functions may change after this migration
SITE_COLUMNS = {
    "application": "application.name", "version": "application.version", "static": "site.static", "docroot": "site.docroot",
    "database": "database.name", "bytes": "content.bytes", "files": "content.files", "newest": "content.newest",
    "requests_per_day": "use.requests_per_day", "last_hit": "use.last",
}  # fmt: skip
TEXTS = {"application", "version", "docroot", "database", "newest", "last_hit"}
HOST = sa.table("host", sa.column("id", sa.Integer), sa.column("name", sa.String), sa.column("snapshot_id", sa.Integer))
OBSERVATION = sa.table(
    "observation", *(sa.column(name, sa.Integer) for name in ("id", "snapshot_id", "host_id", "line")),
    sa.column("kind", sa.String), sa.column("section", sa.String), sa.column("data", sa.JSON),
)  # fmt: skip
OBSERVATIONS = sa.table(
    "observations", *(sa.column(name, sa.Integer) for name in ("host_id", "snapshot_id", "position")),
    sa.column("kind", sa.String), sa.column("section", sa.String), sa.column("body", sa.LargeBinary),
)  # fmt: skip
SHARED = sa.table("shared", sa.column("id", sa.Integer), sa.column("data", sa.JSON))
SITE = sa.table(
    "site", sa.column("id", sa.Integer), sa.column("host_id", sa.Integer), sa.column("name", sa.String), sa.column("names", sa.JSON),
    sa.column("static", sa.Boolean), sa.column("bytes", sa.BigInteger), sa.column("files", sa.BigInteger),
    sa.column("requests_per_day", sa.Double), *(sa.column(name, sa.Text) for name in sorted(TEXTS)),
)  # fmt: skip
FACTS = sa.table("site_facts", sa.column("site_id", sa.Integer), sa.column("facts", sa.LargeBinary))
WORKLOAD = sa.table(
    "workload", *(sa.column(name, sa.Integer) for name in ("id", "host_id", "site_id")), sa.column("name", sa.String),
    sa.column("names", sa.JSON), sa.column("facts", sa.JSON), sa.column("declared", sa.JSON),
)  # fmt: skip


def _small(value: dict[str, Any]) -> bytes:
    return zlib.compress(json.dumps(value, ensure_ascii=False).encode(), 1)


def _large(body: bytes) -> Any:
    return json.loads(body if body[:1] == b"{" else zlib.decompress(body))


def _of_sheet(name: str) -> bool:
    return name == "site.declared" or name.startswith("declared.")


def upgrade() -> None:
    op.add_column("host", sa.Column("visit_run_id", sa.Integer(), nullable=True))
    op.add_column("host", sa.Column("snapshot_id", sa.Integer(), nullable=True))
    op.add_column("host", sa.Column("digest", sa.String(32), nullable=True))
    op.add_column("host", sa.Column("identified", sa.String(32), nullable=True))
    op.add_column("snapshot", sa.Column("seen_at", sa.TIMESTAMP(timezone=True), nullable=True))
    op.add_column("snapshot", sa.Column("readings", sa.Integer(), nullable=False, server_default="1"))
    order = "C" if op.get_bind().dialect.name == "postgresql" else None
    op.create_table(
        "observations",
        sa.Column("host_id", sa.Integer(), sa.ForeignKey("host.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(32), primary_key=True),
        sa.Column("section", sa.String(32), primary_key=True),
        sa.Column("snapshot_id", sa.Integer(), sa.ForeignKey("snapshot.id", ondelete="CASCADE"), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
    )
    op.create_index("observations_kind", "observations", ["kind"])
    op.create_index("ix_observations_snapshot_id", "observations", ["snapshot_id"])
    op.create_table(
        "shared",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("name", sa.String(255, collation=order), nullable=False),
        sa.Column("digest", sa.String(32), nullable=False, unique=True),
        sa.Column("data", sa.JSON(), nullable=False),
    )
    op.create_index("shared_kind_name", "shared", ["kind", "name"])
    op.create_table(
        "visit_run",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("started_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("finished_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("asked", sa.JSON(), nullable=False),
        sa.Column("hosts", sa.Integer(), nullable=False),
    )
    op.create_table(
        "site",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("host_id", sa.Integer(), sa.ForeignKey("host.id", ondelete="CASCADE"), nullable=False),
        sa.Column("name", sa.String(600, collation=order), nullable=False),
        sa.Column("names", sa.JSON(), nullable=False),
        sa.Column("application", sa.Text(), nullable=True),
        sa.Column("version", sa.Text(), nullable=True),
        sa.Column("static", sa.Boolean(), nullable=True),
        sa.Column("docroot", sa.Text(), nullable=True),
        sa.Column("database", sa.Text(), nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("files", sa.BigInteger(), nullable=True),
        sa.Column("newest", sa.Text(), nullable=True),
        sa.Column("requests_per_day", sa.Double(), nullable=True),
        sa.Column("last_hit", sa.Text(), nullable=True),
        sa.UniqueConstraint("host_id", "name"),
    )
    op.create_table(
        "site_facts",
        sa.Column("site_id", sa.Integer(), sa.ForeignKey("site.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("facts", sa.LargeBinary(), nullable=False),
    )
    op.add_column("workload", sa.Column("site_id", sa.Integer(), nullable=True))
    op.add_column("workload", sa.Column("declared", sa.JSON(), nullable=True))
    _pack()
    _part()
    with op.batch_alter_table("workload") as batch:
        batch.drop_column("facts")
        batch.alter_column("declared", existing_type=sa.JSON(), nullable=False)
        batch.create_foreign_key("workload_site_id_fkey", "site", ["site_id"], ["id"], ondelete="SET NULL")
        batch.create_index("ix_workload_site_id", ["site_id"])
    op.drop_table("observation")


def _pack() -> None:
    """Rows of one host, kind and section become one; a host's newest snapshot is the one that they name."""
    bind = op.get_bind()
    for host in bind.scalars(sa.select(HOST.c.id)).all():
        places: dict[tuple[str, str], list[sa.Row[Any]]] = {}
        for row in bind.execute(sa.select(OBSERVATION).where(OBSERVATION.c.host_id == host).order_by(OBSERVATION.c.id)).all():
            places.setdefault((row.section, row.kind), []).append(row)
        made = []
        for position, ((section, kind), rows) in enumerate(places.items()):
            body = _small({"keys": None, "rows": [row.data for row in rows], "lines": [row.line for row in rows]})
            made.append({
                "host_id": host, "kind": kind, "section": section, "snapshot_id": rows[0].snapshot_id, "position": position,
                "body": body,
            })  # fmt: skip
        if made:
            bind.execute(sa.insert(OBSERVATIONS), made)
            bind.execute(sa.update(HOST).where(HOST.c.id == host).values(snapshot_id=made[0]["snapshot_id"]))


def _part() -> None:
    """What was found goes into site and site_facts, what the sheet tells stays with the workload."""
    bind = op.get_bind()
    hosts = {row.id: row.name for row in bind.execute(sa.select(HOST.c.id, HOST.c.name))}
    number = 0
    for key in bind.scalars(sa.select(WORKLOAD.c.id).order_by(WORKLOAD.c.id)).all():
        row = bind.execute(sa.select(WORKLOAD).where(WORKLOAD.c.id == key)).one()
        facts = row.facts or {}
        declared = {name: fact for name, fact in facts.items() if _of_sheet(name) or row.host_id is None}
        changes: dict[str, object] = {"declared": declared}
        if row.host_id is not None:
            number += 1
            values = {column: facts.get(name, {}).get("value") for column, name in SITE_COLUMNS.items()}
            values |= {column: str(values[column]) for column in TEXTS if values[column] is not None}
            name = row.name.removesuffix(f"@{hosts[row.host_id]}")
            bind.execute(sa.insert(SITE), {"id": number, "host_id": row.host_id, "name": name, "names": row.names, **values})
            own = _small({n: f for n, f in facts.items() if n not in declared})
            bind.execute(sa.insert(FACTS), {"site_id": number, "facts": own})
            changes["site_id"] = number
        bind.execute(sa.update(WORKLOAD).where(WORKLOAD.c.id == key).values(**changes))
    if number and bind.dialect.name == "postgresql":
        bind.execute(sa.text("SELECT setval(pg_get_serial_sequence('site', 'id'), :last)"), {"last": number})


def downgrade() -> None:
    op.create_table(
        "observation",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("snapshot_id", sa.Integer(), sa.ForeignKey("snapshot.id", ondelete="CASCADE"), nullable=False),
        sa.Column("host_id", sa.Integer(), sa.ForeignKey("host.id"), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("section", sa.String(32), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
    )
    op.create_index("observation_host_kind", "observation", ["host_id", "kind"])
    op.add_column("workload", sa.Column("facts", sa.JSON(), nullable=True))
    bind = op.get_bind()
    _unpack(bind)
    for key, site, declared in bind.execute(sa.select(WORKLOAD.c.id, WORKLOAD.c.site_id, WORKLOAD.c.declared)).all():
        stored = bind.scalar(sa.select(FACTS.c.facts).where(FACTS.c.site_id == site))
        found = _large(stored) if stored else {}
        bind.execute(sa.update(WORKLOAD).where(WORKLOAD.c.id == key).values(facts={**found, **declared}))
    with op.batch_alter_table("workload") as batch:
        batch.drop_index("ix_workload_site_id")
        batch.drop_constraint("workload_site_id_fkey", type_="foreignkey")
        batch.drop_column("site_id")
        batch.drop_column("declared")
        batch.alter_column("facts", existing_type=sa.JSON(), nullable=False)
    for table in ("site_facts", "site", "visit_run", "shared", "observations"):
        op.drop_table(table)
    with op.batch_alter_table("snapshot") as batch:
        batch.drop_column("readings")
        batch.drop_column("seen_at")
    with op.batch_alter_table("host") as batch:
        for column in ("identified", "digest", "snapshot_id", "visit_run_id"):
            batch.drop_column(column)


def _unpack(bind: sa.Connection) -> None:
    shared = {row.id: row.data for row in bind.execute(sa.select(SHARED.c.id, SHARED.c.data))}
    for host in bind.scalars(sa.select(HOST.c.id)).all():
        made = []
        query = sa.select(OBSERVATIONS).where(OBSERVATIONS.c.host_id == host).order_by(OBSERVATIONS.c.position)
        for row in bind.execute(query).all():
            told = _large(row.body)
            values = [shared[n] for n in told["numbers"]] if "numbers" in told else told["rows"]
            if told["keys"]:
                values = [dict(zip(told["keys"], value, strict=True)) for value in values]
            place = {"host_id": host, "snapshot_id": row.snapshot_id, "kind": row.kind, "section": row.section}
            made += [{**place, "line": line, "data": data} for data, line in zip(values, told["lines"], strict=True)]
        if made:
            bind.execute(sa.insert(OBSERVATION), made)
