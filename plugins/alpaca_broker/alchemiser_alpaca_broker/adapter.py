"""From the settings of an account to its broker, and the refusal of unsafe ones."""

from urllib.parse import urlsplit

from alchemiser_alpaca_broker.broker import AlpacaBroker
from alchemiser_alpaca_broker.rest import AlpacaRest
from alchemiser_cli.clock import Clock
from alchemiser_cli.errors import CredentialsMissingError, UrlMalformedError
from alchemiser_cli.settings import BrokerAccount, urls

__all__ = ["PAPER_URL", "AlpacaAdapter"]

PAPER_URL = "https://paper-api.alpaca.markets"
"""Alpaca's account for practice. The live one, https://api.alpaca.markets, must be asked for."""


class AlpacaAdapter:
    """Opens accounts at Alpaca; without a ``url`` in the settings, the one for practice."""

    name = "alpaca"

    def open(self, name: str, account: BrokerAccount, clock: Clock) -> AlpacaBroker:
        """Return the broker ``name``; nothing is contacted yet.

        Raises:
            CredentialsMissingError: ``credentials-missing``.
            UrlMalformedError: ``url-malformed``, also for one that would send credentials in
                the clear.
        """
        for key in ("api_key", "api_secret"):
            value = getattr(account, key)
            if value is None or not value.get_secret_value():
                raise CredentialsMissingError(
                    f"the broker {name!r} has no {key}",
                    why="Alpaca wants a key and its secret with every request.",
                    next_step=f"Set ALCHEMISER_BROKERS__{name.upper()}__{key.upper()}.",
                    context={"broker": name, "key": key},
                )
        rest = AlpacaRest(name, _checked(name, account.url or PAPER_URL), account, clock)
        return AlpacaBroker(name, rest, clock, poll_interval_s=account.poll_interval_s)


def _checked(name: str, url: str) -> str:
    parts = urlsplit(url)
    try:
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or "@" in parts.netloc or parts.path.strip("/"):
        raise _refused(name, "It is no address of a host: https://HOST, without user and path.")
    if parts.scheme != "https" and not urls.is_local_host(host):
        raise _refused(name, "Over http, the account's credentials could be read on their way.")
    return f"{parts.scheme}://{parts.netloc}"


def _refused(name: str, why: str) -> UrlMalformedError:
    # The URL itself may hold a password, so it is not repeated.
    return UrlMalformedError(
        f"`brokers.{name}.url` cannot be used",
        why=why,
        next_step="Set it to https://api.alpaca.markets for live trading, or leave it out for "
        "Alpaca's account for practice.",
        context={"broker": name, "key": f"brokers.{name}.url"},
    )
