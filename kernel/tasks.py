"""https://docs.python.org/3.11/library/asyncio-task.html#task-cancellation, where it gets lost.

`asyncio.wait_for` of Python 3.11 swallows a cancellation that comes in the very turn in which what
it waits for is done (https://github.com/python/cpython/issues/86296). The database driver calls it
for every write to a socket, so that one cancellation in some dozens never arrives: a loop goes on
for ever, and whoever waits for its end waits as long.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

AGAIN_S: Final = 0.5


def checkpoint() -> None:
    """Raise the cancellation that this task was sent and never got; called once in each turn of a loop.

    Raises:
        asyncio.CancelledError: somebody has asked this task to end.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def stop(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks, again and again until the last of them has ended; what they raised is theirs."""
    unfinished = {task for task in tasks if not task.done()}
    while unfinished:
        for task in unfinished:
            task.cancel()
        _, unfinished = await asyncio.wait(unfinished, timeout=AGAIN_S)
