"""Verifying: an edit, a gap, a truncation and a crash-torn tail are told apart."""

import gzip
import hashlib
import json
import os
import shutil

import msgspec
import pytest

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors import AuditCorruptError
from alchemiser_cli.settings import AuditSettings
from alchemiser_cli.state import StateDatabase
from alchemiser_cli.trading.audit import (
    AnchorStore,
    AuditEntry,
    AuditHead,
    AuditTrail,
    Verification,
    verify_trail,
)

KEY = b"0123456789abcdef0123456789abcdef"  # pragma: allowlist secret
DAYS = ("2023-11-14", "2023-11-15", "2023-11-16")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "audit" / "paper"


@pytest.fixture
def written(folder):
    """Three days of four lines each; return the head."""

    def written(key=None, *, compress=True):
        clock = ManualClock()
        settings = AuditSettings(min_free_megabytes=0, compress=compress)
        with AuditTrail(folder, settings, clock, run_id="r", broker="paper", key=key) as trail:
            for number in range(12):
                if number and not number % 4:
                    clock.advance(86_400)
                trail.append(AuditEntry(event="HELD", event_id=f"h-{number}", quantity=number))
            return trail.head

    return written


def lines_of(file):
    return file.read_bytes().splitlines(keepends=True)


def change(file, at, edit):
    """Replace line ``at`` of a plain file by what ``edit`` makes of it, a list of lines."""
    lines = lines_of(file)
    lines[at : at + 1] = edit(lines[at])
    file.write_bytes(b"".join(lines))


def rewrite(folder, first, start=hashlib.sha256):
    """Do what a clever forger does: change line ``first`` and compute all later hashes anew."""
    prev = None
    for day in DAYS:
        file = folder / f"{day}.jsonl"
        made = []
        for line in lines_of(file):
            fields = json.loads(line)
            if fields["sequence"] >= first:
                fields["quantity"] += 1_000 * (fields["sequence"] == first)
                fields["prev_hash"] = prev or fields["prev_hash"]
                del fields["hash"]
                body = msgspec.json.encode(fields)[:-1]
                prev = start(fields["prev_hash"].encode() + body).hexdigest()
                line = body + b',"hash":"' + prev.encode() + b'"}\n'  # noqa: PLW2901  forged
            else:
                prev = fields["hash"]
            made.append(line)
        file.write_bytes(b"".join(made))


def found(verification):
    return verification.kind, verification.first_bad, verification.entries, verification.ok


@pytest.mark.parametrize("key", [None, KEY])
def test_a_trail_as_it_was_written_is_whole(written, folder, key):
    head = written(key)
    seen = []
    assert verify_trail(folder, key=key, anchor=head, progress=seen.append) == Verification(
        ok=True, entries=12, head=head
    )


@pytest.mark.parametrize(
    "edit",
    [
        lambda line: [line.replace(b'"quantity":1', b'"quantity":2')],
        lambda line: [
            line[:-4] + b"0" + line[-3:] if line[-4:-3] != b"0" else line[:-4] + b'1"}\n'
        ],
        lambda line: [line.replace(b"\n", b"")],
        lambda line: [line[:40] + b"\n"],
        lambda line: [line.replace(b"{", b"", 1)],
        lambda line: [line.replace(b'"hash"', b'"hush"')],
        lambda line: [b"\xff" + line],
    ],
)
def test_an_edited_line_is_found_where_it_is(written, folder, edit):
    written(compress=False)
    change(folder / f"{DAYS[0]}.jsonl", 1, edit)
    assert found(verify_trail(folder)) == ("edited", 1, 1, False)


def test_a_line_whose_own_hash_was_computed_anew_does_not_fit_the_next(written, folder):
    written(compress=False)
    file = folder / f"{DAYS[2]}.jsonl"
    kept = lines_of(file)
    rewrite(folder, 9)
    forged = lines_of(file)
    file.write_bytes(b"".join([kept[0], forged[1], *kept[2:]]))
    assert found(verify_trail(folder)) == ("edited", 10, 10, False)


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(lambda _line: [], id="deleted"),
        pytest.param(lambda line: [line, line], id="doubled"),
    ],
)
def test_lines_that_are_missing_or_doubled_are_a_gap(written, folder, edit):
    written(compress=False)
    change(folder / f"{DAYS[1]}.jsonl", 1, edit)
    assert verify_trail(folder).kind == "gap"


def test_lines_in_another_order_are_a_gap(written, folder):
    written(compress=False)
    file = folder / f"{DAYS[1]}.jsonl"
    first, second, *rest = lines_of(file)
    file.write_bytes(b"".join([second, first, *rest]))
    assert found(verify_trail(folder)) == ("gap", 4, 4, False)


@pytest.mark.parametrize(("day", "first_bad"), [(0, 0), (1, 4)])
def test_a_missing_file_is_a_gap(written, folder, day, first_bad):
    written()
    (folder / f"{DAYS[day]}.jsonl.gz").unlink()
    assert found(verify_trail(folder)) == ("gap", first_bad, first_bad, False)


def test_lines_of_another_trail_are_a_gap(written, folder):
    """A first line that follows on something, though it counts from zero."""
    written(compress=False)
    file = folder / f"{DAYS[0]}.jsonl"
    fields = json.loads(lines_of(file)[0]) | {"prev_hash": "0" * 64}
    del fields["hash"]
    body = msgspec.json.encode(fields)[:-1]
    own = hashlib.sha256(b"0" * 64 + body).hexdigest().encode()
    change(file, 0, lambda _line: [body + b',"hash":"' + own + b'"}\n'])
    assert found(verify_trail(folder)) == ("gap", 0, 0, False)


def test_an_end_that_was_cut_off_is_found_by_the_anchor_alone(written, folder):
    head = written()
    file = folder / f"{DAYS[2]}.jsonl"
    change(file, 3, lambda _line: [])
    assert verify_trail(folder).ok
    assert found(verify_trail(folder, anchor=head)) == ("truncated", 11, 11, False)
    file.unlink()
    assert found(verify_trail(folder, anchor=head)) == ("truncated", 8, 8, False)


def test_a_trail_that_is_gone_altogether_is_truncated(written, folder):
    head = written()
    shutil.rmtree(folder)
    assert found(verify_trail(folder, anchor=head)) == ("truncated", 0, 0, False)


def test_a_last_line_without_its_end_is_torn_unless_it_was_anchored(written, folder):
    head = written()
    file = folder / f"{DAYS[2]}.jsonl"
    os.truncate(file, file.stat().st_size - 30)
    assert found(verify_trail(folder)) == ("torn_tail", 11, 11, False)
    assert verify_trail(folder, anchor=head).kind == "truncated"


def test_a_chain_that_was_rewritten_is_found_by_the_anchor(written, folder):
    head = written(compress=False)
    rewrite(folder, 5)
    assert verify_trail(folder).ok
    assert found(verify_trail(folder, anchor=head)) == ("edited", 11, 11, False)


def test_a_chain_that_was_rewritten_is_found_by_the_key(written, folder):
    written(KEY, compress=False)
    rewrite(folder, 5)
    assert found(verify_trail(folder, key=KEY)) == ("edited", 5, 5, False)


def test_a_signed_trail_that_was_rewritten_as_an_unsigned_one_is_found(written, folder):
    """The forger must not choose how the trail is verified."""
    written(KEY, compress=False)
    change(folder / f"{DAYS[0]}.jsonl", 0, lambda line: [line.replace(b"hmac-sha256", b"sha256")])
    rewrite(folder, 0)
    assert verify_trail(folder).ok
    assert found(verify_trail(folder, key=KEY)) == ("edited", 0, 0, False)


def test_a_signed_trail_proves_nothing_without_its_key(written, folder):
    written(KEY)
    unproved = verify_trail(folder)
    assert (unproved.ok, unproved.kind) == (False, None)
    assert "no key is set" in unproved.detail
    assert verify_trail(folder, key=b"another").kind == "edited"


def test_a_packed_file_that_was_replaced_is_found_though_its_lines_fit(written, folder):
    """Packed anew, it is not the file that was written; nobody but a restore does that."""
    written()
    file = folder / f"{DAYS[1]}.jsonl.gz"
    file.write_bytes(gzip.compress(gzip.decompress(file.read_bytes())))
    assert found(verify_trail(folder)) == ("edited", 4, 4, False)


def test_an_original_that_differs_from_its_packed_file_is_found(written, folder):
    written()
    packed = folder / f"{DAYS[1]}.jsonl.gz"
    plain = packed.with_suffix("")
    for content in (b"", gzip.decompress(packed.read_bytes()) + b"x"):
        plain.write_bytes(content)
        assert found(verify_trail(folder)) == ("edited", 4, 4, False)


def test_what_a_crash_left_behind_is_evidence_too(written, folder):
    written()
    file = folder / f"{DAYS[2]}.jsonl"
    os.truncate(file, file.stat().st_size - 30)
    written()
    assert verify_trail(folder).ok
    (folder / "torn-1").write_bytes(b"other")
    assert found(verify_trail(folder)) == ("edited", 11, 11, False)


# --- anchors


@pytest.fixture
def store(tmp_path):
    database = StateDatabase(f"sqlite:///{tmp_path}/state.db", ManualClock())
    yield AnchorStore(database)
    database.close()


def head(sequence, mark="a", trail="paper"):
    return AuditHead(trail, sequence, mark * 64, sequence * 10)


def test_the_newest_head_of_each_trail_is_kept(store):
    assert store.load("paper") is None
    assert store.save(head(5))
    assert store.save(head(7, "b"))
    assert store.save(head(7, "b"))
    assert store.save(head(1, "c", trail="live"))
    assert store.load("paper") == head(7, "b")
    assert store.all() == [head(1, "c", trail="live"), head(7, "b")]


def test_an_anchor_that_a_shorter_or_other_trail_would_overwrite_stays(store):
    """It is the proof that something is missing."""
    store.save(head(7))
    assert not store.save(head(6))
    assert not store.save(head(7, "b"))
    assert store.load("paper") == head(7)
    store.forget("paper")
    assert store.save(head(6))


def test_the_trail_anchors_every_so_many_lines_each_day_and_at_its_end(folder, store):
    clock, anchored = ManualClock(), []

    def anchor(one):
        anchored.append(one.sequence)
        store.save(one)

    settings = AuditSettings(min_free_megabytes=0, anchor_every=3)
    with AuditTrail(folder, settings, clock, run_id="r", broker="paper", anchor=anchor) as trail:
        for number in range(7):
            trail.append(AuditEntry(event="HELD", event_id=str(number)))
        clock.advance(86_400)
        trail.append(AuditEntry(event="HELD", event_id="next day"))
    assert anchored == [2, 5, 6, 7]
    assert verify_trail(folder, anchor=store.load("paper")).ok


def test_an_anchor_that_fails_is_logged_and_the_trail_goes_on(folder, logs):
    def fail(_head):
        raise OSError("the database is away")

    settings = AuditSettings(min_free_megabytes=0, anchor_every=1)
    with AuditTrail(
        folder, settings, ManualClock(), run_id="r", broker="paper", anchor=fail
    ) as trail:
        trail.append(AuditEntry(event="HELD", event_id="1"))
    assert verify_trail(folder).ok
    assert logs[0]["event"] == "audit_not_anchored"


def _continue(folder, anchored):
    settings = AuditSettings(min_free_megabytes=0)
    clock = ManualClock(ManualClock().now_ns() + 3 * 86_400 * 10**9)
    AuditTrail(folder, settings, clock, run_id="r", broker="paper", anchored=anchored).close()


def test_a_trail_goes_on_behind_the_line_that_was_anchored(written, folder):
    last = written()
    line = json.loads(gzip.decompress((folder / f"{DAYS[1]}.jsonl.gz").read_bytes()).split()[2])
    middle = AuditHead("paper", line["sequence"], line["hash"], line["at_ns"])
    assert middle.sequence == 6
    for anchored in (None, middle, last):
        _continue(folder, anchored)
    assert verify_trail(folder, anchor=last).ok


@pytest.mark.provokes("audit-corrupt")
@pytest.mark.parametrize("fault", ["cut", "rewritten", "gone", "damaged"])
def test_a_trail_that_lost_its_anchored_line_is_not_continued(written, folder, fault):
    """Going on would move the anchor, and with it the only proof."""
    last = written(compress=fault == "damaged")
    if fault == "damaged":
        last = AuditHead("paper", 6, "0" * 64, 0)
        (folder / f"{DAYS[1]}.jsonl.gz").write_bytes(b"damaged")
    elif fault == "cut":
        change(folder / f"{DAYS[2]}.jsonl", 3, lambda _line: [])
    elif fault == "rewritten":
        rewrite(folder, 5)
    else:
        shutil.rmtree(folder)
    with pytest.raises(AuditCorruptError, match="cannot be continued"):
        _continue(folder, last)
