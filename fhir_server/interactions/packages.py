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
from fhir_server.packages.manifest import CORE
from fhir_server.packages.resolution import Missing, needed_by, resolve, unmet
from fhir_server.smart.scopes import require_administrator
from kernel.errors import Conflict, FhirError, Invalid, NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import IO

    from fhir_server.engine import Engine
    from fhir_server.model import Context
    from fhir_server.packages.catalogue import Shelf
    from fhir_server.packages.package import Package
    from fhir_server.packages.resolution import Source
    from fhir_server.store.packages import Loaded

STORED: Final = KINDS - {"NamingSystem"}
"""What can be stored as resources too: what a canonical URL finds again."""


@dataclass(frozen=True, slots=True)
class Added:
    """What an addition did with one package. `changed` is False if it was there already."""

    package: str  # name#version
    changed: bool
    counts: Mapping[str, int]
    left_out: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Addition:
    """What an addition did: each package, those that it pulled in too, and what is missing."""

    packages: tuple[Added, ...]
    missing: tuple[Missing, ...]


async def listing(engine: Engine, ctx: Context) -> list[Loaded]:
    """Return the loaded packages, and those that come with the server. Raises Forbidden."""
    require_administrator(ctx.principal)
    return await engine.store.packages.list()


async def show(engine: Engine, ctx: Context, key: str) -> Shelf:
    """Return a package with its definitions. Raises Forbidden, NotFound."""
    require_administrator(ctx.principal)
    found = (await engine.store.packages.fresh(0)).shelf(key)
    if found is None:
        raise NotFound(f"The package `{key[:200]}` is not loaded.")
    return found


async def read(source: IO[bytes] | bytes) -> Package:
    """Return the package in a `.tgz`. Raises BadStructure, TooLarge, Invalid."""
    return await asyncio.to_thread(packages.read, source)  # a large one takes a second


async def add(
    engine: Engine,
    ctx: Context,
    given: Sequence[Package],
    sources: Sequence[Source] = (),
    *,
    complete: bool = False,
) -> Addition:
    """Load packages, after those that they need and that a source has.

    `complete` refuses what would lack a dependency.

    Raises:
        Forbidden: the caller is no administrator.
        Unprocessable: something is missing, and the packages have to be `complete`.
        FhirError: what a source has cannot be used.
    """
    require_administrator(ctx.principal)
    loaded = [one.manifest for one in await engine.store.packages.list()]
    found = await asyncio.to_thread(resolve, given, loaded, sources)
    if complete and found.missing:
        raise Conflict(" ".join(one.hint for one in found.missing))
    done = [await _add(engine, package) for package in found.packages]
    return Addition(tuple(done), found.missing)


async def _add(engine: Engine, package: Package) -> Added:
    # The facts of R4 itself are compiled in; a second copy of them would only take memory.
    core = package.manifest.name == CORE
    changed = False if core else await engine.store.packages.add(package)
    left_out = {} if core else package.left_out
    return Added(package.key, changed, packages.counts(package.items), left_out)


async def remove(engine: Engine, ctx: Context, key: str, *, force: bool = False) -> None:
    """Remove a package.

    Raises:
        Forbidden: the caller is no administrator.
        NotFound: it is not loaded.
        Conflict: it comes with the server, or others need it and nothing forces it.
    """
    require_administrator(ctx.principal)
    loaded = {one.key: one for one in await engine.store.packages.list()}
    found = loaded.get(key)
    if found is None:
        raise NotFound(f"The package `{key[:200]}` is not loaded.")
    if found.builtin:
        raise Conflict(f"The package `{key}` comes with the server and cannot be removed.")
    manifest = found.manifest
    needing = needed_by(manifest.name, manifest.version, [one.manifest for one in loaded.values()])
    if needing and not force:
        listed = ", ".join(f"`{one}`" for one in needing)
        raise Conflict(f"The package `{key}` is needed by {listed}. Remove these first, or force it.")
    await engine.store.packages.remove(key)


async def missing(engine: Engine, ctx: Context) -> list[Missing]:
    """Return what loaded packages need and is not loaded. Raises Forbidden."""
    require_administrator(ctx.principal)
    return unmet(one.manifest for one in await engine.store.packages.list())


async def store(
    engine: Engine, ctx: Context, key: str, types: Sequence[str]
) -> tuple[int, dict[str, str]]:
    """Store the definitions of some types as resources too, so that REST has them.

    A SearchParameter becomes one to search with. Each is created, or updated where its URL and
    version are there already. Returns how many are stored, and of the others why not, by URL.

    Raises:
        Forbidden: the caller is no administrator.
        Invalid: a type that packages do not have.
        NotFound: the package is not loaded.
    """
    for type in types:
        if type not in STORED:
            raise Invalid(
                f"`{type[:80]}` is not a type that is stored: {', '.join(sorted(STORED))} are."
            )
    shelf = await show(engine, ctx, key)
    stored = 0
    refused: dict[str, str] = {}
    await engine.fresh()
    for item in shelf.items:
        if item.type in types:
            criteria = [("url", item.url), ("version", item.version)]
            try:
                await updates.conditional_update(
                    engine, ctx, item.type, criteria, item.raw, if_match=None
                )
            except FhirError as error:
                refused[item.url] = str(error)
            else:
                stored += 1
    return stored, refused
