"""The peer: what one gets with FastAPI and `fhir.resources`, and MongoDB handlers done well.

`fhirstarter` brings routing, validation and headers and no store; the handlers here are ours: the
JSON as text beside the indexed fields, an index for the search, writes with `w:majority, j:true`.
Runs in an environment of its own: `python peer_fhirstarter.py MONGODB_URI PORT`.

https://github.com/canvas-medical/fhirstarter
"""

# No `annotations` import: fhirstarter reads the handlers' annotations as objects.
import sys
from typing import Any
from uuid import uuid4

import uvicorn
from fhir.resources.R4B import get_fhir_model_class
from fhir.resources.R4B.bundle import Bundle
from fhirstarter import FHIRProvider, FHIRStarter, InteractionContext
from fhirstarter.exceptions import FHIRResourceNotFoundError
from pymongo import AsyncMongoClient, MongoClient, WriteConcern

TYPES = (
    "Patient", "Observation", "Encounter", "Condition", "Procedure", "Immunization", "Organization",
    "Practitioner", "DiagnosticReport", "MedicationRequest", "CarePlan", "Goal", "Claim",
    "ExplanationOfBenefit", "AllergyIntolerance", "ImagingStudy", "CareTeam", "Medication",
    "MedicationAdministration", "Device",
)  # fmt: skip


NAME = "bench_fhirstarter"


def application(uri: str) -> FHIRStarter:
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(uri)
    durable = WriteConcern(w="majority", j=True)
    collection = client[NAME].get_collection("resources", write_concern=durable)
    provider = FHIRProvider()
    for type in TYPES:
        register(provider, collection, type)
    app = FHIRStarter(title="peer")
    app.add_providers(provider)
    return app


def register(provider: FHIRProvider, collection: Any, type: str) -> None:
    """Offer create and read of one type, and search of Observations by code."""
    model = get_fhir_model_class(type)

    @provider.create(model)
    async def create(context: InteractionContext, resource: Any) -> str:
        resource.id = str(uuid4())
        code = getattr(resource, "code", None)
        await collection.insert_one(
            {
                "_id": f"{type}/{resource.id}",
                "codes": [f"{c.system}|{c.code}" for c in getattr(code, "coding", None) or ()],
                "json": resource.model_dump_json(),
            }
        )
        return resource.id

    @provider.read(model)
    async def read(context: InteractionContext, id_: str) -> Any:
        found = await collection.find_one({"_id": f"{type}/{id_}"})
        if found is None:
            raise FHIRResourceNotFoundError
        return model.model_validate_json(found["json"])

    if type == "Observation":

        @provider.search_type(model)
        async def search(context: InteractionContext, code: str | None) -> Bundle:
            found = await collection.find({"codes": code}).limit(20).to_list()
            entries = [{"resource": model.model_validate_json(one["json"])} for one in found]
            return Bundle(type="searchset", entry=entries or None)


if __name__ == "__main__":
    with MongoClient[dict[str, Any]](sys.argv[1]) as once:
        once[NAME]["resources"].create_index("codes")
    uvicorn.run(
        application(sys.argv[1]),
        host="127.0.0.1",
        port=int(sys.argv[2]),
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
    )
