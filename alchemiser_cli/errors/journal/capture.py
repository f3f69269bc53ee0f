"""What is kept of an exception: first cheaply by the thread that has it, then in full elsewhere.

``snapshot`` runs in the caller and takes only what would be gone or changed later; it holds no
frame, no traceback and not the exception. ``captured`` makes the record for the journal of it:
the traceback's text, the facts as JSON, secrets masked. Neither raises.
"""

import linecache
from types import CodeType, TracebackType
from typing import Any

import msgspec

from alchemiser_cli.errors.base import AlchemiserError, RetrySafety, Severity
from alchemiser_cli.errors.context import ErrorContext, context_of
from alchemiser_cli.errors.journal.fingerprint import fingerprint
from alchemiser_cli.errors.journal.records import Captured, Cause
from alchemiser_cli.errors.journal.templates import skeleton
from alchemiser_cli.errors.runtime import InternalError
from alchemiser_cli.logs.redaction import redacted

__all__ = ["Snapshot", "captured", "grouped", "snapshot"]

TEXT_LIMIT = 4_000  # characters of one text
FACT_LIMIT = 16_000  # bytes of one fact as JSON
CHAIN_LIMIT = 10  # causes
FRAMES_LIMIT = 60  # of one traceback; the middle is left out

_FOREIGN_WHY = "Nobody expected this exception: it is a defect of alchemiser."
_FOREIGN_NEXT = "Look at the traceback with `alchemiser errors show ID`, and report it."
_CAUSED = "\nThe above exception was the direct cause of the following exception:\n\n"
_DURING = "\nDuring handling of the above exception, another exception occurred:\n\n"

Frame = tuple[CodeType, int]


class Link(msgspec.Struct, gc=False):
    """One exception of a chain: its type, its text and where it passed."""

    type: str
    message: str
    frames: list[Frame]
    bridge: str


class Snapshot(msgspec.Struct):
    """What is known of one exception without formatting anything."""

    id: str
    at_ns: int
    code: str
    severity: Severity
    recoverable: bool
    retry_safety: RetrySafety
    what: str
    why: str
    next_step: str
    context: ErrorContext
    facts: dict[str, object]
    chain: list[Link]
    recovered: bool
    injected: bool


def snapshot(
    error: BaseException, *, error_id: str, at_ns: int, recovered: bool, injected: bool | None
) -> Snapshot:
    """Take from ``error`` what the journal needs; a foreign exception becomes an internal error.

    ``injected`` None means what the error itself says.
    """
    chain = _chain(error)
    context = context_of(error)
    if isinstance(error, AlchemiserError):
        return Snapshot(
            error_id,
            at_ns,
            error.code,
            error.severity,
            error.recoverable,
            error.retry_safety,
            _text(error.what),
            _text(error.why),
            _text(error.next_step),
            context,
            _facts_of(error),
            chain,
            recovered,
            error.injected if injected is None else injected,
        )
    kind = type(error)
    return Snapshot(
        error_id,
        at_ns,
        InternalError.code,
        InternalError.severity,
        InternalError.recoverable,
        InternalError.retry_safety,
        f"{kind.__name__}: {chain[0].message}",
        _FOREIGN_WHY,
        _FOREIGN_NEXT,
        context,
        {"type": f"{kind.__module__}.{kind.__qualname__}"},
        chain,
        recovered,
        bool(injected),
    )


def grouped(taken: Snapshot, component: str) -> tuple[str, str]:
    """Return the fingerprint and the message template."""
    template = skeleton(_clean(taken.what))
    return fingerprint(taken.code, taken.context.component or component, template), template


def captured(taken: Snapshot, *, component: str, run_id: str) -> Captured:
    """Return the journal's record; ``component`` and ``run_id`` fill in where no context does."""
    digest, template = grouped(taken, component)
    context = taken.context
    return Captured(
        id=taken.id,
        fingerprint=digest,
        template=template,
        at_ns=taken.at_ns,
        code=taken.code,
        severity=taken.severity.value,
        component=_clean(context.component or component)[:64],
        operation=_clean(context.operation)[:128],
        run_id=_clean(context.run_id or run_id)[:64],
        what=_clean(taken.what),
        why=_clean(taken.why),
        next_step=_clean(taken.next_step),
        context=_facts(_surroundings(context) | taken.facts),
        causes=[Cause(one.type, _clean(one.message)) for one in taken.chain[1:]],
        traceback=_traceback(taken.chain),
        recovered=taken.recovered,
        injected=taken.injected,
    )


def _facts_of(error: AlchemiserError) -> dict[str, object]:
    try:
        return dict(error.context)
    except Exception as trouble:  # noqa: BLE001  another thread may be changing it
        return {"context": f"could not be read: {type(trouble).__name__}"}


def _chain(error: BaseException) -> list[Link]:
    """Follow the causes from the exception itself to the first, at most ``CHAIN_LIMIT``."""
    links: list[Link] = []
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen and len(links) < CHAIN_LIMIT:
        seen.add(id(one))
        cause = one.__cause__
        bridge = _CAUSED
        if cause is None and not one.__suppress_context__:
            cause, bridge = one.__context__, _DURING
        links.append(Link(type(one).__name__, _text(one), _frames(one.__traceback__), bridge))
        one = cause
    return links


def _frames(traceback: TracebackType | None) -> list[Frame]:
    frames: list[Frame] = []
    while traceback is not None:
        frames.append((traceback.tb_frame.f_code, traceback.tb_lineno))
        traceback = traceback.tb_next
    if len(frames) > FRAMES_LIMIT:
        half = FRAMES_LIMIT // 2
        frames = frames[:half] + frames[-half:]
    return frames


def _text(value: object) -> str:
    """Return the text of ``value``, whatever its ``__str__`` does, cut to ``TEXT_LIMIT``."""
    try:
        return str(value)[:TEXT_LIMIT]
    except Exception as trouble:  # noqa: BLE001  whatever a foreign __str__ raises
        return f"<{type(value).__name__} whose text raised {type(trouble).__name__}>"


def _clean(text: str) -> str:
    """Mask secrets and return what every database takes: no lone surrogate, no NUL."""
    shown = str(redacted("", text))
    return shown.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")


def _surroundings(context: ErrorContext) -> dict[str, object]:
    named = msgspec.structs.asdict(context)
    for column in ("operation", "component", "run_id", "data"):
        named.pop(column)
    return {name: value for name, value in named.items() if value} | context.data


def _facts(facts: dict[str, object]) -> dict[str, object]:
    """Return the facts as JSON knows them; one that has no form there as its text."""
    return {_clean(_text(name)): _fact(name, value) for name, value in facts.items()}


def _fact(name: object, value: object) -> object:
    try:
        encoded = msgspec.json.encode(redacted(_text(name), value), enc_hook=str)
        if len(encoded) <= FACT_LIMIT:
            decoded: Any = msgspec.json.decode(encoded)
            return decoded
    except Exception:  # noqa: BLE001  a fact that cannot be encoded must not cost the record
        return _clean(_text(value))
    return _clean(_text(value))


def _traceback(chain: list[Link]) -> str:
    """Return the text as the interpreter prints it: the first cause first."""
    parts: list[str] = []
    for link in reversed(chain):
        if parts:
            parts.append(link.bridge)
        if link.frames:
            parts.append("Traceback (most recent call last):\n")
            parts.extend(_line(code, number) for code, number in link.frames)
        parts.append(f"{link.type}: {link.message}\n" if link.message else f"{link.type}\n")
    return _clean("".join(parts))


def _line(code: CodeType, number: int) -> str:
    source = linecache.getline(code.co_filename, number).strip()
    shown = f'  File "{code.co_filename}", line {number}, in {code.co_name}\n'
    return f"{shown}    {source}\n" if source else shown
