"""Tracking never costs the training anything, least of all when the store is away."""

import http.server
import json
import shutil
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.clock import ManualClock, SystemClock
from alchemiser_cli.errors import TrackingUnreachableError
from alchemiser_cli.rl.tracking import Tracker
from alchemiser_cli.rl.tracking.backlog import MAX_METRICS, Backlog, Point
from alchemiser_cli.rl.tracking.client import open_client
from alchemiser_cli.rl.tracking.run import RUN_TAG

# MLflow's own models use a loader that SQLAlchemy has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning")


def points(count, start=0):
    return [Point("loss", float(at), 0, at) for at in range(start, start + count)]


# --- the queue


def test_a_full_queue_drops_the_oldest_and_counts():
    backlog = Backlog(10)
    backlog.add_points(points(25))
    assert backlog.dropped == 15
    assert backlog.take().points == points(10, 15)


def test_a_batch_keeps_to_the_limits_of_mlflow():
    backlog = Backlog(5_000)
    backlog.add_points(points(2_000))
    backlog.add_words({f"p{at}": at for at in range(150)}, {f"t{at}": at for at in range(150)})
    first = backlog.take()
    assert (len(first.points), len(first.params), len(first.tags)) == (MAX_METRICS, 100, 100)
    assert len(first) <= 1_000


def test_what_was_put_back_does_not_overwrite_what_came_since():
    backlog = Backlog(10)
    backlog.add_words({"seed": 1}, {})
    batch = backlog.take()
    backlog.add_words({"seed": 2}, {})
    backlog.put_back(batch)
    assert backlog.take().params == {"seed": "2"}


steps = st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=30)


@given(st.integers(1, 50), steps)
def test_nothing_is_lost_without_being_counted(capacity, steps):
    backlog, added, taken = Backlog(capacity), 0, []
    for count, fails in steps:
        backlog.add_points(points(count, added))
        added += count
        batch = backlog.take()
        if fails:
            backlog.put_back(batch)
        else:
            taken += batch.points
    assert added == len(taken) + len(backlog) + backlog.dropped
    assert [one.step for one in taken] == sorted(one.step for one in taken)
    assert len(backlog) <= capacity


# --- a real store


@pytest.fixture
def store(empty_store, tmp_path):
    return f"sqlite:///{shutil.copy(empty_store, tmp_path / 'mlflow.db')}"


def test_a_run_arrives_whole(store, capfd):
    with Tracker(store, "run-1", ManualClock()) as tracker:
        tracker.params({"seed": 7, "preset": "small"})
        tracker.tags({"dataset": "sp500"})
        for step in range(1_500):
            tracker.metrics({"loss": step / 10, "return": float("nan")}, step)
    delivery = tracker.close()
    assert (delivery.delivered, delivery.complete) == (3_000, True)
    client = open_client(store, 5.0)
    run = client.get_run(delivery.run_id)
    assert run.data.params == {"seed": "7", "preset": "small"}
    assert run.data.tags["dataset"] == "sp500"
    assert run.info.status == "FINISHED"
    history = client.get_metric_history(delivery.run_id, "loss")
    assert len(history) == 1_500
    assert {one.timestamp for one in history} == {1_700_000_000_000}
    assert list(Path.cwd().iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_a_run_that_is_continued_goes_on_in_its_own(store):
    first = Tracker(store, "run-1", ManualClock())
    first.metrics({"loss": 1.0}, 1)
    before = first.close("KILLED")
    again = Tracker(store, "run-1", ManualClock())
    again.metrics({"loss": 0.5}, 2)
    after = again.close()
    assert after.run_id == before.run_id
    client = open_client(store, 5.0)
    assert len(client.get_metric_history(after.run_id, "loss")) == 2
    assert client.get_run(after.run_id).data.tags[RUN_TAG] == "run-1"


def test_a_parameter_that_changed_does_not_keep_the_metrics_away(store):
    Tracker(store, "run-1", ManualClock()).close()
    for value in (1, 2):
        tracker = Tracker(store, "run-1", ManualClock())
        tracker.params({"timesteps": value})
        tracker.metrics({"loss": 1.0}, value)
        delivery = tracker.close()
        assert (delivery.delivered, delivery.problem) == (1, None)
    run = open_client(store, 5.0).get_run(delivery.run_id)
    assert run.data.params == {"timesteps": "1"}


@pytest.mark.parametrize(
    ("error", "status"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")]
)
def test_an_exception_is_the_status_of_its_run(store, error, status):
    with pytest.raises(error), Tracker(store, "run-1", ManualClock()) as tracker:
        raise error
    run = open_client(store, 5.0).get_run(tracker.close().run_id)
    assert run.info.status == status


# --- an outage


class Store(http.server.BaseHTTPRequestHandler):
    """As much of MLflow's REST interface as a tracker uses, which can be away."""

    def do_GET(self):
        self._answer({"experiment": {"experiment_id": "1", "name": "alchemiser"}})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        call = self.path.rpartition("/")[2]
        if call == "log-batch" and self.server.up:
            self.server.steps += [one["step"] for one in body.get("metrics", [])]
        run = {"info": {"run_id": "abc", "experiment_id": "1"}, "data": {}}
        self._answer({"create": {"run": run}, "update": {"run_info": run["info"]}}.get(call, {}))

    def _answer(self, document):
        self.server.calls += 1
        content = json.dumps(document).encode()
        self.send_response(200 if self.server.up else 503)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Store) as server:
        server.up, server.calls, server.steps = True, 0, []
        server.uri = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.provokes("tracking-unreachable")
def test_what_an_outage_kept_back_arrives_when_it_is_over(server, capfd):
    server.up = False
    tracker = Tracker(server.uri, "run-1", SystemClock(), timeout_s=1.0)
    for step in range(10):
        tracker.metrics({"loss": 1.0}, step)
    deadline = time.monotonic() + 20
    while not server.calls and time.monotonic() < deadline:
        time.sleep(0.01)  # allow no-bare-sleep: polls for the first attempt
    server.up = True
    delivery = tracker.close()
    assert (delivery.delivered, delivery.complete) == (10, True)
    assert server.steps == list(range(10))
    assert capfd.readouterr() == ("", "")


@pytest.mark.provokes("tracking-unreachable")
def test_a_store_that_stays_away_is_given_up_and_said(server):
    server.up = False
    tracker = Tracker(server.uri, "run-1", SystemClock(), timeout_s=1.0, capacity=5)
    for step in range(9):
        tracker.metrics({"loss": 1.0}, step)
    tracker.tags({"dataset": "sp500"})
    began = time.monotonic()
    delivery = tracker.close(deadline_s=1.0)
    assert time.monotonic() - began < 5
    assert (delivery.delivered, delivery.dropped, delivery.undelivered) == (0, 4, 6)
    assert "503" in delivery.problem
    assert tracker.close() is delivery


@pytest.mark.provokes("tracking-unreachable")
def test_a_store_that_cannot_be_opened_says_why(tmp_path):
    (tmp_path / "mlflow.db").write_bytes(b"not a database" * 100)
    with pytest.raises(TrackingUnreachableError, match=r"sqlite:///.*mlflow\.db"):
        open_client(f"sqlite:///{tmp_path / 'mlflow.db'}", 1.0)
