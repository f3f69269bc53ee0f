"""What each environment refuses to start with, beyond what is well formed."""

import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from alchemiser_cli.settings.model import Settings
from alchemiser_cli.settings.problems import Problem
from alchemiser_cli.settings.sections import Environment
from alchemiser_cli.settings.urls import is_local_host

__all__ = ["HEALTH_TOKEN_LENGTH", "SIGNING_KEY_LENGTH", "policy_problems"]

SIGNING_KEY_LENGTH = 32
HEALTH_TOKEN_LENGTH = 32
_TLS_MODES = {"require", "verify-ca", "verify-full"}
_POLICY = "production-policy"
_CREDENTIALS = "credentials-missing"


def policy_problems(settings: Settings, secret_files: Iterable[Path] = ()) -> list[Problem]:
    """Return everything that the environment's policy refuses; empty when it may start.

    ``secret_files`` are the configuration files that hold a secret.
    """
    rules: list[Callable[[Settings], Iterator[Problem]]] = [_credentials]
    if settings.environment is Environment.PRODUCTION:
        rules += [_logging, _kafka, _state, _registry, _signing, _health]
    problems = [problem for rule in rules for problem in rule(settings)]
    if settings.environment is Environment.PRODUCTION:
        problems += _readable_by_others(secret_files)
    return problems


def _credentials(settings: Settings) -> Iterator[Problem]:
    kafka = settings.kafka
    if kafka.mode == "external" and kafka.security_protocol.startswith("SASL"):
        for key in ("username", "password"):
            if not getattr(kafka, key):
                yield Problem(
                    _CREDENTIALS,
                    f"kafka.{key}",
                    f"{kafka.security_protocol} needs a {key}, and none is set",
                    f"Set ALCHEMISER_KAFKA__{key.upper()}.",
                )
    for name, account in settings.brokers.items():
        for key in ("api_key", "api_secret"):
            if account.enabled and name != "paper" and not getattr(account, key):
                yield Problem(
                    _CREDENTIALS,
                    f"brokers.{name}.{key}",
                    f"broker {name!r} is enabled without its {key}",
                    f"Set ALCHEMISER_BROKERS__{name.upper()}__{key.upper()}, or disable it.",
                )
    for name, channel in settings.notifications.items():
        if channel.enabled and not channel.url:
            yield Problem(
                _CREDENTIALS,
                f"notifications.{name}.url",
                f"notification channel {name!r} is enabled without a URL",
                f"Set ALCHEMISER_NOTIFICATIONS__{name.upper()}__URL, or disable it.",
            )
    if settings.health.beyond_loopback and not settings.health.token:
        yield Problem(
            _CREDENTIALS,
            "health.token",
            f"the health server listens on {settings.health.host} without a token",
            "Set ALCHEMISER_HEALTH__TOKEN, or health.host to 127.0.0.1.",
        )


def _logging(settings: Settings) -> Iterator[Problem]:
    if settings.logs.level == "debug":
        yield Problem(
            _POLICY,
            "logs.level",
            "debug records may hold payloads, and production does not keep them",
            "Use info, warning or error.",
        )


def _kafka(settings: Settings) -> Iterator[Problem]:
    kafka = settings.kafka
    if kafka.mode == "embedded":
        yield Problem(
            _POLICY,
            "kafka.mode",
            "the embedded Kafka keeps messages in memory only",
            "Use external, with kafka.bootstrap.",
        )
        return
    hosts = [server.rpartition(":")[0].strip("[]") for server in kafka.bootstrap.split(",")]
    if kafka.security_protocol in ("PLAINTEXT", "SASL_PLAINTEXT") and not all(
        is_local_host(host) for host in hosts
    ):
        yield Problem(
            _POLICY,
            "kafka.security_protocol",
            "a remote broker is reached without TLS",
            "Use SSL or SASL_SSL.",
        )


def _state(settings: Settings) -> Iterator[Problem]:
    parts = urlsplit(settings.state_url)
    options = parse_qs(parts.query)
    # libpq's options in the query win over the URL's own host.
    hosts = [*options.get("host", []), *options.get("hostaddr", [])] or [parts.hostname or ""]
    remote = parts.scheme.startswith("postgresql") and not all(map(is_local_host, hosts))
    if remote and not _TLS_MODES.intersection(options.get("sslmode", [])):
        yield Problem(
            _POLICY,
            "state.url",
            "a remote database is reached without TLS",
            "Add ?sslmode=verify-full to the URL.",
        )


def _registry(settings: Settings) -> Iterator[Problem]:
    parts = urlsplit(settings.registry_url)
    if parts.scheme == "http" and not is_local_host(parts.hostname):
        yield Problem(
            _POLICY,
            "registry.url",
            "a remote schema registry is reached without TLS",
            "Use https.",
        )


def _signing(settings: Settings) -> Iterator[Problem]:
    key = settings.signing.key
    length = len(key.get_secret_value()) if key else 0
    if length < SIGNING_KEY_LENGTH:
        yield Problem(
            _POLICY,
            "signing.key",
            "no signing key is set" if not key else f"the signing key has only {length} characters",
            f"Set ALCHEMISER_SIGNING__KEY to {SIGNING_KEY_LENGTH} random characters or more.",
        )


def _health(settings: Settings) -> Iterator[Problem]:
    token = settings.health.token
    length = len(token.get_secret_value()) if token else 0
    if settings.health.beyond_loopback and 0 < length < HEALTH_TOKEN_LENGTH:
        yield Problem(
            _POLICY,
            "health.token",
            f"the token of a server that others can reach has only {length} characters",
            f"Set ALCHEMISER_HEALTH__TOKEN to {HEALTH_TOKEN_LENGTH} random characters or more.",
        )


def _readable_by_others(files: Iterable[Path]) -> Iterator[Problem]:
    for file in files:
        mode = stat.S_IMODE(file.stat().st_mode)
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            yield Problem(
                "permissions-too-open",
                str(file),
                f"the file holds secrets and its mode is {mode:04o}",
                f"chmod 600 {file}",
                origin=str(file),
            )
