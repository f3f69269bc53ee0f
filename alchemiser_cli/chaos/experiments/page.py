"""Reading a page for an ``http`` probe."""

from typing import Any

import msgspec

from alchemiser_cli.chaos.experiments.document import HttpProvider

__all__ = ["read_page"]


def read_page(provider: HttpProvider) -> dict[str, Any]:
    """Read a page by GET, and return its ``status``, ``headers`` and ``body``.

    A body of JSON is decoded. No answer is an error of the library, which the step then shows.
    """
    import httpx2

    answer = httpx2.get(
        provider.url, headers=provider.headers, timeout=provider.timeout, follow_redirects=False
    )
    try:
        body: Any = msgspec.json.decode(answer.content)
    except msgspec.DecodeError:
        body = answer.text
    return {"status": answer.status_code, "headers": dict(answer.headers), "body": body}
