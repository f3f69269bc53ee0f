"""Every fault point of the core, and what each can do.

The list stands in one place so that it can be read without loading what it breaks. A test holds it
to the code: each place is asked for by one module at least, and strikes in a test.
"""

from alchemiser_cli.faults.fault import FaultKind
from alchemiser_cli.faults.target import FaultTarget

__all__ = ["CATALOGUE"]

_DELAY, _HANG, _KILL = FaultKind.DELAY, FaultKind.HANG, FaultKind.KILL
_CORRUPT, _DROP, _DUPLICATE = FaultKind.CORRUPT, FaultKind.DROP, FaultKind.DUPLICATE

_STREAMING = (
    FaultTarget(
        name="streaming.fetch",
        summary="messages as they come from the broker",
        errors=("broker-unreachable",),
        kinds=(_DELAY, _HANG, _DROP, _DUPLICATE, _KILL),
    ),
    FaultTarget(
        name="streaming.decode",
        summary="the bytes of a message before they are decoded",
        errors=("message-undecodable",),
        kinds=(_DELAY, _CORRUPT, _KILL),
    ),
    FaultTarget(
        name="streaming.handle",
        summary="a message on its way to what works on it",
        errors=("message-processing-failed", "service-unreachable"),
        kinds=(_DELAY, _HANG, _KILL),
    ),
    FaultTarget(
        name="streaming.commit",
        summary="offsets before they are committed",
        errors=("broker-unreachable",),
        kinds=(_DELAY, _HANG, _DROP, _KILL),
    ),
    FaultTarget(
        name="streaming.produce",
        summary="a message before it is handed to the producer",
        errors=("delivery-failed", "broker-unreachable"),
        kinds=(_DELAY, _CORRUPT, _DROP, _DUPLICATE, _KILL),
    ),
    FaultTarget(
        name="registry.get",
        summary="a question to the schema registry",
        errors=("registry-unreachable", "schema-not-found"),
        kinds=(_DELAY, _HANG),
    ),
    FaultTarget(
        name="feed.receive",
        summary="a frame from the exchange",
        errors=("websocket-lost",),
        kinds=(_DELAY, _HANG, _CORRUPT, _DROP, _DUPLICATE, _KILL),
    ),
)

_WEIGHTS = (
    FaultTarget(
        name="shm.write.mid-copy",
        summary="half of a record is in the slot, the other half is not",
        kinds=(_DELAY, _HANG, _CORRUPT, _KILL),
    ),
    FaultTarget(
        name="shm.publish",
        summary="a whole record before its generation is published",
        resources=("disk-full",),
        kinds=(_DELAY, _HANG, _DROP, _KILL),
    ),
    FaultTarget(
        name="shm.read",
        summary="a record before a reader checks it",
        kinds=(_DELAY, _CORRUPT),
    ),
)

_LEARNING = (
    FaultTarget(
        name="rl.env.step",
        summary="a step of the environment; spoiled market data is not a number",
        errors=("chain-data-insufficient",),
        kinds=(_DELAY, _HANG, _CORRUPT, _KILL),
    ),
    FaultTarget(
        name="rl.learn",
        summary="a gradient step; a spoiled batch holds what is not a number",
        resources=("no-memory",),
        kinds=(_DELAY, _CORRUPT, _KILL),
    ),
    FaultTarget(
        name="rl.save",
        summary="a checkpoint or a model before it is written",
        resources=("disk-full", "input-output"),
        kinds=(_DELAY, _KILL),
    ),
    FaultTarget(
        name="rl.track",
        summary="a call of the tracking server",
        errors=("tracking-unreachable",),
        kinds=(_DELAY, _HANG),
    ),
)

_TRADING = (
    FaultTarget(
        name="trading.strategy",
        summary="a strategy before it sees a tick",
        errors=("strategy-failed",),
        kinds=(_DELAY, _HANG),
    ),
    FaultTarget(
        name="trading.risk",
        summary="a signal before it is judged",
        errors=("internal-error",),
        kinds=(_DELAY, _KILL),
    ),
    FaultTarget(
        name="trading.broker.submit",
        summary="an order on its way to the broker",
        errors=("order-rejected", "order-outcome-unknown", "service-unreachable", "rate-limited"),
        kinds=(_DELAY, _HANG, _KILL),
    ),
    FaultTarget(
        name="audit.append",
        summary="a line before it is written to the audit trail",
        resources=("disk-full", "input-output"),
        kinds=(_DELAY, _KILL),
    ),
)

_HOUSE = (
    FaultTarget(
        name="notify.send",
        summary="a notification on its way to its channel",
        errors=("notification-failed", "rate-limited"),
        kinds=(_DELAY, _HANG, _KILL),
    ),
    FaultTarget(
        name="state.write",
        summary="a transaction of the state database before it begins",
        errors=("state-unreachable",),
        resources=("database-locked", "disk-full", "input-output"),
        kinds=(_DELAY, _KILL),
    ),
    FaultTarget(
        name="clock.skew",
        summary="the wall clock; deadlines and durations are not touched",
        kinds=(FaultKind.SKEW,),
    ),
)

_API_ERRORS = {
    "produce": ("NOT_LEADER_FOR_PARTITION", "NOT_ENOUGH_REPLICAS", "REQUEST_TIMED_OUT"),
    "fetch": ("NOT_LEADER_FOR_PARTITION", "OFFSET_OUT_OF_RANGE", "UNKNOWN_TOPIC_OR_PART"),
    "metadata": ("LEADER_NOT_AVAILABLE", "UNKNOWN_TOPIC_OR_PART"),
    "list-offsets": ("NOT_LEADER_FOR_PARTITION", "LEADER_NOT_AVAILABLE"),
    "find-coordinator": ("COORDINATOR_NOT_AVAILABLE",),
    "join-group": ("COORDINATOR_LOAD_IN_PROGRESS", "NOT_COORDINATOR", "REBALANCE_IN_PROGRESS"),
    "heartbeat": ("REBALANCE_IN_PROGRESS", "UNKNOWN_MEMBER_ID", "ILLEGAL_GENERATION"),
    "offset-commit": ("COORDINATOR_LOAD_IN_PROGRESS", "NOT_COORDINATOR", "ILLEGAL_GENERATION"),
    "offset-fetch": ("COORDINATOR_LOAD_IN_PROGRESS", "NOT_COORDINATOR"),
}

_BROKER = (
    FaultTarget(
        name="broker.connections",
        summary="the embedded Kafka's brokers close their connections and take no new ones",
        kinds=(FaultKind.DOWN,),
        is_condition=True,
    ),
    FaultTarget(
        name="broker.round-trip",
        summary="every answer of the embedded Kafka comes later",
        kinds=(_DELAY,),
        is_condition=True,
    ),
    FaultTarget(
        name="broker.leader",
        summary="partitions of the embedded Kafka change their leader",
        kinds=(FaultKind.MOVE,),
        is_condition=True,
    ),
    FaultTarget(
        name="broker.records",
        summary="the embedded Kafka loses the oldest records of its partitions",
        kinds=(FaultKind.DELETE,),
        is_condition=True,
    ),
    *(
        FaultTarget(
            name=f"broker.{api}",
            summary=f"the embedded Kafka answers {api} requests with an error of the protocol",
            answers=answers,
            is_condition=True,
        )
        for api, answers in _API_ERRORS.items()
    ),
)

CATALOGUE = (*_STREAMING, *_WEIGHTS, *_LEARNING, *_TRADING, *_HOUSE, *_BROKER)
