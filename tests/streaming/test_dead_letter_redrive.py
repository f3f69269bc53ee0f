"""Dead letters are read as they lie and sent back as they were, once, and not for ever."""

import asyncio
import itertools

import pytest
from confluent_kafka import KafkaError
from hypothesis import given, settings
from hypothesis import strategies as st

from alchemiser_cli.clock import SystemClock
from alchemiser_cli.errors import (
    BrokerUnreachableError,
    DeadLetterNotFoundError,
    DeliveryFailedError,
    MessageUndecodableError,
    RedriveLoopError,
    RegistryUnreachableError,
    TopicMissingError,
)
from alchemiser_cli.settings.sections import DeadLetterSettings
from alchemiser_cli.state import StateDatabase
from alchemiser_cli.streaming.acknowledged import AcknowledgedProducer, Outgoing
from alchemiser_cli.streaming.dead_letters import (
    DeadLetterReader,
    DeadLetters,
    RedriveMemory,
    Redriver,
    Selection,
    count_by_reason,
    dead_letter_topic,
    list_letters,
)
from alchemiser_cli.streaming.received import Received
from alchemiser_cli.testing.kafka import embedded_kafka, settings_for

MAX_REDRIVES = 2
OURS = ("alchemiser.first-failed-at", "alchemiser.redrive-count")


class Desk:
    """Everything that a redrive needs, on one embedded Kafka and one state database."""

    def __init__(self, kafka, database_file, topic="market.ticks", decoder=None):
        self.clock = SystemClock()
        self.topic, self.dlq = topic, dead_letter_topic(topic)
        self.kafka_settings = settings_for(kafka)
        self.database = StateDatabase(f"sqlite:///{database_file}", self.clock)
        self.reader = DeadLetterReader(self.kafka_settings, kafka.bootstrap, self.clock, decoder)
        self.producer = AcknowledgedProducer(self.kafka_settings, kafka.bootstrap)

    def __enter__(self):
        self.producer.__enter__()
        return self

    def __exit__(self, *ended):
        self.producer.__exit__(*ended)
        self.database.close()

    async def put(self, message, reason="wrong-magic"):
        error = MessageUndecodableError("no", why="-", next_step="-", context={"reason": reason})
        letters = DeadLetters(self.producer, DeadLetterSettings(), self.clock, group="desk")
        return await letters.put(message, error, 1)

    async def redrive(self, letters=None, *, dry_run=False, stop=lambda: False):
        producer = None if dry_run else self.producer
        limits = {"max_redrives": MAX_REDRIVES, "producer": producer}
        redriver = Redriver(self.topic, self.memory(), self.clock, **limits)
        return await redriver.redrive(self.letters() if letters is None else letters, stop)

    def memory(self):
        return RedriveMemory(self.database, self.clock, self.dlq)

    def letters(self):
        return list(self.reader.read(self.dlq))

    def sent_back(self):
        return list(self.reader.read(self.topic))


@pytest.fixture
def desk(kafka, tmp_path, topic, decoder):
    with Desk(kafka, tmp_path / "state.db", topic, decoder) as desk:
        yield desk


def received(number=0, headers=(), value=b"garbage", partition=None):
    place = ("market.ticks", number % 4 if partition is None else partition, number)
    return Received(*place, 1_600_000_000_000 + number, b"SPY", value, headers)


async def put_all(desk, count, **changes):
    return [await desk.put(received(number, **changes)) for number in range(count)]


keys = st.none() | st.binary(max_size=40)
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
headers = st.lists(
    st.tuples(
        names.filter(lambda name: name not in OURS) | st.just("__connect.errors.topic"), keys
    ),
    max_size=6,
)


def test_any_message_survives_dead_letter_and_redrive_verbatim(tmp_path):
    number = itertools.count()
    with embedded_kafka() as kafka, Desk(kafka, tmp_path / "state.db") as desk:

        @settings(max_examples=40)
        @given(keys, keys, headers, st.integers(1, 4_000_000_000_000), st.integers(0, 3))
        def law(key, value, own, at_ms, partition):
            place = (desk.topic, partition, next(number), at_ms)

            async def there_and_back():
                sent = await desk.put(Received(*place, key, value, own))
                letter = desk.reader.find(sent.topic, f"{sent.partition}-{sent.offset}")
                assert (letter.key, letter.value, letter.timestamp_ms) == (key, value, at_ms)
                assert letter.failure.originals == tuple(own)
                back = (await desk.redrive([letter])).steps[0].sent
                return desk.reader.find(back.topic, f"{back.partition}-{back.offset}")

            back = asyncio.run(there_and_back())
            assert (back.key, back.value, back.timestamp_ms) == (key, value, at_ms)
            assert (back.topic, back.partition) == (desk.topic, partition)
            assert back.headers[:-2] == tuple(own)
            assert [name for name, _ in back.headers[-2:]] == list(OURS)

        law()


async def test_letters_are_read_from_the_first_to_the_present_end(desk):
    assert desk.letters() == []  # no topic yet
    sent = await put_all(desk, 20)
    read = desk.letters()
    assert sorted(one.id for one in read) == sorted(f"{s.partition}-{s.offset}" for s in sent)
    for partition in range(4):
        offsets = [one.offset for one in read if one.partition == partition]
        assert offsets == sorted(offsets)
    assert len(desk.letters()) == 20  # nothing was committed


async def test_a_value_that_is_a_tick_is_decoded(desk, encoder, make_tick):
    sent = await desk.put(received(value=encoder.encode(make_tick(7))))
    assert desk.reader.find(desk.dlq, f"{sent.partition}-{sent.offset}").tick == make_tick(7)


@pytest.mark.provokes("registry-unreachable")
async def test_a_registry_that_is_gone_ends_the_decoding_and_not_the_reading(desk, kafka):
    class Gone:
        asked = 0

        def decode(self, _):
            self.asked += 1
            raise RegistryUnreachableError("gone", why="-", next_step="-")

    await put_all(desk, 5)
    gone = Gone()
    reader = DeadLetterReader(desk.kafka_settings, kafka.bootstrap, desk.clock, gone)
    assert [one.tick for one in reader.read(desk.dlq)] == [None] * 5
    assert gone.asked == 1


@pytest.mark.provokes("dead-letter-not-found")
@pytest.mark.parametrize("identity", ["0-1", "9-0", "17", "a-b", "-1-0", "٣-0"])
async def test_an_id_that_is_none_is_not_found(desk, identity):
    await desk.put(received())
    with pytest.raises(DeadLetterNotFoundError) as raised:
        desk.reader.find(desk.dlq, identity)
    assert raised.value.context["id"] == identity


@pytest.mark.provokes("topic-missing")
def test_a_misspelt_topic_is_no_empty_list(desk):
    desk.reader.require_one(desk.dlq, desk.topic)  # the one that may be missing comes first
    with pytest.raises(TopicMissingError):
        desk.reader.require_one("market.tocks.dlq", "market.tocks")


@pytest.mark.provokes("broker-unreachable")
async def test_a_broker_that_goes_away_while_reading_is_told(desk, kafka):
    await put_all(desk, 4)
    letters = desk.reader.read(desk.dlq)
    kafka.broker_down()
    with pytest.raises(BrokerUnreachableError):
        next(letters)


async def test_all_are_sent_back_once(desk):
    await put_all(desk, 8)
    first, second = await desk.redrive(), await desk.redrive()
    assert (first.count("sent"), second.count("sent"), second.count("already")) == (8, 0, 8)
    back = desk.sent_back()
    assert sorted(one.timestamp_ms for one in back) == [1_600_000_000_000 + n for n in range(8)]
    assert [one.partition for one in back] == [one.timestamp_ms % 4 for one in back]


async def test_a_chosen_letter_is_sent_back_and_the_others_stay(desk):
    sent = await put_all(desk, 8)
    chosen = desk.reader.find(desk.dlq, f"{sent[5].partition}-{sent[5].offset}")
    await desk.redrive([chosen])
    rest = await desk.redrive()
    assert (rest.count("sent"), rest.count("already")) == (7, 1)
    assert len(desk.sent_back()) == 8


async def test_a_dry_run_says_what_a_redrive_would_do_and_does_nothing(desk):
    await put_all(desk, 3)
    planned = await desk.redrive(dry_run=True)
    assert (planned.dry_run, planned.count("planned")) == (True, 3)
    assert desk.sent_back() == []
    assert (await desk.redrive()).count("sent") == 3


async def test_a_topic_made_anew_has_other_letters_at_the_same_ids(desk, tmp_path):
    await put_all(desk, 3)
    assert (await desk.redrive()).count("sent") == 3
    with embedded_kafka() as fresh, Desk(fresh, tmp_path / "state.db") as later:
        await put_all(later, 3)
        assert (await later.redrive()).count("sent") == 3


@pytest.mark.provokes("redrive-loop")
async def test_what_fails_again_and_again_is_refused_and_the_others_go_on(desk):
    loops = (("alchemiser.redrive-count", b"2"),)
    await desk.put(received(0, headers=loops))
    alone = await desk.redrive()
    assert alone.count("loop") == 1
    with pytest.raises(RedriveLoopError) as raised:
        alone.refuse_if_all_loop(MAX_REDRIVES)
    assert raised.value.context["ids"] == ["0-0"]
    await desk.put(received(1))
    both = await desk.redrive()
    assert (both.count("loop"), both.count("sent")) == (1, 1)
    both.refuse_if_all_loop(MAX_REDRIVES)


async def test_a_message_that_never_works_comes_back_only_as_often_as_it_may(desk):
    message = received()
    outcomes = []
    for _ in range(MAX_REDRIVES + 1):
        sent = await desk.put(message)
        letter = desk.reader.find(desk.dlq, f"{sent.partition}-{sent.offset}")
        step = (await desk.redrive([letter])).steps[0]
        outcomes.append((step.outcome, step.redrives))
        if step.sent is not None:
            identity = f"{step.sent.partition}-{step.sent.offset}"
            back = desk.reader.find(desk.topic, identity)
            place = (back.topic, back.partition, back.offset, back.timestamp_ms)
            message = Received(*place, back.key, back.value, back.headers)
    assert outcomes == [("sent", 0), ("sent", 1), ("loop", 2)]
    first = [one.failure.first_failed_at for one in desk.letters()]
    assert len(set(first)) == 1


async def test_a_letter_of_another_topic_is_not_sent_where_its_header_says(desk):
    await desk.put(Received("desk.orders", 0, 0, 1, None, b"buy", ()))
    letters = list(desk.reader.read("desk.orders.dlq"))
    result = await desk.redrive(letters)
    assert result.count("elsewhere") == 1
    assert desk.sent_back() == []


async def test_a_letter_of_spring_goes_back_without_springs_headers(desk):
    spring = [("kafka_dlt-original-topic", b"market.ticks"), ("own", b"1")]
    spring += [("kafka_dlt-original-partition", b"\0\0\0\3"), ("kafka_dlt-exception-fqcn", b"a.B")]
    await desk.producer.send(Outgoing("market.ticks-dlt", b"SPY", b"v", spring, 5))
    await desk.redrive(list(desk.reader.read("market.ticks-dlt")))
    (back,) = desk.sent_back()
    assert (back.partition, back.headers[0], len(back.headers)) == (3, ("own", b"1"), 3)


async def test_stopping_ends_after_the_letter_under_way(desk):
    await put_all(desk, 10)
    asked = itertools.count()
    result = await desk.redrive(stop=lambda: next(asked) == 4)
    assert result.count("sent") == 4
    assert (await desk.redrive()).count("sent") == 6


@pytest.mark.provokes("delivery-failed")
async def test_a_refused_redrive_says_how_far_it_came_and_the_next_one_goes_on(desk, kafka):
    await put_all(desk, 3)
    await desk.producer.same_partition(desk.topic, 0)
    letters = desk.letters()

    def third_is_refused():
        yield from letters[:2]
        kafka.push_errors(0, KafkaError.MSG_SIZE_TOO_LARGE)
        yield letters[2]

    with pytest.raises(DeliveryFailedError) as raised:
        await desk.redrive(third_is_refused())
    assert raised.value.context["redriven"] == 2
    again = await desk.redrive()
    assert (again.count("sent"), again.count("already")) == (1, 2)


async def test_what_was_sent_and_not_remembered_is_sent_again_and_nothing_is_lost(desk):
    class Forgetful(RedriveMemory):
        def remember(self, letter, sent):
            raise ConnectionError("the process dies here")

    await put_all(desk, 3)
    memory = Forgetful(desk.database, desk.clock, desk.dlq)
    limits = {"max_redrives": MAX_REDRIVES, "producer": desk.producer}
    with pytest.raises(ConnectionError):
        await Redriver(desk.topic, memory, desk.clock, **limits).redrive(desk.letters())
    assert (await desk.redrive()).count("sent") == 3
    times = sorted(one.timestamp_ms - 1_600_000_000_000 for one in desk.sent_back())
    assert (set(times), len(times)) == ({0, 1, 2}, 4)


async def test_the_list_is_the_newest_first_and_counts_all(desk):
    await put_all(desk, 9)
    listing = list_letters(desk.reader.read(desk.dlq), desk.memory(), limit=3)
    assert listing.total == 9
    assert [one.letter.failure.offset for one in listing.letters] == [8, 7, 6]
    await desk.redrive([listing.letters[0].letter])
    after = list_letters(desk.reader.read(desk.dlq), desk.memory(), limit=1)
    assert (after.redriven, after.letters[0].redriven_at_ns is not None) == (1, True)
    rest = list_letters(desk.reader.read(desk.dlq), desk.memory(), limit=1, open_only=True)
    assert (rest.total, rest.letters[0].letter.failure.offset) == (8, 7)


async def test_letters_are_chosen_and_counted_by_reason(desk):
    for number, reason in enumerate(["truncated", "wrong-magic", "wrong-magic"]):
        await desk.put(received(number), reason)
    chosen = Selection(reason="truncated").among(desk.letters())
    assert [one.failure.offset for one in chosen] == [0]
    assert list(Selection(code="usage").among(desk.letters())) == []
    counts = count_by_reason(desk.letters(), desk.memory())
    assert [(one.reason, one.count) for one in counts] == [("wrong-magic", 2), ("truncated", 1)]
    assert counts[0].example == "2-0"
