"""Messages of one form have one template, whatever numbers, names and ids they carry."""

import csv
import json
import subprocess
import sys
import time
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.commands import bench
from alchemiser_cli.commands.invocation import Invocation
from alchemiser_cli.errors import (
    DatasetColumnsError,
    DatasetNotFoundError,
    DatasetUnreadableError,
)
from alchemiser_cli.errors.journal import TemplateMiner, skeleton
from alchemiser_cli.errors.journal.accuracy import grouping_accuracy, score_templates
from alchemiser_cli.errors.journal.fingerprint import fingerprint

# --- masking


@pytest.mark.parametrize(
    ("message", "masked"),
    [
        ("took 12.5 ms", "took <*> ms"),
        ("offset -1 of 2,000,000", "offset <*> of <*>"),
        ("rate 3.2e-7 at 45%", "rate <*> at <*>%"),
        ("at 0x7fa160d0a150", "at <*>"),
        ("run 123e4567-e89b-12d3-a456-426614174000 ended", "run <*> ended"),
        ("at 2024-05-03T14:00:00.123+00:00 sharp", "at <*> sharp"),
        ("12:00:01,250 begin", "<*> begin"),
        ("connect to 10.0.0.1:9092 failed", "connect to <*> failed"),
        ("connect to [::1]:9092 failed", "connect to [<*>]:<*> failed"),
        ("localhost:9092/bootstrap: refused", "<*>/bootstrap: refused"),
        ("get https://api.example.com/v2?x=1 gave 503", "get <*> gave <*>"),
        ("cannot open /srv/data/ticks.csv", "cannot open <*>"),
        ("no topic 'market.ticks' here", "no topic <*> here"),
        ('no file "a \\" b" here', "no file <*> here"),
        ("the broker's reply isn't valid", "the broker's reply isn't valid"),
        ("key=12 other=ab", "key=<*> other=ab"),
        ("shape (3, 4, 5)", "shape (<*>)"),
        ("blk_-1608999687919862906 gone", "<*> gone"),
        ("and/or nothing", "and/or nothing"),
        ("  spaces \t and\nlines ", "spaces and lines"),
        ("", ""),
    ],
)
def test_variable_parts_are_masked(message, masked):
    assert skeleton(message) == masked


WORDS = st.sampled_from(["order", "broker", "rejected", "no", "reply", "from", "topic:", "lag="])
VALUES = st.one_of(
    st.integers(-(10**12), 10**12).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.uuids().map(str),
    st.ip_addresses(v=4).map(str),
    st.integers(0, 2**64).map(hex),
    st.datetimes().map(lambda moment: moment.isoformat(timespec="microseconds")),
    st.sampled_from(["/srv/a/b.db", "'market.ticks'", "10.1.2.3:9092", "node-7.example.com:80"]),
)


@st.composite
def two_of_one_form(draw):
    """Two messages that differ only in their numbers and ids."""
    words = draw(st.lists(WORDS, min_size=1, max_size=12))
    variable = draw(st.lists(st.booleans(), min_size=len(words), max_size=len(words)))

    def message():
        return " ".join(
            draw(VALUES) if varies else word for word, varies in zip(words, variable, strict=True)
        )

    return message(), message()


@given(two_of_one_form())
def test_changing_only_numbers_and_ids_changes_no_template(messages):
    one, other = messages
    assert skeleton(one) == skeleton(other)
    miner = TemplateMiner()
    assert miner.template(one) == miner.template(other)


@given(st.text(max_size=300))
def test_any_text_has_a_skeleton_of_bounded_length(text):
    assert len(skeleton(text)) <= 600
    assert skeleton(text) == skeleton(text)


@pytest.mark.parametrize("part", ["-", "a-", "'", '"\\', "a.", "0:", "/", "<*>,", " ", "a1,"])
def test_no_message_takes_long(part):
    """Each pattern is linear; 40 ms would be thousands of times what a message takes."""
    started = time.process_time()
    skeleton(part * 100_000)
    assert time.process_time() - started < 1.0


def test_the_fingerprint_is_the_same_in_every_process():
    code = (
        "from alchemiser_cli.errors.journal.fingerprint import fingerprint;"
        "print(fingerprint('order-rejected', 'paper', 'order <*> rejected'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    here = fingerprint("order-rejected", "paper", "order <*> rejected")
    assert done.stdout.strip() == here
    assert here[:8] == "f5d12a38"


# --- mining

FORMS = {
    "syslog": [
        [
            "Accepted password for root from 10.2.3.4 port 4711 ssh2",
            "Accepted password for alice from 10.2.3.5 port 12 ssh2",
            "Accepted password for bob from 192.168.0.9 port 50022 ssh2",
        ],
        [
            "Failed password for invalid user guest from 1.2.3.4 port 22 ssh2",
            "Failed password for invalid user oracle from 9.9.9.9 port 2022 ssh2",
        ],
        [
            "session opened for user root by (uid=0)",
            "session opened for user cyrus by (uid=0)",
            "session opened for user news by (uid=9)",
        ],
        ["session closed for user root", "session closed for user cyrus"],
        ["Out of memory: Killed process 812 (python)", "Out of memory: Killed process 9 (java)"],
    ],
    "hdfs": [
        [
            "Receiving block blk_-160899 src: /10.251.1.2:54106 dest: /10.251.1.2:50010",
            "Receiving block blk_7503 src: /10.250.19.102:54106 dest: /10.250.19.102:50010",
        ],
        [
            "PacketResponder 1 for block blk_388 terminating",
            "PacketResponder 0 for block blk_-69 terminating",
        ],
        [
            (
                "BLOCK* NameSystem.addStoredBlock: blockMap updated: 10.1.1.1:50010 is added to"
                " blk_1 size 67108864"
            ),
            (
                "BLOCK* NameSystem.addStoredBlock: blockMap updated: 10.2.2.2:50010 is added to"
                " blk_-2 size 91178"
            ),
        ],
        [
            "Verification succeeded for blk_-4980916519894289629",
            "Verification succeeded for blk_1",
        ],
    ],
    "our errors": [
        ["no broker answered at 127.0.0.1:9092", "no broker answered at kafka-1.internal:9093"],
        [
            "the state database sqlite:////srv/state.db cannot be used",
            "the state database postgresql://me@db/x cannot be used",
        ],
        ["order 'o-17' was rejected: market closed", "order 'o-18' was rejected: market closed"],
        ["strategy 'momentum' raised ValueError", "strategy 'reversal' raised KeyError"],
    ],
    "librdkafka": [
        [
            (
                "[thrd:localhost:9092/bootstrap]: localhost:9092/bootstrap: Connect to"
                " ipv4#127.0.0.1:9092 failed: Connection refused (after 0ms in state CONNECT)"
            ),
            (
                "[thrd:localhost:9093/bootstrap]: localhost:9093/bootstrap: Connect to"
                " ipv4#127.0.0.1:9093 failed: Connection refused (after 12ms in state CONNECT)"
            ),
        ],
        [
            "[thrd:main]: GroupCoordinator: Broker transport failure: no further error",
            "[thrd:main]: GroupCoordinator: Broker transport failure: no further error",
        ],
        [
            "Application maximum poll interval (300000ms) exceeded by 231ms",
            "Application maximum poll interval (45000ms) exceeded by 9ms",
        ],
    ],
    "Python exceptions": [
        ["KeyError: 'symbol'", "KeyError: 'price'"],
        [
            "ValueError: invalid literal for int() with base 10: 'abc'",
            "ValueError: invalid literal for int() with base 10: '1.5'",
        ],
        [
            "FileNotFoundError: [Errno 2] No such file or directory: '/srv/a.csv'",
            "FileNotFoundError: [Errno 2] No such file or directory: 'b.csv'",
        ],
        [
            "<Order object at 0x7f01> is not JSON serializable",
            "<Order object at 0x7fffe> is not JSON serializable",
        ],
    ],
}


@pytest.mark.parametrize("kind", FORMS)
@pytest.mark.parametrize("order", ["by form", "in turns"])
def test_messages_of_one_form_are_one_group(kind, order):
    labelled = [(form, text) for form, texts in enumerate(FORMS[kind]) for text in texts]
    if order == "in turns":
        labelled = labelled[::2] + labelled[1::2]
    miner = TemplateMiner()
    predicted = [miner.group(text) for _, text in labelled]
    assert grouping_accuracy(predicted, [str(form) for form, _ in labelled]) == 1.0


def test_all_kinds_together_are_as_many_groups_as_forms():
    miner = TemplateMiner()
    for forms in FORMS.values():
        for texts in forms:
            for text in texts:
                miner.group(text)
    groups = miner.groups()
    assert len(groups) == sum(map(len, FORMS.values()))
    assert sum(one.count for one in groups) == sum(
        len(texts) for forms in FORMS.values() for texts in forms
    )
    templates = {one.template for one in groups}
    assert "session opened for user <*> by (uid=<*>)" in templates
    assert "Accepted password for <*> from <*> port <*> <*>" in templates


MESSAGES = st.lists(
    st.one_of(
        st.lists(
            st.sampled_from(["a", "b", "c", "d", "x1", "2", "'q'"]), min_size=1, max_size=6
        ).map(" ".join),
        st.text(max_size=30),
    ),
    max_size=60,
)


@given(MESSAGES)
def test_the_same_messages_in_the_same_order_give_the_same_result(messages):
    one, other = TemplateMiner(), TemplateMiner()
    halves = len(messages) // 2
    whole = [one.group(text) for text in messages]
    parts = [other.group(text) for text in messages[:halves]]
    other.groups()  # looking changes nothing
    parts += [other.group(text) for text in messages[halves:]]
    assert whole == parts
    assert one.groups() == other.groups()


@given(MESSAGES, st.integers(0, 20))
def test_a_message_stays_in_its_group(messages, limit):
    """Also where the miner has stopped learning."""
    miner = TemplateMiner(limit=limit)
    miner.group("a first message")
    first = [miner.group(text) for text in messages]
    again = [miner.group(text) for text in messages]
    assert first == again


def test_memory_is_bounded_whatever_comes():
    miner = TemplateMiner(limit=1_000)
    for number in range(20_000):
        word = uuid.UUID(int=number).hex.translate(str.maketrans("0123456789", "ghijklmnop"))
        miner.group(f"{word} {word[::-1]} is a word")
    assert len(miner.groups()) <= 1_001
    assert len(miner._assigned) == 1_000
    assert miner.template("neither seen nor alike at all") == "<*>"


# --- accuracy


def test_accuracy_counts_messages_whose_group_is_exactly_a_true_one():
    assert grouping_accuracy([1, 1, 2, 2], ["a", "a", "b", "b"]) == 1.0
    assert grouping_accuracy([1, 1, 2, 3], ["a", "a", "b", "b"]) == 0.5
    assert grouping_accuracy([1, 1, 1, 1], ["a", "a", "b", "b"]) == 0.0


def _csv(tmp_path, header, rows):
    file = tmp_path / "labelled.csv"
    with file.open("w", newline="", encoding="utf-8") as text:
        csv.writer(text).writerows([header, *rows])
    return file


@pytest.mark.parametrize(
    ("message", "truth"), [("Content", "EventId"), ("message", "group"), ("Message", "template")]
)
def test_a_labelled_file_is_scored(tmp_path, message, truth):
    rows = [(text, f"E{form}") for form, texts in enumerate(FORMS["syslog"]) for text in texts]
    score = score_templates(_csv(tmp_path, (message, truth), rows), ManualClock())
    assert (score.messages, score.groups, score.true_groups) == (12, 5, 5)
    assert score.grouping_accuracy == 1.0
    assert (score.message_column, score.truth_column) == (message, truth)
    assert score.largest[0].count == 3


@pytest.mark.provokes("dataset-columns")
def test_a_file_without_ground_truth_is_refused(tmp_path):
    with pytest.raises(DatasetColumnsError, match="eventid"):
        score_templates(_csv(tmp_path, ("Content", "Level"), [("a", "b")]), ManualClock())


@pytest.mark.provokes("dataset-unreadable")
def test_a_file_that_is_no_csv_is_refused(tmp_path):
    file = tmp_path / "binary.csv"
    file.write_bytes(b"Content,group\n\xff\xfe\x00")
    with pytest.raises(DatasetUnreadableError):
        score_templates(file, ManualClock())
    with pytest.raises(DatasetUnreadableError, match="cannot be read"):
        score_templates(_csv(tmp_path, ("Content", "group"), []), ManualClock())


@pytest.mark.provokes("dataset-not-found")
def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(DatasetNotFoundError):
        score_templates(tmp_path / "nothing.csv", ManualClock())


@pytest.mark.parametrize("form", ["plain", "json"])
def test_the_command_shows_the_score(tmp_path, form):
    rows = [(text, str(form)) for form, texts in enumerate(FORMS["hdfs"]) for text in texts]
    file = _csv(tmp_path, ("Content", "EventId"), rows)
    arguments = ["templates", str(file), "-o", form]
    done = CliRunner().invoke(bench.app, arguments, obj=Invocation({}))
    assert done.exit_code == 0
    if form == "json":
        document = json.loads(done.stdout)
        assert document["grouping_accuracy"] == 1.0
        assert (document["messages"], document["groups"]) == (8, 4)
    else:
        assert "grouping accuracy    1.000\n" in done.stdout


def test_the_command_measures_captures():
    arguments = ["errors", "--rounds", "100", "-o", "json"]
    done = CliRunner().invoke(bench.app, arguments, obj=Invocation({}))
    assert done.exit_code == 0
    document = json.loads(done.stdout)
    assert 0 < document["capture_us"] < document["logging_us"]
    assert document["dropped"] == 0
