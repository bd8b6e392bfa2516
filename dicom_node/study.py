"""Write arrived instances into ImagingStudy and Patient, through the one door.

https://hl7.org/fhir/R4/imagingstudy.html. A study and the Patient that it needs are one transaction
with `ifMatch`; when somebody else was faster, everything is read again and merged again.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from dicom_node.mapping.merge import merge
from dicom_node.mapping.patient import UNKNOWN_ISSUER, contradicts
from dicom_node.mapping.values import text
from fhir_server.model import Context, Origin, Principal
from kernel import clock, ids, log
from kernel.errors import Conflict, Gone, NotFound, PreconditionFailed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dicom_node.mapping.imaging_study import Mapped
    from dicom_node.mapping.patient import Subject
    from fhir_server.model import Version
    from fhir_server.service import FhirService

SCOPES: Final = ("system/Patient.crus", "system/ImagingStudy.crus", "system/Provenance.crus")
ATTEMPTS: Final = 8
_SAME_ID: Final = 50  # Patients that may carry one identifier; more is a mistake worth an error
_log = log.get("dicom.study")


def context(peer: str, message: str) -> Context:
    """Return what the node acts as for an image of this calling AE title."""
    origin = Origin("dicom", peer=peer, message=message)
    return Context(Principal(f"dicom:{peer}" if peer else "dicom", SCOPES), origin)


async def write(service: FhirService, peer: str, arrived: Sequence[Mapped]) -> bool:
    """Merge instances of one study into its ImagingStudy; return whether that changed it.

    Raises:
        Conflict: others changed the study faster than it could be merged.
        FhirError: the service refuses it.
    """
    ctx = context(peer, arrived[0].SOPInstanceUID)
    for _ in range(ATTEMPTS):
        entries = await _entries(service, ctx, arrived)
        if not entries:
            return False
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        try:
            await service.bundle(ctx, bundle)
        except PreconditionFailed:
            continue  # another writer was first: what it wrote is merged in the next round
        return True
    raise Conflict(f"ImagingStudy `{arrived[0].id}` changed `{ATTEMPTS}` times while merging.")


async def _entries(
    service: FhirService, ctx: Context, arrived: Sequence[Mapped]
) -> list[dict[str, Any]]:
    id = arrived[0].id
    version, existing = await _current(service, ctx, id)
    patient, entries = await _patient(service, ctx, arrived[0].subject, existing)
    merged = merge(existing, arrived, {"reference": f"Patient/{patient}"})
    if merged == existing:
        return []
    entries.append(_put(merged, version))
    if existing is None:
        entries.append(_put(_provenance(ctx, arrived[0], id), None))
    return entries


async def _current(
    service: FhirService, ctx: Context, id: str
) -> tuple[int | None, dict[str, Any] | None]:
    """Return version and content of a study; version 0 if there never was one, None if deleted."""
    try:
        found = await service.read(ctx, "ImagingStudy", id)
    except NotFound:
        return 0, None
    except Gone:
        return None, None
    return found.version, _content(found)


def _content(version: Version) -> dict[str, Any]:
    """Return a resource without what the server sets itself."""
    resource: dict[str, Any] = json.loads(version.body or b"{}", parse_float=Decimal)
    meta = resource.pop("meta", {})
    kept = {key: part for key, part in meta.items() if key not in {"versionId", "lastUpdated"}}
    return resource | {"meta": kept} if kept else resource


async def _patient(
    service: FhirService, ctx: Context, subject: Subject, existing: Mapping[str, Any] | None
) -> tuple[str, list[dict[str, Any]]]:
    """Return the id of the study's Patient, and the entry that makes it if there is none yet."""
    found = await _known(service, ctx, subject)
    if existing is not None and "subject" in existing:
        stored = str(existing["subject"].get("reference", ""))
        if stored != f"Patient/{found or subject.id}":
            _log.warning("study.subject_differs", study=existing["id"], stored=stored)
        return "", []  # merge() keeps the stored subject: images never move a study
    if found is not None:
        return found, []
    return subject.id, [_put({**subject.resource, "id": subject.id}, 0)]


async def _known(service: FhirService, ctx: Context, subject: Subject) -> str | None:
    """Return the id of a stored Patient that this is.

    The same system and value, and, where nobody is named as the issuer, no contradiction in birth
    date or family name. Its demographics are left alone.
    """
    candidates = []
    if subject.value:
        token = f"{_escaped(subject.system)}|{_escaped(subject.value)}"
        candidates = await service.find(ctx, "Patient", [("identifier", token)], limit=_SAME_ID)
    for candidate in sorted(candidates, key=lambda version: version.id):
        if subject.system != UNKNOWN_ISSUER or not contradicts(_content(candidate), subject):
            return candidate.id
    return await _by_id(service, ctx, subject.id)


async def _by_id(service: FhirService, ctx: Context, id: str) -> str | None:
    """Return `id` if there is such a Patient: its identifier may have been edited away."""
    try:
        await service.read(ctx, "Patient", id)
    except (NotFound, Gone):
        return None
    return id


def _escaped(value: str) -> str:
    r"""Escape `\`, `,`, `$` and `|`: https://hl7.org/fhir/R4/search.html#escaping."""
    return "".join(f"\\{char}" if char in "\\,$|" else char for char in value)


def _put(resource: Mapping[str, Any], version: int | None) -> dict[str, Any]:
    url = f"{resource['resourceType']}/{resource['id']}"
    request = {"method": "PUT", "url": url}
    if version is not None:
        request["ifMatch"] = f'W/"{version}"'
    return {"resource": resource, "request": request}


def _provenance(ctx: Context, mapped: Mapped, id: str) -> dict[str, Any]:
    """Return who first sent images of the study; one a study, by a derived id."""
    sender = {"type": "Device", "display": text(ctx.origin.peer) or "unknown"}
    return {
        "resourceType": "Provenance",
        "id": ids.derived("Provenance", "ImagingStudy", mapped.StudyInstanceUID),
        "target": [{"reference": f"ImagingStudy/{id}"}],
        "recorded": clock.instant(clock.now()),
        "activity": {
            "coding": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/v3-DataOperation",
                    "code": "CREATE",
                }
            ]
        },
        "agent": [
            {
                "type": {
                    "coding": [
                        {
                            "system": "http://terminology.hl7.org/CodeSystem/provenance-participant-type",
                            "code": "enterer",
                        }
                    ]
                },
                "who": sender,
            }
        ],
        "entity": [
            {
                "role": "source",
                "what": {
                    "identifier": {
                        "system": "urn:dicom:uid",
                        "value": f"urn:oid:{mapped.SOPInstanceUID}",
                    }
                },
            }
        ],
    }
