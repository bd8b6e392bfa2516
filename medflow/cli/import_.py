"""`medflow import`: take in what lies in files, through the same door as everything else."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from medflow.cli import session

if TYPE_CHECKING:
    from medflow.importing.intake import Report


@click.command(name="import")
@click.argument(
    "paths", nargs=-1, required=True, metavar="PATH…", type=click.Path(exists=True, path_type=Path)
)
@click.option("--again", is_flag=True, help="Create anew what the same file created before.")
@session.as_json
def command(paths: tuple[Path, ...], again: bool, as_json: bool) -> None:
    """Import FHIR bundles and resources (.json, .ndjson, either with .gz), HL7 v2 messages (.hl7)
    and DICOM files. Folders are searched through and through.

    Files that refer to what comes later are tried again after the others. A transaction that
    creates resources is run once, however often its file is imported.
    """
    started = time.monotonic()
    report = session.run(_import(paths, again=again, as_json=as_json))
    seconds = time.monotonic() - started
    rate = round(report.resources / seconds)
    document = {
        "files": report.files,
        "resources": report.resources,
        "seconds": round(seconds, 3),
        "resources_per_second": rate,
        "repeated": report.repeated,
        "skipped": report.skipped,
        "failed": [{"file": str(it.path), "reason": it.reason} for it in report.failed],
    }
    lines = [
        f"{report.resources} resources from {report.files} files in {seconds:.1f} s, {rate}/s.",
        *([f"{report.repeated} of them were made by an import before."] if report.repeated else []),
        *([f"{report.skipped} files of other kinds were passed over."] if report.skipped else []),
        *(f"FAILED {it.path}: {it.reason}" for it in report.failed),
    ]
    session.answer(document, as_json, "\n".join(lines))
    if report.failed:
        session.fail(f"{len(report.failed)} of {report.files} files were not taken in completely.")


async def _import(paths: tuple[Path, ...], *, again: bool, as_json: bool) -> Report:
    from medflow.importing.intake import intake  # noqa: PLC0415 - imports the server

    found = session.settings()
    async with session.parts(found) as parts:
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[resources]} resources"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=as_json,
        ) as progress:
            bar = progress.add_task("Importing", total=None, resources=0)

            def tell(done: int, total: int, resources: int) -> None:
                progress.update(bar, completed=done, total=total, resources=resources)

            ctx = session.administrator("import")
            return await intake(parts, ctx, paths, tell, again=again)
