"""What the preflight checks share: the settings, the policy, and one Kafka cluster for all."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from alchemiser_cli.checks import Check
from alchemiser_cli.clock import Clock
from alchemiser_cli.settings import Environment
from alchemiser_cli.settings.resolve import Resolved

if TYPE_CHECKING:
    from alchemiser_cli.settings import Settings
    from alchemiser_cli.state import StateDatabase
    from alchemiser_cli.streaming import Cluster, ClusterInfo, SchemaRegistry

__all__ = ["ALWAYS", "LIVE", "NEVER", "PRODUCTION", "Setup", "policy_name"]

# In which environments a failing check blocks the start; elsewhere it warns.
ALWAYS = frozenset(Environment)
LIVE = frozenset({Environment.PAPER, Environment.PRODUCTION})
PRODUCTION = frozenset({Environment.PRODUCTION})
NEVER: frozenset[Environment] = frozenset()


def policy_name(environment: Environment) -> str:
    """Name the policy that an environment applies to failing checks."""
    return "warn-where-safe" if environment is Environment.DEVELOPMENT else "block-on-critical"


@dataclass
class Setup:
    """The surroundings of one preflight run; ``stack`` closes what the checks opened."""

    resolved: Resolved
    clock: Clock
    given_cluster: "Cluster | None" = None
    stack: ExitStack = field(default_factory=ExitStack)

    @property
    def settings(self) -> "Settings":
        """Return the settings under test."""
        return self.resolved.settings

    @cached_property
    def cluster(self) -> "Cluster":
        """Return the given cluster, or open the one that the settings mean, once for all checks."""
        if self.given_cluster is not None:
            return self.given_cluster
        from alchemiser_cli.streaming import open_cluster

        settings = self.settings
        return self.stack.enter_context(
            open_cluster(settings.kafka, settings.topics, settings.run_folder)
        )

    @cached_property
    def cluster_info(self) -> "ClusterInfo":
        """Return what the cluster says of itself; a failure is asked anew."""
        from alchemiser_cli.streaming import broker_metadata

        return broker_metadata(self.settings.kafka, self.cluster.bootstrap)

    @cached_property
    def registry(self) -> "SchemaRegistry":
        """Return the schema registry."""
        from alchemiser_cli.streaming import open_registry

        return open_registry(self.settings.registry, self.settings.registry_url)

    @property
    def tick_subject(self) -> str:
        """Return the registry's subject of ticks (TopicNameStrategy)."""
        return f"{self.settings.topics.ticks}-value"

    @cached_property
    def database(self) -> "StateDatabase":
        """Return the state database, opened by its first use."""
        from alchemiser_cli.state import StateDatabase

        database = StateDatabase.of(self.settings, self.clock)
        self.stack.callback(database.close)
        return database

    def check(
        self,
        category: str,
        name: str,
        code: str,
        run: Callable[[], str],
        *,
        blocks_in: frozenset[Environment] = ALWAYS,
        needs: tuple[str, ...] = (),
        retry: bool = False,
        timeout_s: float = Check.timeout_s,
    ) -> Check:
        """Make a check that is fatal where ``blocks_in`` has the environment."""
        return Check(
            name=name,
            category=category,
            code=code,
            run=run,
            fatal=self.settings.environment in blocks_in,
            needs=needs,
            retry=retry,
            timeout_s=timeout_s,
        )
