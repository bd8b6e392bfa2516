"""`medflow restore`: what `medflow backup` wrote, into an empty database; docs/backup.md."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from medflow import endpoints
from medflow.cli import session

if TYPE_CHECKING:
    from medflow.backup.save import Saved


@click.command
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@session.as_json
def command(file: Path, as_json: bool) -> None:
    """Put what FILE holds into an empty database and archive, all of it or nothing.

    No server may run on the data directory.
    """
    saved = session.run(_restore(file, as_json))
    count = sum(saved.documents.values())
    text = f"{count} documents and {saved.images} images, as of {saved.taken}."
    session.answer({"file": str(file)} | asdict(saved), as_json, text)


async def _restore(file: Path, as_json: bool) -> Saved:
    from medflow.archive import archive  # noqa: PLC0415 - imports the server
    from medflow.backup.progress import shown  # noqa: PLC0415 - this command only
    from medflow.backup.restore import restore  # noqa: PLC0415 - imports the server

    found = session.settings()
    if endpoints.read(found.data_dir) is not None:
        session.fail(f"A server runs on `{found.data_dir}`. Stop it first.")
    async with session.parts(found) as parts:
        images = archive(parts.settings)
        images.sweep()
        with shown(hidden=as_json) as tell:
            return await restore(
                parts.store.collections,
                images.root,
                file,
                tell,
                event_days=parts.settings.fhir.event_days,
            )
