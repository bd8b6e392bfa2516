"""The command line: each module beside this one with a `command` is a command; docs/cli.md.

Exit status: 0 all was done, 1 not all was, 2 wrong use.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import Final

import click

import medflow.cli as package

INNER: Final = frozenset({"root", "session"})
"""Modules here that are no command."""


class Commands(click.Group):
    """A group whose commands are found by module, and imported only when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        found = {module.name.rstrip("_") for module in pkgutil.iter_modules(package.__path__)}
        return sorted(found - INNER)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        try:
            module = import_module(f"{package.__name__}.{cmd_name}")
        except ModuleNotFoundError:
            module = import_module(f"{package.__name__}.{cmd_name}_")
        command: click.Command = module.command
        return command


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="medflow")
def medflow() -> None:
    """MedFlow: FHIR R4, HL7 v2, DICOM and AI over one truth."""
