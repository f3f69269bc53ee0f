"""Laws of the audit trail: what goes in comes out, and no change of any file stays unseen."""

import tempfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.settings import AuditSettings
from alchemiser_cli.trading.audit import AuditEntry, AuditTrail, read_trail, verify_trail

SETTINGS = AuditSettings(fsync="never", min_free_megabytes=0)
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
ENTRIES = st.builds(
    AuditEntry,
    event=st.sampled_from(["SIGNAL", "HELD", "EXECUTED"]),
    event_id=WORDS,
    reason=WORDS,
    symbol=WORDS,
    quantity=st.integers(-(2**40), 2**40),
    detail=JSON,
)
# What happens between two lines: seconds that pass, and whether the writer is opened anew.
STEPS = st.lists(
    st.tuples(ENTRIES, st.sampled_from([-90_000, 0, 1, 90_000]), st.booleans()),
    min_size=1,
    max_size=8,
)


def _write(folder, steps, key=None):
    clock = ManualClock()

    def opened():
        return AuditTrail(folder, SETTINGS, clock, run_id="r", broker="b", key=key)

    trail = opened()
    for entry, seconds, again in steps:
        trail.append(entry)
        clock.jump(seconds)
        if again:
            trail.close()
            trail = opened()
    trail.close()
    return trail.head


@hypothesis_settings(max_examples=40)
@given(steps=STEPS, key=st.none() | st.binary(min_size=1, max_size=64))
def test_what_was_appended_is_read_back_in_order_and_verifies(steps, key):
    with tempfile.TemporaryDirectory() as name:
        head = _write(Path(name) / "t", steps, key)
        records = list(read_trail(Path(name) / "t"))
        found = verify_trail(Path(name) / "t", key=key, anchor=head)
    assert found.ok
    assert found.head == head
    assert [record.sequence for record in records] == list(range(len(steps)))
    for record, (entry, _, _) in zip(records, steps, strict=True):
        given_fields = (entry.event, entry.event_id, entry.reason, entry.symbol, entry.quantity)
        assert given_fields == (
            record.event,
            record.event_id,
            record.reason,
            record.symbol,
            record.quantity,
        )
        assert msgspec.json.decode(record.detail) == entry.detail


@pytest.fixture(scope="module")
def trail(tmp_path_factory):
    """Two packed days, a torn tail that was told of, and the current day."""
    folder = tmp_path_factory.mktemp("audit") / "t"
    clock = ManualClock()

    def opened():
        return AuditTrail(folder, SETTINGS, clock, run_id="r", broker="b")

    for day in range(3):
        with opened() as one:
            for number in range(3):
                one.append(AuditEntry(event="SIGNAL", event_id=f"{day}-{number}", detail=[1, "a"]))
        if day == 1:
            with max(folder.glob("*.jsonl")).open("ab") as file:
                file.write(b'{"schema_version":1,"sequ')
        if day < 2:
            clock.advance(86_400)
    with opened() as one:
        head = one.head
    files = sorted(file for file in folder.iterdir() if file.name != "lock")
    assert [file.name for file in files] == [
        "2023-11-14.jsonl.gz",
        "2023-11-15.jsonl.gz",
        "2023-11-16.jsonl",
        "torn-1",
    ]
    return folder, head, files


@hypothesis_settings(max_examples=300)
@given(data=st.data())
def test_any_edit_of_any_byte_of_any_file_is_found(trail, data):
    folder, head, files = trail
    file = data.draw(st.sampled_from(files), label="file")
    content = file.read_bytes()
    at = data.draw(st.integers(0, len(content) - 1), label="at")
    how = data.draw(st.sampled_from(["replace", "insert", "delete", "cut"]), label="how")
    byte = bytes([data.draw(st.integers(0, 255), label="byte")])
    after = {
        "replace": content[:at] + byte + content[at + 1 :],
        "insert": content[:at] + byte + content[at:],
        "delete": content[:at] + content[at + 1 :],
        "cut": content[:at],
    }[how]
    if after == content:
        return
    file.write_bytes(after)
    try:
        assert not verify_trail(folder, anchor=head).ok
    finally:
        file.write_bytes(content)
    assert verify_trail(folder, anchor=head).ok
