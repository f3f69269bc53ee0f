"""A consumer to be killed: appends the place of each message that it has worked off to a file.

Arguments: bootstrap, folder of the schema registry, topic, group, commit interval in seconds, and
the file. A line is partition, offset, sequence and the monotonic time in nanoseconds; it is
written by one unbuffered append, so what is in the file was worked off, whenever death comes.
"""

import asyncio
import os
import sys
import time

from alchemiser_cli.clock import SystemClock
from alchemiser_cli.settings.sections import ConsumerSettings, KafkaSettings, RegistrySettings
from alchemiser_cli.streaming import Consumer, open_registry

IDLE_S = 3.0
CALLBACK_S = 0.002


def main(bootstrap: str, schemas: str, topic: str, group: str, interval_s: str, path: str) -> None:
    """Consume until nothing came for a while."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    clock = SystemClock()
    consumer = Consumer(
        KafkaSettings(mode="external", bootstrap=bootstrap, request_timeout_s=5.0),
        ConsumerSettings(
            group=group, commit_interval_s=float(interval_s), batch_size=50, max_buffered=200
        ),
        bootstrap,
        topic,
        open_registry(RegistrySettings(), f"file:{schemas}"),
        clock,
    )

    async def append(tick, received):
        await asyncio.sleep(CALLBACK_S)  # allow no-bare-sleep: work that takes its time
        place = f"{received.partition} {received.offset}"
        os.write(file, f"{place} {tick.sequence} {time.monotonic_ns()}\n".encode())

    asyncio.run(consumer.run(append, until_idle_s=IDLE_S))


if __name__ == "__main__":
    main(*sys.argv[1:])
