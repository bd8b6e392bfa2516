"""Where packages may be had: beside the file that needs them, or in a registry.

https://hl7.org/fhir/R5/packages.html
https://github.com/npm/registry/blob/main/docs/REGISTRY-API.md
"""

from __future__ import annotations

import hashlib
import http.client
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Final, cast
from urllib.parse import quote, urlsplit

import msgspec

from fhir_server.packages import package as packages
from fhir_server.packages.versions import newest, satisfies
from kernel.errors import BadStructure, TooLarge, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fhir_server.packages.package import Package

LONGEST_LIST: Final = 32 << 20
LONGEST: Final = 512 << 20
IN_MEMORY: Final = 16 << 20
SILENCE_S: Final = 30.0
_PIECE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder with files named `name-version.tgz` or `name#version.tgz`."""

    path: Path

    def find(self, name: str, version: str) -> Package | None:
        """Return the newest package that satisfies `version`. Raises FhirError."""
        files = {its: file for its, file in self._versions(name) if satisfies(its, version)}
        if not files:
            return None
        with files[newest(files)].open("rb") as opened:
            return packages.read(opened)

    def _versions(self, name: str) -> Iterator[tuple[str, Path]]:
        for file in sorted(self.path.glob("*.tgz")):
            for mark in "-#":
                start = f"{name}{mark}"
                rest = file.name[len(start) : -len(".tgz")]
                # `hl7.fhir.us-core-1.0.0` is no version of `hl7.fhir.us`.
                if file.name.startswith(start) and rest[:1].isdigit():
                    yield rest, file


@dataclass(frozen=True, slots=True)
class Registry:
    """A package registry by its base URL."""

    url: str

    def find(self, name: str, version: str) -> Package | None:
        """Return the newest package that satisfies `version`.

        Raises:
            Unavailable: the registry does not answer.
            BadStructure: what it says cannot be read, or the file is not the one that it names.
            TooLarge: the file is longer than `LONGEST`.
        """
        listed = self._listed(name)
        if listed is None:
            return None
        tagged = listed.get("dist-tags")
        tag = tagged.get(version or "latest") if isinstance(tagged, dict) else None
        versions = listed.get("versions")
        known = versions if isinstance(versions, dict) else {}
        wanted = tag if isinstance(tag, str) else version
        chosen = newest([its for its in known if satisfies(its, wanted)])
        if not chosen:
            return None
        return self._fetched(name, chosen, known[chosen])

    def _listed(self, name: str) -> dict[str, Any] | None:
        url = f"{self.url.rstrip('/')}/{quote(name, safe='@')}"
        try:
            with _opened(url) as answer:
                said = answer.read(LONGEST_LIST + 1)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == http.client.NOT_FOUND:
                return None
            raise Unavailable(
                f"The package registry answered {error.code} about `{name}`."
            ) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _unreachable(url, error) from None
        if len(said) > LONGEST_LIST:
            raise TooLarge(f"The package registry says too much about `{name}`.")
        try:
            return msgspec.json.decode(said, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            raise BadStructure(
                f"What the package registry says about `{name}` cannot be read."
            ) from None

    def _fetched(self, name: str, version: str, entry: Any) -> Package:
        dist = entry.get("dist") if isinstance(entry, dict) else None
        found = dist if isinstance(dist, dict) else {}
        url = found.get("tarball")
        if not isinstance(url, str):
            url = f"{self.url.rstrip('/')}/{quote(name, safe='@')}/{quote(version)}"
        with tempfile.SpooledTemporaryFile(IN_MEMORY) as file:
            try:
                with _opened(url) as answer:
                    digest = _copied(answer, file)
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise _unreachable(url, error) from None
            if found.get("shasum") not in {None, "", digest}:
                raise BadStructure(
                    f"`{name}#{version}` is not the file that the package registry names:"
                    " its checksum is another."
                )
            file.seek(0)
            package = packages.read(cast("IO[bytes]", file))
        if package.manifest.name != name:
            raise BadStructure(
                f"The package registry has `{package.key}` where `{name}#{version}` belongs."
            )
        return package


def _opened(url: str) -> Any:
    if urlsplit(url).scheme not in {"http", "https"}:
        raise ValueError(f"`{url[:200]}` is no http or https URL")
    # Only these two: a redirect must not lead to a local file either.
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    request = urllib.request.Request(url, headers={"Accept": "*/*"})  # noqa: S310 - checked above
    return opener.open(request, timeout=SILENCE_S)


def _copied(source: Any, target: Any) -> str:
    """Copy what a registry sends, and return the SHA-1 that npm registries name files by."""
    digest = hashlib.sha1(usedforsecurity=False)
    length = 0
    while piece := source.read(_PIECE):
        length += len(piece)
        if length > LONGEST:
            raise TooLarge(f"The package is longer than {LONGEST >> 20} MB.")
        digest.update(piece)
        target.write(piece)
    return digest.hexdigest()


def _unreachable(url: str, error: Exception) -> Unavailable:
    host = urlsplit(url).hostname or url[:80]
    return Unavailable(
        f"The package registry at `{host}` does not answer ({type(error).__name__})."
        " Give the packages as files instead."
    )
