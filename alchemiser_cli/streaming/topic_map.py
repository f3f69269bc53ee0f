"""The topics of one trading broker, and the refusal to write to any other.

Kafka's rules for names: 1 to 249 of A-Z, a-z, 0-9, ``.``, ``_`` and ``-``, and neither ``.`` nor
``..``; names that differ only in ``.`` and ``_`` are taken for one another
(``org.apache.kafka.common.internals.Topic``).
"""

import re
from dataclasses import dataclass

from alchemiser_cli.errors import TopicForbiddenError
from alchemiser_cli.market.envelope import broker_name

__all__ = ["KINDS", "TopicMap", "companion_topic", "is_topic_name"]

KINDS = (
    "signals.raw",
    "signals.validated",
    "risk.decisions",
    "orders",
    "fills",
    "positions",
)
"""What a broker's topics hold, in the order in which a trade passes them."""

_TOPIC = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,249}")


def is_topic_name(name: str) -> bool:
    """Tell whether Kafka takes ``name`` for a topic."""
    return _TOPIC.fullmatch(name) is not None


def companion_topic(source: str, suffix: str) -> str:
    """Return the name of the topic for what was set aside of ``source``: ``SOURCE.SUFFIX``.

    Raises:
        TopicForbiddenError: ``topic-forbidden`` where Kafka does not take the name.
    """
    name = f"{source}.{suffix}"
    if not is_topic_name(name):
        raise TopicForbiddenError(
            f"{name!r} cannot be a topic",
            why="A topic's name is 1 to 249 letters, digits, dots, - and _.",
            next_step=f"Use a source topic that leaves room for .{suffix} within 249 characters.",
            context={"topic": name, "source": source},
        )
    return name


@dataclass(frozen=True, slots=True)
class TopicMap:
    """The topics that the trading broker ``broker`` writes: ``{broker}.signals.raw`` and so on.

    No two brokers share one, because a name of a broker holds no dot.

    Raises:
        EnvelopeIncompleteError: ``envelope-incomplete`` where ``broker`` is no broker's name.
    """

    broker: str

    def __post_init__(self) -> None:
        """Refuse what is no broker's name."""
        broker_name(self.broker)

    @property
    def signals_raw(self) -> str:
        """What strategies propose."""
        return f"{self.broker}.signals.raw"

    @property
    def signals_validated(self) -> str:
        """What passed the risk gate."""
        return f"{self.broker}.signals.validated"

    @property
    def risk_decisions(self) -> str:
        """Every decision of the risk gate, with its reason."""
        return f"{self.broker}.risk.decisions"

    @property
    def orders(self) -> str:
        """Orders and their changes of state."""
        return f"{self.broker}.orders"

    @property
    def fills(self) -> str:
        """Executions."""
        return f"{self.broker}.fills"

    @property
    def positions(self) -> str:
        """Positions after each fill."""
        return f"{self.broker}.positions"

    @property
    def names(self) -> tuple[str, ...]:
        """All topics of the broker, in the order of ``KINDS``."""
        return tuple(f"{self.broker}.{kind}" for kind in KINDS)

    def own(self, topic: str) -> str:
        """Return ``topic`` if the broker may write to it.

        Raises:
            TopicForbiddenError: ``topic-forbidden``.
        """
        if topic not in self.names:
            raise TopicForbiddenError(
                f"the broker {self.broker!r} may not write to the topic {topic!r}",
                why=f"Its topics are {', '.join(self.names)}.",
                next_step="Send through the producer of the broker that the topic belongs to.",
                context={"broker": self.broker, "topic": topic},
            )
        return topic
