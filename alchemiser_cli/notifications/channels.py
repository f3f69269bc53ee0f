"""Channels through Apprise: e-mail, Slack, SMS, Telegram and whatever else it knows."""

import logging
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from alchemiser_cli.clock import Clock, SystemClock
from alchemiser_cli.notifications.alert import Level
from alchemiser_cli.notifications.messages import Channel, Message, Outcome
from alchemiser_cli.notifications.outcomes import after_http, after_smtp, masked, within
from alchemiser_cli.notifications.webhook import WebhookChannel
from alchemiser_cli.settings import NotificationChannel, Settings

if TYPE_CHECKING:
    from apprise import AppriseAsset, NotifyBase

__all__ = ["AppriseChannel", "channels_of"]

_LONG = 16_000  # a service that takes so many characters of HTML shows it as it is, like e-mail
_SHORT = 1_000  # one that takes fewer, like SMS, is given the subject and no more
_HTTP_STATUS = re.compile(r"error\s*[=:]\s*(\d{3})\b")
_SMTP_STATUS = re.compile(r"\((\d{3}), b['\"]")


class AppriseChannel:
    """A channel that Apprise serves; it gets HTML, text or one line by what the service takes.

    Source: https://github.com/caronc/apprise
    """

    def __init__(self, name: str, settings: NotificationChannel, timeout_s: float) -> None:
        """Keep what is needed; Apprise is loaded, and the URL read, when the first is sent."""
        self._name = name
        self._url = "" if settings.url is None else settings.url.get_secret_value()
        self._timeout_s = timeout_s

    @property
    def name(self) -> str:
        """Its name in the settings, under ``notifications``."""
        return self._name

    def send(self, message: Message, *, severity: Level) -> Outcome:
        """Hand a message over, and wait for the answer, for at most ``timeout_s``."""
        asset = _asset()
        # A service made anew has nothing to wait for: Apprise paces one that is kept.
        service = _service(self._url, asset)
        if service is None:
            return Outcome("the channel's URL is none that Apprise knows", final=True)
        outcome = within(self._timeout_s, lambda: self._send(service, asset, message, severity))
        return msgspec.structs.replace(outcome, error=masked(outcome.error, self._url))

    def _send(
        self, service: "NotifyBase", asset: "AppriseAsset", message: Message, severity: Level
    ) -> Outcome:
        import apprise

        service.socket_connect_timeout = service.socket_read_timeout = self._timeout_s
        sender = apprise.Apprise(asset=asset)
        sender.add(service)
        said: list[str] = []
        critical = severity == "critical"
        taken = sender.notify(
            **_fitted(message, service),
            notify_type=apprise.NotifyType.FAILURE if critical else apprise.NotifyType.WARNING,
            log_callback=lambda entry, _service: said.append(entry.message),
            log_level=logging.DEBUG,
        )
        return Outcome() if taken else _refusal(str(service.service_name), said)


def channels_of(settings: Settings, clock: Clock | None = None) -> dict[str, Channel]:
    """Return the enabled channels that have a URL, by name.

    ``json://`` and ``jsons://`` are webhooks, and so is a web address of no service that Apprise
    knows.
    """
    timeout_s = settings.alerts.timeout_s
    channels: dict[str, Channel] = {}
    for name, one in settings.notifications.items():
        if not one.enabled or one.url is None:
            continue
        if _is_webhook(one.url.get_secret_value()):
            channels[name] = WebhookChannel(name, one, timeout_s, clock or SystemClock())
        else:
            channels[name] = AppriseChannel(name, one, timeout_s)
    return channels


def _is_webhook(url: str) -> bool:
    scheme = url.partition("://")[0].lower()
    if scheme in ("http", "https"):
        return _service(url, _asset()) is None
    return scheme in ("json", "jsons")


def _asset() -> "AppriseAsset":
    import apprise

    _keep_to_ourselves(logging.getLogger("apprise"))
    # No pool of threads, and no limit of time, beside our own.
    asset = apprise.AppriseAsset(async_mode=False, service_timeout=0)
    asset.app_id = asset.app_desc = "alchemiser"
    return asset


def _keep_to_ourselves(logger: logging.Logger) -> None:
    """Let every record reach our callback, and nothing else: what it logs may hold tokens."""
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())


def _service(url: str, asset: "AppriseAsset") -> "NotifyBase | None":
    import apprise

    return apprise.Apprise.instantiate(url, asset=asset)


def _fitted(message: Message, service: "NotifyBase") -> dict[str, Any]:
    """Return title, body and format for what a service takes."""
    from apprise import NotifyFormat, OverflowMode

    service.overflow_mode = OverflowMode.TRUNCATE  # not as a dozen of short messages
    if service.body_maxlen < _SHORT:
        return {"title": "", "body": message.subject, "body_format": NotifyFormat.TEXT}
    form: Literal["html", "text"] = "text"
    if service._formats()[0] is NotifyFormat.HTML and service.body_maxlen >= _LONG:  # noqa: SLF001
        form = "html"
    body = message.html if form == "html" else message.text
    return {"title": message.subject, "body": body, "body_format": NotifyFormat(form)}


def _refusal(service: str, said: Iterable[str]) -> Outcome:
    """Judge by what Apprise logged: it hides the services' answers."""
    lines = [line for line in said if line]
    everything = "\n".join(lines)
    smtp = _SMTP_STATUS.search(everything)
    if smtp:
        return after_smtp(f"the mail server answered {smtp[1]}", int(smtp[1]))
    http = _HTTP_STATUS.search(everything)
    if http:
        return after_http(f"{service} answered {http[1]}", int(http[1]))
    return Outcome(f"{service} did not take it: {_reason(lines)}")


def _reason(lines: list[str]) -> str:
    """Return the error beneath, which Apprise logs last, or else what it says itself."""
    beneath = [line.partition(":")[2].strip() for line in lines if "Exception:" in line]
    return (beneath or lines or ["it gave no reason"])[-1]
