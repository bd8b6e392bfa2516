"""docs/adr/0002-one-collection-and-a-generic-index.md"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fhir_server.model import Context
    from fhir_server.service import FhirService
    from fhir_server.store.store import Store


async def test_documents_of_an_older_generation_are_indexed_again(
    service: FhirService, ctx: Context, store: Store
) -> None:
    for number in range(3):
        id = f"p{number}"
        name = [{"family": "Doe"}]
        await service.update(
            ctx, "Patient", id, {"resourceType": "Patient", "id": id, "name": name}
        )
    before = await store.collections.resources.find(sort=[("_id", 1)]).to_list()
    stale = {"$set": {"i": 0, "k": [1], "q": [{"p": 1, "l": 1, "h": 1}]}, "$unset": {"s": ""}}
    await store.collections.resources.update_many({}, stale)
    assert await service.find(ctx, "Patient", [("name", "doe")]) == []

    outdated = await store.reindex.outdated()
    progress = [done async for done in store.reindex.run()]

    assert (outdated, progress) == (True, [3])
    assert await store.collections.resources.find(sort=[("_id", 1)]).to_list() == before
    assert len(await service.find(ctx, "Patient", [("name", "doe")])) == 3
    assert not await store.reindex.outdated()
    assert [done async for done in store.reindex.run()] == []


async def test_deletions_have_no_index(service: FhirService, ctx: Context, store: Store) -> None:
    await service.update(ctx, "Patient", "a", {"resourceType": "Patient", "id": "a"})
    await service.delete(ctx, "Patient", "a")

    progress = [done async for done in store.reindex.run(everything=True)]

    assert progress == []
    assert await service.find(ctx, "Patient", []) == []
