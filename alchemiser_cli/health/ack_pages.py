"""The page behind the link of a message: a button that acknowledges one incident.

To look at the page acknowledges nothing, for scanners of mail follow links; only its button does.
Nothing of a request is repeated in an answer, and no answer can be framed, kept or indexed.
"""

from collections.abc import Callable
from html import escape
from http import HTTPStatus

from alchemiser_cli.errors import AlchemiserError, DatabaseError
from alchemiser_cli.exits import ExitCode
from alchemiser_cli.health.listener import Answer, Request, refusal
from alchemiser_cli.notifications.acknowledging import PATH, AcknowledgedIncident, Acknowledger

__all__ = ["AckPages"]

_CONTENT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = (
    ("Content-Security-Policy", _CONTENT_POLICY),
    ("Referrer-Policy", "no-referrer"),
    ("X-Frame-Options", "DENY"),
    ("X-Robots-Tag", "noindex, nofollow"),
)
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>body{{font:1rem/1.5 system-ui,sans-serif;margin:3rem auto;max-width:34rem;padding:0 1rem}}
button{{font:inherit;padding:.6rem 1.4rem}}</style></head>
<body><h1>{title}</h1>
{body}
</body></html>
"""
_NO_LINK = {ExitCode.REFUSED, ExitCode.NOT_FOUND}
_BUTTON = '<form method="post"><button type="submit">Acknowledge</button></form>'


class AckPages:
    """The pages under ``PATH``; without an acknowledger there are none."""

    def __init__(
        self, acknowledger: Acknowledger | None, capture: Callable[[BaseException], str]
    ) -> None:
        """Keep both; ``capture`` takes what went wrong and returns its id in the journal."""
        self._acknowledger = acknowledger
        self._capture = capture

    def answer(self, request: Request) -> Answer:
        """Show the incident to a GET, acknowledge it for a POST; nothing leaves this but answers.

        A link that is none is 404, an expired one 410, and a database that is away 503.
        """
        if self._acknowledger is None:
            return refusal(HTTPStatus.NOT_FOUND, "there are no such links here")
        given = request.path.removeprefix(PATH)
        try:
            if request.method == "POST":
                return _shown(self._acknowledger.acknowledge(given))
            return _shown(self._acknowledger.about(given))
        except BaseException as error:  # noqa: BLE001  answered with its id
            return self._failed(error)

    def _failed(self, error: BaseException) -> Answer:
        if isinstance(error, AlchemiserError) and error.exit_code in _NO_LINK:
            expired = error.context.get("expired") is True
            return _page(
                HTTPStatus.GONE if expired else HTTPStatus.NOT_FOUND,
                "This link has expired" if expired else "This link leads nowhere",
                "<p>Nothing was acknowledged. Open the link of a newer message, or use "
                "<code>alchemiser notify ack ID</code>.</p>",
            )
        away = isinstance(error, DatabaseError)
        return _page(
            HTTPStatus.SERVICE_UNAVAILABLE if away else HTTPStatus.INTERNAL_SERVER_ERROR,
            "Nothing was acknowledged",
            "<p>The incident could not be read or written. Try again in a minute. "
            f"<code>alchemiser errors show {escape(self._capture(error))}</code> tells more.</p>",
        )


def _shown(incident: AcknowledgedIncident) -> Answer:
    title, told = "An incident", f"<p>Nobody has acknowledged it yet.</p>\n{_BUTTON}"
    if incident.acknowledged_by is not None:
        by = escape(incident.acknowledged_by)
        title = "Acknowledged"
        told = f"<p>Acknowledged by {by}. Nothing more is sent about it, but that it is over.</p>"
    elif incident.state == "resolved":
        told = "<p>It is over: there is nothing left to acknowledge.</p>"
    return _page(HTTPStatus.OK, title, f"{_facts(incident)}\n{told}")


def _facts(incident: AcknowledgedIncident) -> str:
    severity, code, component = map(
        escape, (incident.severity.upper(), incident.code, incident.component)
    )
    times = "once" if incident.count == 1 else f"{incident.count} times"
    return (
        f"<p><strong>[{severity}] {code}</strong> in {component}, {times}, {incident.state}.<br>"
        f"Incident {escape(incident.id)}</p>"
    )


def _page(status: HTTPStatus, title: str, body: str) -> Answer:
    content = _PAGE.format(title=escape(title), body=body).encode()
    return Answer(status, content, "text/html; charset=utf-8", _HEADERS)
