"""Contained resources as matches of their own, taken out of what contains them.

https://hl7.org/fhir/R4/search.html#contained
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fhir_server import jsonio
from fhir_server.search import walk
from fhir_server.search.contained import inside, plain
from fhir_server.search.extract import index
from fhir_server.search.match import fields, selects

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fhir_server.engine import Engine
    from fhir_server.interactions.selection import Selection
    from fhir_server.model import Resource, Version
    from fhir_server.search.parameters import Parameter
    from fhir_server.search.query import Query


async def unfolded(
    engine: Engine, selection: Selection, query: Query, found: Sequence[Version]
) -> list[Version]:
    """Return the matches inside of what was found; their id is that of the container, `#` and theirs."""
    filters = {type: await selection.filter(type, query.criteria[type]) for type in query.types}
    type = plain(query.types[0])
    return [match for version in found for match in _matches(engine, filters, type, version)]


def _matches(
    engine: Engine, filters: dict[str, dict[str, object]], type: str, version: Version
) -> Iterator[Version]:
    resource = jsonio.decode(version.body or b"{}")
    own = filters.get(version.type)
    if own is not None and meets(engine, own, version.type, version.id, resource, version.updated):
        yield version
    inner = filters[inside(type)]
    for one in resource.get("contained") or ():
        if one.get("resourceType") != type:
            continue
        id = str(one.get("id", ""))
        if meets(engine, inner, inside(type), id, one, version.updated):
            yield version._replace(id=f"{version.id}#{id}", body=jsonio.encode(one))


def leads_inside(
    engine: Engine,
    resource: Resource,
    parameter: Parameter,
    filters: Mapping[str, dict[str, object]],
    updated: int,
) -> bool:
    """Return whether a reference leads to a contained resource that meets the filter of its type."""
    wanted = {
        value["reference"]
        for path in parameter.paths
        if path.datatype == "Reference"
        for value in walk.values(resource, path.members)
        if isinstance(value, dict) and str(value.get("reference", "")).startswith("#")
    }
    return any(
        f"#{one.get('id')}" in wanted
        and (filter := filters.get(inside(one["resourceType"]))) is not None
        and meets(engine, filter, inside(one["resourceType"]), one["id"], one, updated)
        for one in resource.get("contained") or ()
    )


def meets(
    engine: Engine,
    filter: dict[str, object],
    type: str,
    id: str,
    resource: Resource,
    updated: int,
) -> bool:
    """Return whether a resource, indexed as of `type`, meets a filter."""
    indexed = index(resource, engine.zone, engine.store.customs.of(type), named=type)
    return selects(filter, fields(f"{type}/{id}", indexed, updated))
