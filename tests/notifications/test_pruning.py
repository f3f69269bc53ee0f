"""What is long over is forgotten, and nothing else: laws on ledgers of any content."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select

from alchemiser_cli.clock import NS_PER_SECOND, ManualClock
from alchemiser_cli.notifications.alert import Alert
from alchemiser_cli.notifications.courier import Courier, Office
from alchemiser_cli.notifications.incident_rows import Course, Incident, insert_rows
from alchemiser_cli.notifications.incidents import IncidentStore
from alchemiser_cli.notifications.ledger import Ledger
from alchemiser_cli.notifications.messages import Delivery
from alchemiser_cli.notifications.policies import Policies
from alchemiser_cli.notifications.pruning import prune
from alchemiser_cli.notifications.silences import Silences
from alchemiser_cli.settings import AlertSettings
from alchemiser_cli.state import StateDatabase, delivery, incident

LIMIT = 1_000  # what is before this is old
DAY_NS = 86_400 * NS_PER_SECOND

times = st.integers(LIMIT - 3, LIMIT + 2)
incidents = st.tuples(st.booleans(), times, st.booleans())  # over, when, still to be told
deliveries = st.tuples(
    st.integers(0, 4),  # of which incident; the last one is none
    st.sampled_from(["mail", "sms"]),
    st.sampled_from(["queued", "sending", "sent", "failed", "held", "digested", "cancelled"]),
    times,  # when it was due
    st.integers(0, 2),  # how much later it was sent
    st.integers(0, 4),  # which incident's course names it too; the last one is none
)


def opening(number, over, at_ns, to_tell, told):
    alert = Alert(
        fingerprint=f"f{number}",
        kind="error",
        severity="high",
        code="feed-silent",
        component="feed",
        what="no tick",
        at_ns=1,
    )
    return Incident(
        id=f"i{number}",
        fingerprint=alert.fingerprint,
        state="resolved" if over else "firing",
        kind="error",
        severity="high",
        code=alert.code,
        component="feed",
        group="feed",
        alert=alert,
        injected=False,
        count=1,
        opened_ns=1,
        last_ns=1,
        resolved_ns=at_ns if over else None,
        due_ns=at_ns if to_tell else None,
        course=Course(
            policies={}, hold_down_s=0, keep_firing_s=0, heard_ns=1, told={"mail": list(told)}
        ),
    )


def message(number, of, channel, state, due_ns, later_ns, _named):
    return Delivery(
        id=f"d{number}",
        incident=None if of == 4 else f"i{of}",
        channel=channel,
        kind="alert",
        severity="high",
        code="feed-silent",
        subject="s",
        text="t",
        html="h",
        queued_ns=1,
        due_ns=due_ns,
        state=state,
        sent_ns=due_ns + later_ns if state == "sent" else None,
    )


def left_of(openings, messages):
    """Say what must stay, in the words of the rule."""
    still_open = {one.id for one in openings if one.state != "resolved"}
    told = {
        name
        for one in openings
        if one.id in still_open
        for ids in one.course.told.values()
        for name in ids
    }
    proofs = {}
    for one in messages:
        if one.sent_ns is not None:
            proofs[one.channel] = max(one.sent_ns, proofs.get(one.channel, 0))
    kept = {
        one.id
        for one in messages
        if one.state in {"queued", "sending", "held"}
        or max(one.due_ns, one.sent_ns or 0) >= LIMIT
        or one.incident in still_open
        or one.id in told
        or (one.sent_ns is not None and one.sent_ns == proofs[one.channel])
    }
    named = {one.incident for one in messages if one.id in kept}
    return kept, {
        one.id
        for one in openings
        if one.id in still_open
        or one.resolved_ns >= LIMIT
        or one.due_ns is not None
        or one.id in named
    }


def ids(database, rows):
    with database.begin() as connection:
        return set(connection.execute(select(rows.c.id)).scalars())


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    opened = StateDatabase(f"sqlite:///{tmp_path_factory.mktemp('p')}/state.db", ManualClock())
    yield opened
    opened.close()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(incidents, min_size=4, max_size=4),
    st.lists(deliveries, max_size=12),
    st.sampled_from([1, 3, 500]),
)
def test_what_is_over_and_old_goes_and_nothing_else(database, drawn, sent, at_once):
    messages = [message(number, *one) for number, one in enumerate(sent)]
    openings = [
        opening(n, *one, [f"d{at}" for at, row in enumerate(sent) if row[-1] == n])
        for n, one in enumerate(drawn)
    ]
    with database.begin() as connection:
        connection.execute(delivery.delete())
        connection.execute(incident.delete())
        insert_rows(connection, openings)
        if messages:
            connection.execute(insert(delivery), [msgspec.structs.asdict(one) for one in messages])
    while (done := prune(database, LIMIT, at_once)).more:
        assert at_once == max(done.deliveries, done.incidents)
    assert (ids(database, delivery), ids(database, incident)) == left_of(openings, messages)


def test_a_courier_drops_what_is_old_once_an_hour_and_all_of_it(tmp_path):
    clock = ManualClock()
    database = StateDatabase(f"sqlite:///{tmp_path}/state.db", clock)
    alerts, policies = AlertSettings(keep_days=30), Policies([])
    ledger = Ledger(database, clock, alerts)
    store = IncidentStore(database, alerts, clock, policies)
    office = Office(store, ledger, {}, policies, Silences(database, clock))
    courier = Courier(office, [], clock)

    def failed(number, days):
        due_ns = clock.now_ns() - days * DAY_NS
        return message(number, 4, "mail", "failed", due_ns, 0, 4)

    ledger.queue([failed(number, days=31) for number in range(501)] + [failed(600, days=29)])
    left = []
    for _ in range(3):
        courier.pass_once()
        left.append(sum(ledger.counts().values()))
    assert left == [2, 1, 1]
    clock.advance(2 * 86_400)
    courier.pass_once()
    assert ledger.counts() == {}
    database.close()
