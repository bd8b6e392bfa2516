"""`medflow serve`: start everything and keep it running."""

from __future__ import annotations

import asyncio

import click

from medflow.cli.session import fail, settings
from medflow.embedded.process import CannotStart


def _roles(_: click.Context, __: click.Parameter, value: str) -> list[str]:
    from medflow.roles.process import SETTINGS  # noqa: PLC0415 - imports the server

    asked = [name.strip() for name in value.split(",")] if value else list(SETTINGS)
    unknown = sorted(set(asked) - set(SETTINGS))
    if unknown:
        raise click.BadParameter(
            f"`{unknown[0]}` is not a role; choose from {', '.join(f'`{r}`' for r in SETTINGS)}."
        )
    return [name for name in SETTINGS if name in asked]


@click.command
@click.option(
    "--only",
    callback=_roles,
    default="",
    metavar="ROLE,…",
    help="Run these roles only: web, hl7, dicom, ai, worker.",
)
def command(only: list[str]) -> None:
    """Start everything and keep it running until Ctrl-C."""
    from medflow.supervisor import serve  # noqa: PLC0415 - imports the server

    found = settings()
    try:
        asyncio.run(serve(found, only, click.echo))
    except CannotStart as error:
        fail(str(error))
