"""The form that each service's URL must have, checked before anything connects."""

import re
from urllib.parse import SplitResult, urlsplit, urlunsplit

from pydantic import SecretStr
from pydantic_core import PydanticCustomError

__all__ = [
    "MASK",
    "SERVICE_URLS",
    "bootstrap_servers",
    "is_local_host",
    "masked_url",
    "registry_url",
    "state_url",
    "tracking_url",
]

MASK = "**********"

# URLs of services keep their host visible where they are shown; other secrets are masked whole.
SERVICE_URLS = {("state", "url"), ("registry", "url"), ("tracking", "uri")}

_HOST_PORT = re.compile(r"^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})$")
_LOCAL_HOSTS = {"localhost", "127.0.0.1", "::1", ""}


def bootstrap_servers(value: str) -> str:
    """Return a bootstrap list normalised to ``host:port,host:port``."""
    servers = [part.strip() for part in value.split(",")]
    for server in servers:
        match = _HOST_PORT.match(server)
        if match is None or not 0 < int(match.group(1)) <= 65535:
            raise PydanticCustomError(
                "bootstrap_malformed",
                "{server} is not HOST:PORT with a port from 1 to 65535",
                {"server": repr(server.rpartition("@")[2])},  # what stands before may be secret
            )
    return ",".join(servers)


def state_url(value: SecretStr | None) -> SecretStr | None:
    """Accept ``sqlite:///PATH`` and ``postgresql+psycopg://HOST/NAME``."""
    if value is None:
        return None
    parts = _split(value)
    if parts.scheme == "sqlite":
        name = parts.path.strip("/")
        if parts.netloc or parts.query or name in ("", ":memory:"):
            raise _malformed("a SQLite URL is written sqlite:///PATH")
    elif parts.scheme in ("postgresql", "postgresql+psycopg"):
        if not parts.hostname or not parts.path.strip("/"):
            raise _malformed("a PostgreSQL URL is written postgresql+psycopg://USER@HOST:PORT/NAME")
    else:
        raise _malformed("the state database is sqlite or postgresql+psycopg")
    return value


def registry_url(value: SecretStr | None) -> SecretStr | None:
    """Accept ``http(s)://HOST[:PORT]``, ``file:FOLDER`` and ``memory:NAME``."""
    if value is None:
        return None
    parts = _split(value)
    if parts.scheme == "file":
        if not parts.path or parts.netloc:
            raise _malformed("a folder registry is written file:FOLDER")
    elif parts.scheme == "memory":
        if parts.netloc or parts.query:
            raise _malformed("a registry in this process is written memory:NAME")
    elif parts.scheme not in ("http", "https") or not parts.hostname:
        raise _malformed("a registry is http(s)://HOST:PORT, file:FOLDER or memory:NAME")
    return value


def tracking_url(value: SecretStr | None) -> SecretStr | None:
    """Accept ``sqlite:///PATH`` and ``http(s)://HOST[:PORT]``."""
    if value is None:
        return None
    parts = _split(value)
    if parts.scheme == "sqlite":
        if parts.netloc or not parts.path.strip("/"):
            raise _malformed("a SQLite store is written sqlite:///PATH")
    elif parts.scheme not in ("http", "https") or not parts.hostname:
        raise _malformed("a tracking store is sqlite:///PATH or http(s)://HOST:PORT")
    return value


def masked_url(url: str) -> str:
    """Return ``url`` with the password of its user part and any query replaced by a mask.

    A user part that is not well formed is masked whole, up to the last ``@``.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return MASK
    if "@" in parts.path + parts.query + parts.fragment:
        return f"{parts.scheme}://{MASK}@{url.rpartition('@')[2].partition('?')[0]}"
    if parts.password is None and not parts.query:
        return url
    netloc = parts.netloc
    if parts.password is not None:
        user, _, host = netloc.rpartition("@")
        netloc = f"{user.partition(':')[0]}:{MASK}@{host}"
    query = "&".join(
        item if item.startswith("sslmode=") else f"{item.partition('=')[0]}={MASK}"
        for item in parts.query.split("&")
        if item
    )
    return urlunsplit(parts._replace(netloc=netloc, query=query))


def is_local_host(host: str | None) -> bool:
    """Tell whether traffic to ``host`` stays on this machine."""
    return (host or "") in _LOCAL_HOSTS


def _split(value: SecretStr) -> SplitResult:
    try:
        parts = urlsplit(value.get_secret_value())
        _ = parts.port  # urlsplit checks the port only when it is read
    except ValueError:
        # The parser's own words may repeat a part of the URL, and with it a password.
        raise _malformed("the host or port of the URL cannot be read") from None
    if "@" in parts.path + parts.query + parts.fragment:
        # Parsers differ on where such a password ends, and what follows it would be shown.
        raise _malformed("in a user name or password write / as %2F, ? as %3F and # as %23")
    return parts


def _malformed(why: str) -> PydanticCustomError:
    return PydanticCustomError("url_malformed", "{why}", {"why": why})
