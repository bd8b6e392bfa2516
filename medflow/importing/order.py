"""Which files go first: what others look for, then those that look, then those that only add.

https://hl7.org/fhir/R4/http.html#trules

A conditional reference must match exactly one resource. Batches of organizations and practitioners
make what it looks for; a bundle that posts its own copies of them would make it ambiguous.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from kernel.errors import FhirError
from medflow.importing import bundles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medflow.importing.sources import Source

_LOOKS: Final = re.compile(rb'"reference"\s*:\s*"[A-Z][A-Za-z]+\?')
_BATCH: Final = re.compile(rb'"type"\s*:\s*"batch"')
HEAD: Final = 1000
"""Bytes in which a Bundle says its type, if it says so before its entries."""


def groups(found: Sequence[Source]) -> list[list[Source]]:
    """Return the files but images, in groups that are imported one after the other."""
    ranked: dict[int, list[Source]] = {0: [], 1: [], 2: []}
    for source in found:
        if source.kind != "dicom":
            ranked[_rank(source)].append(source)
    return [group for group in ranked.values() if group]


def _rank(source: Source) -> int:
    if source.kind != "json":
        return 2
    try:
        raw = bundles.read(source.path)
    except (FhirError, OSError):
        return 2  # the import itself says what is wrong with it
    if _BATCH.search(raw, 0, HEAD):
        return 0
    return 1 if _LOOKS.search(raw) else 2
