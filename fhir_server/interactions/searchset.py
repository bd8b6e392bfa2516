"""The searchset Bundle: joined from stored bytes, parsed only where a part is asked for.

https://hl7.org/fhir/R4/search.html#Introduction
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from fhir_server import jsonio
from fhir_server.interactions.bundle import bundle, full_url
from fhir_server.interactions.subset import subset
from fhir_server.search.contained import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_server.model import Version
    from fhir_server.search.query import Query


@dataclass(frozen=True, slots=True)
class Place:
    """Where a search was asked: a type, a compartment, both, or the whole system."""

    base: str
    type: str | None
    compartment: tuple[str, str] | None

    @property
    def path(self) -> str:
        within = "/".join(self.compartment) if self.compartment else ""
        what = self.type or ("*" if within else "")
        return f"{within}/{what}" if within and what else within or what

    def url(self, parameters: Sequence[tuple[str, str]]) -> str:
        """Return a URL of the same place; FHIR's separators stay readable."""
        path = f"{self.base}/{self.path}" if self.base and self.path else self.base or self.path
        return f"{path}?{urlencode(parameters, safe=':,|$/*')}" if parameters else path


@dataclass(slots=True)
class Answer:
    """What a page has: matches, what goes with them, remarks, and the sealed place of the next."""

    place: Place
    query: Query
    rows: list[Version] = field(default_factory=list)
    included: list[Version] = field(default_factory=list)
    total: int | None = None
    next: str = ""
    outcomes: list[dict[str, Any]] = field(default_factory=list)


def searchset(answer: Answer) -> bytes:
    """Return the Bundle."""
    links = {"self": answer.place.url(answer.query.asked)}
    if answer.next:
        links["next"] = answer.place.url([("_page", answer.next)])
    entries = [_entry(answer, version, b"match") for version in answer.rows]
    entries += [_entry(answer, version, b"include") for version in answer.included]
    for outcome in [*_ignored(answer.query), *answer.outcomes]:
        body = jsonio.encode(outcome)
        entries.append(b'{"resource":' + body + b',"search":{"mode":"outcome"}}')
    return bundle("searchset", links, entries, answer.total)


def _entry(answer: Answer, version: Version, mode: bytes) -> bytes:
    controls = answer.query.controls
    body = version.body or b"null"
    # `_elements` names those of what was searched: what goes with it is not cut.
    elements = controls.elements if mode == b"match" else ()
    if elements or controls.summary in {"true", "text", "data"}:
        type = plain(answer.query.types[0]) if "#" in version.id else version.type
        body = subset(body, type, controls.summary, elements)
    start = full_url(answer.place.base, version)
    return b"".join((start, b',"resource":', body, b',"search":{"mode":"', mode, b'"}}'))


def _ignored(query: Query) -> list[dict[str, Any]]:
    """Return what was left out, as the specification says: an outcome in the page."""
    found = [
        {"severity": "warning", "code": code, "diagnostics": f"{why}: {_listed(names)}."}
        for names, code, why in (
            (query.ignored, "not-supported", "Ignored, as `Prefer: handling=lenient` asks"),
            (query.empty, "value", "Ignored, for want of a value"),
        )
        if names
    ]
    return [{"resourceType": "OperationOutcome", "issue": found}] if found else []


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name[:80]}`" for name in names)
