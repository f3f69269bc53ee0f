"""A broker has its own topics, and no other broker's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.errors import EnvelopeIncompleteError, TopicForbiddenError
from alchemiser_cli.streaming.topic_map import KINDS, TopicMap, companion_topic, is_topic_name

brokers = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)


def test_the_topics_of_a_broker_begin_with_its_name():
    topics = TopicMap("paper")
    assert topics.signals_raw == "paper.signals.raw"
    assert topics.signals_validated == "paper.signals.validated"
    assert topics.risk_decisions == "paper.risk.decisions"
    assert (topics.orders, topics.fills) == ("paper.orders", "paper.fills")
    assert topics.positions == "paper.positions"


def test_every_kind_of_topic_has_its_property():
    topics = TopicMap("b")
    assert topics.names == tuple(getattr(topics, kind.replace(".", "_")) for kind in KINDS)


@given(brokers)
def test_kafka_takes_every_topic_of_every_broker(broker):
    topics = TopicMap(broker)
    assert all(is_topic_name(name) and topics.own(name) == name for name in topics.names)


@given(brokers, brokers)
def test_no_two_brokers_share_a_topic_even_as_kafka_compares_names(one, other):
    def compared(broker):
        return {name.replace(".", "_") for name in TopicMap(broker).names}

    if one != other:
        assert not compared(one) & compared(other)


@pytest.mark.provokes("topic-forbidden")
@given(brokers, brokers, st.sampled_from(KINDS), st.text(max_size=8))
def test_a_broker_never_writes_the_topic_of_another_for_any_names(one, other, kind, tail):
    topics = TopicMap(one)
    for topic in (f"{other}.{kind}", f"{other}.{kind}{tail}", f"{one}.{tail}", tail):
        if topic in {f"{one}.{own}" for own in KINDS}:
            assert topics.own(topic) == topic
        else:
            with pytest.raises(TopicForbiddenError):
                topics.own(topic)
    with pytest.raises(TopicForbiddenError):
        topics.own(f"{one}x.{kind}")


@pytest.mark.provokes("topic-forbidden")
def test_a_refusal_names_the_topics_that_are_the_brokers_own():
    with pytest.raises(TopicForbiddenError, match=r"'binance\.orders'") as refused:
        TopicMap("paper").own("binance.orders")
    assert "paper.orders" in refused.value.why


@pytest.mark.provokes("envelope-incomplete")
@pytest.mark.parametrize("broker", ["", "a.b", ".", "..", "a/b", "x" * 65])
def test_what_cannot_be_a_broker_has_no_topics(broker):
    with pytest.raises(EnvelopeIncompleteError):
        TopicMap(broker)


@pytest.mark.parametrize("name", ["a", "a.b", "market.ticks", "A_-9", "x" * 249, "..."])
def test_names_that_kafka_takes(name):
    assert is_topic_name(name)


@pytest.mark.parametrize("name", ["", ".", "..", "a b", "x" * 250, "ä", "a\n"])
def test_names_that_kafka_refuses(name):
    assert not is_topic_name(name)


@pytest.mark.provokes("topic-forbidden")
def test_a_companion_has_the_name_of_its_source():
    assert companion_topic("market.ticks", "dlq") == "market.ticks.dlq"
    with pytest.raises(TopicForbiddenError, match="cannot be a topic"):
        companion_topic("x" * 249, "quarantine")
