"""`package.json`: what a package is called, what it is for, and what it needs.

https://hl7.org/fhir/R5/packages.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from fhir_server import jsonio
from kernel.errors import BadStructure, FhirError, Invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

FHIR_VERSION: Final = "4.0.1"
CORE: Final = "hl7.fhir.r4.core"
"""The package of R4 itself: its facts are compiled into the server."""
MOST_DEPENDENCIES: Final = 500
_NAME: Final = re.compile(r"(@[A-Za-z0-9][\w.-]{0,99}/)?[A-Za-z0-9][\w.-]{0,213}")
_VERSION: Final = re.compile(r"[0-9A-Za-z][\w.+-]{0,99}")
_OTHERS: Final = re.compile(r"hl7\.fhir\.r(?!4\.)\d\w*\.core")


@dataclass(frozen=True, slots=True)
class Manifest:
    """The facts of a package that matter here; `dependencies` are versions by name."""

    name: str
    version: str
    title: str = ""
    canonical: str = ""
    licence: str = ""
    fhir_versions: tuple[str, ...] = ()
    dependencies: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return f"{self.name}#{self.version}"


def read(content: bytes) -> Manifest:
    """Return the facts of a `package.json`.

    Raises:
        BadStructure: it is not one, or lacks a name or version.
        Invalid: the package is for another version of FHIR.
    """
    try:
        found = jsonio.decode(content)
    except FhirError as error:
        raise BadStructure(f"`package.json`: {error}") from None
    manifest = Manifest(
        _matched(found, "name", _NAME),
        _matched(found, "version", _VERSION),
        _text(found, "title") or _text(found, "description")[:200],
        _text(found, "canonical"),
        _text(found, "license"),
        _versions(found),
        _dependencies(found.get("dependencies")),
    )
    _check_version(manifest)
    return manifest


def split(text: str) -> tuple[str, str]:
    """Return the two parts of `name#version`; `name` alone and `name@version` are understood.

    Raises:
        Invalid: neither a name nor a version can look like that.
    """
    name, _, version = text.partition("#")
    if not version and "@" in name[1:]:
        name, _, version = name.rpartition("@")
    if not _NAME.fullmatch(name) or (version and not _VERSION.fullmatch(version)):
        raise Invalid(
            f"`{text[:200]}` is not a package: expected `name#version`,"
            " such as `hl7.fhir.us.core#6.1.0`."
        )
    return name, version


def _matched(found: Mapping[str, Any], name: str, pattern: re.Pattern[str]) -> str:
    value = found.get(name)
    if not isinstance(value, str) or not pattern.fullmatch(value):
        said = f"`{value[:100]}`" if isinstance(value, str) else "missing or no text"
        raise BadStructure(f"`package.json`: the {name} of the package is {said}.")
    return value


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    return value[:2000] if isinstance(value, str) else ""


def _versions(found: Mapping[str, Any]) -> tuple[str, ...]:
    for name in ("fhirVersions", "fhir-version-list"):  # the second is of older packages
        listed = found.get(name)
        if isinstance(listed, str):
            listed = [listed]
        if isinstance(listed, list) and listed:
            return tuple(str(version)[:40] for version in listed[:20])
    return ()


def _dependencies(found: Any) -> dict[str, str]:
    if found is None:
        return {}
    if not isinstance(found, dict) or len(found) > MOST_DEPENDENCIES:
        raise BadStructure(
            "`package.json`: `dependencies` is no object of versions by name, or too long a one."
        )
    for name, version in found.items():
        named = _NAME.fullmatch(name) is not None
        if not named or not isinstance(version, str) or len(version) > 100:
            raise BadStructure(
                f"`package.json`: the dependency `{name[:100]}` is no package name with a version."
            )
    return dict(found)


def _check_version(manifest: Manifest) -> None:
    stated = manifest.fhir_versions
    if stated:
        if not any(version == "4.0" or version.startswith("4.0.") for version in stated):
            raise Invalid(
                f"`{manifest.key}` is for FHIR {', '.join(stated)};"
                f" this server speaks {FHIR_VERSION}."
            )
        return
    others = [name for name in manifest.dependencies if _OTHERS.fullmatch(name)]
    if others and CORE not in manifest.dependencies:
        raise Invalid(
            f"`{manifest.key}` needs `{others[0]}`; this server speaks FHIR {FHIR_VERSION}."
        )
