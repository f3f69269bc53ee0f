"""What the tracking store holds of a run, to be held against what was sent."""

from alchemiser_cli.rl.tracking.backlog import Point
from alchemiser_cli.rl.tracking.client import experiment_id, open_client, unreachable
from alchemiser_cli.rl.tracking.run import find_run
from alchemiser_cli.rl.tracking.tracker import EXPERIMENT

__all__ = ["stored_points"]


def stored_points(
    uri: str, run_id: str, *, timeout_s: float = 5.0, experiment: str = EXPERIMENT
) -> list[Point]:
    """Return every value of every metric of the training run ``run_id``; none of an unknown run.

    Raises:
        TrackingUnreachableError: ``tracking-unreachable``.
    """
    client = open_client(uri, timeout_s)
    try:
        found = find_run(client, experiment_id(client, uri, experiment), run_id)
        if found is None:
            return []
        names = client.get_run(found).data.metrics
        return [
            Point(one.key, one.value, one.timestamp, one.step)
            for name in sorted(names)
            for one in client.get_metric_history(found, name)
        ]
    except Exception as error:  # what a library of many backends raises
        raise unreachable(uri, error) from error
