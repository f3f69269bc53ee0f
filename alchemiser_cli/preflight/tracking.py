"""Check that the experiment-tracking store answers, without loading MLflow."""

from pathlib import Path
from urllib.parse import urlsplit

from alchemiser_cli.checks import Check
from alchemiser_cli.errors import TrackingUnreachableError
from alchemiser_cli.preflight.setup import NEVER, Setup
from alchemiser_cli.settings.urls import masked_url

__all__ = ["checks"]


def checks(setup: Setup) -> list[Check]:
    """Return the checks of the category ``tracking``."""
    return [
        setup.check(
            "tracking",
            "tracking store answers",
            "tracking-unreachable",
            lambda: _answers(setup),
            blocks_in=NEVER,  # an outage of tracking never stops training, let alone trading
            retry=True,
        )
    ]


def _answers(setup: Setup) -> str:
    import sqlite3

    uri = setup.settings.tracking_uri
    parts = urlsplit(uri)
    try:
        if parts.scheme == "sqlite":
            return _sqlite(Path(parts.path.removeprefix("/")))
        return _server(uri, setup.settings.tracking.timeout_s)
    except (OSError, sqlite3.Error) as error:
        raise TrackingUnreachableError(
            f"the tracking store {masked_url(uri)} did not answer",
            why=str(getattr(error, "reason", None) or error),
            next_step="Start the server, or correct tracking.uri; training goes on without it.",
        ) from error


def _sqlite(file: Path) -> str:
    import sqlite3

    if not file.exists():
        return f"{file} will be made by the first training run"
    connection = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    finally:
        connection.close()
    return str(file)


def _server(uri: str, timeout_s: float) -> str:
    import urllib.request

    # MLflow's tracking server answers /health with 200 and OK.
    request = urllib.request.Request(f"{uri.rstrip('/')}/health")  # noqa: S310  http(s) by settings
    with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310  as above
        return f"{masked_url(uri)} answered {answer.status}"
