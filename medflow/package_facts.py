"""What is told about packages, by the command line and over REST alike; docs/profiles.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_server.interactions.packages import Added, Addition
    from fhir_server.packages.resolution import Missing
    from fhir_server.store.packages import Loaded

Json = dict[str, Any]


def loaded(one: Loaded, missing: Sequence[Missing]) -> Json:
    """Return one package; `missing` is what all of them lack."""
    manifest = one.manifest
    return {
        "package": one.key,
        "name": manifest.name,
        "version": manifest.version,
        "title": manifest.title,
        "canonical": manifest.canonical,
        "licence": manifest.licence,
        "dependencies": dict(manifest.dependencies),
        "missing": [f"{it.name}#{it.version}" for it in missing if it.needed_by == one.key],
        "definitions": dict(one.counts),
        "added": one.added.isoformat(timespec="seconds") if one.added else None,
        "builtin": one.builtin,
    }


def addition(done: Addition) -> Json:
    """Return what was added, and what is still missing."""
    return {
        "packages": [_added(one) for one in done.packages],
        "missing": [_missing(one) for one in done.missing],
    }


def _added(one: Added) -> Json:
    return {
        "package": one.package,
        "changed": one.changed,
        "definitions": dict(one.counts),
        "leftOut": dict(one.left_out),
    }


def _missing(one: Missing) -> Json:
    return {"package": f"{one.name}#{one.version}", "neededBy": one.needed_by, "hint": one.hint}
