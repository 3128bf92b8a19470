"""An index of one and two letters in PostgreSQL; SQLite's finds them since the revision before."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

# Each two letters of a text in a row, and each letter.
LETTERS = """
CREATE FUNCTION thermolang_letters(body text) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT array_agg(one || coalesce(two, '')) || array_agg(one)
FROM (SELECT string_to_array(lower(body), NULL)) AS text (letters), unnest(letters, letters[2:]) AS pairs (one, two)
$$
"""
INDEX = (
    "CREATE INDEX items_letters ON items USING gin"
    " (thermolang_letters(substr(question || chr(10) || answer, 1, 20000))) WITH (fastupdate = off)"
)
# Else new items wait in a list until the next vacuum, and each search reads all of that list.
AT_ONCE = "ALTER INDEX IF EXISTS items_text SET (fastupdate = off)"


def upgrade() -> None:
    """Where this user may make no function, search reads the rows instead."""
    connection = op.get_bind()
    if connection.dialect.name != "postgresql":
        return
    point = connection.begin_nested()
    try:
        connection.exec_driver_sql(LETTERS)
        connection.exec_driver_sql(INDEX)
        connection.exec_driver_sql(AT_ONCE)
    except (sa.exc.OperationalError, sa.exc.ProgrammingError, sa.exc.NotSupportedError):
        point.rollback()
    else:
        point.commit()


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER INDEX IF EXISTS items_text RESET (fastupdate)")
        op.execute("DROP INDEX IF EXISTS items_letters")
        op.execute("DROP FUNCTION IF EXISTS thermolang_letters")
