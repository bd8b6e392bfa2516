"""Where the time of one operation goes in the web worker, by sampling its stacks.

https://github.com/benfred/py-spy
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from pathlib import Path

from tests.perf import memory
from tests.perf.contender import Server

ROOT = Path(__file__).resolve().parents[2]
PY_SPY = ROOT / "build" / "peer" / "bin" / "py-spy"
SECONDS = 6
SHOWN = 25
_FRAME = re.compile(r"(.+) \((.+?)(?::\d+)?\)$")


async def profile(server: Server, operation: str) -> str:
    """Return the functions in which the time goes, own and with all that they call.

    Raises:
        RuntimeError: py-spy could not look into the process.
    """
    (root,) = server.pids
    out = ROOT / "build" / "profile.txt"
    out.parent.mkdir(exist_ok=True)
    pid = memory.web_worker(root)
    options = ("--format", "raw", "--rate", "400", "--duration", str(SECONDS), "--nonblocking")
    sampling = await asyncio.create_subprocess_exec(
        *(str(PY_SPY), "record", *options, "--pid", str(pid), "--output", str(out)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    load = await server.ask(operation, 16, SECONDS)
    said, _ = await sampling.communicate()
    if sampling.returncode or load is None:
        raise RuntimeError(f"No profile of `{operation}`: {said.decode()[-500:]}")
    return f"{operation}: {load.rate:,.0f}/s while watched\n\n{hot(out.read_text())}"


def hot(stacks: str) -> str:
    """Return the hottest functions of collapsed stacks as a table."""
    own: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    for line in stacks.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = [_named(frame) for frame in stack.split(";")]
        own[frames[-1]] += int(count)
        for frame in set(frames):
            whole[frame] += int(count)
    total = own.total() or 1
    rows = [f"{'own %':>7} {'all %':>7}  function"]
    rows += [
        f"{100 * count / total:7.1f} {100 * whole[name] / total:7.1f}  {name}"
        for name, count in own.most_common(SHOWN)
    ]
    return "\n".join(rows)


def _named(frame: str) -> str:
    found = _FRAME.match(frame)
    return f"{found[2].removeprefix(f'{ROOT}/')} {found[1]}" if found else frame
