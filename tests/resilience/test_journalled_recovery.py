"""A recovery leaves its trace in the journal, whether it helped or not."""

import pytest

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors import FeedSilentError, MarketDataError, operation
from alchemiser_cli.errors.journal import ErrorJournal, JournalStore
from alchemiser_cli.resilience import FallBackToSource
from alchemiser_cli.resilience.journalled import journalled_recovery
from alchemiser_cli.state import StateDatabase


class Sources:
    def __init__(self, *names):
        self.names = list(names)

    def fall_back(self, _error, _context):
        return self.names.pop(0) if self.names else None

    def mark_stale(self, _reason):
        pass


@pytest.mark.parametrize(
    ("sources", "outcome", "state"),
    [(["rest"], "recovered", "recovering"), ([], "failed", "open")],
)
def test_the_group_shows_what_became_of_its_failure(tmp_path, sources, outcome, state):
    clock = ManualClock()
    database = StateDatabase(f"sqlite:///{tmp_path / 'state.db'}", clock)
    store = JournalStore(database)
    with ErrorJournal(
        store, clock, run_id="run", component="feed", spill_folder=tmp_path, database=database
    ) as journal:
        recovery = journalled_recovery(journal, clock)
        recovery.register(MarketDataError, FallBackToSource(Sources(*sources)))
        error = FeedSilentError("the feed is mute", why="no tick came", next_step="reconnect")
        with pytest.raises(FeedSilentError), operation("receive ticks", component="feed-1"):
            raise error
        assert recovery.recover(error).outcome == outcome
        assert journal.flush(10)
    [group] = store.groups(code="feed-silent")
    [occurrence] = store.occurrences(group.fingerprint, 10)
    database.close()
    assert (group.component, group.state, group.recovered) == (
        "feed-1",
        state,
        int(outcome == "recovered"),
    )
    assert occurrence.operation == "receive ticks"
    assert occurrence.recovered is (outcome == "recovered")
    assert occurrence.context["outcome"] == outcome
    assert occurrence.context["recovery"] == "fall back to another source"
