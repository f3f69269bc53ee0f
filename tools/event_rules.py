"""The rules of events: none without its type and broker, and none past the envelope."""

import ast
from collections.abc import Iterator

from tools.source import Finding, Source

__all__ = ["events_are_typed", "producers_in_streaming"]

PLACES = ("alchemiser_cli", "plugins", "tools", "benchmarks")
ENVELOPE_MODULES = ("alchemiser_cli.market.envelope", "alchemiser_cli.market")
PRODUCER_MODULES = ("alchemiser_cli.streaming.events", "alchemiser_cli.streaming")
ENVELOPES = {f"{module}.EventEnvelope" for module in ENVELOPE_MODULES}
EVENTS = {f"{module}.event" for module in ENVELOPE_MODULES}
EVENT_PRODUCERS = {f"{module}.EventProducer" for module in PRODUCER_MODULES}
# What writes to a topic without asking for an envelope, and where it may be used.
RAW_PRODUCERS = {
    "confluent_kafka.Producer",
    "confluent_kafka.SerializingProducer",
    "confluent_kafka.aio.AIOProducer",
    "alchemiser_cli.streaming.clients.producer_client",
}
AS_THEY_ARE = {
    "alchemiser_cli.streaming.AcknowledgedProducer",
    "alchemiser_cli.streaming.acknowledged.AcknowledgedProducer",
}
STREAMING = "alchemiser_cli/streaming"
# They give that producer to what sets messages aside or brings them back as they were, and to what
# sends on purpose what no consumer can read.
SENT_AS_THEY_ARE = (
    "alchemiser_cli/pipeline/streams.py",
    "alchemiser_cli/commands/dlq.py",
    "alchemiser_cli/chaos/workloads",
)


def events_are_typed(source: Source) -> Iterator[Finding]:
    """Refuse an event without type or broker, and a ``send`` of what is no event."""
    if not source.within(*PLACES):
        return
    senders = set(_event_senders(source))
    for call in _calls(source):
        name = source.name_of(call.func)
        missing: list[str] = []
        if name in EVENTS:
            missing = _missing(call, ("event_type", "payload"), ("event_type", "broker"))
        elif name in ENVELOPES:
            missing = _missing(call, (), ("event_type", "broker"))
        if missing:
            message = f"{name.rpartition('.')[2] if name else ''} without {' and '.join(missing)}"
            yield Finding(source.path, call.lineno, "events-are-typed", message)
        if _receiver(call, "send") in senders and _is_no_event(call):
            message = "send takes an EventEnvelope, made by event(...)"
            yield Finding(source.path, call.lineno, "events-are-typed", message)


def producers_in_streaming(source: Source) -> Iterator[Finding]:
    """Refuse producing to Kafka outside of streaming, past the envelope.

    A benchmark may, because its baselines do without us.
    """
    if not source.within("alchemiser_cli", "plugins", "tools") or source.within(STREAMING):
        return
    refused = RAW_PRODUCERS | (set() if source.within(*SENT_AS_THEY_ARE) else AS_THEY_ARE)
    for name, node in source.references:
        if name in refused:
            message = f"{name}: events go through EventProducer, ticks through TickProducer"
            yield Finding(source.path, node.lineno, "producers-in-streaming", message)
    for call in _calls(source):
        if isinstance(call.func, ast.Attribute) and call.func.attr in {"produce", "produce_batch"}:
            message = f"{call.func.attr}(...): send through EventProducer or TickProducer"
            yield Finding(source.path, call.lineno, "producers-in-streaming", message)


def _calls(source: Source) -> Iterator[ast.Call]:
    return (node for node in ast.walk(source.tree) if isinstance(node, ast.Call))


def _missing(call: ast.Call, positional: tuple[str, ...], needed: tuple[str, ...]) -> list[str]:
    """Return which of ``needed`` the call leaves out or gives as nothing: None or an empty text.

    What is unpacked into the call is believed to hold them.
    """
    if any(isinstance(argument, ast.Starred) for argument in call.args):
        return []
    given = dict(zip(positional, call.args, strict=False))
    given |= {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    unpacked = any(keyword.arg is None for keyword in call.keywords)
    return [
        name
        for name in needed
        if (name not in given and not unpacked) or _is_nothing(given.get(name))
    ]


def _is_nothing(value: ast.expr | None) -> bool:
    return isinstance(value, ast.Constant) and value.value in (None, "")


def _event_senders(source: Source) -> Iterator[str]:
    """Yield the names that the module gives to an EventProducer."""
    for node in ast.walk(source.tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                made, named = value, name
            case ast.withitem(context_expr=value, optional_vars=ast.Name(id=name)):
                made, named = value, name
            case ast.arg(arg=name, annotation=ast.expr() as kind):
                if source.name_of(kind) in EVENT_PRODUCERS:
                    yield name
                continue
            case _:
                continue
        if isinstance(made, ast.Call) and source.name_of(made.func) in EVENT_PRODUCERS:
            yield named


def _receiver(call: ast.Call, method: str) -> str | None:
    match call.func:
        case ast.Attribute(value=ast.Name(id=name), attr=attr) if attr == method:
            return name
    return None


def _is_no_event(call: ast.Call) -> bool:
    """Tell whether the event, the second argument, is left out or a literal of another kind."""
    if any(isinstance(argument, ast.Starred) for argument in call.args):
        return False
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    if None in given:
        return False
    sent = call.args[1] if len(call.args) > 1 else given.get("event")
    return sent is None or isinstance(sent, ast.Constant | ast.JoinedStr | ast.Dict | ast.List)
