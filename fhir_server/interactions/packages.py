"""FHIR packages: loading, listing and removing them, for administrators.

https://hl7.org/fhir/R5/packages.html
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fhir_server.interactions import update as updates
from fhir_server.packages import package as packages
from fhir_server.packages.item import KINDS
from fhir_server.packages.manifest import CORE, split
from fhir_server.packages.resolution import Missing, needed_by, resolve, unmet
from fhir_server.smart.scopes import require_administrator
from kernel.errors import Conflict, FhirError, Invalid, NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import IO

    from fhir_server.engine import Engine
    from fhir_server.model import Context
    from fhir_server.packages.catalogue import Catalogue, Shelf
    from fhir_server.packages.manifest import Manifest
    from fhir_server.packages.package import Package
    from fhir_server.packages.resolution import Source
    from fhir_server.store.packages import Loaded

STORED: Final = KINDS - {"NamingSystem"}
"""What can be stored as resources too: what a canonical URL finds again."""


@dataclass(frozen=True, slots=True)
class Added:
    """What an addition did with one package. `changed` is False if it was there already.

    `counts` are its definitions by type; `left_out` says by file what was not taken in and why.
    """

    package: str  # name#version
    changed: bool
    counts: Mapping[str, int]
    left_out: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Addition:
    """What an addition did: each package, those that it pulled in too, and what is missing."""

    packages: tuple[Added, ...]
    missing: tuple[Missing, ...]


@dataclass(frozen=True, slots=True)
class Packaging:
    """What can be done with packages; all but `catalogue` raises Forbidden to non-administrators."""

    engine: Engine

    @property
    def catalogue(self) -> Catalogue:
        """The definitions of all packages, as the engine learnt of them last."""
        return self.engine.catalogue

    async def list(self, ctx: Context) -> list[Loaded]:
        """Return the loaded packages, and those that come with the server."""
        require_administrator(ctx.principal)
        return await self.engine.store.packages.list()

    async def show(self, ctx: Context, key: str) -> Shelf:
        """Return a package with its definitions, by `name#version`, or name if that is enough.

        Raises:
            NotFound: it is not loaded.
            Invalid: it is loaded in several versions.
        """
        require_administrator(ctx.principal)
        shelves = (await self.engine.store.packages.fresh(0)).shelves
        meant = _meant(key, [shelf.manifest for shelf in shelves])
        return next(shelf for shelf in shelves if shelf.manifest is meant)

    async def missing(self, ctx: Context) -> Sequence[Missing]:
        """Return what loaded packages need and is not loaded."""
        return unmet(one.manifest for one in await self.list(ctx))

    async def read(self, ctx: Context, source: IO[bytes] | bytes) -> Package:
        """Return the package in a `.tgz`. Raises BadStructure, TooLarge, Invalid."""
        require_administrator(ctx.principal)
        return await asyncio.to_thread(packages.read, source)  # a large one takes a second

    async def add(
        self,
        ctx: Context,
        given: Sequence[Package],
        sources: Sequence[Source] = (),
        *,
        complete: bool = False,
    ) -> Addition:
        """Load packages, after those that they need and that a source has.

        `complete` refuses what would lack a dependency.

        Raises:
            Conflict: something is missing, and the packages have to be `complete`; or one would
                stand in for what comes with the server.
            FhirError: what a source has cannot be used.
        """
        loaded = await self.list(ctx)
        own = {one.manifest.name for one in loaded if one.builtin}
        for package in given:
            if package.manifest.name in own:
                raise Conflict(f"The package `{package.manifest.name}` comes with the server.")
        manifests = [one.manifest for one in loaded]
        found = await asyncio.to_thread(resolve, given, manifests, sources)
        if complete and found.missing:
            raise Conflict(" ".join(one.hint for one in found.missing))
        done = [await self._add(package) for package in found.packages]
        return Addition(tuple(done), found.missing)

    async def _add(self, package: Package) -> Added:
        # The facts of R4 itself are compiled in; a second copy of them would only take memory.
        core = package.manifest.name == CORE
        changed = False if core else await self.engine.store.packages.add(package)
        left_out = {} if core else package.left_out
        return Added(package.key, changed, packages.counts(package.items), left_out)

    async def remove(self, ctx: Context, key: str, *, force: bool = False) -> str:
        """Remove a package, by `name#version`, or name if that is enough; return which it was.

        Raises:
            NotFound: it is not loaded.
            Invalid: it is loaded in several versions.
            Conflict: it comes with the server, or others need it and nothing forces it.
        """
        loaded = await self.list(ctx)
        manifests = [one.manifest for one in loaded]
        meant = _meant(key, manifests)
        if any(one.builtin and one.manifest is meant for one in loaded):
            raise Conflict(
                f"The package `{meant.key}` comes with the server and cannot be removed."
            )
        needing = needed_by(meant.name, meant.version, manifests)
        if needing and not force:
            listed = ", ".join(f"`{one}`" for one in needing)
            raise Conflict(
                f"The package `{meant.key}` is needed by {listed}. Remove these first, or force it."
            )
        await self.engine.store.packages.remove(meant.key)
        return meant.key

    async def store(
        self, ctx: Context, key: str, types: Sequence[str]
    ) -> tuple[int, dict[str, str]]:
        """Store the definitions of some types as resources too, so that REST has them.

        A SearchParameter becomes one to search with. Each is created, or replaces what has its
        URL. Returns how many are stored, and of the others why not, by URL.

        Raises:
            Invalid: a type that packages do not have.
            NotFound: the package is not loaded.
        """
        for type in types:
            if type not in STORED:
                raise Invalid(
                    f"`{type[:80]}` is not a type that is stored: {', '.join(sorted(STORED))} are."
                )
        shelf = await self.show(ctx, key)
        stored = 0
        refused: dict[str, str] = {}
        await self.engine.fresh()
        for item in shelf.items:
            if item.type in types:
                criteria = [("url", _escaped(item.url))]
                try:
                    await updates.conditional_update(
                        self.engine, ctx, item.type, criteria, item.raw
                    )
                except FhirError as error:
                    refused[item.url] = str(error)
                else:
                    stored += 1
        return stored, refused


def _meant(key: str, manifests: Sequence[Manifest]) -> Manifest:
    """Return the package that a text means. Raises NotFound, Invalid."""
    name, version = split(key)
    found = [one for one in manifests if one.name == name and version in {"", one.version}]
    if not found:
        raise NotFound(f"The package `{key[:200]}` is not loaded.")
    if len(found) > 1:
        listed = ", ".join(f"`{one.key}`" for one in found)
        raise Invalid(f"`{key[:200]}` may be {listed}. Say which.")
    return found[0]


def _escaped(value: str) -> str:
    """Return a value as a search has it. https://hl7.org/fhir/R4/search.html#escaping"""
    for special in "\\,$":
        value = value.replace(special, f"\\{special}")
    return value
