"""A feed delivers every trade once and in order, whatever its connection goes through."""

import pytest

from alchemiser_cli.errors import FeedReconnectsExhaustedError
from alchemiser_cli.market.feeds import FeedPhase


async def test_live_ticks_come_in_order_and_are_marked_so(desk, exchange):
    async with desk(kinds=("trade", "quote", "bar")) as one:
        exchange.trade(count=3)
        exchange.quote(bid=99.0, ask=101.0)
        exchange.bar(minute=29_000_000)
        await one.until(lambda: len(one.items) == 5)
        assert one.client.phase is FeedPhase.LIVE
        assert one.trades == [1, 2, 3]
        assert {item.origin for item in one.items} == {"live"}
        quote, bar = (item.tick for item in one.items[3:])
        assert (quote.bid, quote.ask, quote.price) == (99.0, 101.0, 100.0)
        assert (bar.open, bar.high, bar.low, bar.price, bar.size) == (100, 103, 99, 102, 7.5)
        assert exchange.rest_requests == [], "a feed that is live does not poll"
    assert one.client.phase is FeedPhase.ENDED


@pytest.mark.provokes("websocket-lost")
@pytest.mark.parametrize("fault", ["drop", "close", "close_mid_frame"])
async def test_a_lost_connection_is_renewed_and_nothing_is_missing(fault, desk, exchange):
    async with desk() as one:
        exchange.trade(count=5)
        await one.until(lambda: len(one.trades) == 5)
        getattr(exchange, fault)()
        exchange.trade(count=5)  # while nobody listens
        await one.until(lambda: len(exchange.subscriptions) == 2 and len(one.trades) == 10)
        await one.until(lambda: one.client.counts.connections == 2)
        exchange.trade()
        await one.until(lambda: one.client.phase is FeedPhase.LIVE and len(one.trades) == 11)
        exchange.trade(count=4)
        await one.until(lambda: len(one.trades) == 15)
        assert one.trades == list(range(1, 16))
        assert one.origins()[:5] == ["live"] * 5
        assert set(one.origins()[5:10]) <= {"replayed", "polled"}
        assert one.origins()[11:] == ["live"] * 4
        assert one.codes() == ["websocket-lost"]
        assert one.client.counts.missing == 0
        assert exchange.subscriptions == [["btcusdt@trade"]] * 2, "it subscribed again"


@pytest.mark.provokes("websocket-lost")
async def test_while_the_venue_refuses_the_feed_polls_and_then_goes_live_again(desk, exchange):
    async with desk() as one:
        exchange.trade()
        await one.until(lambda: one.trades == [1])
        exchange.refuse()
        exchange.drop()
        await one.until(lambda: exchange.refused >= 3)
        assert one.client.phase in (FeedPhase.WAITING, FeedPhase.CONNECTING)
        exchange.trade(count=4)
        await one.until(lambda: len(one.trades) == 5)
        assert one.origins() == ["live"] + ["polled"] * 4
        assert one.client.counts.fallback_ratio == pytest.approx(0.8)
        assert any("HTTP 503" in error.why for error in one.errors)
        exchange.refuse(0)
        await one.until(lambda: one.client.phase is FeedPhase.PROVING)
        await one.until(lambda: len(exchange.subscriptions) == 2)
        exchange.trade(count=3)
        await one.until(lambda: one.client.phase is FeedPhase.LIVE and len(one.trades) == 8)
        assert one.trades == list(range(1, 9))
        assert "live" in one.origins()[5:]


@pytest.mark.provokes("feed-silent")
async def test_a_stalled_connection_is_renewed_although_its_socket_stands(desk, exchange):
    async with desk(silence_s=0.3) as one:
        exchange.trade(count=2)
        await one.until(lambda: len(one.trades) == 2)
        exchange.stall()
        exchange.trade(count=2)
        await one.until(lambda: "feed-silent" in one.codes())
        assert "websocket-lost" not in one.codes(), "the socket stood"
        exchange.go_on()
        await one.until(lambda: one.client.counts.connections >= 2 and len(one.trades) == 4)
        exchange.trade()
        await one.until(lambda: len(one.trades) == 5)
        assert one.trades == [1, 2, 3, 4, 5]
        assert one.client.counts.silences >= 1


@pytest.mark.provokes("feed-silent")
async def test_one_symbol_that_stops_is_noticed_while_the_others_come(desk, exchange):
    async with desk(symbols=("BTCUSDT", "ETHUSDT"), silence_s=0.3) as one:
        exchange.keep_trading("BTCUSDT", every_s=0.01)
        exchange.trade("ETHUSDT", count=50)
        await one.until(lambda: one.errors)
        assert one.errors[0].code == "feed-silent"
        assert one.errors[0].context["symbol"] == "ETHUSDT"


@pytest.mark.provokes("websocket-lost")
async def test_a_half_open_socket_is_found_by_its_missing_pong(desk, exchange, binance):
    from dataclasses import replace

    binance.rules = replace(binance.rules, ping_interval_s=0.1, ping_timeout_s=0.2)
    async with desk(venue=binance) as one:
        exchange.trade()
        await one.until(lambda: one.trades == [1])
        exchange.freeze()
        await one.until(lambda: one.client.counts.connections == 2)
        assert "1011" in one.errors[0].why


@pytest.mark.provokes("feed-message-invalid")
async def test_garbage_is_counted_and_the_feed_goes_on(desk, exchange):
    garbage = [
        "",
        "null",
        "[]",
        "{",
        '{"stream":"x@trade","data":{}}',
        b"\xff\x00\x01",
        "9" * 5_000,
    ]
    garbage += ['{"id":1,"error":{"code":2,"msg":"Invalid request"}}', "[" * 20_000]
    async with desk() as one:
        exchange.trade()
        for message in garbage:
            exchange.send(message)
        exchange.trade()
        await one.until(lambda: len(one.trades) == 2)
        assert one.client.counts.invalid == len(garbage)
        assert one.codes() == ["feed-message-invalid"], "one report a second is enough"
        assert one.client.counts.connections == 1


@pytest.mark.provokes("feed-message-invalid")
async def test_a_plugin_that_raises_costs_one_message(desk, exchange, binance):
    parse = type(binance).parse

    class Flawed(type(binance)):
        def parse(self, message, received_ns):
            if b'"t": 2' in message:
                raise KeyError("p")
            return parse(self, message, received_ns)

    async with desk(venue=Flawed()) as one:
        exchange.trade(count=3)
        await one.until(lambda: len(one.trades) == 2)
        assert one.trades == [1, 3]
        assert one.client.counts.missing == 1
        assert "KeyError" in one.errors[0].why


async def test_a_flood_is_delivered_whole_where_the_buffer_takes_it(desk, exchange):
    async with desk(max_buffered=20_000) as one:
        exchange.trade(count=5_000)
        await one.until(lambda: len(one.trades) == 5_000)
        assert one.trades == list(range(1, 5_001))
        assert one.client.counts.dropped == 0


async def test_a_flood_beyond_the_buffer_drops_the_oldest_and_says_how_many(desk, exchange):
    async with desk(max_buffered=100) as one:
        exchange.trade(count=1_000)
        await one.untouched(lambda: one.client.counts.live == 1_000)
        await one.until(lambda: len(one.items) == 100)
        assert one.trades == list(range(901, 1_001))
        assert one.client.counts.dropped == 900


@pytest.mark.provokes("feed-reconnects-exhausted")
async def test_a_feed_ends_when_its_budget_of_attempts_is_used_up(desk, exchange):
    async with desk(max_attempts=5, max_backoff_s=0.01, poll_interval_s=60) as one:
        exchange.trade()
        await one.until(lambda: one.trades == [1])
        exchange.refuse()
        exchange.drop()
        with pytest.raises(FeedReconnectsExhaustedError) as caught:
            await one.until(lambda: False)
        assert exchange.refused == 5
        assert one.client.phase is FeedPhase.ENDED
        assert one.client.counts.reconnect_attempts == 5
        assert caught.value.context["last"] == "websocket-lost"
        with pytest.raises(FeedReconnectsExhaustedError):
            async for _ in one.client:
                pass


@pytest.mark.provokes("websocket-lost")
async def test_a_port_where_nobody_listens_is_refused_with_its_reason(desk, unused_tcp_port):
    async with desk(subscribed=False, url=f"ws://127.0.0.1:{unused_tcp_port}") as one:
        await one.until(lambda: one.errors)
        assert "ConnectionRefused" in one.errors[0].why
        assert "127.0.0.1" in one.errors[0].what


@pytest.mark.provokes("feed-rest-failed")
async def test_a_rest_outage_is_told_once_and_ends(desk, exchange):
    async with desk() as one:
        exchange.trade()
        await one.until(lambda: one.trades == [1])
        exchange.answer_rest_with(500)
        exchange.refuse()
        exchange.drop()
        await one.until(lambda: one.client.counts.rest_failures >= 3)
        assert one.codes().count("feed-rest-failed") == 1
        exchange.answer_rest_with(200)
        exchange.trade(count=2)
        await one.until(lambda: len(one.trades) == 3)
        assert one.origins() == ["live", "polled", "polled"]


async def test_rest_that_never_answers_holds_live_data_up_only_so_long(desk, exchange):
    async with desk(connect_timeout_s=0.3) as one:
        exchange.trade()
        await one.until(lambda: one.trades == [1])
        exchange.stall_rest()
        exchange.drop()
        await one.until(lambda: len(exchange.subscriptions) == 2)
        exchange.trade(count=3)
        await one.until(lambda: len(one.trades) == 4)
        assert one.origins() == ["live"] * 4
        assert one.trades == [1, 2, 3, 4]


async def test_a_trade_that_the_venue_sends_twice_is_delivered_once(desk, exchange):
    again = '{"stream":"btcusdt@trade","data":{"s":"BTCUSDT","t":1,"p":"101.0","q":"1","T":1}}'
    async with desk() as one:
        exchange.trade()
        exchange.send(again)
        exchange.trade()
        await one.until(lambda: len(one.trades) == 2)
        assert one.trades == [1, 2]
        assert one.client.counts.duplicates == 1


async def test_subscribing_by_message_works_too_and_is_repeated(desk, exchange, binance):
    import json

    class ByMessage(type(binance)):
        def stream_url(self, base, subscription):
            return f"{base}/stream"

        def subscribe_messages(self, subscription):
            names = [f"{symbol.lower()}@trade" for symbol in subscription.symbols]
            return [json.dumps({"method": "SUBSCRIBE", "params": names, "id": 1})]

    async with desk(venue=ByMessage(), symbols=("BTCUSDT", "ETHUSDT")) as one:
        wanted = ["btcusdt@trade", "ethusdt@trade"]
        await one.until(lambda: exchange.subscriptions == [wanted])
        exchange.drop()
        await one.until(lambda: exchange.subscriptions == [wanted, wanted])
        assert one.client.counts.invalid == 0, "an acknowledgement carries no tick"


async def test_a_polled_feed_begins_with_the_newest_tick_and_not_with_history(desk, exchange):
    exchange.trade(count=500)
    exchange.refuse()
    async with desk(subscribed=False) as one:
        await one.until(lambda: one.trades == [500])
        exchange.trade(count=3)
        await one.until(lambda: len(one.trades) == 4)
        assert one.trades == [500, 501, 502, 503]


async def test_the_metrics_tell_what_happens(desk, exchange):
    from alchemiser_cli.settings import TelemetrySettings
    from alchemiser_cli.telemetry import open_telemetry

    telemetry = open_telemetry(TelemetrySettings())

    def value(name, **labels):
        return telemetry.registry.get_sample_value(name, {"feed": "spot", **labels})

    async with desk(telemetry=telemetry, silence_s=0.5, symbols=("BTCUSDT", "ETHUSDT")) as one:
        exchange.keep_trading("BTCUSDT", every_s=0.01)
        await one.until(lambda: value("ws_connected", symbol="BTCUSDT") == 1)
        assert value("ws_connected", symbol="ETHUSDT") == 0
        assert value("ws_last_msg_age_seconds", symbol="BTCUSDT") < 1
        exchange.refuse(3)
        exchange.drop()
        await one.until(lambda: (value("ws_reconnect_attempts_total") or 0) >= 3)
        await one.until(lambda: (value("ws_rest_fallback_ratio") or 0) > 0)
        await one.until(lambda: value("feed_ticks_total", origin="polled"))
        await one.until(lambda: value("ws_connected", symbol="BTCUSDT") == 1)
    assert value("ws_connected", symbol="BTCUSDT") == 0
