"""A code that nobody has mended yet gets a draft from codes that are like it, named as such."""

from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors import error_codes
from alchemiser_cli.errors.journal import Captured, JournalStore, skeleton
from alchemiser_cli.errors.journal.drafts import LEAST_LIKENESS
from alchemiser_cli.errors.journal.fingerprint import fingerprint
from alchemiser_cli.errors.journal.history import code_history
from alchemiser_cli.errors.journal.likeness import similarity
from alchemiser_cli.state import StateDatabase

SECOND = 1_000_000_000
DAY = 86_400 * SECOND
NOW_NS = 1_700_000_000 * SECOND
CODES = st.sampled_from([entry.code for entry in error_codes()])


@pytest.fixture
def store(tmp_path):
    database = StateDatabase(f"sqlite:///{tmp_path}/state.db", ManualClock())
    yield JournalStore(database)
    database.close()


def fail(store, code, *, what="it does not answer", component="consume", days_ago=1, **parts):
    template = skeleton(what)
    capture = Captured(
        id=blake2b(repr((code, what, component, days_ago)).encode(), digest_size=16).hexdigest(),
        fingerprint=fingerprint(code, component, template),
        template=template,
        at_ns=NOW_NS - days_ago * DAY,
        code=code,
        severity="high",
        component=component,
        operation="read",
        run_id="r1",
        what=what,
        why="nobody listens",
        next_step="start it",
        context={},
        causes=[],
        traceback="",
        **parts,
    )
    store.append([capture])
    return capture


def mend(store, code, text, *, worked=True, times=1, days_ago=1, **failure):
    for number in range(times):
        failed = fail(store, code, days_ago=days_ago + 10 * number, **failure)
        store.resolve(
            failed.fingerprint,
            text=text,
            worked=worked,
            author="ann",
            at_ns=failed.at_ns + 90 * SECOND,
        )


def draft_of(store, code):
    return code_history(store, code, NOW_NS).draft


def test_a_draft_tells_what_helped_the_like_and_where_it_is_from(store):
    fail(store, "registry-unreachable")
    mend(store, "broker-unreachable", "restarted broker 2")
    mend(store, "segment-corrupt", "repaired the segment", component="shm", what="a bad checksum")
    draft = draft_of(store, "registry-unreachable")
    (step,) = draft.steps
    assert (step.text, step.codes) == ("restarted broker 2", ["broker-unreachable"])
    assert (step.worked, step.tried, step.median_seconds) == (1, 1, 90)
    (similar,) = draft.similar
    assert similar.code == "broker-unreachable"
    assert similar.likeness > LEAST_LIKENESS
    assert "same words: unreachable" in similar.because
    assert "same component: consume" in similar.because


def test_a_code_never_seen_gets_a_draft_too(store):
    mend(store, "segment-exists", "unlinked the segment")
    draft = draft_of(store, "segment-create-failed")
    assert [one.code for one in draft.similar] == ["segment-exists"]
    assert "same family SharedMemoryError" in draft.similar[0].because


def test_a_code_whose_resolution_worked_needs_no_draft(store):
    mend(store, "broker-unreachable", "restarted it")
    mend(store, "registry-unreachable", "restarted the registry")
    assert draft_of(store, "registry-unreachable") is None


def test_without_a_similar_code_that_knows_something_there_is_no_draft(store):
    assert draft_of(store, "registry-unreachable") is None
    mend(store, "insufficient-funds", "paid in", component="trade", what="too little cash")
    mend(store, "broker-unreachable", "waited", worked=False)
    assert draft_of(store, "registry-unreachable") is None


def test_what_was_tried_in_vain_is_not_proposed_again(store):
    mend(store, "registry-unreachable", "Waited.", worked=False)
    mend(store, "broker-unreachable", "waited", days_ago=30)
    mend(store, "broker-unreachable", "opened the firewall", days_ago=60)
    texts = [step.text for step in draft_of(store, "registry-unreachable").steps]
    assert texts == ["opened the firewall"]


def test_drills_make_no_draft(store):
    mend(store, "broker-unreachable", "stopped the drill", injected=True)
    assert draft_of(store, "registry-unreachable") is None


def test_the_same_step_of_two_codes_is_pooled(store):
    mend(store, "broker-unreachable", "restarted broker 1", days_ago=20)
    mend(store, "state-unreachable", "Restarted broker 2", days_ago=10)
    (step,) = draft_of(store, "registry-unreachable").steps
    assert (step.text, step.worked) == ("Restarted broker 2", 2)
    assert set(step.codes) == {"broker-unreachable", "state-unreachable"}


def test_fresh_steps_that_often_helped_come_first_and_stale_ones_last(store):
    mend(store, "broker-unreachable", "rolled back", days_ago=300)
    mend(store, "broker-unreachable", "waited")
    mend(store, "broker-unreachable", "opened the firewall", times=5, days_ago=40)
    steps = draft_of(store, "registry-unreachable").steps
    assert [step.text for step in steps] == ["opened the firewall", "waited", "rolled back"]
    assert [step.stale is not None for step in steps] == [False, False, True]


def test_a_code_of_a_plugin_that_is_gone_has_a_history(store):
    fail(store, "vendor-unreachable")
    mend(store, "broker-unreachable", "restarted it")
    draft = draft_of(store, "vendor-unreachable")
    assert [one.code for one in draft.similar] == ["broker-unreachable"]


@given(CODES, CODES)
def test_likeness_is_a_share_that_only_the_same_code_has_in_full(code, other):
    like = similarity(code, [], other, []).likeness
    assert 0 <= like <= 1
    assert like < similarity(code, [], code, []).likeness or code == other


@pytest.mark.parametrize(
    ("code", "nearest"),
    [
        ("broker-unreachable", "registry-unreachable"),
        ("disk-full", "disk-space-low"),
        ("topic-missing", "topic-forbidden"),
        ("profile-malformed", "profile-not-found"),
        ("message-undecodable", "message-implausible"),
        ("order-rejected", "order-outcome-unknown"),
        ("embedded-broker-failed", "embedded-broker-running"),
        ("trading-running", "trading-not-running"),
    ],
)
def test_the_nearest_codes_are_those_that_a_person_would_name(code, nearest):
    """Among the three of which a draft is made."""
    likes = [similarity(code, [], one.code, []) for one in error_codes() if one.code != code]
    ordered = sorted(likes, key=lambda one: -one.likeness)[:3]
    assert nearest in {one.code for one in ordered}
