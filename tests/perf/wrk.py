"""wrk as the load generator: an eighth of the processor time of one in Python.

https://github.com/wg/wrk
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.perf.load import Load

WRK: Final = shutil.which("wrk") if os.environ.get("BENCH_WRK", "1") != "0" else None
SCRIPT: Final = Path(__file__).with_name("wrk.lua")


async def run(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> Load:
    """Send the requests in turn, over and over, until time is up.

    Raises:
        RuntimeError: wrk failed; its output is in the message.
    """
    with tempfile.NamedTemporaryFile(prefix="medflow-bench-") as file:
        for request in requests:
            file.write(b"%d\n" % len(request) + request)
        file.flush()
        process = await asyncio.create_subprocess_exec(
            str(WRK),
            *("-t1", f"-c{connections}", f"-d{max(round(seconds), 1)}s", "-s", str(SCRIPT)),
            *(f"http://127.0.0.1:{port}/", "--", file.name),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"wrk ended with {process.returncode}: {said.decode()[-500:]}")
    return Load(**json.loads(said.splitlines()[-1]))
