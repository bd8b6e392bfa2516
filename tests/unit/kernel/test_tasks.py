"""https://docs.python.org/3.11/library/asyncio-task.html#task-cancellation"""

from __future__ import annotations

import asyncio

import pytest

from kernel import tasks


async def deaf(times: int) -> None:
    """Swallow as many cancellations as it is told, as `wait_for` does; then go on for ever."""
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            times -= 1
            if times < 0:
                raise


async def looping() -> None:
    """Lose one cancellation and look for it in the next turn."""
    lost = False
    while True:
        tasks.checkpoint()
        try:
            await asyncio.sleep(0 if lost else 60)
        except asyncio.CancelledError:
            lost = True


async def test_stop_asks_again_until_the_task_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "AGAIN_S", 0.01)
    one, other = asyncio.create_task(deaf(3)), asyncio.create_task(deaf(0))
    await asyncio.sleep(0)

    await tasks.stop(one, other)

    assert one.cancelled()
    assert other.cancelled()


async def test_stop_leaves_what_a_task_raised_to_the_task() -> None:
    async def fails() -> None:
        raise ValueError("mine")

    task = asyncio.create_task(fails())
    await asyncio.wait([task])

    await tasks.stop(task)

    with pytest.raises(ValueError, match="mine"):
        task.result()


async def test_a_checkpoint_raises_the_cancellation_that_was_lost() -> None:
    task = asyncio.create_task(looping())
    await asyncio.sleep(0)

    task.cancel()
    await asyncio.wait([task], timeout=5)

    assert task.cancelled()


async def test_a_checkpoint_lets_a_task_pass_that_nobody_stopped() -> None:
    tasks.checkpoint()
