"""A counter of the statements that reach the database."""

from contextlib import contextmanager

from sqlalchemy import Engine, event


@contextmanager
def statements():
    """Collect the statements of all threads while the block runs."""
    sent = []

    def note(connection, cursor, statement, parameters, context, executemany):
        if not statement.startswith("BEGIN"):  # PostgreSQL's driver begins by itself
            sent.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(Engine, "before_cursor_execute", note)
