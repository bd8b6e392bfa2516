"""The resources that one message makes: found or new, merged, and written in one transaction.

https://hl7.org/fhir/R4/http.html#transaction
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import msgspec

from hl7_listener.faults import Fault, Refused
from hl7_listener.merge import merged, without_server_meta
from kernel.errors import Gone, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_server.model import Context, Version
    from fhir_server.service import FhirService
    from hl7_listener.segmentmap import Facts

Json = dict[str, Any]

_AT_ONCE: Final = 100  # ids in one search
_DECODER: Final = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")


@dataclass(frozen=True, slots=True)
class Drafted:
    """A resource to write. `version` is what was read: 0 none yet, None whatever it is."""

    type: str
    id: str
    version: int | None
    content: Json = field(default_factory=dict)

    @property
    def reference(self) -> Json:
        return {"reference": f"{self.type}/{self.id}"}

    @property
    def new(self) -> bool:
        return self.content.keys() <= {"resourceType", "id"}


class Draft:
    """What a message is about to write. `again`: another writer was faster, look more closely."""

    def __init__(self, service: FhirService, ctx: Context, *, again: bool = False) -> None:
        self._service = service
        self._ctx = ctx
        self._again = again
        self._seen: dict[tuple[str, str], Drafted] = {}
        self._written: dict[tuple[str, str], Drafted] = {}

    async def known(self, type: str, identifiers: Sequence[Json], id: str) -> Drafted:
        """Return the resource with one of the identifiers, in their order, else the one at `id`.

        Raises:
            Refused: an identifier is that of two resources, so that it cannot be told which.
        """
        for identifier in identifiers:
            token = f"{_escaped(identifier['system'])}|{_escaped(identifier['value'])}"
            found = await self._service.find(self._ctx, type, [("identifier", token)], limit=20)
            drafts = [self._stored(version) for version in found]
            current = [draft for draft in drafts if not _replaced(draft.content)] or drafts
            if len(current) > 1:
                text = f"Duplicate key identifier: {len(current)} {type}s carry the same one."
                raise Refused("AE", Fault("205", text), reason=f"{text} It is `{token}`.")
            if current:
                return current[0]
        if identifiers and (type, id) not in self._seen:
            # The id follows from the first identifier, so that there is most likely nothing.
            self._seen[type, id] = await self._unseen(type, id)
        return await self.at(type, id)

    async def at(self, type: str, id: str) -> Drafted:
        """Return the resource at an id that is derived from the message."""
        await self.load(type, [id])
        return self._seen[type, id]

    async def load(self, type: str, ids: Sequence[str]) -> None:
        """Read many at once, so that `at` has them."""
        missing = [id for id in dict.fromkeys(ids) if (type, id) not in self._seen]
        for start in range(0, len(missing), _AT_ONCE):
            some = missing[start : start + _AT_ONCE]
            parameters = [("_id", ",".join(some))]
            for version in await self._service.find(self._ctx, type, parameters, limit=len(some)):
                self._stored(version)
        for id in missing:
            if (type, id) not in self._seen:
                self._seen[type, id] = await self._unseen(type, id)

    def put(self, drafted: Drafted, facts: Facts) -> Drafted:
        """Merge facts onto the resource; it will be written."""
        key = (drafted.type, drafted.id)
        latest = self._seen.get(key, drafted)
        base = latest.content or {"resourceType": drafted.type, "id": drafted.id}
        self._seen[key] = self._written[key] = replace(latest, content=merged(base, facts))
        return self._seen[key]

    @property
    def references(self) -> list[Json]:
        return [drafted.reference for drafted in self._written.values()]

    def transaction(self, *more: Json) -> bytes:
        """Return the transaction Bundle; `more` are resources that are written unconditionally."""
        entries = [_entry(drafted.content, drafted.version) for drafted in self._written.values()]
        entries += [_entry(resource, None) for resource in more]
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        return _ENCODER.encode(bundle)

    def _stored(self, version: Version) -> Drafted:
        key = (version.type, version.id)
        if key not in self._seen:
            content = without_server_meta(_DECODER.decode(version.body or b"{}"))
            self._seen[key] = Drafted(version.type, version.id, version.version, content)
        return self._seen[key]

    async def _unseen(self, type: str, id: str) -> Drafted:
        if self._again:  # a search sees no deleted resource; one that is deleted may come back
            try:
                return self._stored(await self._service.read(self._ctx, type, id))
            except Gone:
                return Drafted(type, id, None)
            except NotFound:
                pass
        return Drafted(type, id, 0)


def _entry(resource: Json, version: int | None) -> Json:
    url = f"{resource['resourceType']}/{resource['id']}"
    request: Json = {"method": "PUT", "url": url}
    if version is not None:
        request["ifMatch"] = f'W/"{version}"'
    return {"resource": resource, "request": request}


def _replaced(content: Json) -> bool:
    """Whether a Patient was merged into another one."""
    return any(link.get("type") == "replaced-by" for link in content.get("link", ()))


def _escaped(text: str) -> str:
    r"""Return a search value with `\`, `,`, `|` and `$` escaped (R4 search.html#escaping)."""
    for mark in ("\\", ",", "|", "$"):
        text = text.replace(mark, f"\\{mark}")
    return text
