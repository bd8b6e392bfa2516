"""Send one message over MLLP and wait for its acknowledgement.

HL7 v2.5.1 appendix C §C.4.3.
"""

from __future__ import annotations

import asyncio
from typing import Final

from hl7_listener import mllp
from kernel.errors import Unavailable

LIMIT: Final = 1 << 20  # longest acknowledgement, bytes


async def send(host: str, port: int, raw: bytes, timeout: float = 30.0) -> bytes:
    """Return the first answer to `raw`; `timeout` is in seconds and covers all of it.

    Raises:
        Unavailable: no connection, or no answer in time.
    """
    try:
        async with asyncio.timeout(timeout):
            return await _exchange(host, port, raw)
    except (OSError, TimeoutError) as error:
        raise Unavailable(f"No answer from `{host}:{port}`: {type(error).__name__}.") from error


async def _exchange(host: str, port: int, raw: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(mllp.encode(raw))
        await writer.drain()
        decoder = mllp.FrameDecoder(LIMIT)
        while data := await reader.read(65_536):
            for found in decoder.feed(data):
                if isinstance(found, mllp.Frame):
                    return found.data
    finally:
        writer.close()
    raise Unavailable(f"`{host}:{port}` closed the connection without an answer.")
