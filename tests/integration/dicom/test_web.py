"""Import of files, and WADO-RS. DICOM PS3.18 §10.4."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import fastapi
import httpx
import pydicom
import pytest

from dicom_node import ingest, web
from dicom_node.archive import Archive
from fhir_server.model import Context
from fhir_server.service import FhirService
from kernel.errors import NotFound
from tests.integration.dicom.running import (
    CT,
    EXPLICIT,
    MR,
    TRUNCATED,
    study_of,
)


async def test_a_folder_is_imported_like_it_were_sent(
    service: FhirService, ctx: Context, archive: Archive, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for source in (CT, MR, TRUNCATED):
        (folder / source.name).write_bytes(source.read_bytes())
    (folder / "readme.txt").write_text("not an image")

    first = await ingest.submit(service, archive, folder, min_free_bytes=0)
    again = await ingest.submit(service, archive, folder / CT.name, min_free_bytes=0)

    assert (first.indexed, first.unchanged) == (2, 0)
    assert [one.path.name for one in first.refused] == ["MR_truncated.dcm"]
    assert "truncated" in first.refused[0].reason
    assert (again.indexed, again.unchanged, again.refused) == (0, 1, ())
    assert (await study_of(service, ctx, MR))["modality"][0]["code"] == "MR"


@pytest.fixture
async def browser(
    service: FhirService, ctx: Context, archive: Archive
) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client of the DICOMweb routes; a request without `X-User` may see nothing."""

    async def context(request: fastapi.Request) -> Context:
        if "x-user" in request.headers:
            return ctx
        raise NotFound("`ImagingStudy` is not known.")

    app = fastapi.FastAPI()
    app.include_router(web.router(service, archive, context), prefix="/dicomweb")
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://test/dicomweb/",
        headers={"X-User": "me", "Accept": "*/*"},
    ) as client:
        yield client


def place(file: Path) -> tuple[str, str, str]:
    found = pydicom.dcmread(file, stop_before_pixels=True)
    return found.StudyInstanceUID, found.SeriesInstanceUID, found.SOPInstanceUID


@pytest.fixture
async def imported(service: FhirService, archive: Archive) -> tuple[str, str, str]:
    await ingest.submit(service, archive, CT, min_free_bytes=0)
    return place(CT)


async def test_a_study_is_retrieved_as_multipart(
    browser: httpx.AsyncClient, imported: tuple[str, str, str]
) -> None:
    study, series, instance = imported

    answer = await browser.get(f"studies/{study}")

    assert answer.status_code == 200
    kind, boundary = answer.headers["content-type"].split("; boundary=")
    assert kind == 'multipart/related; type="application/dicom"'
    _, part, end = answer.content.split(b"--" + boundary.strip('"').encode())
    head, _, body = part.partition(b"\r\n\r\n")
    assert f"transfer-syntax={EXPLICIT}".encode() in head
    assert f"studies/{study}/series/{series}/instances/{instance}".encode() in head
    assert body[:-2] == CT.read_bytes()
    assert end == b"--\r\n"


@pytest.mark.parametrize("levels", [1, 2, 3])
async def test_metadata_has_every_element_but_bulk_data(
    browser: httpx.AsyncClient, imported: tuple[str, str, str], levels: int
) -> None:
    path = "/".join(
        f"{name}/{uid}"
        for name, uid in zip(("studies", "series", "instances")[:levels], imported, strict=False)
    )

    answer = await browser.get(f"{path}/metadata", headers={"Accept": "application/dicom+json"})

    assert answer.headers["content-type"] == "application/dicom+json"
    (found,) = answer.json()
    assert found["0020000D"] == {"vr": "UI", "Value": [imported[0]]}
    assert found["00100010"]["Value"] == [{"Alphabetic": "CompressedSamples^CT1"}]
    assert "7FE00010" not in found


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        ('multipart/related; type="application/dicom"', 200),
        ('multipart/related; type="application/dicom"; transfer-syntax=*', 200),
        (f'multipart/related; type="application/dicom"; transfer-syntax={EXPLICIT}', 200),
        ("application/dicom", 200),
        ('multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2', 406),
        ('multipart/related; type="image/jpeg"', 406),
        ("text/html", 406),
    ],
)
async def test_accept_decides(
    browser: httpx.AsyncClient, imported: tuple[str, str, str], wanted: str, status: int
) -> None:
    study, series, instance = imported

    answer = await browser.get(
        f"studies/{study}/series/{series}/instances/{instance}", headers={"Accept": wanted}
    )

    assert answer.status_code == status
    if wanted == "application/dicom":
        assert answer.content == CT.read_bytes()


@pytest.mark.parametrize(
    ("path", "status"),
    [("studies/1.2.3", 404), ("studies/x.y", 400), ("studies/{study}/series/1.2/metadata", 404)],
)
async def test_what_is_not_here_is_an_outcome(
    browser: httpx.AsyncClient, imported: tuple[str, str, str], path: str, status: int
) -> None:
    answer = await browser.get(path.format(study=imported[0]))

    assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome")


async def test_who_may_not_read_the_study_gets_no_image(
    browser: httpx.AsyncClient, imported: tuple[str, str, str]
) -> None:
    del browser.headers["X-User"]

    answer = await browser.get(f"studies/{imported[0]}")

    assert answer.status_code == NotFound.status
