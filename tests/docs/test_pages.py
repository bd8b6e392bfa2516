"""Every example of README.md and docs/ is true: it is sent to a running server and compared.

CONTRIBUTING.md, "Documentation", says how the blocks are written.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.docs import exchange, message, shell
from tests.docs.page import Block, Different, runnable
from tests.e2e.running import Server, environ

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLES = [page for page in PAGES if runnable(page.read_text(encoding="utf-8"))]
DEFAULT_PORTS = {"http": "8000", "mllp": "2575", "dicom": "11112"}


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", EXAMPLES, ids=name)
def test_the_examples_of_a_page_are_true(page: Path, documented: Server, tmp_path: Path) -> None:
    blocks = runnable(page.read_text(encoding="utf-8"))
    lacking = {client for block in blocks for client in lacks(block)}
    if lacking:
        pytest.skip(f"{name(page)} needs {', '.join(sorted(lacking))}: run `make clients`.")
    # Commands are written as typed in a checkout.
    (tmp_path / ".venv").symlink_to(Path(sys.prefix))

    for block in blocks:
        try:
            run(block, documented, tmp_path)
        except (Different, ValueError) as error:
            pytest.fail(f"{name(page)}:{block.line}: {error}", pytrace=False)


def lacks(block: Block) -> list[str]:
    return shell.missing_clients(block.text) if block.language == "console" else []


def run(block: Block, server: Server, folder: Path) -> None:
    at = server.endpoints
    match block.language:
        case "http":
            exchange.run(block, at["http"]["url"])
        case "hl7":
            message.run(block, at["mllp"]["host"], at["mllp"]["port"])
        case _:
            ports = {port: str(at[kind]["port"]) for kind, port in DEFAULT_PORTS.items()}
            shell.run(block, folder, environ(server.data_dir, PATH=path(), COLUMNS="200"), ports)


def path() -> str:
    """Return where commands are looked for: first where `medflow` is installed."""
    return os.pathsep.join([str(Path(sys.prefix) / "bin"), os.environ["PATH"]])


def test_every_page_with_examples_is_found() -> None:
    assert {"README.md", "docs/interactions/read.md"} <= {name(page) for page in EXAMPLES}
