"""Errors of the configuration: profiles, settings, extras and plugins."""

from typing import ClassVar

from alchemiser_cli.errors.base import AlchemiserError, Severity
from alchemiser_cli.exits import ExitCode

__all__ = [
    "BootstrapMalformedError",
    "ConfigurationError",
    "CredentialsMissingError",
    "EnvironmentMisconfiguredError",
    "ExtraMissingError",
    "KafkaSettingsError",
    "PluginRejectedError",
    "ProductionPolicyError",
    "ProfileMalformedError",
    "ProfileNotFoundError",
    "SettingInvalidError",
    "SettingUnknownError",
    "UrlMalformedError",
]


class ConfigurationError(AlchemiserError):
    """Family: what the operator configured cannot be used."""

    exit_code: ClassVar[ExitCode] = ExitCode.CONFIG


class ProfileNotFoundError(ConfigurationError):
    """The named profile has no file."""

    code = "profile-not-found"


class ProfileMalformedError(ConfigurationError):
    """The profile or .env file cannot be read or parsed."""

    code = "profile-malformed"


class SettingUnknownError(ConfigurationError):
    """A setting's name is not one of ours."""

    code = "setting-unknown"


class SettingInvalidError(ConfigurationError):
    """A setting's value has the wrong type or is out of range."""

    code = "setting-invalid"


class BootstrapMalformedError(ConfigurationError):
    """The Kafka bootstrap string is not a list of HOST:PORT."""

    code = "bootstrap-malformed"


class KafkaSettingsError(ConfigurationError):
    """librdkafka refuses the Kafka settings as a whole."""

    code = "kafka-settings"


class UrlMalformedError(ConfigurationError):
    """A service URL in the settings does not have the form that the service needs."""

    code = "url-malformed"


class ProductionPolicyError(ConfigurationError):
    """The configuration is not acceptable in its environment."""

    code = "production-policy"
    severity = Severity.CRITICAL


class CredentialsMissingError(ConfigurationError):
    """An enabled service needs credentials that are not set."""

    code = "credentials-missing"


class EnvironmentMisconfiguredError(ConfigurationError):
    """The process's surroundings do not fit the profile: a folder, a variable or a user."""

    code = "environment-misconfigured"


class ExtraMissingError(ConfigurationError):
    """The command needs packages of an extra that is not installed."""

    code = "extra-missing"


class PluginRejectedError(ConfigurationError):
    """A plugin named in the allow-list cannot be loaded."""

    code = "plugin-rejected"
