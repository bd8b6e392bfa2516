"""`medflow profiles`: what standards' data is inside, from where, under which licence."""

from __future__ import annotations

import json
from importlib.resources import files

import click

from medflow.cli import session


@click.command
@session.as_json
def command(as_json: bool) -> None:
    """List the definitions that this version carries."""
    manifest = json.loads((files("profiles") / "manifest.json").read_text("utf-8"))
    session.answer(manifest, as_json, json.dumps(manifest, indent=2, ensure_ascii=False))
