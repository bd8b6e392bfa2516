"""`medflow profiles`: packages of profiles, value sets and other definitions; docs/profiles.md."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kernel.errors import NotFound
from medflow import package_facts
from medflow.cli import session

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fhir_server.interactions.packages import Addition
    from fhir_server.packages.package import Package
    from fhir_server.packages.resolution import Missing, Source
    from fhir_server.store.packages import Loaded
    from kernel.settings import Settings

HOW = (
    "Download them and run `medflow profiles add FILE…`, or put them beside the file that needs"
    " them, or set `MEDFLOW_FHIR__PACKAGE_REGISTRY`. Until then what they define is not checked."
)


@click.group
def command() -> None:
    """Packages of profiles, value sets and other definitions."""


@command.command
@click.argument("packages", metavar="PACKAGE…", nargs=-1, required=True)
@click.option("--strict", is_flag=True, help="Add nothing if something that is needed is missing.")
@click.option(
    "--store",
    "types",
    metavar="TYPE",
    multiple=True,
    help="Also store the definitions of this type as resources, such as SearchParameter.",
)
@session.as_json
def add(packages: tuple[str, ...], strict: bool, types: tuple[str, ...], as_json: bool) -> None:
    """Add packages: files (`.tgz`), or `name#version` from the registry that is set.

    What they need is looked for beside the files, then in the registry.
    """
    found = session.settings()

    async def work() -> tuple[Addition, dict[str, Any]]:
        sources = _sources(found, packages)
        given = [_given(text, sources) for text in packages]  # before a database is started
        async with session.parts(found) as parts:
            caller, door = session.administrator(), parts.service.packages
            done = await door.add(caller, given, sources, complete=strict)
            stored = {one.key: await door.store(caller, one.key, types) for one in given if types}
            return done, stored

    done, stored = session.run(work())
    document = package_facts.addition(done)
    rows = document["packages"]
    for row in rows:
        if row["package"] in stored:
            row["stored"], row["refused"] = stored[row["package"]]
    session.answer(document, as_json, "\n".join(_sentence(row) for row in rows))
    _tell_missing(done.missing)
    _end(rows)


@command.command(name="list")
@session.as_json
def list_(as_json: bool) -> None:
    """List the packages that are there."""

    async def work() -> tuple[list[Loaded], Sequence[Missing]]:
        async with session.parts(session.settings()) as parts:
            caller, door = session.administrator(), parts.service.packages
            return await door.list(caller), await door.missing(caller)

    loaded, missing = session.run(work())
    rows = [package_facts.loaded(one, missing) for one in loaded]
    lines = [
        f"{row['package']}  {sum(row['definitions'].values())}  {row['title']}" for row in rows
    ]
    session.answer(rows, as_json, "\n".join(lines))
    _tell_missing(missing)


@command.command
@click.argument("package")
@session.as_json
def show(package: str, as_json: bool) -> None:
    """List the definitions of a package, `name#version`."""

    async def work() -> Any:
        async with session.parts(session.settings()) as parts:
            return await parts.service.packages.show(session.administrator(), package)

    shelf = session.run(work())
    rows = [
        {"type": one.type, "url": one.url, "version": one.version, "name": one.name}
        for one in shelf.items
    ]
    manifest = shelf.manifest
    document = {
        "package": manifest.key,
        "title": manifest.title,
        "canonical": manifest.canonical,
        "licence": manifest.licence,
        "fhirVersions": list(manifest.fhir_versions),
        "dependencies": dict(manifest.dependencies),
        "definitions": rows,
    }
    lines = [f"{row['type']}  {row['url']}|{row['version']}" for row in rows]
    session.answer(document, as_json, "\n".join(lines) or "None.")


@command.command
@click.argument("package")
@click.option("--force", is_flag=True, help="Even if another package needs it.")
@session.as_json
def remove(package: str, force: bool, as_json: bool) -> None:
    """Remove a package, `name#version`."""

    async def work() -> str:
        async with session.parts(session.settings()) as parts:
            return await parts.service.packages.remove(
                session.administrator(), package, force=force
            )

    removed = session.run(work())
    session.answer({"removed": removed}, as_json, f"Removed `{removed}`.")


@command.command
@session.as_json
def data(as_json: bool) -> None:
    """List the standards' data that this version carries: source, version, licence, checksum."""
    manifest = json.loads((files("profiles") / "manifest.json").read_text("utf-8"))
    session.answer(manifest, as_json, json.dumps(manifest, indent=2, ensure_ascii=False))


def _sources(found: Settings, packages: Sequence[str]) -> list[Source]:
    from medflow.package_sources import Folder, Registry  # noqa: PLC0415 - this command only

    folders = dict.fromkeys(Path(text).parent for text in packages if Path(text).is_file())
    places: list[Source] = [Folder(folder) for folder in folders]
    if registry := found.fhir.package_registry:
        places.append(Registry(registry))
    return places


def _given(text: str, sources: Sequence[Source]) -> Package:
    """Return the package that an argument means: a file, or a name for the sources.

    Raises:
        NotFound: there is no such file, or no source has the package.
        FhirError: it cannot be used.
    """
    from fhir_server.packages.manifest import split  # noqa: PLC0415 - imports the server
    from fhir_server.packages.package import read  # noqa: PLC0415 - imports the server

    if Path(text).is_file():
        with Path(text).open("rb") as opened:
            return read(opened)
    if text.endswith((".tgz", ".tar.gz")) or "/" in text.removeprefix("@"):
        raise NotFound(f"There is no file `{text}`.")
    name, version = split(text)
    found = next((had for one in sources if (had := one.find(name, version)) is not None), None)
    if found is None:
        raise NotFound(
            f"The package `{text}` is nowhere to be had. Download it and give the file, or set"
            " `MEDFLOW_FHIR__PACKAGE_REGISTRY` to a registry that has it."
        )
    return found


def _tell_missing(missing: Sequence[Missing]) -> None:
    if not missing:
        return
    lines = [f"  {one.name}#{one.version}, which `{one.needed_by}` needs" for one in missing]
    click.echo("\n".join(["Not loaded:", *lines, HOW]), err=True)


def _sentence(row: Mapping[str, Any]) -> str:
    verb = "Added" if row["changed"] else "There already:"
    count = sum(row["definitions"].values())
    said = f"{verb} `{row['package']}`, {count} definition{'s' if count != 1 else ''}."
    return f"{said} Stored {row['stored']} as resources." if "stored" in row else said


def _end(rows: Sequence[dict[str, Any]]) -> None:
    """Leave with status 1 if not all was done, and say what was not."""
    left = [
        f"`{name}`: {why}"
        for row in rows
        for name, why in (row["leftOut"] | row.get("refused", {})).items()
    ]
    if left:
        more = f"\n… and {len(left) - 20} more." if len(left) > 20 else ""
        session.fail("Left out:\n" + "\n".join(left[:20]) + more)
