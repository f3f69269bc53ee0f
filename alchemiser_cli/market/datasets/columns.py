"""Which column is which field: recognition by name, by layout, or by the caller's mapping."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from alchemiser_cli.errors import DatasetColumnsError
from alchemiser_cli.market.ticks import TickKind

__all__ = ["FIELDS", "Layout", "binance_columns", "recognise"]

# Names are compared without case, spaces and punctuation. Each field lists its names from the
# most to the least exact, and the first that is there is taken; names in one group mean the
# same, so that two of them in one file are ambiguous. A bar's close is known when it closes,
# so its closing time comes before its opening time.
FIELDS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "time": (
        ("event_time_ns", "event_time"),
        ("close_time",),
        ("timestamp", "unix", "unix_time", "epoch"),
        ("datetime", "gmt_time", "time_utc"),
        ("time", "date"),
        ("open_time", "transact_time"),
        ("", "index", "unnamed: 0", "__index_level_0__"),  # pandas' index, written without a name
    ),
    "price": (("close", "price"), ("close_price",)),
    "open": (("open",), ("open_price",)),
    "high": (("high",), ("high_price",)),
    "low": (("low",), ("low_price",)),
    "size": (("size",), ("volume",), ("vol",), ("qty", "quantity"), ("amount",)),
    "bid": (("bid", "bid_price"), ("best_bid", "best_bid_price")),
    "ask": (("ask", "ask_price"), ("best_ask", "best_ask_price")),
    "symbol": (("symbol", "ticker"), ("instrument", "pair", "tic")),
    "venue": (("venue", "exchange"),),
    "implied_volatility": (("implied_volatility",),),
}
_OTHER_NAMES = {"close": "price", "volume": "size"}
_BAR_FIELDS = ("open", "high", "low")
_BAR_PRICES = {"close", "closeprice"}

# github.com/binance/binance-public-data: columns of the files without a header line
_KLINES = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,"
    "taker_buy_volume,taker_buy_quote_volume,ignore"
)
_SPOT_AGGREGATE_TRADES = (
    "agg_trade_id,price,quantity,first_trade_id,last_trade_id,time,is_buyer_maker,is_best_match"
)
_FUTURES_AGGREGATE_TRADES = (
    "agg_trade_id,price,quantity,first_trade_id,last_trade_id,time,is_buyer_maker"
)
_SPOT_TRADES = "id,price,qty,quote_qty,time,is_buyer_maker,is_best_match"
_FUTURES_TRADES = "id,price,qty,quote_qty,time,is_buyer_maker"


class Layout(NamedTuple):
    """What a file holds: the kind of its rows, and each field's position among the columns."""

    kind: TickKind
    positions: dict[str, int]


def binance_columns(cells: Sequence[str]) -> tuple[str, ...] | None:
    """Name the columns of a file without a header line by the shape of its first row.

    Returns:
        The names, or None where the row has not the shape of one of Binance's files.
    """
    booleans = sum(cell.strip().lower() in {"true", "false"} for cell in cells)
    layouts = {
        (12, 0): _KLINES,
        (8, 2): _SPOT_AGGREGATE_TRADES,
        (7, 1): _FUTURES_AGGREGATE_TRADES,
        (7, 2): _SPOT_TRADES,
        (6, 1): _FUTURES_TRADES,
    }
    names = layouts.get((len(cells), booleans))
    return None if names is None else tuple(names.split(","))


def recognise(file: str, header: Sequence[str], mapping: Mapping[str, str]) -> Layout:
    """Find each field's column, those named in ``mapping`` (field to column) first.

    Raises:
        DatasetColumnsError: ``dataset-columns``: a field that is needed has no column or more
            than one, or the mapping names what is not there.
    """
    chosen = _mapped(file, header, mapping)
    for field, ranks in FIELDS.items():
        if field not in chosen:
            chosen[field] = _by_name(file, header, field, ranks)
    positions = {field: at for field, at in chosen.items() if at is not None}
    return Layout(_kind(file, header, mapping, positions), positions)


def _mapped(file: str, header: Sequence[str], mapping: Mapping[str, str]) -> dict[str, int | None]:
    """Return the position of each mapped field; None where the mapping leaves a field out."""
    chosen: dict[str, int | None] = {}
    for given, column in mapping.items():
        field = _OTHER_NAMES.get(given, given)
        if field not in FIELDS:
            raise _refusal(
                file,
                header,
                f"the column {column!r} is mapped to {given!r}, which is not a field",
                f"The fields are {', '.join([*FIELDS, *_OTHER_NAMES])}.",
            )
        if field in chosen:
            raise _refusal(
                file,
                header,
                f"the field {field} is mapped twice",
                f"{given} is another name of {field}.",
            )
        if column and column not in header:
            raise _refusal(
                file,
                header,
                f"the column {column!r}, mapped to {given}, is not in {file}",
                "Mapped columns are spelt exactly as in the file.",
            )
        chosen[field] = header.index(column) if column else None
    return chosen


def _by_name(
    file: str, header: Sequence[str], field: str, ranks: tuple[tuple[str, ...], ...]
) -> int | None:
    for names in ranks:
        wanted = {_bare(name) for name in names}
        found = [at for at, name in enumerate(header) if _bare(name) in wanted]
        if len(found) == 1:
            return found[0]
        if found:
            raise _refusal(
                file,
                header,
                f"{len(found)} columns of {file} could be the {field}: "
                f"{', '.join(repr(header[at]) for at in found)}",
                "Their names mean the same here, and taking either would be a guess.",
                field,
            )
    return None


def _kind(
    file: str, header: Sequence[str], mapping: Mapping[str, str], positions: Mapping[str, int]
) -> TickKind:
    if "time" not in positions:
        raise _missing(file, header, "time")
    if "price" not in positions and {"bid", "ask"} <= positions.keys():
        return "quote"
    if "price" not in positions:
        raise _missing(file, header, "price")
    if "close" in mapping or any(field in positions for field in _BAR_FIELDS):
        return "bar"
    return "bar" if _bare(header[positions["price"]]) in _BAR_PRICES else "trade"


def _missing(file: str, header: Sequence[str], field: str) -> DatasetColumnsError:
    looked_for = [name for names in FIELDS[field] for name in names if name]
    quotes = ", and no bid with an ask that would do instead" if field == "price" else ""
    return _refusal(
        file,
        header,
        f"{file} has no column for the {field}{quotes}",
        f"A {field} column is named {', '.join(looked_for)} (case, spaces and punctuation are "
        f"ignored); the file has {_seen(header)}.",
        field,
    )


def _refusal(
    file: str, header: Sequence[str], what: str, why: str, field: str = "price"
) -> DatasetColumnsError:
    known = {_bare(name) for ranks in FIELDS.values() for names in ranks for name in names}
    strangers = [name for name in header if _bare(name) not in known]
    example = next(iter([*strangers, *header]), "Last")
    return DatasetColumnsError(
        what,
        why=why,
        next_step=f"Name the right column by mapping FIELD=COLUMN, for example "
        f"{field}={example!r} (--column on the command line, columns={{...}} in Python).",
        context={"file": file, "seen": list(header), "field": field},
    )


def _seen(header: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in header[:20]) + (" and more" if header[20:] else "")


def _bare(name: str) -> str:
    stripped = name.strip()
    bare = re.sub(r"[\W_]", "", stripped).lower()
    return bare or stripped  # punctuation alone is not pandas' empty name
