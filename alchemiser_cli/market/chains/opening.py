"""Opening chains by name."""

import difflib
from collections.abc import Mapping
from pathlib import Path

from alchemiser_cli.errors import DatasetNotFoundError, UsageError
from alchemiser_cli.market.chains.providers import (
    GENERATED_STEPS,
    LEAST_ROWS,
    DatasetChains,
    GeneratedChains,
    TableChains,
)
from alchemiser_cli.settings import OptionsSettings

__all__ = ["open_chains"]

GENERATED = "heston"


def open_chains(
    name: str,
    options: OptionsSettings,
    *,
    columns: Mapping[str, str] | None = None,
    symbol: str | None = None,
    start_ns: int | None = None,
    end_ns: int | None = None,
    limit: int | None = None,
) -> TableChains:
    """Open the chains of a dataset, or generate them.

    Args:
        name: ``sp500``, ``file:PATH``, ``heston``, or ``heston:SEED`` with a seed of zero or
            above (``heston`` is ``heston:0``).
        options: Strikes, rates, surface and spread.
        columns: For files, as for ``open_dataset``.
        symbol: The one instrument to keep.
        start_ns: First event time to keep, in UTC nanoseconds.
        end_ns: Event time to stop before, in UTC nanoseconds.
        limit: Most rows; for a generated market, its number of rows (5,040 where left out).

    Raises:
        ChainDataError: ``chain-data-insufficient``: the dataset cannot give chains.
        UsageError: ``usage``: the seed is not a number, or a choice was given that a generated
            market does not have.
        DatasetNotFoundError: ``dataset-not-found``: nothing has this name.
        AlchemiserError: The other errors of ``open_dataset``.
    """
    if name == GENERATED or name.startswith(f"{GENERATED}:"):
        chosen = {"columns": columns, "symbol": symbol, "start": start_ns, "end": end_ns}
        return _generated(name, options, chosen, limit)
    from alchemiser_cli.market.datasets import list_datasets, open_dataset

    datasets = [entry.name for entry in list_datasets()]
    if not name.startswith("file:") and name not in datasets:
        raise _unknown(name, [*datasets, GENERATED, f"{GENERATED}:SEED"])
    dataset = open_dataset(
        name, columns=columns, symbol=symbol, start_ns=start_ns, end_ns=end_ns, limit=limit
    )
    return DatasetChains(dataset, options)


def _unknown(name: str, known: list[str]) -> DatasetNotFoundError:
    near = difflib.get_close_matches(name.lower(), known, n=2, cutoff=0.5)
    if Path(name).exists():
        near = [f"file:{name}"]
    hint = f"Did you mean {' or '.join(near)}? " if near else ""
    return DatasetNotFoundError(
        f"no market is named {name!r}",
        why=f"Options can be traded on {', '.join(known)}.",
        next_step=f"{hint}Name one of these, or a file of your own as file:PATH.",
        context={"dataset": name, "known": known, "near": near},
    )


def _generated(
    name: str, options: OptionsSettings, chosen: Mapping[str, object], limit: int | None
) -> GeneratedChains:
    given = [choice for choice, value in chosen.items() if value is not None and value != {}]
    if given:
        raise UsageError(
            f"the generated market {name} has no {' and no '.join(given)}",
            why="It is one instrument on daily closes, chosen by its seed and its length only.",
            next_step=f"Leave out {', '.join(given)}, or name a dataset.",
            context={"name": name, "given": given},
        )
    seed = name.removeprefix(GENERATED).removeprefix(":") or "0"
    if not (seed.isascii() and seed.isdigit()):
        raise UsageError(
            f"{seed!r} is not a seed of the generated market",
            why="A seed is a whole number of zero or above.",
            next_step="Write it as heston:7, or heston for seed 0.",
            context={"name": name},
        )
    if limit is not None and limit < LEAST_ROWS:
        raise UsageError(
            f"a generated market of {limit} rows is too short for chains",
            why="Indicators look back over 64 rows, and an observation holds 16.",
            next_step=f"Ask for {LEAST_ROWS} rows or more.",
            context={"name": name, "limit": limit},
        )
    return GeneratedChains(
        options, steps=GENERATED_STEPS if limit is None else limit, seed=int(seed)
    )
