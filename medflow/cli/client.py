"""`medflow client`: programs that may ask for tokens."""

from __future__ import annotations

from typing import Any

import click

from medflow.cli import session


@click.group
def command() -> None:
    """Programs that may ask for tokens."""


@command.command
@click.option("--name", required=True, help="What people call the program.")
@click.option("--scope", required=True, help='SMART v2 scopes, such as "system/*.rs".')
@click.option("--secret/--public", default=True, help="Whether it can keep a secret.")
@click.option(
    "--grant",
    default="client_credentials",
    show_default=True,
    help="OAuth grants that it may use, comma separated.",
)
@session.as_json
def add(name: str, scope: str, secret: bool, grant: str, as_json: bool) -> None:
    """Add a client; its secret is printed here and never again."""
    grants = tuple(part.strip() for part in grant.split(",") if part.strip())
    scopes = tuple(scope.split())

    async def work() -> Any:
        async with session.parts(session.settings()) as parts:
            return await parts.accounts.add_client(name, scopes, secret=secret, grants=grants)

    client_id, client_secret = session.run(work())
    made = {"client_id": client_id, "name": name, "scope": scope, "grants": list(grants)}
    if client_secret:
        made["client_secret"] = client_secret
    text = "\n".join(f"{key}: {made[key]}" for key in ("client_id", "client_secret") if key in made)
    session.answer(made, as_json, text)


@command.command(name="list")
@session.as_json
def list_(as_json: bool) -> None:
    """List the clients."""

    async def work() -> Any:
        async with session.parts(session.settings()) as parts:
            return await parts.accounts.list_clients()

    session.listing(session.run(work()), as_json, ("client_id", "name", "scopes", "grants"))
