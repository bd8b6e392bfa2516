"""```console blocks: commands after `$ ` are run in one shell, and their output compared.

The lines after a command are its output, in which `…` stands for anything; a command without such
lines only has to succeed. A trailing backslash continues a command on the next line.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.docs.page import Block, Different, alike

# Commands that start another server or run the tests: tested where the value says, not here.
ELSEWHERE: Mapping[str, str] = {
    "make serve": "tests/e2e/test_serve.py",
    "MEDFLOW_AUTH__MODE=open make serve": "tests/e2e/test_serve.py",
    "make test": "the run that this test is part of",
    "make check": "the run that this test is part of",
}
# Not ours and not from a wheel; `make clients` installs them.
FOREIGN = ("curl", "storescu", "echoscu", "dcmdump", "dcmodify", "findscu", "img2dcm", "dump2dcm")
_MARK = "\x1e"


@dataclass(frozen=True, slots=True)
class Command:
    """What is typed, and what the page shows below it."""

    line: str
    output: str


def commands(text: str) -> list[Command]:
    """Read a block.

    Raises:
        ValueError: it does not begin with a command.
    """
    parts = re.split(r"^\$ ", text, flags=re.MULTILINE)
    if parts[0].strip() or len(parts) < 2:
        raise ValueError("A `console` block begins with `$ ` and a command.")
    return [_command(part) for part in parts[1:]]


def _command(part: str) -> Command:
    found = re.match(r"((?:.*\\\n)*.*)\n?", part)
    assert found is not None
    return Command(found[1], part[found.end() :].strip())


def missing_clients(text: str) -> list[str]:
    """Return the foreign programs that a block needs and this machine lacks."""
    named = (name for name in FOREIGN if re.search(rf"\b{name}\b", text))
    return [name for name in named if shutil.which(name) is None]


def run(block: Block, folder: Path, environ: Mapping[str, str], ports: Mapping[str, str]) -> None:
    """Run the commands of a block in `folder`; `ports` replaces the default ones by the real ones.

    Raises:
        Different: a command fails or says something else than the page.
    """
    wanted = commands(_with_ports(block.text, ports))
    wanted = [command for command in wanted if command.line not in ELSEWHERE]
    if not wanted:
        return
    script = "".join(f"{c.line}\nprintf '{_MARK}%d{_MARK}' $?\n" for c in wanted)
    done = subprocess.run(
        ["bash"],
        input=script,
        cwd=folder,
        env=dict(environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=120,
    )
    said = done.stdout.split(_MARK)
    for number, command in enumerate(wanted):
        output, status = (*said[2 * number : 2 * number + 2], "", "")[:2]
        if status != "0":
            raise Different(f"`{command.line}` ended with `{status}`:\n{output}")
        if command.output and not alike(command.output, output.strip()):
            raise Different(f"`{command.line}` said:\n{output}\nnot:\n{command.output}")


def _with_ports(text: str, ports: Mapping[str, str]) -> str:
    pattern = "|".join(rf"(?<!\d){port}(?!\d)" for port in ports)
    return re.sub(pattern, lambda found: ports[found[0]], text) if ports else text
