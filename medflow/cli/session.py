"""What commands have in common: settings, a run of async code, an answer, and an exit status."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from fhir_server.admission import Admission
from fhir_server.model import EVERYTHING, Context, Origin, Principal
from kernel import log
from kernel.errors import FhirError
from kernel.settings import load
from medflow.embedded.databases import within_reach
from medflow.embedded.process import CannotStart

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from fhir_server.model import Protocol
    from kernel.settings import Settings
    from medflow.wiring import Parts

T = TypeVar("T")

as_json: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document."
)


def settings() -> Settings:
    """Return the settings, with logging set up as they say; leave with a sentence if they cannot."""
    try:
        found = load()
        Admission.of(found.fhir)  # only the engine knows which resource types there are
    except ValueError as error:
        fail(str(error))
    log.configure(found.log.level, console=found.log.console)
    return found


def quiet(found: Settings) -> None:
    """Log what goes wrong only: a command that a person waits for has its own words."""
    log.configure("ERROR" if found.log.level == "INFO" else found.log.level, console=True)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Return what async code returns; leave with its sentence if it refuses."""
    try:
        return asyncio.run(work)
    except (CannotStart, FhirError) as error:
        fail(str(error))
    except KeyboardInterrupt:
        fail("Stopped.", 130)


def fail(sentence: str, status: int = 1) -> NoReturn:
    """Say on stderr why not all was done, and leave."""
    click.echo(sentence, err=True)
    sys.exit(status)


def answer(document: Any, as_json: bool, text: str) -> None:
    """Print the document, or for a person the text."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False) if as_json else text)


@asynccontextmanager
async def parts(found: Settings) -> AsyncIterator[Parts]:
    """Give the server's parts, on the databases that run or on our own for as long as it takes."""
    from medflow.wiring import wire  # noqa: PLC0415 - half a second that `--help` need not wait for

    quiet(found)
    async with within_reach(found) as reachable, wire(reachable, ()) as wired:
        yield wired


def listing(rows: Any, as_json: bool, columns: tuple[str, ...]) -> None:
    """Print rows, mappings or plain objects alike, with these columns and no other."""
    plain = [{name: _cell(row, name) for name in columns} for row in rows]
    lines = ["  ".join(str(row[name] or "-") for name in columns) for row in plain]
    answer(plain, as_json, "\n".join(lines) or "None.")


def _cell(row: Any, name: str) -> Any:
    value = row.get(name) if isinstance(row, dict) else getattr(row, name, None)
    return list(value) if isinstance(value, tuple | frozenset | set) else value


def administrator(protocol: Protocol = "system") -> Context:
    """Return the context of whoever may run commands on this machine: it may do everything."""
    return Context(Principal("administrator", EVERYTHING), Origin(protocol, "medflow"))
