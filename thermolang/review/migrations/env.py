"""Alembic runs this file; the connection comes from ``thermolang.review.database``, never from an ini."""

from alembic import context

from thermolang.review.schema import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table=context.config.attributes["version_table"],
    # SQLite's default is to commit each statement; a failed migration must leave nothing behind.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
