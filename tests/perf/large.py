"""A large store: how long each search page takes, and how much memory the web worker holds.

https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx

from tests.perf import memory
from tests.perf.contender import Server
from tests.perf.corpus import Corpus
from tests.perf.load import Load
from tests.perf.workload import MORE_PAGES, OPERATIONS

UUID = re.compile(rb"[0-9a-f]{8}(?=-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})")
ROWS = 500
"""Entries of a page while all is read."""


@dataclass(frozen=True, slots=True)
class Read:
    """How a walk through all pages went: entries, seconds, MiB before it and at most."""

    rows: int
    seconds: float
    before: float
    most: float


def copies(corpus: Corpus, wanted: int, there: int) -> Iterator[bytes]:
    """Yield the bundles under new ids, again and again, until there are that many resources."""
    for number in itertools.count(1):
        for bundle in corpus.bundles:
            if there >= wanted:
                return
            there += bundle.count(b'"fullUrl"')
            yield _under_new_ids(bundle, number)


def _under_new_ids(bundle: bytes, number: int) -> bytes:
    def other(found: re.Match[bytes]) -> bytes:
        return b"%08x" % (int(found[0], 16) ^ number * 0x9E3779B1 & 0xFFFFFFFF)

    return UUID.sub(other, bundle)


async def pages(server: Server, seconds: float) -> Iterator[tuple[str, Load]]:
    """Ask for each search page with one client; what is not offered is left out."""
    found = []
    for name in (*OPERATIONS[1:], *MORE_PAGES):
        await server.ask(name, 1, 0.2)
        load = await server.ask(name, 1, seconds)
        if load is not None:
            found.append((name, load))
    return iter(found)


async def walk(server: Server, path: str, most: int) -> Read | None:
    """Follow `next` until `most` entries came; None if the server does not offer the path."""
    (root,) = server.pids
    pid = memory.web_worker(root)
    before = highest = memory.resident(pid)
    rows, began = 0, time.perf_counter()
    url: str | None = f"{server.url}/{path}_count={ROWS}"
    async with httpx.AsyncClient(timeout=60) as client:
        while url is not None and rows < most:
            answer = await client.get(url)
            if answer.status_code != 200:
                return None
            page = answer.json()
            rows += len(page.get("entry", ()))
            highest = max(highest, memory.resident(pid))
            url = next((one["url"] for one in page["link"] if one["relation"] == "next"), None)
    return Read(rows, time.perf_counter() - began, before, highest)
