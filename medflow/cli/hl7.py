"""`medflow hl7`: send messages, and look at those that came. HL7 v2.5.1 §2.9."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from medflow import endpoints
from medflow.cli import session

if TYPE_CHECKING:
    from fhir_server.model import Message
    from kernel.settings import Settings


@click.group
def command() -> None:
    """Send HL7 v2 messages, and look at those that came."""


@command.command
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--host", default="", help="Where to; default: the server on this data directory.")
@click.option("--port", default=0, help="TCP port there.")
@session.as_json
def send(file: str, host: str, port: int, as_json: bool) -> None:
    """Send the messages of FILE (`-` for stdin) one by one, and print the answers."""
    from hl7_listener.batch import split  # noqa: PLC0415 - this command only
    from medflow.importing.gateways import ACCEPTED, code  # noqa: PLC0415 - imports the server

    with click.open_file(file, "rb") as source:
        messages = [lines(message) for message in split(source.read())]
    answers = session.run(_send(*_where(session.settings(), host, port), messages))
    said = [
        {"code": code(answer), "answer": answer.decode("utf-8", "replace")} for answer in answers
    ]
    text = "\n".join(str(it["answer"]).replace("\r", "\n").rstrip() for it in said)
    session.answer(said, as_json, text)
    refused = sum(1 for it in said if it["code"] not in ACCEPTED)
    if refused:
        session.fail(f"{refused} of {len(said)} messages were not accepted.")


@command.command
@click.option("--state", type=click.Choice(["applied", "refused"]), help="Only those.")
@click.option("--limit", default=100, show_default=True, help="Most messages listed.")
@session.as_json
def messages(state: str | None, limit: int, as_json: bool) -> None:
    """List the messages that came, newest first."""

    async def work() -> Any:
        async with session.parts(session.settings()) as parts:
            return await parts.service.messages(
                session.administrator(), protocol="hl7v2", state=state, limit=limit
            )

    rows = [_row(message) for message in session.run(work())]
    text = "\n".join("  ".join(str(value or "-") for value in row.values()) for row in rows)
    session.answer(rows, as_json, text or "None.")


@command.command
@click.argument("id")
@session.as_json
def replay(id: str, as_json: bool) -> None:
    """Map the kept message ID again with the tables of today; `medflow hl7 messages` lists ids."""
    from medflow.importing.gateways import ACCEPTED  # noqa: PLC0415 - imports the server

    async def work() -> dict[str, Any]:
        from hl7_listener import admin  # noqa: PLC0415 - imports the server

        async with session.parts(session.settings()) as parts:
            settings, administrator = parts.settings.hl7, session.administrator()
            return await admin.replay(parts.service, administrator, id, settings=settings)

    row = session.run(work())
    text = "\n".join([f"{row['id']}  {row['state']}  {row['reason']}".rstrip(), *row["produced"]])
    session.answer(row, as_json, text)
    if row["answer"] not in ACCEPTED:
        session.fail(f"The replay was answered `{row['answer'] or '-'}`.")


async def _send(host: str, port: int, messages: list[bytes]) -> list[bytes]:
    from hl7_listener.client import send as send_one  # noqa: PLC0415 - this command only

    return [await send_one(host, port, message) for message in messages]


def lines(message: bytes) -> bytes:
    """Return a message with segments ended by CR, as §2.5.1 wants, whatever the file has."""
    return message.replace(b"\r\n", b"\r").replace(b"\n", b"\r")


def _where(found: Settings, host: str, port: int) -> tuple[str, int]:
    running = (endpoints.read(found.data_dir) or {}).get("mllp", {})
    return (
        host or running.get("host", found.hl7.host),
        port or running.get("port", found.hl7.port),
    )


def _row(message: Message) -> dict[str, Any]:
    received = datetime.fromtimestamp(message.received / 1000, UTC).isoformat(timespec="seconds")
    return {
        "id": message.id,
        "received": received,
        "peer": message.peer,
        "kind": message.kind,
        "control": message.control,
        "state": message.state,
        "reason": message.reason,
    }
