"""A FHIR package: its manifest, and the definitions in its folder `package`.

https://hl7.org/fhir/R5/packages.html

Sub-folders hold examples and other forms of the same, so they are left alone.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import IO, TYPE_CHECKING, Final

from fhir_server.packages import archive
from fhir_server.packages import item as items
from fhir_server.packages import manifest as manifests
from kernel.errors import BadStructure, Invalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fhir_server.packages.item import Item
    from fhir_server.packages.manifest import Manifest

FOLDER: Final = "package/"
MANIFEST: Final = "package.json"
_INDEXES: Final = frozenset({MANIFEST, ".index.json", ".derived-index.json"})


@dataclass(frozen=True, slots=True)
class Package:
    """What was read. `left_out` says of each file that could not be taken in why, by path.

    `digest` is the same for the same content.
    """

    manifest: Manifest
    items: tuple[Item, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    digest: bytes = b""

    @property
    def key(self) -> str:
        return self.manifest.key


def read(source: IO[bytes] | bytes) -> Package:
    """Return the package in a `.tgz`.

    Raises:
        BadStructure: no package, a damaged one, or one with a file that is not JSON.
        TooLarge: longer than what `archive` reads.
        Invalid: it is for another version of FHIR.
    """
    opened = io.BytesIO(source) if isinstance(source, bytes) else source
    return assemble(
        (file.path.removeprefix(FOLDER), file.content) for file in archive.files(opened, _wanted)
    )


def assemble(files: Iterable[tuple[str, bytes]]) -> Package:
    """Return the package of these files, name and content, in any order. Raises as `read`."""
    manifest: Manifest | None = None
    found: dict[str, Item] = {}
    left_out: dict[str, str] = {}
    for name, content in files:
        if name == MANIFEST:
            manifest = manifests.read(content)
            continue
        try:
            one = items.read(content)
        except BadStructure as error:
            raise BadStructure(f"`{FOLDER}{name}`: {error}") from None
        except Invalid as error:
            left_out[name] = items.faults(error)
            continue
        if one is not None:
            found[name] = one
    if manifest is None:
        raise BadStructure(f"There is no `{FOLDER}{MANIFEST}`, so this is no FHIR package.")
    listed = _once(found, manifest.version)
    return Package(manifest, listed, left_out, _digest(manifest, listed))


def _once(found: Mapping[str, Item], version: str) -> tuple[Item, ...]:
    """Return one definition per canonical; one without a version has that of its package."""
    kept: dict[tuple[str, str, str], Item] = {}
    for name in sorted(found):
        one = found[name] if found[name].version else replace(found[name], version=version)
        kept.setdefault((one.type, one.url, one.version), one)
    return tuple(kept[key] for key in sorted(kept))


def counts(listed: Iterable[Item]) -> dict[str, int]:
    """Return how many definitions there are, by type."""
    found: dict[str, int] = {}
    for one in listed:
        found[one.type] = found.get(one.type, 0) + 1
    return dict(sorted(found.items()))


def _wanted(path: str) -> bool:
    name = path.removeprefix(FOLDER)
    return (
        path.startswith(FOLDER)
        and "/" not in name
        and name.endswith(".json")
        and (name == MANIFEST or name not in _INDEXES)
    )


def _digest(manifest: Manifest, listed: Sequence[Item]) -> bytes:
    made = blake2b(repr(manifest).encode(), digest_size=16)
    for one in listed:
        made.update(one.packed)
    return made.digest()
