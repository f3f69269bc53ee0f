"""Settings: layered, frozen, and aware of where each value came from."""

from alchemiser_cli.settings.model import Settings
from alchemiser_cli.settings.sections import (
    BrokerAccount,
    ConsumerSettings,
    Environment,
    KafkaSettings,
    LogSettings,
    MarketSettings,
    NotificationChannel,
    PreflightSettings,
    RegistrySettings,
    ShmSettings,
    SigningSettings,
    StateSettings,
    StrategySettings,
    TopicSettings,
    TrackingSettings,
)

__all__ = [
    "BrokerAccount",
    "ConsumerSettings",
    "Environment",
    "KafkaSettings",
    "LogSettings",
    "MarketSettings",
    "NotificationChannel",
    "PreflightSettings",
    "RegistrySettings",
    "Settings",
    "ShmSettings",
    "SigningSettings",
    "StateSettings",
    "StrategySettings",
    "TopicSettings",
    "TrackingSettings",
]
