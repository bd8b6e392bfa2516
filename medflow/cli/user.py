"""`medflow user`: people who may sign in."""

from __future__ import annotations

import sys
from typing import Any

import click

from medflow.cli import session


@click.group
def command() -> None:
    """People who may sign in."""


@command.command
@click.argument("name")
@click.option("--role", required=True, help="What the person is here, such as admin or patient.")
@click.option("--patient", metavar="ID", help="The person's own Patient.")
@click.option("--practitioner", metavar="ID", help="The person's own Practitioner.")
@click.option("--password-stdin", is_flag=True, required=True, help="Read the password from stdin.")
@session.as_json
def add(
    name: str,
    role: str,
    patient: str | None,
    practitioner: str | None,
    password_stdin: bool,
    as_json: bool,
) -> None:
    """Add a user."""
    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else ""
    if not password:
        raise click.UsageError("The password on stdin is empty.")

    async def work() -> Any:
        async with session.parts(session.settings()) as parts:
            return await parts.accounts.add_user(
                name, role, password, patient=patient, practitioner=practitioner
            )

    session.run(work())
    made = {"name": name, "role": role, "patient": patient, "practitioner": practitioner}
    session.answer(made, as_json, f"Added user `{name}`.")


@command.command(name="list")
@session.as_json
def list_(as_json: bool) -> None:
    """List the users."""

    async def work() -> Any:
        async with session.parts(session.settings()) as parts:
            return await parts.accounts.list_users()

    session.listing(session.run(work()), as_json, ("name", "role", "patient", "practitioner"))
