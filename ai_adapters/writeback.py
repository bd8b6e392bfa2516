"""Writes what a model said: one transaction, by deterministic ids, never over a clinician's word.

https://hl7.org/fhir/R4/http.html#transaction
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ai_adapters import report, trail
from ai_adapters.wire import MAX_FINDINGS
from fhir_server.model import Context, Origin, Principal
from kernel import log
from kernel.errors import Conflict, Gone, NotFound, PreconditionFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ai_adapters.adapter import Finding, Model
    from fhir_server.model import Resource
    from fhir_server.service import FhirService

LOG = log.get("ai_adapters.writeback")
RACES: Final = 5  # lost against other writers before we give up and are told again
SCOPES: Final = (
    "system/ImagingStudy.r",
    *(
        f"system/{type}.cru"
        for type in ("Device", "DiagnosticReport", "Observation", "Provenance", "Task")
    ),
)
_DECODER: Final = msgspec.json.Decoder(float_hook=Decimal)


@dataclass(frozen=True, slots=True)
class Stored:
    """What the server has under an id; version 0 means that it never had anything."""

    resource: dict[str, Any] | None = None
    version: int = 0

    @property
    def deleted(self) -> bool:
        return self.resource is None and self.version != 0


class WriteBack:
    """One run of one model: what is stored about it, and how its outcome gets there."""

    def __init__(self, service: FhirService, model: Model, study: str, run: str) -> None:
        self._service = service
        self._model = model
        self._study = study
        self._run = run
        self._report = report.report_id(model, study)
        self._ours = {report.observation_id(self._report, n) for n in range(MAX_FINDINGS)}
        self._context = Context(
            Principal(f"ai:{model.name}", SCOPES), Origin("ai", model.name, run)
        )

    async def study(self) -> Stored:
        return await self._stored("ImagingStudy", self._study)

    async def due(self, study: Resource) -> bool:
        """Return whether this run is to be made: not made yet, not failed, and ours to write."""
        failed = await self._stored("Task", trail.task_id(self._run))
        return failed.resource is None and self._writable(
            await self._stored("DiagnosticReport", self._report), study
        )

    async def write(self, study: Stored, findings: Sequence[Finding]) -> None:
        """Write the report, unless it became someone else's, or the study another, meanwhile."""
        for _ in range(RACES):
            bundle = await self._bundle(study, findings)
            if bundle is None:
                LOG.info("report.left_alone", id=self._report, run=self._run)
                return
            if await self._commit(bundle):
                LOG.info("report.written", id=self._report, run=self._run, findings=len(findings))
                return
        raise Conflict(f"`DiagnosticReport/{self._report}` changes faster than it can be written.")

    async def fail(self, study: Resource, reason: str) -> None:
        """Record that this run failed; `reason` is a sentence without the patient."""
        at = study["meta"]["lastUpdated"]
        task = trail.task(self._model, study, self._run, reason, at)
        entries = [*await self._device(), _put(task, None)]
        if await self._commit(entries):
            LOG.error("run.failed", model=self._model.name, run=self._run, why=reason)

    async def withdraw(self, at: str) -> None:
        """Cancel the report of a study that is gone or void, if it is still ours."""
        for _ in range(RACES):
            stored = await self._stored("DiagnosticReport", self._report)
            if stored.resource is None or stored.resource["status"] != "preliminary":
                return
            if await self._commit(await self._withdrawal(stored.resource, stored.version, at)):
                LOG.info("report.withdrawn", id=self._report)
                return
        raise Conflict(f"`DiagnosticReport/{self._report}` changes faster than it can be written.")

    async def _withdrawal(
        self, stored: dict[str, Any], version: int, at: str
    ) -> list[dict[str, Any]]:
        results = await self._observations(self._ours.intersection(_results(stored)))
        entries = [
            _put(report.withdrawn(each.resource), each)
            for each in results.values()
            if each.resource is not None and each.resource["status"] == "preliminary"
        ]
        entries.append(_put(report.withdrawn(stored), Stored(stored, version)))
        entries.append(self._provenance(f"{self._report} {version}", entries, at, "CANCEL"))
        return entries

    async def _bundle(
        self, study: Stored, findings: Sequence[Finding]
    ) -> list[dict[str, Any]] | None:
        if study.resource is None or (await self.study()).version != study.version:
            return None  # the event of the newer version is on its way to us
        stored = await self._stored("DiagnosticReport", self._report)
        if not self._writable(stored, study.resource):
            return None
        at = study.resource["meta"]["lastUpdated"]
        new = report.observations(self._model, study.resource, findings, at)
        results = [] if stored.resource is None else _results(stored.resource)
        old = await self._observations(dict.fromkeys([*(each["id"] for each in new), *results]))
        if not self._ours.issuperset(results) or any(map(_moved_on, old.values())):
            return None
        retired = [id for id in results if id not in {each["id"] for each in new}]
        entries = [_put(each, old[each["id"]]) for each in new]
        entries += [_put(report.withdrawn(old[id].resource or {}), old[id]) for id in retired]
        whole = report.report(self._model, study.resource, self._run, findings, at)
        entries.append(_put(whole, stored))
        activity: trail.Activity = "UPDATE" if stored.version else "CREATE"
        return [
            *await self._device(),
            *entries,
            self._provenance(self._run, entries, at, activity),
        ]

    def _writable(self, stored: Stored, study: Resource) -> bool:
        if stored.resource is None:
            return not stored.deleted  # who deleted our report does not want it back
        return report.is_open(stored.resource) and not report.is_of(
            stored.resource, self._run, study
        )

    def _provenance(
        self, id: str, entries: Sequence[dict[str, Any]], at: str, activity: trail.Activity
    ) -> dict[str, Any]:
        targets = [entry["request"]["url"] for entry in entries]
        return _put(trail.provenance(id, self._model, self._study, targets, at, activity), None)

    async def _device(self) -> list[dict[str, Any]]:
        """Return the entry for the model's Device if it is not there; what is there stays."""
        stored = await self._stored("Device", report.device_id(self._model))
        return [] if stored.resource else [_put(report.device(self._model), None)]

    async def _observations(self, ids: Iterable[str]) -> dict[str, Stored]:
        return {id: await self._stored("Observation", id) for id in ids}

    async def _stored(self, type: str, id: str) -> Stored:
        try:
            version = await self._service.read(self._context, type, id)
        except NotFound:
            return Stored()
        except Gone:
            return Stored(None, -1)
        return Stored(_DECODER.decode(version.body or b"{}"), version.version)

    async def _commit(self, entries: Sequence[dict[str, Any]]) -> bool:
        """Return whether all of it is stored; False if another writer was faster."""
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": list(entries)}
        try:
            await self._service.bundle(self._context, bundle)
        except PreconditionFailed:
            return False
        return True


def _put(resource: dict[str, Any], over: Stored | None) -> dict[str, Any]:
    """Return the entry that puts `resource` over exactly this version, or over any if None."""
    request = {"method": "PUT", "url": f"{resource['resourceType']}/{resource['id']}"}
    if over is not None:
        request["ifMatch"] = f'W/"{over.version}"'
    return {"resource": resource, "request": request}


def _results(stored: dict[str, Any]) -> list[str]:
    references = (each.get("reference", "") for each in stored.get("result", []))
    return [each.removeprefix("Observation/") for each in references if each]


def _moved_on(observation: Stored) -> bool:
    """Return whether someone else decided about this finding, and so about the report."""
    resource = observation.resource
    if resource is None:
        return observation.deleted
    return resource["status"] not in {"preliminary", "cancelled"}
