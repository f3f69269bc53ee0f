"""Raw messages of an event topic to work: passed over by their headers, or decoded."""

from collections.abc import Collection, Sequence

import msgspec
from confluent_kafka import Message

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors import MessageUndecodableError
from alchemiser_cli.faults import Armed, fault_point
from alchemiser_cli.market.envelope import EventEnvelope
from alchemiser_cli.streaming.envelopes import EVENT_TYPE_HEADER, EnvelopeDecoder, header_text
from alchemiser_cli.streaming.intake import Leases, Transit, ours, received_from
from alchemiser_cli.streaming.lanes import WorkItem
from alchemiser_cli.streaming.poisoning import marked
from alchemiser_cli.streaming.positions import StartPositions
from alchemiser_cli.streaming.received import Received
from alchemiser_cli.streaming.spoiling import misframed

__all__ = ["EventIntake"]

_DECODE = fault_point("streaming.decode")


class EventIntake:
    """Makes a ``WorkItem`` of each message; those of other types stay undecoded."""

    def __init__(
        self,
        topic: str,
        decoder: EnvelopeDecoder,
        event_types: Collection[str] | None,
        positions: StartPositions,
        clock: Clock,
        transit: Transit | None,
    ) -> None:
        """Decode events of ``event_types``, or all where that is None."""
        self._topic = topic
        self._decoder = decoder
        self._event_types = None if event_types is None else frozenset(event_types)
        self._positions = positions
        self._clock = clock
        self._transit = transit

    def take(self, messages: Sequence[Message], leases: Leases) -> tuple[int, list[WorkItem]]:
        """Return the messages that are ours as work, in their order.

        Raises:
            RegistryUnreachableError: ``registry-unreachable``; nothing was counted yet.
        """
        taken_ns = self._clock.monotonic_ns()
        wanted = ours(messages, leases, self._positions)
        received = [self._received(message) for message in wanted]
        if self._transit is not None:
            for one in received:
                if one.event is not None:
                    self._transit.observe_since(one.event.recorded_at_ns)
        items = [WorkItem(one, leases[one.partition], taken_ns) for one in received]
        return len(items), items

    def _received(self, message: Message) -> Received:
        raw = received_from(self._topic, message)
        told = header_text(raw.headers, EVENT_TYPE_HEADER)
        if told is not None and not self._wants(told):
            return raw
        try:
            if _DECODE.armed is not None:
                event = self._decode_struck(raw.value)
            else:
                event = self._decoder.decode(raw.value)
        except MessageUndecodableError as error:
            marked(error, raw.headers)
            return msgspec.structs.replace(raw, undecodable=error)
        if not self._wants(event.event_type):  # its header was missing
            return raw
        return msgspec.structs.replace(raw, event=event)

    def _decode_struck(self, value: bytes | None) -> EventEnvelope:
        spoiled = False

        def spoil(whole: bytes | None, armed: Armed) -> bytes | None:
            nonlocal spoiled
            spoiled = True
            return misframed(whole, armed)

        (left,) = _DECODE.alter_all([value], spoil)
        try:
            return self._decoder.decode(left)
        except MessageUndecodableError as error:
            error.injected = spoiled
            raise

    def _wants(self, event_type: str) -> bool:
        return self._event_types is None or event_type in self._event_types
