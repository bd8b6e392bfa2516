"""`medflow role`: one role in this process; `medflow serve` starts them so."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

import click

from medflow.cli.session import fail, settings

if TYPE_CHECKING:
    from types import ModuleType


@click.command(hidden=True)
@click.argument("name")
@click.option("--announce", type=int, help="File descriptor that takes where the role listens.")
def command(name: str, announce: int | None) -> None:
    """Run one role in this process until SIGTERM."""
    from medflow.roles.process import SETTINGS, Line, main  # noqa: PLC0415 - imports the server

    if name not in SETTINGS:
        raise click.UsageError(f"`{name}` is not a role; choose from {', '.join(SETTINGS)}.")
    line = Line(announce)
    why = _loop().run(main(settings(), name, line))
    if why:
        if line.tell({"error": why}):  # the supervisor says it, once for all
            sys.exit(1)
        fail(why)


def _loop() -> ModuleType:
    """Return what runs a coroutine: uvloop where it exists, else asyncio."""
    found = "uvloop" if find_spec("uvloop") else "asyncio"
    return import_module(found)
