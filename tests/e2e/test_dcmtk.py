"""DCMTK, a foreign implementation, against the running server.

DICOM PS3.4 §A and §B; https://support.dcmtk.org/docs/pages.html
"""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

FOLDER = Path(str(get_testdata_file("CT_small.dcm"))).parent
KINDS = [
    ("CT_small.dcm", "-xe"),
    ("MR_small_implicit.dcm", "-xi"),
    ("MR_small_bigendian.dcm", "-xb"),
    ("JPEG2000.dcm", "-xw"),
    ("SC_rgb_rle.dcm", "-xr"),
    ("waveform_ecg.dcm", "-xe"),
    ("test-SR.dcm", "-xe"),
]


def dcmtk(program: str, server: dict[str, Any], *arguments: str) -> str:
    """Run a DCMTK client against the server; return what it prints."""
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"`{program}` is not installed: run `make clients`.")
    at = server["dicom"]
    command = [found, "-v", "-aet", "DCMTK", "-aec", at["ae_title"], at["host"], str(at["port"])]
    done = subprocess.run(
        [*command, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def studies(server: dict[str, Any], uid: str) -> list[dict[str, Any]]:
    answer = httpx.get(
        f"{server['fhir']['url']}/ImagingStudy",
        params={"identifier": f"urn:dicom:uid|urn:oid:{uid}"},
    )
    assert answer.status_code == 200, answer.text
    return [entry["resource"] for entry in answer.json().get("entry", [])]


def test_echoscu_is_answered(server: dict[str, Any]) -> None:
    assert "Received Echo Response (Success)" in dcmtk("echoscu", server)


def fresh(name: str, folder: Path) -> tuple[Path, pydicom.Dataset]:
    """Write a copy of one of pydicom's files under UIDs that nobody has used."""
    found = pydicom.dcmread(FOLDER / name)
    found.StudyInstanceUID, found.SOPInstanceUID = generate_uid(), generate_uid()
    found.file_meta.MediaStorageSOPInstanceUID = found.SOPInstanceUID
    found.save_as(folder / name)
    return folder / name, found


@pytest.mark.parametrize(("name", "syntax"), KINDS)
def test_storescu_stores_and_then_finds_its_study(
    server: dict[str, Any], tmp_path: Path, name: str, syntax: str
) -> None:
    file, header = fresh(name, tmp_path)

    printed = dcmtk("storescu", server, syntax, str(file))

    assert "Received Store Response (Success)" in printed
    (study,) = studies(server, header.StudyInstanceUID)
    uids = [one["uid"] for series in study["series"] for one in series["instance"]]
    assert uids == [header.SOPInstanceUID]


def test_what_was_stored_comes_back_pixel_by_pixel(server: dict[str, Any], tmp_path: Path) -> None:
    file, header = fresh("CT_small.dcm", tmp_path)
    dcmtk("storescu", server, str(file))

    answer = httpx.get(
        f"{server['dicomweb']['url']}/studies/{header.StudyInstanceUID}"
        f"/series/{header.SeriesInstanceUID}/instances/{header.SOPInstanceUID}",
        headers={"Accept": "application/dicom"},
    )

    assert answer.status_code == 200
    assert pydicom.dcmread(io.BytesIO(answer.content)).PixelData == header.PixelData
