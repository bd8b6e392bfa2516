"""The files of this checkout, as the architecture tests see them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("kernel", "fhir_server", "hl7_listener", "dicom_node", "ai_adapters", "medflow")
WRITTEN = (*PRODUCT, "profiles", "tests", "tools", "docs", "docker", "changelog.d", ".ci")
_TEXT = frozenset(
    {".py", ".md", ".toml", ".json", ".jsonl", ".yaml", ".yml", ".sh", ".html", ".css", ".js", ""}
)
_MADE = frozenset({"__pycache__", ".hypothesis", "data", "build", "node_modules"})


@dataclass(frozen=True, slots=True)
class Source:
    """One text file. `name` is its path from the root of the checkout, with `/`."""

    name: str
    text: str

    @property
    def stem(self) -> str:
        return Path(self.name).stem

    @property
    def folder(self) -> str:
        return Path(self.name).parent.as_posix()


def python(*folders: str) -> list[Source]:
    """Return every Python file of the folders, by name."""
    return [source for source in _under(folders) if source.name.endswith(".py")]


def modules(folder: str) -> list[Source]:
    """Return the modules directly in one folder, without its `__init__`."""
    return [
        source
        for source in python(folder)
        if source.folder == folder and not source.stem.startswith("_")
    ]


def pages() -> list[Source]:
    """Return every page under docs/."""
    return [source for source in _under(("docs",)) if source.name.endswith(".md")]


def everything() -> list[Source]:
    """Return every text file that somebody wrote."""
    top = (path for path in ROOT.iterdir() if path.is_file())
    return [*_under(WRITTEN), *(_source(path) for path in sorted(top) if _readable(path))]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def _under(folders: tuple[str, ...]) -> list[Source]:
    return [_source(path) for folder in folders for path in _walk(ROOT / folder)]


def _walk(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if _readable(path) and not _MADE.intersection(path.relative_to(ROOT).parts):
            yield path


def _readable(path: Path) -> bool:
    return path.is_file() and path.suffix in _TEXT


def _source(path: Path) -> Source:
    return Source(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
