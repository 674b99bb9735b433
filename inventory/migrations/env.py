"""Alembic's environment: runs on the connection that `catalogue.open_catalogue` hands in."""

from alembic import context

from inventory.model import Base

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
