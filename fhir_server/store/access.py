"""The authorisation filter: an Access compiled to a condition of the query itself.

docs/adr/0002-one-collection-and-generic-index.md: all that decides is a token in `k`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fhir_server.model import Access, Clause

Filter = dict[str, Any]


def visible(access: Access, field: str = "k") -> Filter:
    """Return the condition that a document with tokens in `field` meets if `access` admits it.

    `{}` is no condition. No clause gives a condition that nothing meets.
    """
    if access.everything:
        return {}
    if not access.clauses:
        return {"_id": {"$in": []}}
    return {"$or": [_clause(clause, field) for clause in access.clauses]}


def visible_or_deleted(access: Access) -> Filter:
    """Return the same for a read by id, which must also tell that a resource was deleted.

    A deletion keeps the tokens of what it deleted in `kx`, out of every search.
    """
    if access.everything:
        return {}
    return {"$or": [visible(access), visible(access, "kx")]}


def both(one: Filter, other: Filter) -> Filter:
    """Return the conjunction; neither side can undo the other."""
    if not one or not other:
        return one or other
    return {"$and": [one, other]}


def _clause(clause: Clause, field: str) -> Filter:
    conditions: list[Filter] = []
    if clause.required:
        conditions.append({field: {"$all": sorted(clause.required)}})
    if clause.excluded:
        # A document without the field is no carrier of the tokens, yet not a visible one either.
        conditions.append({field: {"$exists": True, "$nin": sorted(clause.excluded)}})
    return {"$and": conditions}
