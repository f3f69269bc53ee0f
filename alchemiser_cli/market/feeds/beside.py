"""Tasks that run beside a block, and whose failure ends it."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager

__all__ = ["running"]


@asynccontextmanager
async def running(*work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Run ``work`` beside the block and end it with the block.

    What the first of them that fails raises leaves the block as it is, not within a group as
    ``asyncio.TaskGroup`` would have it.
    """
    tasks = [asyncio.create_task(one) for one in work]
    body = asyncio.current_task()
    failed: list[BaseException] = []

    def watch(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            failed.append(error)
            if body is not None:
                body.cancel()

    for task in tasks:
        task.add_done_callback(watch)
    try:
        yield
    except asyncio.CancelledError:
        if failed and body is not None:
            body.uncancel()
            raise failed[0] from None
        raise
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
