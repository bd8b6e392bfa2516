"""Packages in a real database, and what the server says of them.

https://hl7.org/fhir/R5/packages.html
"""

from __future__ import annotations

import resource as process
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fhir_server.model import Context, Origin, Principal
from fhir_server.packages.package import read
from fhir_server.service import FhirService
from fhir_server.store.store import Store
from kernel.errors import BadStructure, Conflict, Forbidden, Invalid, NotFound
from kernel.settings import Fhir
from medflow.package_sources import Folder
from tests.integration.fhir.web import client_of
from tests.tgz import CANONICAL, package, package_file, profile

if TYPE_CHECKING:
    from fhir_server.store import mongo

DEFINITIONS = Path(__file__).resolve().parents[2] / ".." / "shared" / "fhir" / "definitions"
GUIDES = (
    "hl7.fhir.us.core-3.1.1",
    "hl7.fhir.us.core-6.1.0",
    "hl7.fhir.us.core-7.0.0",
    "hl7.fhir.uv.ips-1.1.0",
)
URL = f"{CANONICAL}/StructureDefinition/patient"
READER = Context(Principal("reader", ("system/*.rs",)), Origin("rest", "reader"))
MARK = {
    "resourceType": "SearchParameter",
    "id": "mark",
    "url": f"{CANONICAL}/SearchParameter/mark",
    "name": "Mark",
    "status": "active",
    "description": "Where a patient is marked.",
    "code": "mark",
    "base": ["Patient"],
    "type": "string",
    "expression": "Patient.extension.where(url = 'urn:mark').value",
}


def loads(store: Store) -> Any:
    return store.collections.definitions.distinct("l")


async def keys(service: FhirService, ctx: Context) -> list[str]:
    return [one.key for one in await service.packages.list(ctx) if not one.builtin]


async def test_what_is_added_is_listed_and_found(
    service: FhirService, store: Store, ctx: Context
) -> None:
    done = await service.packages.add(ctx, [package(title="A guide")])

    found = (await store.packages.fresh(0)).get("StructureDefinition", URL)
    [listed] = [one for one in await service.packages.list(ctx) if not one.builtin]
    assert [(one.package, one.changed) for one in done.packages] == [("example.guide#1.0.0", True)]
    assert (listed.manifest.title, dict(listed.counts)) == ("A guide", {"StructureDefinition": 1})
    assert found == profile()


async def test_the_same_package_again_changes_nothing(
    service: FhirService, store: Store, ctx: Context
) -> None:
    await service.packages.add(ctx, [package()])
    before = await store.packages.fresh(0)

    again = await service.packages.add(ctx, [package()])

    assert [one.changed for one in again.packages] == [False]
    assert await store.packages.fresh(0) is before


async def test_another_content_under_one_version_replaces_it(
    service: FhirService, store: Store, ctx: Context
) -> None:
    await service.packages.add(ctx, [package()])

    await service.packages.add(ctx, [package(profile(name="Other"))])

    found = (await store.packages.fresh(0)).get("StructureDefinition", URL) or {}
    assert found["name"] == "Other"
    assert await keys(service, ctx) == ["example.guide#1.0.0"]
    assert len(await loads(store)) == 1


async def test_another_process_sees_it_within_a_second(
    service: FhirService, ctx: Context, collections: mongo.Collections
) -> None:
    elsewhere = Store(collections)
    assert (await elsewhere.packages.fresh()).find("StructureDefinition", URL) is None
    await service.packages.add(ctx, [package()])

    deadline = time.monotonic() + 5
    while (await elsewhere.packages.fresh()).find("StructureDefinition", URL) is None:
        assert time.monotonic() < deadline

    seen = await elsewhere.packages.fresh()
    await service.packages.remove(ctx, "example.guide#1.0.0")
    while (await elsewhere.packages.fresh()).find("StructureDefinition", URL) is not None:
        assert time.monotonic() < deadline
    assert seen.find("StructureDefinition", URL) is not None  # whoever works with it keeps it


async def test_what_is_removed_leaves_nothing(
    service: FhirService, store: Store, ctx: Context
) -> None:
    await service.packages.add(ctx, [package()])

    await service.packages.remove(ctx, "example.guide#1.0.0")

    assert await keys(service, ctx) == []
    assert await loads(store) == []
    with pytest.raises(NotFound, match=r"`example\.guide#1\.0\.0` is not loaded"):
        await service.packages.remove(ctx, "example.guide#1.0.0")


async def test_a_package_that_another_needs_stays(service: FhirService, ctx: Context) -> None:
    needing = package(profile("b"), name="needing", dependencies={"example.guide": "1.0.x"})
    await service.packages.add(ctx, [package(), needing])

    with pytest.raises(Conflict, match=r"needed by `needing#1\.0\.0`"):
        await service.packages.remove(ctx, "example.guide#1.0.0")
    await service.packages.remove(ctx, "example.guide#1.0.0", force=True)

    missing = await service.packages.missing(ctx)
    assert await keys(service, ctx) == ["needing#1.0.0"]
    assert [(one.name, one.needed_by) for one in missing] == [("example.guide", "needing#1.0.0")]


async def test_a_name_is_enough_if_there_is_one_version(service: FhirService, ctx: Context) -> None:
    await service.packages.add(ctx, [package(), package(version="2.0.0")])

    for work in (service.packages.show, service.packages.remove):
        with pytest.raises(Invalid, match=r"may be `example\.guide#1\.0\.0`, `example"):
            await work(ctx, "example.guide")
    await service.packages.remove(ctx, "example.guide@1.0.0")

    assert (await service.packages.show(ctx, "example.guide")).manifest.version == "2.0.0"
    with pytest.raises(NotFound):
        await service.packages.show(ctx, "example.guide#1.0.0")


async def test_what_comes_with_the_server_stays(service: FhirService, ctx: Context) -> None:
    [own] = [one for one in await service.packages.list(ctx) if one.builtin]

    with pytest.raises(Conflict, match="comes with the server"):
        await service.packages.remove(ctx, own.key)
    with pytest.raises(Conflict, match="comes with the server"):
        await service.packages.add(ctx, [package(name=own.manifest.name, version="9.0.0")])


async def test_what_a_package_needs_is_taken_from_beside_it(
    service: FhirService, ctx: Context, tmp_path: Path
) -> None:
    (tmp_path / "example.guide-1.0.2.tgz").write_bytes(package_file(version="1.0.2"))
    (tmp_path / "example.guide-1.0.10.tgz").write_bytes(package_file(version="1.0.10"))
    (tmp_path / "example.guide-extra-1.0.99.tgz").write_bytes(b"not even a package")
    needing = package(profile("b"), name="needing", dependencies={"example.guide": "1.0.x"})

    done = await service.packages.add(ctx, [needing], [Folder(tmp_path)])

    assert [one.package for one in done.packages] == ["example.guide#1.0.10", "needing#1.0.0"]
    assert done.missing == ()


async def test_what_is_missing_is_said_and_refused_if_it_must_be_complete(
    service: FhirService, ctx: Context
) -> None:
    needing = package(name="needing", dependencies={"nowhere": "1.0.0"})

    with pytest.raises(Conflict, match=r"`nowhere#1\.0\.0`, which `needing#1\.0\.0` needs"):
        await service.packages.add(ctx, [needing], complete=True)
    assert await keys(service, ctx) == []

    done = await service.packages.add(ctx, [needing])

    assert [one.name for one in done.missing] == ["nowhere"]
    assert await keys(service, ctx) == ["needing#1.0.0"]


async def test_r4_itself_is_there_without_being_loaded(
    service: FhirService, store: Store, ctx: Context
) -> None:
    done = await service.packages.add(ctx, [package(name="hl7.fhir.r4.core", version="4.0.1")])

    assert [(one.package, one.changed) for one in done.packages] == [
        ("hl7.fhir.r4.core#4.0.1", False)
    ]
    assert await loads(store) == []


async def test_only_administrators_may(service: FhirService, ctx: Context) -> None:
    await service.packages.add(ctx, [package()])

    for work in (
        service.packages.list(READER),
        service.packages.add(READER, [package()]),
        service.packages.read(READER, package_file()),
        service.packages.remove(READER, "example.guide#1.0.0"),
        service.packages.show(READER, "example.guide#1.0.0"),
        service.packages.missing(READER),
        service.packages.store(READER, "example.guide#1.0.0", ["StructureDefinition"]),
    ):
        with pytest.raises(Forbidden, match="administrators"):
            await work


async def test_a_broken_package_changes_nothing(service: FhirService, ctx: Context) -> None:
    raw = package_file()

    with pytest.raises(BadStructure):
        await service.packages.read(ctx, raw[: len(raw) // 2])

    assert await keys(service, ctx) == []


async def test_a_load_that_was_interrupted_is_not_there_and_is_swept(
    service: FhirService, store: Store, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(Exception):
        pass

    async def killed(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(store.packages._packages, "find_one_and_replace", killed)
        with pytest.raises(Killed):
            await service.packages.add(ctx, [package()])
    assert await keys(service, ctx) == []
    assert len(await loads(store)) == 1

    monkeypatch.setattr("fhir_server.store.packages.ABANDONED", timedelta(seconds=-5))
    await service.packages.add(ctx, [package(name="other")])

    assert len(await loads(store)) == 1
    assert await keys(service, ctx) == ["other#1.0.0"]


async def test_definitions_can_become_resources(service: FhirService, ctx: Context) -> None:
    await service.packages.add(ctx, [package(MARK, profile())])

    stored = await service.packages.store(ctx, "example.guide#1.0.0", ["SearchParameter"])

    [found] = await service.find(ctx, "SearchParameter", [("url", MARK["url"])])
    assert stored == (1, {})
    assert found.id == "mark"
    assert "mark" in (await service.parameters()).custom["Patient"]
    assert await service.find(ctx, "StructureDefinition", []) == []


async def test_definitions_that_are_resources_already_are_replaced(
    service: FhirService, ctx: Context
) -> None:
    await service.packages.add(ctx, [package(MARK), package(MARK | {"code": "m"}, version="2.0.0")])

    for version in ("1.0.0", "2.0.0", "2.0.0"):
        await service.packages.store(ctx, f"example.guide#{version}", ["SearchParameter"])

    [found] = await service.find(ctx, "SearchParameter", [])
    assert found.version == 2


async def test_only_definitions_can_become_resources(service: FhirService, ctx: Context) -> None:
    await service.packages.add(ctx, [package()])

    with pytest.raises(Invalid, match="`Patient` is not a type that is stored"):
        await service.packages.store(ctx, "example.guide#1.0.0", ["Patient"])


async def test_the_capability_statement_names_the_profiles_at_once(
    service: FhirService, store: Store, ctx: Context
) -> None:
    async with client_of(service, store) as client:
        before = (await client.get("/fhir/metadata")).json()
        guide = {"resourceType": "ImplementationGuide", "url": "urn:guide", "version": "1"}
        await service.packages.add(ctx, [package(profile(), guide)])
        after = (await client.get("/fhir/metadata")).json()

    def supported(statement: Any) -> list[str]:
        [row] = [one for one in statement["rest"][0]["resource"] if one["type"] == "Patient"]
        return row.get("supportedProfile", [])

    assert URL not in supported(before)
    assert URL in supported(after)
    assert after["implementationGuide"] == ["urn:guide|1"]


async def test_packages_outlive_the_process(
    service: FhirService, ctx: Context, collections: mongo.Collections
) -> None:
    await service.packages.add(ctx, [package()])

    again = FhirService(Store(collections), Fhir())

    shelf = await again.packages.show(ctx, "example.guide#1.0.0")
    assert [item.url for item in shelf.items] == [URL]
    assert shelf.manifest == package().manifest


@pytest.mark.shared
async def test_the_four_guides_load_in_little_time_and_memory(
    service: FhirService, ctx: Context, collections: mongo.Collections
) -> None:
    if not DEFINITIONS.is_dir():
        pytest.skip("the shared definitions are not beside the checkout")
    started, before = time.process_time(), process.getrusage(process.RUSAGE_SELF).ru_maxrss

    given = [read((DEFINITIONS / f"{name}.tgz").read_bytes()) for name in GUIDES]
    done = await service.packages.add(ctx, given, [Folder(DEFINITIONS)])
    catalogue = await Store(collections).packages.fresh()

    used_kb = process.getrusage(process.RUSAGE_SELF).ru_maxrss - before
    assert time.process_time() - started < 10
    assert used_kb < 150 * 1024
    assert [dict(one.left_out) for one in done.packages] == [{}] * 4
    assert "hl7.terminology.r4" in {one.name for one in done.missing}
    us_core = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient"
    assert f"{us_core}|3.1.1" in catalogue.profiles("Patient")
    found = catalogue.find("StructureDefinition", us_core, "hl7.fhir.us.core#6.1.0")
    assert found is not None
    assert found.version == "6.1.0"
