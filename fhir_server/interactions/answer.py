"""One entry of a batch-response or transaction-response.

https://hl7.org/fhir/R4/http.html#transaction-response
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from fhir_server.interactions.etag import etag
from kernel.clock import instant

if TYPE_CHECKING:
    from fhir_server.model import Context, Deleted, Result, Version

REASONS: Final = {
    200: "200 OK",
    201: "201 Created",
    204: "204 No Content",
    304: "304 Not Modified",
}


def written(ctx: Context, result: Result) -> dict[str, Any]:
    """Return the answer to a write, with as much as `Prefer: return=…` asks for."""
    version = result.version
    answer: dict[str, Any] = {"response": of_version(result.status, version)}
    if ctx.returns == "representation" and version.body is not None:
        return {"fullUrl": full_url(ctx, version), "resource": msgspec.Raw(version.body)} | answer
    if ctx.returns == "OperationOutcome":
        answer["response"]["outcome"] = _said(_summary(result))
    return answer


def deleted(ctx: Context, done: Deleted) -> dict[str, Any]:
    """Return the answer to a conditional delete."""
    response: dict[str, Any] = {"status": REASONS[204]}
    if ctx.returns == "OperationOutcome":
        response["outcome"] = _said(f"{done.count} resources are deleted.")
    return {"response": response}


def full_url(ctx: Context, version: Version) -> str:
    """Return what an entry with a resource says where that is."""
    return f"{ctx.base}/{version.reference}" if ctx.base else version.reference


def of_version(status: int, version: Version) -> dict[str, Any]:
    """Return the `response` of an entry that is about one version."""
    if not version.version:
        return {"status": REASONS[status]}
    return {
        "status": REASONS[status],
        "location": f"{version.reference}/_history/{version.version}",
        "etag": etag(version.version),
        "lastModified": instant(version.updated),
    }


def _summary(result: Result) -> str:
    reference = result.version.reference
    if not result.changed:
        return f"`{reference}` is unchanged: no new version was made."
    done = {201: "created", 204: "deleted"}.get(result.status, "updated")
    return f"`{reference}` is {done}, as version `{result.version.version}`."


def _said(text: str) -> dict[str, Any]:
    issue = {"severity": "information", "code": "informational", "diagnostics": text}
    return {"resourceType": "OperationOutcome", "issue": [issue]}
