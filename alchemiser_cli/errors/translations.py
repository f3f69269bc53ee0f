"""What foreign exceptions amount to: the table behind ``translated``.

Classes are known by name: a library whose exception arrives was imported by someone else, and
this module imports none.
"""

import errno
from collections.abc import Callable
from typing import Any

from alchemiser_cli.errors.base import AlchemiserError
from alchemiser_cli.errors.configuration import EnvironmentMisconfiguredError, ExtraMissingError
from alchemiser_cli.errors.runtime import FileLimitLowError, InternalError
from alchemiser_cli.errors.services import RateLimitError, SecurityError, ServiceUnreachableError
from alchemiser_cli.errors.storage import (
    DiskFailingError,
    DiskFullError,
    StateCorruptError,
    StateUnreachableError,
)
from alchemiser_cli.errors.trading import ValidationError

__all__ = ["known", "unexpected"]

Translation = Callable[[Any, str], AlchemiserError | None]

# Packages that only an extra brings, and the extra.
_EXTRAS = {
    "arch": "data",
    "psycopg": "postgres",
    "gymnasium": "train",
    "mlflow": "train",
    "optuna": "train",
    "safetensors": "train",
    "stable_baselines3": "train",
    "torch": "train",
}

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
_NOT_ALLOWED = {errno.EACCES, errno.EPERM, errno.EROFS}
_TOO_MANY_FILES = {errno.EMFILE, errno.ENFILE}
_NO_WAY_THERE = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTDOWN}

# SQLite's result codes, which its documentation promises to keep; the low byte is the kind.
_SQLITE_DAMAGED = {11, 26}  # corrupt, not a database
_SQLITE_AWAY = {3, 5, 6, 8, 10, 14, 15, 23}  # rights, busy, locked, read-only, I/O, cannot open
_SQLITE_FULL = 13
_SQLITE_IOERR_SHMSIZE = 4874  # without space the write-ahead log's index cannot grow

_UNAUTHORIZED, _FORBIDDEN, _TOO_MANY_REQUESTS, _SERVER_ERROR = 401, 403, 429, 500


def known(error: BaseException, doing: str) -> AlchemiserError | None:
    """Return the coded error that a class in the table, or a base of it, amounts to."""
    for kind in type(error).__mro__:
        translation = _BY_CLASS.get(f"{kind.__module__}.{kind.__qualname__}")
        failure = translation(error, doing) if translation is not None else None
        if failure is not None:
            return failure
    return None


def unexpected(error: BaseException, doing: str) -> InternalError:
    """Return ``internal-error`` for an exception that the table does not know."""
    return InternalError(
        f"{type(error).__name__}: {_words(error)}".removesuffix(": "),
        why="Nobody expected this exception: it is a defect of alchemiser.",
        next_step="Run again with --verbose and report the traceback.",
        context=_facts(error, doing),
    )


def _extra_missing(error: ModuleNotFoundError, doing: str) -> AlchemiserError | None:
    package = (error.name or "").partition(".")[0]
    if package not in _EXTRAS:
        return None
    return ExtraMissingError(
        f"the package {package} is not installed",
        why="This command needs an extra that a plain installation leaves out.",
        next_step=f"pip install 'alchemiser[{_EXTRAS[package]}]'",
        context={"package": package, **_facts(error, doing)},
    )


def _operating_system(error: OSError, doing: str) -> AlchemiserError | None:
    number = error.errno
    if not isinstance(number, int):
        return None
    facts = _facts(error, doing) | {"errno": errno.errorcode.get(number, str(number))}
    if error.filename is not None:
        facts["file"] = str(error.filename)
    if number in _NO_SPACE:
        return _disk_full(error, doing, facts)
    if number == errno.EIO:
        return DiskFailingError(
            f"could not {doing}: the device failed",
            why=_words(error),
            next_step="Look at the kernel's log (dmesg), and move the home to a sound disk.",
            context=facts,
        )
    if number in _NOT_ALLOWED:
        return EnvironmentMisconfiguredError(
            f"could not {doing}: this user may not",
            why=_words(error),
            next_step="Give the user of this process the rights, or run it as the right user.",
            context=facts,
        )
    if number in _TOO_MANY_FILES:
        return FileLimitLowError(
            f"could not {doing}: too many files are open",
            why=_words(error),
            next_step="Raise the limit of open files (ulimit -n) and start again.",
            context=facts,
        )
    return _unreachable(error, doing) if number in _NO_WAY_THERE else None


def _disk_full(
    error: BaseException, doing: str, facts: dict[str, object] | None = None
) -> DiskFullError:
    return DiskFullError(
        f"could not {doing}: no space is left on the disk",
        why=_words(error),
        next_step="Free space there, or choose another --home, and run the command again.",
        context=facts or _facts(error, doing),
    )


def _no_memory(error: MemoryError, doing: str) -> AlchemiserError:
    return EnvironmentMisconfiguredError(
        f"could not {doing}: no memory was left",
        why=_words(error) or "The machine, or a limit of this process, gives no more memory.",
        next_step="Raise the limit or free memory; if use grows steadily, report a leak.",
        context=_facts(error, doing),
    )


def _unreachable(error: BaseException, doing: str) -> AlchemiserError:
    return ServiceUnreachableError(
        f"could not {doing}: the service did not answer",
        why=_words(error) or f"The connection ended with {type(error).__name__}.",
        next_step="Check that the service runs and can be reached from here.",
        context=_facts(error, doing),
    )


def _http_answer(error: Any, doing: str) -> AlchemiserError | None:
    response = getattr(error, "response", None)
    answer = error if response is None else response
    status = getattr(answer, "status_code", None) or getattr(answer, "code", None)
    headers = getattr(answer, "headers", None) or {}
    facts = _facts(error, doing) | {"status": status}
    if not isinstance(status, int):
        return None
    if status == _TOO_MANY_REQUESTS or (status > _SERVER_ERROR and headers.get("Retry-After")):
        return RateLimitError(
            f"could not {doing}: the service asks us to slow down",
            why=f"It answered with HTTP status {status}.",
            next_step="Wait as long as it asks for; then ask less often.",
            context=facts,
            retry_after_s=_seconds(headers.get("Retry-After")),
        )
    if status in {_UNAUTHORIZED, _FORBIDDEN}:
        return _untrusted(f"The service refused our credentials (HTTP {status}).", facts, doing)
    return _unreachable(error, doing) if status >= _SERVER_ERROR else None


def _tls(error: BaseException, doing: str) -> AlchemiserError:
    return _untrusted(_words(error), _facts(error, doing), doing)


def _untrusted(why: str, facts: dict[str, object], doing: str) -> SecurityError:
    return SecurityError(
        f"could not {doing}: trust could not be established",
        why=why,
        next_step="Check certificates, credentials and rights; never switch the check off.",
        context=facts,
    )


def _url(error: Any, doing: str) -> AlchemiserError | None:
    if hasattr(error, "code"):  # an answer came, and its status says nothing to us
        return None
    reason = error.reason
    found = known(reason, doing) if isinstance(reason, BaseException) else None
    return found or _unreachable(error, doing)


def _invalid(error: BaseException, doing: str) -> AlchemiserError:
    return ValidationError(
        f"could not {doing}: the data has not the form that it must have",
        why=_words(error),
        next_step="Correct the data where it comes from; the message names the place.",
        context=_facts(error, doing),
    )


def _sqlite(error: Any, doing: str) -> AlchemiserError | None:
    code = getattr(error, "sqlite_errorcode", 0)
    if code & 0xFF in _SQLITE_DAMAGED:
        return StateCorruptError(
            f"could not {doing}: the database is damaged",
            why=_words(error),
            next_step="Move the file away and restore a backup; without one, a new file is made.",
            context=_facts(error, doing),
        )
    if code & 0xFF == _SQLITE_FULL or code == _SQLITE_IOERR_SHMSIZE:
        return _disk_full(error, doing)
    return _database_away(error, doing) if code & 0xFF in _SQLITE_AWAY else None


def _database_away(error: BaseException, doing: str) -> AlchemiserError:
    return StateUnreachableError(
        f"could not {doing}: the database cannot be used",
        why=_words(error),
        next_step="Check that it runs, that nobody holds a lock, and that you may write there.",
        context=_facts(error, doing),
    )


def _wrapped_by_sqlalchemy(error: Any, doing: str) -> AlchemiserError | None:
    return known(error.orig, doing) if isinstance(error.orig, BaseException) else None


def _facts(error: BaseException, doing: str) -> dict[str, object]:
    kind = type(error)
    return {"doing": doing, "exception": f"{kind.__module__}.{kind.__qualname__}"}


def _words(error: BaseException) -> str:
    """Return the exception's text on one line."""
    try:
        return " ".join(str(error).split())
    except Exception as trouble:  # noqa: BLE001  whatever a foreign __str__ raises
        return f"its text raised {type(trouble).__name__}"


def _seconds(header: str | None) -> float | None:
    """Read a Retry-After in seconds; the form with a date (RFC 9110, 10.2.3) says None."""
    return float(header) if header is not None and header.strip().isdecimal() else None


# Looked up from a class outwards to its bases; the first translation that knows better wins.
_BY_CLASS: dict[str, Translation] = {
    "builtins.ConnectionError": _unreachable,
    "builtins.MemoryError": _no_memory,
    "builtins.ModuleNotFoundError": _extra_missing,
    "builtins.OSError": _operating_system,
    "builtins.TimeoutError": _unreachable,
    "builtins.UnicodeDecodeError": _invalid,
    "_csv.Error": _invalid,
    "asyncio.exceptions.IncompleteReadError": _unreachable,
    "gzip.BadGzipFile": _invalid,
    "http.client.HTTPException": _unreachable,
    "json.decoder.JSONDecodeError": _invalid,
    "msgspec.DecodeError": _invalid,
    "psycopg.OperationalError": _database_away,
    "psycopg.errors.DiskFull": _disk_full,
    "pydantic_core._pydantic_core.ValidationError": _invalid,
    "requests.exceptions.ConnectionError": _unreachable,
    "requests.exceptions.HTTPError": _http_answer,
    "requests.exceptions.SSLError": _tls,
    "requests.exceptions.Timeout": _unreachable,
    "socket.gaierror": _unreachable,
    "socket.herror": _unreachable,
    "sqlalchemy.exc.DBAPIError": _wrapped_by_sqlalchemy,
    "sqlalchemy.exc.TimeoutError": _database_away,
    "sqlite3.Error": _sqlite,
    "ssl.SSLEOFError": _unreachable,
    "ssl.SSLError": _tls,
    "ssl.SSLZeroReturnError": _unreachable,
    "tomllib.TOMLDecodeError": _invalid,
    "urllib.error.HTTPError": _http_answer,
    "urllib.error.URLError": _url,
    "zlib.error": _invalid,
}
