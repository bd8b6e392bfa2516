"""`medflow backup`: everything that is kept, as of one moment, in one file; docs/backup.md."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from medflow.cli import session

if TYPE_CHECKING:
    from medflow.backup.save import Saved


@click.command
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@session.as_json
def command(file: Path, force: bool, as_json: bool) -> None:
    """Write everything that is kept, as of one moment, to FILE (.tar.gz). The server may run."""
    saved = session.run(_backup(file.absolute(), force, as_json))
    size = file.stat().st_size
    text = f"{sum(saved.documents.values())} documents and {saved.images} images, {size} bytes."
    session.answer({"file": str(file), "bytes": size} | asdict(saved), as_json, text)


async def _backup(file: Path, force: bool, as_json: bool) -> Saved:
    from medflow.archive import archive  # noqa: PLC0415 - imports the server
    from medflow.backup.progress import shown  # noqa: PLC0415 - this command only
    from medflow.backup.save import save  # noqa: PLC0415 - imports the server

    async with session.parts(session.settings()) as parts:
        with shown(hidden=as_json) as tell:
            images = archive(parts.settings).root
            return await save(parts.store.collections, images, file, tell, force=force)
