"""Finding an error by the beginning of its id, as an operator types it."""

from sqlalchemy import Connection, Table, select

from alchemiser_cli.errors.runtime import ErrorNotFoundError
from alchemiser_cli.state import error_group, error_occurrence

__all__ = ["named_group", "only_key"]


def named_group(connection: Connection, prefix: str) -> str:
    """Return the fingerprint that begins so, else that of the failure whose id does.

    Raises:
        ErrorNotFoundError: ``error-not-found``.
    """
    if _keys(connection, error_group, "fingerprint", prefix):
        return only_key(connection, error_group, "fingerprint", prefix)
    key = only_key(connection, error_occurrence, "id", prefix)
    query = select(error_occurrence.c.fingerprint).where(error_occurrence.c.id == key)
    return str(connection.execute(query).scalar_one())


def only_key(connection: Connection, table: Table, column: str, prefix: str) -> str:
    """Return the one key that begins so; a key that is the prefix itself wins over longer ones.

    Raises:
        ErrorNotFoundError: ``error-not-found`` where none begins so, or more than one.
    """
    found = _keys(connection, table, column, prefix)
    if len(found) == 1 or prefix in found:
        return prefix if prefix in found else found[0]
    raise ErrorNotFoundError(
        f"{'more than one' if found else 'no'} error in the journal begins with {prefix!r}",
        why="The beginning of an id must name exactly one error."
        if found
        else "No group of errors has such a fingerprint, and no stored failure such an id.",
        next_step="Take the id from `alchemiser errors list`, with more of its digits.",
        context={"prefix": prefix, "matches": found},
    )


def _keys(connection: Connection, table: Table, column: str, prefix: str) -> list[str]:
    """Return the first keys that begin so, as a range of the index: keys are lower-case and digits.

    A key that is the prefix itself comes first.
    """
    if not (prefix.isascii() and prefix.isalnum()):
        return []
    key = table.c[column]
    query = select(key).where(key >= prefix, key <= prefix.ljust(33, "z")).order_by(key).limit(2)
    return list(connection.execute(query).scalars())
