"""Who sees which versions. https://hl7.org/fhir/smart-app-launch/STU2/scopes-and-launch-context.html"""

from __future__ import annotations

import pytest

from fhir_server.model import Context, Origin, Principal
from fhir_server.service import FhirService
from kernel.errors import Forbidden, NotFound
from tests.integration.fhir.versions import decoded, versions, write


def who(*scopes: str, patient: str | None = None) -> Context:
    return Context(Principal("app", scopes, patient), Origin("rest", "app", "test"))


async def test_the_system_shows_only_types_that_the_caller_may_search(
    service: FhirService, ctx: Context
) -> None:
    await write(service, ctx, "Patient", "a")
    await write(service, ctx, "Basic", "x", code={"text": "x"})
    reader = who("system/Patient.rs", "system/Observation.rs", "system/Basic.r")

    page = await service.system_history(reader, [("_total", "accurate")])

    assert versions(page) == ["Patient/a@1"]
    assert decoded(page)["total"] == 1


async def test_a_patients_app_sees_its_own_versions_only(
    service: FhirService, ctx: Context
) -> None:
    for id in ("a", "b"):
        await write(service, ctx, "Patient", id)
        await write(service, ctx, "Patient", id, active=True)
        await service.delete(ctx, "Patient", id)
    app = who("patient/*.rs", patient="a")

    system = await service.system_history(app)
    patients = await service.type_history(app, "Patient", [("_total", "accurate")])

    assert versions(system) == versions(patients) == [f"Patient/a@{n}" for n in (3, 2, 1)]
    assert decoded(patients)["total"] == 3
    with pytest.raises(NotFound):
        await service.history(app, "Patient", "b")


async def test_without_a_scope_there_is_no_history(service: FhirService) -> None:
    nobody = who("openid")

    with pytest.raises(Forbidden):
        await service.system_history(nobody)
    with pytest.raises(Forbidden):
        await service.type_history(nobody, "Patient")
