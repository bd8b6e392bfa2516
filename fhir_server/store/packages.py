"""Loaded packages in the database, and the catalogue of them as every process knows it.

https://hl7.org/fhir/R5/packages.html

A package is one document, and a document per definition that carries the number of its load `l`.
The package's document is written last and names the load, so that a package is there as a whole or
not at all. Each process looks at those few documents at most once a second, and reads the
definitions of a load that it does not know yet.
"""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from bson import Binary, ObjectId

from fhir_server.packages import ours
from fhir_server.packages.catalogue import Catalogue, Shelf
from fhir_server.packages.item import Item
from fhir_server.packages.manifest import Manifest
from fhir_server.packages.package import counts
from fhir_server.store.patience import PATIENCE_S, patience
from kernel import log
from kernel.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fhir_server.packages.package import Package
    from fhir_server.store.mongo import Collections

Document = dict[str, Any]

FRESH_S: Final = 1.0
TOGETHER: Final = 200
"""Definitions sent at once: some megabytes."""
ABANDONED: Final = timedelta(hours=1)
"""How long a load that no package names may still be one that goes on."""
_log = log.get("packages")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A package that is there. `added` is when; `counts` are its definitions by type."""

    manifest: Manifest
    counts: Mapping[str, int]
    added: datetime | None = None
    builtin: bool = False

    @property
    def key(self) -> str:
        return self.manifest.key


class Packages:
    """Keeps packages; `fresh` is called before anything that depends on them."""

    def __init__(self, collections: Collections, patience_s: float = PATIENCE_S) -> None:
        self._packages = collections.packages
        self._definitions = collections.definitions
        self._patience_s = patience_s
        self._read_at = -math.inf
        self._reading = asyncio.Lock()
        self._shelves: dict[ObjectId, Shelf] = {}
        self._catalogue: Catalogue | None = None

    @property
    def catalogue(self) -> Catalogue:
        """All definitions, as `fresh` found them; another object once a package comes or goes."""
        if self._catalogue is None:
            self._catalogue = Catalogue.of([ours.shelf()])
        return self._catalogue

    async def fresh(self, within_s: float = FRESH_S) -> Catalogue:
        """Return the catalogue; look for changes if that was not done for `within_s`."""
        if time.monotonic() - self._read_at >= within_s:
            async with self._reading:
                if time.monotonic() - self._read_at >= within_s:
                    async with patience(self._patience_s):
                        whole = await self._read()
                    self._read_at = time.monotonic() if whole else -math.inf
        return self.catalogue

    async def add(self, package: Package) -> bool:
        """Keep a package, in place of one of the same name and version.

        Returns False if it was there with the same content.
        """
        async with patience(self._patience_s):
            kept = await self._packages.find_one({"_id": package.key}, {"digest": 1})
        if kept is not None and kept["digest"] == package.digest:
            return False
        load = ObjectId()
        for start in range(0, len(package.items), TOGETHER):
            some = package.items[start : start + TOGETHER]
            async with patience(self._patience_s):
                await self._definitions.insert_many(
                    [_stored(load, one) for one in some], ordered=False
                )
        async with patience(self._patience_s):
            replaced = await self._packages.find_one_and_replace(
                {"_id": package.key}, _head(load, package), upsert=True
            )
            await self._sweep(replaced)
        self._read_at = -math.inf
        _log.info("package.added", package=package.key, definitions=len(package.items))
        return True

    async def remove(self, key: str) -> None:
        """Forget a package, `name#version`. Raises NotFound."""
        async with patience(self._patience_s):
            removed = await self._packages.find_one_and_delete({"_id": key})
            if removed is None:
                raise NotFound(f"The package `{key[:200]}` is not loaded.")
            await self._sweep(removed)
        self._read_at = -math.inf
        _log.info("package.removed", package=key)

    async def list(self) -> list[Loaded]:
        """Return what is loaded, in the order of names, and what comes with the server."""
        own = ours.shelf()
        async with patience(self._patience_s):
            stored = await self._packages.find(sort=[("_id", 1)]).to_list()
        return [
            Loaded(own.manifest, counts(own.items), builtin=True),
            *(Loaded(_manifest(one), one["counts"], one["added"]) for one in stored),
        ]

    async def _read(self) -> bool:
        """Read what is new. Returns False if a package went while it was read: look again."""
        heads = await self._packages.find(sort=[("_id", 1)]).to_list()
        if {head["l"] for head in heads} == self._shelves.keys() and self._catalogue is not None:
            return True
        shelves: dict[ObjectId, Shelf] = {}
        whole = True
        for head in heads:
            shelf = self._shelves.get(head["l"]) or await self._shelf(head)
            if len(shelf.items) == head["n"]:
                shelves[head["l"]] = shelf
            else:
                whole = False
        self._shelves = shelves
        self._catalogue = Catalogue.of([ours.shelf(), *shelves.values()])
        _log.info("packages.read", packages=len(shelves))
        return whole

    async def _shelf(self, head: Document) -> Shelf:
        cursor = self._definitions.find({"l": head["l"]}, sort=[("_id", 1)])
        return Shelf(_manifest(head), tuple([_item(stored) async for stored in cursor]))

    async def _sweep(self, gone: Document | None) -> None:
        """Remove the definitions of a package that is gone, and those of loads that failed."""
        if gone is not None:
            await self._definitions.delete_many({"l": gone["l"]})
        loads = [head["l"] for head in await self._packages.find({}, {"l": 1}).to_list()]
        before = ObjectId.from_datetime(datetime.now(UTC) - ABANDONED)
        await self._definitions.delete_many({"l": {"$nin": loads, "$lt": before}})


def _head(load: ObjectId, package: Package) -> Document:
    manifest = package.manifest
    return {
        "_id": package.key,
        "l": load,
        "n": len(package.items),
        "digest": package.digest,
        "added": datetime.now(UTC),
        "counts": counts(package.items),
        "name": manifest.name,
        "version": manifest.version,
        "title": manifest.title,
        "canonical": manifest.canonical,
        "licence": manifest.licence,
        "fhir": list(manifest.fhir_versions),
        # Pairs: a name of a package has dots, which a field should not.
        "dependencies": [list(pair) for pair in manifest.dependencies.items()],
    }


def _manifest(head: Document) -> Manifest:
    pairs: Sequence[tuple[str, str]] = head["dependencies"]
    return Manifest(
        head["name"],
        head["version"],
        head["title"],
        head["canonical"],
        head["licence"],
        tuple(head["fhir"]),
        dict(pairs),
    )


def _stored(load: ObjectId, one: Item) -> Document:
    return {
        "l": load,
        "t": one.type,
        "u": one.url,
        "v": one.version,
        "c": one.name,
        "i": one.id,
        "p": one.profile_of,
        "b": Binary(one.packed),
    }


def _item(stored: Document) -> Item:
    return Item(
        stored["t"],
        stored["u"],
        stored["v"],
        stored["c"],
        stored["i"],
        stored["p"],
        bytes(stored["b"]),
    )
