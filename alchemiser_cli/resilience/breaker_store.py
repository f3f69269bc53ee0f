"""Circuits in the state database, so that processes share them."""

from typing import Any

from sqlalchemy import select, update

from alchemiser_cli.resilience.circuit import BreakerState, Circuit
from alchemiser_cli.state import StateDatabase, circuit_breaker
from alchemiser_cli.state.statements import insert_if_absent

__all__ = ["BreakerStore"]


class BreakerStore:
    """Reads and swaps rows of ``circuit_breaker``; errors are those of ``StateDatabase.begin``."""

    def __init__(self, database: StateDatabase) -> None:
        """Keep the database; nothing is opened yet."""
        self._database = database

    def load(self, name: str) -> Circuit:
        """Return the circuit as stored; one never stored is closed, with version zero."""
        columns = circuit_breaker.c
        with self._database.begin() as connection:
            row = connection.execute(
                select(circuit_breaker).where(columns.name == name)
            ).one_or_none()
        return Circuit() if row is None else _circuit(row)

    def load_all(self) -> dict[str, Circuit]:
        """Return every stored circuit by its name, in the order of the names."""
        with self._database.begin() as connection:
            rows = connection.execute(select(circuit_breaker).order_by(circuit_breaker.c.name))
            return {row.name: _circuit(row) for row in rows}

    def swap(self, name: str, before: Circuit, after: Circuit) -> Circuit | None:
        """Store ``after`` with the next version, unless another process was faster: then None."""
        columns = circuit_breaker.c
        values = _values(after) | {"version": before.version + 1}
        with self._database.begin() as connection:
            if before.version == 0:
                done = insert_if_absent(connection, circuit_breaker, values | {"name": name})
            else:
                statement = update(circuit_breaker).where(
                    columns.name == name, columns.version == before.version
                )
                done = connection.execute(statement.values(**values)).rowcount > 0
        if not done:
            return None
        return Circuit(**{**_values(after), "state": after.state, "version": before.version + 1})


def _values(circuit: Circuit) -> dict[str, Any]:
    return {
        "state": circuit.state.value,
        "changed_at_ns": circuit.changed_at_ns,
        "open_until_ns": circuit.open_until_ns,
        "opened_count": circuit.opened_count,
        "open_total_ns": circuit.open_total_ns,
        "probes": circuit.probes,
        "reason": circuit.reason,
    }


def _circuit(row: Any) -> Circuit:
    return Circuit(
        state=BreakerState(row.state),
        changed_at_ns=row.changed_at_ns,
        open_until_ns=row.open_until_ns,
        opened_count=row.opened_count,
        open_total_ns=row.open_total_ns,
        probes=row.probes,
        reason=row.reason,
        version=row.version,
    )
