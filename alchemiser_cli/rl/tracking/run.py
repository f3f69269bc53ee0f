"""One run of the tracking store: opened or continued, fed in batches, and ended."""

from typing import TYPE_CHECKING, Any, Literal

from alchemiser_cli.faults import fault_point
from alchemiser_cli.logs import get_logger
from alchemiser_cli.rl.tracking.backlog import Batch
from alchemiser_cli.rl.tracking.client import experiment_id, open_client, unreachable

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["RUN_TAG", "RunStatus", "TrackedRun", "find_run"]

RUN_TAG = "alchemiser.run_id"  # by which a run that is continued finds itself again

_TRACK = fault_point("rl.track")
_REFUSALS = {"INVALID_PARAMETER_VALUE", "BAD_REQUEST"}
_LOG = get_logger("application", "tracking")

RunStatus = Literal["FINISHED", "FAILED", "KILLED"]


class TrackedRun:
    """The run of MLflow that stands for the training run ``run_id``; every call may block."""

    def __init__(self, uri: str, timeout_s: float, experiment: str, run_id: str) -> None:
        """Open nothing yet."""
        self._uri = uri
        self._timeout_s = timeout_s
        self._experiment = experiment
        self._run_id = run_id
        self._client: MlflowClient | None = None
        self.id: str | None = None

    def send(self, batch: Batch) -> int:
        """Log a batch; doing it again changes nothing. Return how many points were refused.

        What the store refuses for good, such as a parameter that another value was given before,
        is dropped with a warning: it must not keep the rest away.

        Raises:
            TrackingUnreachableError: ``tracking-unreachable``.
        """
        try:
            from mlflow.entities import Metric, Param, RunTag

            metrics = [Metric(p.name, p.value, p.at_ms, p.step) for p in batch.points]
            tags = [RunTag(*item) for item in batch.tags.items()]
            params = [Param(*item) for item in batch.params.items()]
            taken = not (metrics or tags) or self._log(metrics=metrics, tags=tags)
            if params:
                self._log(params=params)
        except Exception as error:  # what a library of many backends raises
            raise unreachable(self._uri, error) from error
        return 0 if taken else len(metrics)

    def end(self, status: RunStatus) -> None:
        """Say how the run ended.

        Raises:
            TrackingUnreachableError: ``tracking-unreachable``.
        """
        try:
            client, identity = self._opened()
            client.set_terminated(identity, status)
        except Exception as error:  # as above
            raise unreachable(self._uri, error) from error

    def _log(self, **things: Any) -> bool:
        from mlflow.exceptions import MlflowException

        client, identity = self._opened()
        try:
            client.log_batch(identity, **things)
        except MlflowException as error:
            if error.error_code not in _REFUSALS:
                raise
            _LOG.warning("tracking_refused", things=sorted(things), why=str(error)[:300])
            return False
        return True

    def _opened(self) -> "tuple[MlflowClient, str]":
        if _TRACK.armed is not None:
            _TRACK.strike()
        if self._client is None:
            self._client = open_client(self._uri, self._timeout_s)
        if self.id is None:
            experiment = experiment_id(self._client, self._uri, self._experiment)
            self.id = find_run(self._client, experiment, self._run_id)
            if self.id is None:
                tags = {RUN_TAG: self._run_id}
                run = self._client.create_run(experiment, tags=tags, run_name=self._run_id)
                self.id = str(run.info.run_id)
            else:
                self._client.update_run(self.id, status="RUNNING")
        return self._client, self.id


def find_run(client: "MlflowClient", experiment: str, run_id: str) -> str | None:
    """Return MLflow's run for the training run ``run_id``, or None."""
    quoted = run_id.replace("'", "")
    found = client.search_runs([experiment], f"tags.`{RUN_TAG}` = '{quoted}'", max_results=1)
    return str(found[0].info.run_id) if found else None
