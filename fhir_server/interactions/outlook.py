"""What criteria match once the entries of a transaction are carried out, before they are.

https://hl7.org/fhir/R4/http.html#trules

R4 resolves conditional references last: what the same Bundle makes counts, and what it deletes or
changes does not count as it was.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from fhir_server.search.extract import index
from fhir_server.search.match import fields, selects
from kernel.clock import now
from kernel.errors import FhirError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fhir_server.engine import Engine
    from fhir_server.interactions.entries import Entry
    from fhir_server.interactions.references import Targets
    from fhir_server.store.matching import Criterion

Document = dict[str, Any]
BREATHE: Final = 64
"""Resources that are looked at between two turns of the event loop."""


class Outlook:
    """The resources that entries write, as a search would find them.

    What a patch makes is not known before it is applied: such a resource counts as it is.
    """

    def __init__(self, engine: Engine, targets: Targets) -> None:
        self._engine = engine
        self._targets = targets
        self._gone: set[str] = set()
        self._written: dict[str, dict[str, Entry]] = {}
        self._documents: dict[str, list[Document]] = {}
        self._carriers: dict[tuple[str, int], list[Document]] = {}

    def add(self, entry: Entry, references: Sequence[str]) -> None:
        """Take an entry into account; `references` are the resources that it writes."""
        if entry.method == "PATCH":
            return
        self._gone.update(references)
        if entry.method != "DELETE":
            self._written.setdefault(entry.type, {})[references[0]] = entry

    async def matches(self, criterion: Criterion, type: str, found: Sequence[str]) -> list[str]:
        """Return what matches then; `found` is what does now."""
        matching = [reference for reference in found if reference not in self._gone]
        if type not in self._written:
            return matching
        if type not in self._documents:
            await self._index(type)
        for count, document in enumerate(self._candidates(type, criterion.condition), 1):
            if criterion.access.admits(document["k"]) and selects(criterion.condition, document):
                matching.append(document["_id"])
            if count % BREATHE == 0:
                await asyncio.sleep(0)
        return matching

    def _candidates(self, type: str, condition: Document) -> Iterable[Document]:
        """Return what may match.

        Where it must carry some token, few are left: thousands of references in a Bundle of
        thousands of resources must not look at each.
        """
        tokens = _tokens(condition)
        if tokens is None:
            return self._documents[type]
        carriers = (self._carriers.get((type, token), ()) for token in dict.fromkeys(tokens))
        return {document["_id"]: document for some in carriers for document in some}.values()

    async def _index(self, type: str) -> None:
        documents = self._documents[type] = []
        for count, (reference, entry) in enumerate(self._written[type].items(), 1):
            document = self._document(reference, entry)
            if document is not None:
                documents.append(document)
                for token in set(document["k"]):
                    self._carriers.setdefault((type, token), []).append(document)
            if count % BREATHE == 0:
                await asyncio.sleep(0)

    def _document(self, reference: str, entry: Entry) -> Document | None:
        """Return the search fields of a resource that is written, None if it is not valid."""
        type, _, id = reference.partition("/")
        try:
            raw = self._targets.rewrite(entry.raw, entry.full_url)
            body = self._engine.body(type, raw, sent=False)
        except FhirError:
            return None  # what is wrong with it is told when it is looked at to be stored
        customs = self._engine.store.customs.of(type)
        indexed = index(body.resource | {"id": id}, self._engine.zone, customs)
        return fields(reference, indexed, now())


def _tokens(condition: Document) -> Sequence[int] | None:
    """Return tokens of which a match carries at least one, None if there need be none."""
    match condition.get("k"):
        case int(token):
            return (token,)
        case {"$all": [int(token), *_]}:
            return (token,)
        case {"$in": [*tokens]}:
            return tokens
    return next(filter(None, map(_tokens, condition.get("$and", ()))), None)
