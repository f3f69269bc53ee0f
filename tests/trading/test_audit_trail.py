"""Writing the trail: chained lines, a file a day, and nothing after a loss."""

import gzip
import json
import os
import resource
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from alchemiser_cli.clock import ManualClock, iso_from_ns, ns_from_datetime
from alchemiser_cli.errors import (
    AuditCorruptError,
    AuditLockedError,
    AuditLostError,
    AuditTrailNotFoundError,
)
from alchemiser_cli.settings import AuditSettings
from alchemiser_cli.trading.audit import (
    AuditEntry,
    AuditRecord,
    AuditTrail,
    newest_trail,
    read_trail,
    trails,
    verify_trail,
)
from alchemiser_cli.trading.decisions import LimitReading

KEY = b"0123456789abcdef0123456789abcdef"  # pragma: allowlist secret
DAY_S = 86_400


@pytest.fixture
def clock():
    return ManualClock(1_700_000_000 * 10**9 + 123_456_789)  # 2023-11-14 22:13:20 UTC


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "audit" / "paper"


@pytest.fixture
def opened(folder, clock):
    """Open the trail; settings are keywords."""

    def opened(key=None, anchor=None, on_lost=None, **settings):
        chosen = AuditSettings(**({"min_free_megabytes": 0} | settings))
        return AuditTrail(
            folder, chosen, clock, run_id="r1", broker="paper",
            key=key, anchor=anchor, on_lost=on_lost,
        )  # fmt: skip

    return opened


def hold(number=0, **fields):
    return AuditEntry(event="HELD", event_id=f"h-{number}", strategy_id="momentum", **fields)


def names(folder):
    return sorted(file.name for file in folder.iterdir() if file.name != "lock")


# --- lines


def test_a_line_has_every_field_of_a_record_in_its_order(opened, folder, clock):
    reading = LimitReading("daily_loss", 0.04, 0.03, passed=False)
    entry = AuditEntry(
        event="TRADE_REJECTED",
        event_id="d-1",
        causation="s-1",
        reason="daily_loss_limit_exceeded",
        symbol="SPX",
        side="buy",
        quantity=-7,
        limits=(reading,),
        detail={"why": ["a", 1]},
    )
    with opened() as trail:
        given = trail.append(entry)
    (line,) = (folder / "2023-11-14.jsonl").read_text().splitlines()
    assert list(json.loads(line)) == list(AuditRecord.__struct_fields__)
    (record,) = read_trail(folder)
    assert record.at == iso_from_ns(clock.now_ns()) == "2023-11-14T22:13:20.123456+00:00"
    assert (record.at_ns, record.sequence, record.prev_hash) == (clock.now_ns(), 0, "sha256")
    assert (record.run_id, record.broker, record.hash) == ("r1", "paper", given)
    assert (record.quantity, record.limits, record.causation) == (-7, (reading,), "s-1")
    assert msgspec.json.decode(record.detail) == {"why": ["a", 1]}


def test_a_hash_is_sha256_over_the_one_before_and_the_line_without_its_own(opened, folder):
    """With the tools of any shell: no code of ours is needed to verify a trail."""
    with opened() as trail:
        first, second = trail.append(hold(1)), trail.append(hold(2))
    line = (folder / "2023-11-14.jsonl").read_bytes().splitlines()[1]
    body = line[: line.index(b',"hash":"')]
    done = subprocess.run(
        ["sha256sum"], input=first.encode() + body, capture_output=True, check=True
    )
    assert done.stdout.split()[0].decode() == second


def test_the_first_line_says_that_it_is_signed(opened, folder):
    with opened(key=KEY) as trail:
        trail.append(hold())
    assert next(read_trail(folder)).prev_hash == "hmac-sha256"


def test_only_the_owner_may_read_a_trail(opened, folder):
    with opened() as trail:
        trail.append(hold())
    assert [one.stat().st_mode & 0o777 for one in (folder.parent, folder)] == [0o700] * 2
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}


@pytest.mark.parametrize(
    ("detail", "read"),
    [
        (msgspec.Raw(b'{\n  "a": 1\n}'), {"a": 1}),
        ("two\nlines", "two\nlines"),
        (Path("/a"), "/a"),
        (None, None),
        (float("nan"), None),
    ],
)
def test_whatever_a_detail_is_it_stays_in_its_line(opened, folder, detail, read):
    with opened() as trail:
        trail.append(hold(detail=detail))
        trail.append(hold())
    first, _ = read_trail(folder)
    assert msgspec.json.decode(first.detail) == read
    assert verify_trail(folder).ok


def test_the_head_is_the_newest_line_also_after_reopening(opened, folder, clock):
    with opened() as trail:
        assert (trail.head.sequence, trail.head.trail) == (-1, "paper")
        for number in range(3):
            last = trail.append(hold(number))
        before = trail.head
    clock.advance(5)
    with opened() as trail:
        assert trail.head == before
        assert (before.sequence, before.hash) == (2, last)
        trail.append(hold(3))
    assert [one.sequence for one in read_trail(folder)] == [0, 1, 2, 3]
    assert verify_trail(folder).ok


def test_a_line_longer_than_a_block_is_found_from_the_end(opened, folder):
    for number in range(3):
        with opened() as trail:
            trail.append(hold(number, detail="x" * 200_000))
    assert verify_trail(folder).entries == 3


# --- days


def test_past_days_are_packed_and_the_chain_goes_on(opened, folder, clock):
    with opened() as trail:
        for number in range(4):
            trail.append(hold(number))
            clock.advance(DAY_S)
    assert names(folder) == [
        "2023-11-14.jsonl.gz",
        "2023-11-15.jsonl.gz",
        "2023-11-16.jsonl.gz",
        "2023-11-17.jsonl",
    ]
    assert [one.event_id for one in read_trail(folder)] == ["h-0", "h-1", "h-2", "h-3"]
    assert verify_trail(folder).entries == 4
    assert gzip.decompress((folder / "2023-11-14.jsonl.gz").read_bytes()).endswith(b'"}\n')


def test_without_compression_days_stay_as_they_are(opened, folder, clock):
    with opened(compress=False) as trail:
        trail.append(hold())
        clock.advance(DAY_S)
        trail.append(hold())
    assert names(folder) == ["2023-11-14.jsonl", "2023-11-15.jsonl"]
    with opened() as trail:
        pass
    assert names(folder) == ["2023-11-14.jsonl.gz", "2023-11-15.jsonl"]


def test_a_clock_that_jumps_back_stays_in_the_newest_file(opened, folder, clock):
    with opened() as trail:
        trail.append(hold(0))
        clock.jump(-3 * DAY_S)
        trail.append(hold(1))
    with opened() as trail:
        trail.append(hold(2))
    assert names(folder) == ["2023-11-14.jsonl"]
    assert [one.at[:10] for one in read_trail(folder)] == [
        "2023-11-14",
        "2023-11-11",
        "2023-11-11",
    ]
    assert verify_trail(folder).ok


def test_a_day_that_is_packed_already_is_not_opened_again(opened, folder, clock):
    """Somebody packed the day's file by hand, with the clock still in that day."""
    from alchemiser_cli.trading.audit.days import trail_days
    from alchemiser_cli.trading.audit.packing import pack

    with opened() as trail:
        trail.append(hold(0))
    pack(trail_days(folder)[0])
    with opened() as trail:
        trail.append(hold(1))
    assert names(folder) == ["2023-11-14.jsonl.gz", "2023-11-15.jsonl"]
    assert verify_trail(folder).entries == 2


def test_killed_between_packing_and_removing_both_files_read_as_one(opened, folder, clock):
    with opened() as trail:
        trail.append(hold(0))
        plain = (folder / "2023-11-14.jsonl").read_bytes()
        clock.advance(DAY_S)
        trail.append(hold(1))
    (folder / "2023-11-14.jsonl").write_bytes(plain)
    (folder / "2023-11-15.jsonl.gz.unfinished").write_bytes(b"\x1f")
    assert [one.sequence for one in read_trail(folder)] == [0, 1]
    assert verify_trail(folder).ok
    opened().close()
    assert "2023-11-14.jsonl" not in names(folder)
    assert verify_trail(folder).entries == 2


@pytest.mark.provokes("audit-corrupt")
def test_a_packed_day_that_differs_from_its_original_is_not_removed(opened, folder, clock):
    with opened() as trail:
        trail.append(hold(0))
        plain = (folder / "2023-11-14.jsonl").read_bytes()
        clock.advance(DAY_S)
        trail.append(hold(1))
    (folder / "2023-11-14.jsonl").write_bytes(plain.replace(b"h-0", b"h-9"))
    with pytest.raises(AuditCorruptError, match="cannot be continued"):
        opened()
    assert "2023-11-14.jsonl" in names(folder)


def test_reading_since_a_moment_leaves_earlier_days_closed(opened, folder, clock):
    with opened() as trail:
        for number in range(3):
            trail.append(hold(number))
            clock.advance(DAY_S)
    (folder / "2023-11-14.jsonl.gz").write_bytes(b"damaged")
    since = ns_from_datetime(datetime(2023, 11, 16, tzinfo=UTC))
    assert [one.event_id for one in read_trail(folder, since_ns=since)] == ["h-2"]
    with pytest.raises(AuditCorruptError, match="2023-11-14"):
        list(read_trail(folder))


# --- one writer


@pytest.mark.provokes("audit-locked")
def test_a_second_writer_is_refused_and_told_who_writes(opened):
    with opened(), pytest.raises(AuditLockedError) as raised:
        opened()
    assert raised.value.context["pid"] == os.getpid()
    opened().close()


# --- what a crash leaves


@pytest.mark.parametrize("whole", [0, 2])
def test_a_torn_tail_is_kept_cut_off_and_told_of(opened, folder, whole):
    with opened() as trail:
        for number in range(whole + 1):
            trail.append(hold(number))
    file = folder / "2023-11-14.jsonl"
    os.truncate(file, file.stat().st_size - 9)
    torn = file.read_bytes().rpartition(b"\n")[2]
    assert verify_trail(folder).kind == "torn_tail"
    assert [one.event_id for one in read_trail(folder)] == [f"h-{n}" for n in range(whole)]
    with opened() as trail:
        trail.append(hold(9))
    *_, told, last = read_trail(folder)
    assert (told.event, told.reason, told.event_id) == ("RECONCILED", "torn_tail", "torn-1")
    assert msgspec.json.decode(told.detail)["bytes"] == len(torn)
    assert (folder / "torn-1").read_bytes() == torn
    assert (told.sequence, last.event_id) == (whole, "h-9")
    assert verify_trail(folder).ok


def test_a_torn_tail_that_a_second_crash_left_untold_is_told_of_later(opened, folder):
    with opened() as trail:
        trail.append(hold())
    (folder / "torn-1.untold").write_bytes(b"half")
    opened().close()
    assert [one.reason for one in read_trail(folder)] == ["", "torn_tail"]
    assert names(folder) == ["2023-11-14.jsonl", "torn-1"]


# --- signatures


def test_a_trail_that_was_begun_without_a_key_is_signed_from_there_on(opened, folder):
    with opened() as trail:
        trail.append(hold(0))
    assert verify_trail(folder, key=KEY).kind == "edited"
    with opened(key=KEY) as trail:
        trail.append(hold(1))
    assert [one.reason for one in read_trail(folder)] == ["", "signed_from_here", ""]
    assert verify_trail(folder, key=KEY).ok
    without = verify_trail(folder)
    assert (without.ok, without.kind, without.entries) == (False, None, 1)


@pytest.mark.provokes("audit-corrupt")
@pytest.mark.parametrize("key", [None, b"another key, of thirty-two bytes"])
def test_a_signed_trail_is_not_continued_without_its_key(opened, key):
    with opened(key=KEY) as trail:
        trail.append(hold())
    with pytest.raises(AuditCorruptError, match="cannot be continued"):
        opened(key=key)


@pytest.mark.provokes("audit-corrupt")
@pytest.mark.parametrize("change", [(b"h-0", b"h-1"), (b'"hash":', b'"hush":')])
def test_a_trail_whose_last_line_was_edited_is_not_continued(opened, folder, change):
    with opened() as trail:
        trail.append(hold())
    file = folder / "2023-11-14.jsonl"
    file.write_bytes(file.read_bytes().replace(*change))
    with pytest.raises(AuditCorruptError):
        opened()


# --- losing it


@contextmanager
def largest_file(size):
    """Let no file of this process grow beyond ``size`` bytes, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _lost(trail, entry, times=1):
    for _ in range(times):
        with pytest.raises(AuditLostError) as raised:
            trail.append(entry)
    return raised.value


@pytest.mark.provokes("audit-lost")
@pytest.mark.parametrize("room", [0, 10])
def test_a_line_that_does_not_fit_leaves_nothing_behind_and_ends_the_trail(opened, folder, room):
    heard = []
    with opened(on_lost=heard.append) as trail:
        trail.append(hold(0))
        file = folder / "2023-11-14.jsonl"
        size = file.stat().st_size
        with largest_file(size + room):
            first = _lost(trail, hold(1))
        _lost(trail, hold(2), times=2)
        with pytest.raises(AuditLostError):
            trail.sync()
        assert file.stat().st_size == size
    assert heard == [first]
    assert verify_trail(folder).entries == 1
    with opened() as trail:
        trail.append(hold(3))
    assert verify_trail(folder).entries == 2


@pytest.mark.provokes("audit-lost")
def test_too_little_free_space_is_seen_before_the_disk_is_full(opened, clock):
    trail = opened(min_free_megabytes=10**9)
    assert "min_free_megabytes asks for 1000000000" in _lost(trail, hold()).why
    trail.close()


@pytest.mark.provokes("audit-lost")
def test_a_folder_that_vanished_is_seen_within_a_second(opened, folder, clock):
    trail = opened()
    trail.append(hold())
    folder.rename(folder.with_name("elsewhere"))
    clock.advance(1)
    assert "No such file" in _lost(trail, hold()).why
    trail.close()


@pytest.mark.provokes("audit-lost")
def test_a_file_that_was_replaced_is_seen(opened, folder, clock):
    trail = opened()
    trail.append(hold())
    file = folder / "2023-11-14.jsonl"
    copy = file.read_bytes()
    file.unlink()
    file.write_bytes(copy)
    clock.advance(1)
    assert "replaced" in _lost(trail, hold()).why
    trail.close()


@pytest.mark.provokes("audit-lost")
def test_a_file_that_another_program_wrote_to_is_seen_at_once(opened, folder):
    trail = opened()
    trail.append(hold())
    with (folder / "2023-11-14.jsonl").open("ab") as file:
        file.write(b"x")
    assert "changed by another program" in _lost(trail, hold()).why
    trail.close()


@pytest.mark.provokes("audit-lost")
def test_a_sync_that_fails_ends_the_trail(opened, monkeypatch):
    """No disk here fails on demand."""
    heard = []
    trail = opened(fsync="each", on_lost=heard.append)
    with monkeypatch.context() as patched:

        def fail(_descriptor):
            raise OSError(5, "Input/output error")

        patched.setattr("os.fsync", fail)
        _lost(trail, hold())
    assert "closed" not in _lost(trail, hold()).why
    assert len(heard) == 1
    trail.close()


@pytest.mark.provokes("audit-lost")
def test_a_failing_reaction_does_not_hide_the_loss(opened, logs):
    def fail(_error):
        raise RuntimeError("the kill switch is stuck")

    trail = opened(min_free_megabytes=10**9, on_lost=fail)
    _lost(trail, hold())
    assert any(one["event"] == "audit_loss_not_acted_on" for one in logs)
    trail.close()


@pytest.mark.provokes("audit-lost")
def test_a_place_where_nothing_can_be_made_is_refused_at_the_start(opened, folder):
    folder.parent.mkdir()
    folder.write_text("a file")
    with pytest.raises(AuditLostError, match="cannot be written"):
        opened()


@pytest.mark.provokes("audit-lost")
def test_an_entry_that_is_no_json_ends_the_trail(opened, folder):
    trail = opened()
    assert "cannot be written as JSON" in _lost(trail, hold(detail="\ud800")).why
    trail.close()
    assert (folder / "2023-11-14.jsonl").read_bytes() == b""


@pytest.mark.provokes("audit-lost")
def test_a_line_that_a_signal_interrupted_is_followed_by_none(opened, folder, monkeypatch):
    """The line may be there or not; another one with its number must not be."""
    trail = opened()
    trail.append(hold(0))
    with monkeypatch.context() as patched:
        real = os.write

        def interrupted(descriptor, line):
            real(descriptor, line)
            raise KeyboardInterrupt

        patched.setattr("os.write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            trail.append(hold(1))
    assert "interrupted" in _lost(trail, hold(2)).why
    trail.close()
    with opened() as trail:
        trail.append(hold(3))
    assert verify_trail(folder).entries == 3


@pytest.mark.provokes("audit-lost")
def test_a_closed_trail_takes_no_line(opened):
    trail = opened()
    trail.close()
    trail.close()
    assert "closed" in _lost(trail, hold()).why


# --- to the disk


def _syncs(monkeypatch):
    done, real = [], os.fsync

    def counting(descriptor):
        done.append(descriptor)
        real(descriptor)

    monkeypatch.setattr("os.fsync", counting)
    return done


def test_each_line_is_forced_to_the_disk(opened, monkeypatch):
    with opened(fsync="each") as trail:
        done = _syncs(monkeypatch)
        for number in range(3):
            trail.append(hold(number))
            assert len(done) == number + 1


def test_lines_are_forced_to_the_disk_when_the_interval_is_over(opened, clock, monkeypatch):
    with opened(fsync="interval", fsync_interval_s=2) as trail:
        done = _syncs(monkeypatch)
        trail.append(hold())
        clock.advance(1.9)
        trail.append(hold())
        assert len(done) == 0
        clock.advance(0.1)
        trail.append(hold())
        assert len(done) == 1
        trail.sync()
        assert len(done) == 1
        trail.append(hold())
    assert len(done) == 2


def test_never_is_never_but_for_a_sync_that_is_asked_for(opened, clock, monkeypatch):
    with opened(fsync="never", anchor=lambda _head: None, anchor_every=1) as trail:
        done = _syncs(monkeypatch)
        trail.append(hold())
        clock.advance(DAY_S)
        trail.append(hold())
        assert len(done) == 0
        trail.sync()
        assert len(done) == 1
        trail.append(hold())
    assert len(done) == 1


# --- names


def test_trails_are_the_folders_with_lines(opened, folder, tmp_path):
    audit = folder.parent
    assert trails(audit) == []
    assert newest_trail(audit) is None
    with opened() as trail:
        trail.append(hold())
    (audit / "empty").mkdir()
    (audit / "old").mkdir()
    (audit / "old" / "2020-01-01.jsonl").touch()
    os.utime(audit / "old" / "2020-01-01.jsonl", (1, 1))
    assert trails(audit) == ["old", "paper"]
    assert newest_trail(audit) == "paper"


@pytest.mark.provokes("audit-trail-not-found")
def test_a_trail_that_is_not_there_is_named_with_one_that_is_near(opened, folder):
    with opened() as trail:
        trail.append(hold())
    with pytest.raises(AuditTrailNotFoundError) as raised:
        list(read_trail(folder.with_name("papr")))
    assert raised.value.next_step == "Did you mean paper?"
    with pytest.raises(AuditTrailNotFoundError):
        verify_trail(folder.with_name("papr"))


def test_the_trail_loads_no_learning_library():
    code = (
        "import sys, alchemiser_cli.trading.audit;"
        "print([one for one in ('torch', 'rich', 'typer', 'confluent_kafka', 'polars')"
        " if one in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
