"""Live feeds: the client, what a plugin says of a venue, and the catalogue of both.

The client's WebSocket and HTTP libraries are loaded when a feed connects.
"""

from alchemiser_cli.market.feeds.catalogue import (
    FeedEntry,
    FeedPlan,
    list_feeds,
    plan_feed,
    venues,
)
from alchemiser_cli.market.feeds.client import FeedClient, OnFeedError
from alchemiser_cli.market.feeds.phases import FeedPhase
from alchemiser_cli.market.feeds.tally import FeedCounts
from alchemiser_cli.market.feeds.venue import (
    ConnectionRules,
    FeedTick,
    Origin,
    RestRequest,
    Subscription,
    Venue,
)

__all__ = [
    "ConnectionRules",
    "FeedClient",
    "FeedCounts",
    "FeedEntry",
    "FeedPhase",
    "FeedPlan",
    "FeedTick",
    "OnFeedError",
    "Origin",
    "RestRequest",
    "Subscription",
    "Venue",
    "list_feeds",
    "plan_feed",
    "venues",
]
