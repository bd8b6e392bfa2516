"""```hl7 blocks: a message is sent over MLLP, and the acknowledgement compared.

After the message and a blank line stand the segments that the answer must hold, each with as many
fields as matter. `…` stands for anything.

HL7 v2.5.1 §2.9; MLLP: HL7 Transport Specification, Release 1.
"""

from __future__ import annotations

import socket

from tests.docs.page import Block, Different, alike

START, END = b"\x0b", b"\x1c\r"


def run(block: Block, host: str, port: int) -> None:
    """Send the message of a block.

    Raises:
        ValueError: the block shows no answer.
        Different: the acknowledgement is not as the page shows it.
    """
    message, _, shown = block.text.strip().partition("\n\n")
    if not shown.strip():
        raise ValueError("An `hl7` block ends with the answer's segments after a blank line.")
    segments = answer(message.replace("\n", "\r") + "\r", host, port).rstrip("\r").split("\r")
    for line in shown.strip().splitlines():
        if not any(alike(line, segment) or alike(f"{line}|…", segment) for segment in segments):
            raise Different(f"`{line}` is not in the answer:\n" + "\n".join(segments))


def answer(message: str, host: str, port: int) -> str:
    """Return the content of the frame that answers the message."""
    with socket.create_connection((host, port), timeout=20) as peer:
        peer.sendall(START + message.encode() + END)
        received = b""
        while not received.endswith(END):
            chunk = peer.recv(65_536)
            if not chunk:
                raise Different(f"The listener hung up after {len(received)} bytes.")
            received += chunk
    return received.removeprefix(START).removesuffix(END).decode()
