"""The rules of the house as pure functions: each returns the faults it found, as sentences.

Each is tested twice: on a planted violation, which it must find, and on this checkout.
"""

from __future__ import annotations

import ast
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.architecture.tree import Source

LONGEST = 400  # lines
VAGUE = frozenset(
    {"util", "utils", "helper", "helpers", "manager", "managers", "base", "common", "misc"}
)
_CITATION = re.compile(
    r"https?://\S+|§\s*[\dA-Z]|PS3\.\d+|RFC \d+|(?:chapter|section) \d", re.IGNORECASE
)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_PRIVATE = re.compile(
    r"(?<![\w.}>/-])/(?:work|root|home|Users|mnt)/\w"
    r"|\bpypi\.org\b|pythonhosted\.org|registry\.npmjs|--(?:extra-)?index-url"
)


def too_long(sources: Iterable[Source], limit: int = LONGEST) -> list[str]:
    counted = ((source.name, len(source.text.splitlines())) for source in sources)
    return [
        f"`{name}` has {lines} lines; {limit} at most." for name, lines in counted if lines > limit
    ]


def vague_names(sources: Iterable[Source]) -> list[str]:
    """Find modules and packages whose name says nothing about their content."""
    found = []
    for source in sources:
        parts = PurePosixPath(source.name).with_suffix("").parts
        found += [f"`{source.name}`: `{part}` says nothing." for part in parts if part in VAGUE]
    return found


def uncited(sources: Iterable[Source]) -> list[str]:
    """Find modules whose docstring names no section of a standard."""
    found = []
    for source in sources:
        docstring = ast.get_docstring(ast.parse(source.text))
        if docstring is None:
            found.append(f"`{source.name}` has no module docstring.")
        elif not _CITATION.search(docstring):
            found.append(f"`{source.name}`: its docstring cites no specification.")
    return found


def environment_readers(sources: Iterable[Source]) -> list[str]:
    """Find where the process environment is touched, as `file:line`."""
    return [
        f"{source.name}:{node.lineno}"
        for source in sources
        for node in ast.walk(ast.parse(source.text))
        if isinstance(node, ast.Attribute | ast.ImportFrom) and _touches_environment(node)
    ]


def _touches_environment(node: ast.AST) -> bool:
    names = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}
    match node:
        case ast.Attribute(value=ast.Name(id="os"), attr=attribute):
            return attribute in names
        case ast.ImportFrom(module="os", names=imported):
            return any(alias.name in names for alias in imported)
    return False


def private_traces(sources: Iterable[Source]) -> list[str]:
    """Find paths of one machine and hosts of package indexes: they are true for one person only."""
    return [
        f"`{source.name}:{number}` holds `{found.group()}`."
        for source in sources
        for number, line in enumerate(source.text.splitlines(), 1)
        if (found := _PRIVATE.search(line))
    ]


def undocumented(wanted: Iterable[str], existing: Iterable[str]) -> list[str]:
    """Find pages that should be there and are not."""
    there = set(existing)
    return [f"`{page}` is missing." for page in wanted if page not in there]


def unmentioned(words: Iterable[str], page: Source) -> list[str]:
    """Find words that a page never says, in whatever spelling: `last_updated` is `lastUpdated`."""
    text = _letters(page.text)
    return [f"`{page.name}` does not mention `{w}`." for w in words if _letters(w) not in text]


def _letters(text: str) -> str:
    return re.sub(r"[\W_]", "", text).casefold()


def broken_links(pages: Iterable[Source], files: Iterable[str]) -> list[str]:
    """Find relative links that lead nowhere."""
    there = {name for file in files for name in (file, *_folders(file))}
    return [
        f"`{page.name}` links to `{link}`, which is not there."
        for page in pages
        for link in _LINK.findall(page.text)
        if not re.match(r"[a-z]+:|#", link) and _target(page, link) not in there
    ]


def unlinked(names: Iterable[str], page: Source) -> list[str]:
    """Find files that a page does not link to."""
    linked = {_target(page, link) for link in _LINK.findall(page.text)}
    return [f"`{page.name}` has no link to `{name}`." for name in names if name not in linked]


def _target(page: Source, link: str) -> str:
    parts: list[str] = []
    for part in PurePosixPath(page.folder, link.partition("#")[0]).parts:
        if part == "..":
            parts = parts[:-1]
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def _folders(file: str) -> Iterator[str]:
    yield from (parent.as_posix() for parent in PurePosixPath(file).parents)
