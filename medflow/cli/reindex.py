"""`medflow reindex`: make the search index anew from the resources."""

from __future__ import annotations

import click
from rich.console import Console
from rich.status import Status

from medflow.cli import session


@click.command
@click.option("--everything", is_flag=True, help="Also what is indexed by this version already.")
@session.as_json
def command(everything: bool, as_json: bool) -> None:
    """Index again what an older version of MedFlow indexed. The server may run meanwhile."""

    async def work() -> int:
        done = 0
        async with session.parts(session.settings()) as parts:
            with Status("Reindexing", console=Console(stderr=True)) as status:
                async for done in parts.store.reindex.run(everything=everything):
                    status.update(f"Reindexing, {done} resources so far")
        return done

    done = session.run(work())
    session.answer({"reindexed": done}, as_json, f"{done} resources were indexed again.")
