"""`medflow settings`: what can be set, and what is."""

from __future__ import annotations

from typing import Any

import click
from pydantic import SecretStr

from kernel.settings import names
from medflow.cli import session


@click.command
@click.option("--markdown", is_flag=True, help="Print docs/settings.md.")
@session.as_json
def command(markdown: bool, as_json: bool) -> None:
    """List every setting with its value; secrets are shown as set or not."""
    if markdown:
        from medflow.settings_page import markdown as page  # noqa: PLC0415 - this option only

        click.echo(page(), nl=False)
        return
    values = _values(session.settings())
    rows = [
        {"name": name, "value": values[name], "description": field.description or ""}
        for name, (_, field) in names().items()
    ]
    text = "\n".join(f"{row['name']}={row['value']}" for row in rows)
    session.answer(rows, as_json, text)


def _values(found: Any) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name in names():
        value = found
        for part in name.removeprefix("MEDFLOW_").lower().split("__"):
            value = getattr(value, part)
        if isinstance(value, SecretStr):
            value = "(set)" if value.get_secret_value() else ""
        made[name] = value if isinstance(value, bool | int | float | str) else str(value)
    return made
