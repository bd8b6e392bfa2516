"""Bundles that are answers: joined from stored bytes, never parsed.

https://hl7.org/fhir/R4/bundle.html
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import msgspec

from kernel.clock import instant, now

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fhir_server.model import Version


def text(value: str) -> bytes:
    """Return a JSON string."""
    return msgspec.json.encode(value)


def full_url(base: str, version: Version) -> bytes:
    """Return the `fullUrl` member of an entry."""
    url = f"{base}/{version.reference}" if base else version.reference
    return b'{"fullUrl":' + text(url)


def bundle(
    kind: str, links: Mapping[str, str], entries: Sequence[bytes], total: int | None = None
) -> bytes:
    """Return a Bundle of `kind`; empty members are left out, as JSON in FHIR requires."""
    head = [
        b'{"resourceType":"Bundle","id":"',
        str(uuid.uuid4()).encode(),
        b'","meta":{"lastUpdated":"',
        instant(now()).encode(),
        b'"},"type":',
        text(kind),
    ]
    if total is not None:
        head.append(b',"total":%d' % total)
    if links:
        rendered = (
            b'{"relation":' + text(relation) + b',"url":' + text(url) + b"}"
            for relation, url in links.items()
        )
        head.append(b',"link":[' + b",".join(rendered) + b"]")
    if entries:
        head.append(b',"entry":[' + b",".join(entries) + b"]")
    head.append(b"}")
    return b"".join(head)
