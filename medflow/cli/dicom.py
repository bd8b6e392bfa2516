"""`medflow dicom`: ask a node whether it is there, and send it files. DICOM PS3.4 Annexes A and B."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from medflow import endpoints
from medflow.cli import session

if TYPE_CHECKING:
    from collections.abc import Callable

    from dicom_node.scu import Peer

OPTIONS = (
    click.option(
        "--host", default="", help="Where to; default: the server on this data directory."
    ),
    click.option("--port", default=0, help="TCP port there."),
    click.option("--called", default="", help="AE title there."),
    session.as_json,
)


def _to(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(OPTIONS):
        function = option(function)
    return function


@click.group
def command() -> None:
    """Ask a DICOM node whether it is there, and send it files."""


@command.command
@_to
def echo(host: str, port: int, called: str, as_json: bool) -> None:
    """Send a C-ECHO."""
    from dicom_node import scu  # noqa: PLC0415 - this command only

    peer = _peer(host, port, called)
    status = session.run(asyncio.to_thread(scu.echo, peer))
    text = f"`{peer.called}` at {peer.host}:{peer.port} answered 0x{status:04X}."
    session.answer({"status": status}, as_json, text)
    if status:
        session.fail("That is not success.")


@command.command
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@_to
def send(files: tuple[Path, ...], host: str, port: int, called: str, as_json: bool) -> None:
    """Send FILES with C-STORE, in one association."""
    from dicom_node import scu  # noqa: PLC0415 - this command only

    sent = session.run(asyncio.to_thread(scu.store, _peer(host, port, called), files))
    rows = [
        {"file": str(it.path), "status": it.status, "comment": it.comment, "good": it.good}
        for it in sent
    ]
    lines = [f"{'ok' if it.good else 'FAILED'}  {it.path}  {it.comment}".rstrip() for it in sent]
    session.answer(rows, as_json, "\n".join(lines))
    failed = sum(not it.good for it in sent)
    if failed:
        session.fail(f"{failed} of {len(sent)} files were not accepted.")


def _peer(host: str, port: int, called: str) -> Peer:
    from dicom_node.scu import Peer  # noqa: PLC0415 - this command only

    found = session.settings()
    session.quiet(found)
    running = (endpoints.read(found.data_dir) or {}).get("dicom", {})
    return Peer(
        host or running.get("host", found.dicom.host),
        port or running.get("port", found.dicom.port),
        called or running.get("ae_title", found.dicom.ae_title),
    )
