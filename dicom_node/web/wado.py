"""WADO-RS: retrieve studies, series and instances as files or metadata.

DICOM PS3.18 §10.4 (retrieve transaction). Who may read the ImagingStudy may read its images: the
service decides, with the caller's own context.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse

from dicom_node import header, uid
from dicom_node.archive import Archive
from dicom_node.web import accept, metadata
from fhir_server.model import Context
from fhir_server.service import FhirService
from kernel import ids, log
from kernel.errors import BadValue, FhirError, NotAcceptable, NotFound, Unauthenticated, outcome

CHUNK: Final = 256 << 10
DICOM: Final = "application/dicom"
JSON: Final = "application/dicom+json"
_log = log.get("dicom.web")

Authenticate = Callable[[Request], Awaitable[Context]]


@dataclass(frozen=True, slots=True)
class Stored:
    """One file to send; `name` is its path below the DICOMweb root."""

    name: str
    path: Path
    TransferSyntaxUID: str


@dataclass(frozen=True, slots=True)
class Wado:
    """What the endpoints share."""

    service: FhirService
    archive: Archive
    authenticate: Authenticate

    async def files(self, request: Request, *uids: str) -> Response:
        """Answer with the files of a study, a series or an instance."""
        return await _answered(self._files(request, uids))

    async def metadata(self, request: Request, *uids: str) -> Response:
        """Answer with the metadata of a study, a series or an instance."""
        return await _answered(self._metadata(request, uids))

    async def _files(self, request: Request, uids: Sequence[str]) -> Response:
        found = await self._stored(request, uids)
        wanted = accept.parse(request.headers.get("accept", ""))
        syntaxes = frozenset(one.TransferSyntaxUID for one in found)
        if len(uids) == 3 and accept.single(wanted, syntaxes):
            syntax = found[0].TransferSyntaxUID
            return FileResponse(found[0].path, media_type=f"{DICOM}; transfer-syntax={syntax}")
        if not accept.related(wanted, syntaxes):
            raise NotAcceptable(
                f'Images are sent as `multipart/related; type="{DICOM}"` in the transfer syntax'
                f" that they are stored in: {', '.join(f'`{one}`' for one in sorted(syntaxes))}."
            )
        boundary = secrets.token_hex(16)
        return StreamingResponse(
            _parts(found, boundary),
            headers={"Content-Type": f'multipart/related; type="{DICOM}"; boundary="{boundary}"'},
        )

    async def _metadata(self, request: Request, uids: Sequence[str]) -> Response:
        if not accept.json(accept.parse(request.headers.get("accept", ""))):
            raise NotAcceptable(f"Metadata is sent as `{JSON}` only.")
        found = await self._stored(request, uids)
        return StreamingResponse(_objects(found), media_type=JSON)

    async def _stored(self, request: Request, uids: Sequence[str]) -> list[Stored]:
        """Return the files of what is asked for and may be read, in the order of the study.

        Raises:
            NotFound: nothing of it is here, or the caller may not know of it.
        """
        ctx = await self.authenticate(request)
        for one in uids:
            if not uid.valid(one):
                raise BadValue(f"`{one[:64]}` is not a UID.")
        study = await self.service.read(ctx, "ImagingStudy", ids.derived("ImagingStudy", uids[0]))
        names = _names(json.loads(study.body or b"{}"), uids)
        found = await asyncio.to_thread(self._locate, names)
        if not found:
            raise NotFound(f"No image of `{'/'.join(uids)}` is here.")
        if len(found) < len(names):
            _log.warning("files.missing", study=study.id, missing=len(names) - len(found))
        return found

    def _locate(self, names: Sequence[tuple[str, str, str]]) -> list[Stored]:
        found = []
        for study, series, instance in names:
            path = self.archive.locate(instance)
            if path is not None:
                name = f"studies/{study}/series/{series}/instances/{instance}"
                found.append(Stored(name, path, header.syntax(path)))
        return found


def _names(study: Mapping[str, Any], uids: Sequence[str]) -> list[tuple[str, str, str]]:
    wanted = (*uids, "", "")
    return [
        (uids[0], series["uid"], instance["uid"])
        for series in study.get("series", ())
        if wanted[1] in {"", series["uid"]}
        for instance in series.get("instance", ())
        if wanted[2] in {"", instance["uid"]}
    ]


def _parts(found: Sequence[Stored], boundary: str) -> Iterator[bytes]:
    for one in found:
        yield (
            f"\r\n--{boundary}\r\n"
            f"Content-Type: {DICOM}; transfer-syntax={one.TransferSyntaxUID}\r\n"
            f"Content-Location: {one.name}\r\n\r\n"
        ).encode()
        with one.path.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk
    yield f"\r\n--{boundary}--\r\n".encode()


def _objects(found: Sequence[Stored]) -> Iterator[bytes]:
    for index, one in enumerate(found):
        yield (b"," if index else b"[") + metadata.encoded(one.path)
    yield b"]"


async def _answered(answer: Awaitable[Response]) -> Response:
    try:
        return await answer
    except FhirError as error:
        headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, Unauthenticated) else None
        return JSONResponse(
            outcome(error), error.status, headers, media_type="application/fhir+json"
        )


def router(service: FhirService, archive: Archive, context: Authenticate) -> APIRouter:
    """Return the routes below `/dicomweb`; `context` authenticates a request."""
    made = APIRouter(tags=["DICOMweb"], default_response_class=Response)
    wado = Wado(service, archive, context)

    @made.get("/studies/{study}/metadata")
    async def study_metadata(request: Request, study: str) -> Response:
        return await wado.metadata(request, study)

    @made.get("/studies/{study}/series/{series}/metadata")
    async def series_metadata(request: Request, study: str, series: str) -> Response:
        return await wado.metadata(request, study, series)

    @made.get("/studies/{study}/series/{series}/instances/{instance}/metadata")
    async def instance_metadata(
        request: Request, study: str, series: str, instance: str
    ) -> Response:
        return await wado.metadata(request, study, series, instance)

    @made.get("/studies/{study}")
    async def retrieve_study(request: Request, study: str) -> Response:
        return await wado.files(request, study)

    @made.get("/studies/{study}/series/{series}")
    async def retrieve_series(request: Request, study: str, series: str) -> Response:
        return await wado.files(request, study, series)

    @made.get("/studies/{study}/series/{series}/instances/{instance}")
    async def retrieve_instance(
        request: Request, study: str, series: str, instance: str
    ) -> Response:
        return await wado.files(request, study, series, instance)

    return made
