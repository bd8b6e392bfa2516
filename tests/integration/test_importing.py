"""`medflow import` on a real database, https://hl7.org/fhir/R4/http.html#transaction."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from pydantic import SecretStr
from pydicom.data import get_testdata_file

from kernel.errors import NotFound
from kernel.settings import load
from medflow.cli.session import administrator
from medflow.importing.intake import intake
from medflow.wiring import wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from medflow.importing.intake import Report
    from medflow.wiring import Parts

SYNTHEA = Path(__file__).resolve().parents[2] / ".." / "shared" / "fhir" / "synthea"
CTX = administrator("import")
SYSTEM = "https://hospital.example/units"


@pytest_asyncio.fixture
async def parts(mongodb_uri: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Parts]:
    """A server without listeners on an empty database of its own."""
    settings = load({"MEDFLOW_DATA_DIR": str(tmp_path / "data")}).model_copy(
        update={
            "mongodb_uri": SecretStr(mongodb_uri),
            "redis_url": SecretStr(redis_url),
            "mongodb_database": "medflow_import",
        }
    )
    async with wire(settings, ()) as made:
        for name in await made.store.collections.database.list_collection_names():
            await made.store.collections.database[name].delete_many({})
        yield made


async def run(parts: Parts, *paths: Path) -> Report:
    return await intake(parts, CTX, paths, lambda *_: None)


def bundle(*entries: dict[str, Any], type: str = "transaction") -> bytes:
    return json.dumps({"resourceType": "Bundle", "type": type, "entry": entries}).encode()


def post(resource: dict[str, Any]) -> dict[str, Any]:
    return {"resource": resource, "request": {"method": "POST", "url": resource["resourceType"]}}


async def test_a_file_waits_for_what_it_refers_to(parts: Parts, tmp_path: Path) -> None:
    unit = {"resourceType": "Organization", "identifier": [{"system": SYSTEM, "value": "7"}]}
    patient = {
        "resourceType": "Patient",
        "managingOrganization": {"reference": f"Organization?identifier={SYSTEM}|7"},
    }
    (tmp_path / "a.json").write_bytes(bundle(post(patient)))
    (tmp_path / "z.json").write_bytes(bundle(post(unit)))

    report = await run(parts, tmp_path)

    assert (report.files, report.resources, report.failed) == (2, 2, [])
    [found] = await parts.service.find(CTX, "Patient", ())
    assert b"Organization/" in (found.body or b"")


async def test_what_never_resolves_is_told_and_stops_nothing(parts: Parts, tmp_path: Path) -> None:
    lost = {
        "resourceType": "Patient",
        "managingOrganization": {"reference": f"Organization?identifier={SYSTEM}|none"},
    }
    (tmp_path / "a.json").write_bytes(bundle(post(lost)))
    (tmp_path / "b.json").write_text('{"resourceType": "Patient", "id": "b"}')

    report = await run(parts, tmp_path)

    assert [failure.path.name for failure in report.failed] == ["a.json"]
    assert report.resources == 1


async def test_many_files_at_once_are_counted_right(parts: Parts, tmp_path: Path) -> None:
    for number in range(20):
        line = json.dumps({"resourceType": "Patient", "id": f"n{number}"}).encode()
        (tmp_path / f"{number}.ndjson.gz").write_bytes(gzip.compress(line + b"\n"))
    told: list[tuple[int, int, int]] = []

    report = await intake(parts, CTX, [tmp_path], lambda *state: told.append(state))

    assert report.resources == len(await parts.service.find(CTX, "Patient", ())) == 20
    assert told[-1] == (20, 20, 20)


async def test_a_batch_keeps_what_was_right_and_is_not_run_twice(
    parts: Parts, tmp_path: Path
) -> None:
    wrong = {"request": {"method": "GET", "url": "Patient/none"}}
    right = post({"resourceType": "Patient"})
    (tmp_path / "a.json").write_bytes(bundle(right, wrong, type="batch"))
    (tmp_path / "b.json").write_text('{"resourceType": "Basic", "code": {"text": "x"}}')

    report = await run(parts, tmp_path)

    assert [failure.path.name for failure in report.failed] == ["a.json"]
    assert len(await parts.service.find(CTX, "Patient", ())) == 1


async def test_an_hl7_file_is_taken_like_a_message(parts: Parts, tmp_path: Path) -> None:
    message = b"\r".join(
        [
            rb"MSH|^~\&|A|B|C|D|20240101||ADT^A01^ADT_A01|imp-1|P|2.5.1",
            b"EVN||20240101",
            b"PID|||77^^^B^MR||Doe^Jo",
            b"PV1||I",
        ]
    )
    (tmp_path / "a.hl7").write_bytes(message)
    (tmp_path / "b.hl7").write_bytes(b"not a message")

    report = await run(parts, tmp_path)

    assert [failure.path.name for failure in report.failed] == ["b.hl7"]
    assert len(await parts.service.find(CTX, "Patient", ())) == 1


async def test_dicom_files_are_archived_and_indexed(parts: Parts, tmp_path: Path) -> None:
    image = Path(str(get_testdata_file("CT_small.dcm"))).read_bytes()
    (tmp_path / "IM0001").write_bytes(image)
    (tmp_path / "broken.dcm").write_bytes(image[:700])

    report = await run(parts, tmp_path)

    assert [failure.path.name for failure in report.failed] == ["broken.dcm"]
    assert len(await parts.service.find(CTX, "ImagingStudy", ())) == 1


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\x00\xff", b'"x"'])
async def test_rubbish_is_refused_with_a_reason(
    parts: Parts, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "x.json").write_bytes(content)

    report = await run(parts, tmp_path)

    assert [(failure.path.name, bool(failure.reason)) for failure in report.failed] == [
        ("x.json", True)
    ]


@pytest.mark.shared
async def test_a_synthea_patient_is_stored_with_all_that_belongs_to_it(parts: Parts) -> None:
    folder = SYNTHEA / "v2019"
    if not folder.is_dir():
        pytest.skip("There are no shared samples beside the checkout.")
    patients = (file for file in folder.glob("*.json*") if "Information" not in file.name)
    smallest = min(patients, key=lambda file: file.stat().st_size)

    report = await run(parts, smallest)

    assert report.failed == []
    assert report.resources > 20
    assert len(await parts.service.find(CTX, "Patient", ())) == 1


async def test_what_failed_left_nothing(parts: Parts, tmp_path: Path) -> None:
    kept = {
        "resource": {"resourceType": "Patient", "id": "half"},
        "request": {"method": "PUT", "url": "Patient/half"},
    }
    wrong = post({"resourceType": "Patient", "gender": "nonsense"})
    (tmp_path / "a.json").write_bytes(bundle(kept, wrong))

    report = await run(parts, tmp_path)

    assert len(report.failed) == 1
    with pytest.raises(NotFound):
        await parts.service.read(CTX, "Patient", "half")


async def test_a_transaction_that_creates_is_run_once(parts: Parts, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(bundle(post({"resourceType": "Patient"})))
    (tmp_path / "b.json").write_text(json.dumps({"resourceType": "Patient", "active": True}))

    first, second = await run(parts, tmp_path), await run(parts, tmp_path)
    third = await intake(parts, CTX, [tmp_path], lambda *_: None, again=True)

    assert [(one.resources, one.repeated) for one in (first, second, third)] == [
        (2, 0),
        (2, 2),
        (2, 0),
    ]
    assert len(await parts.service.find(CTX, "Patient", ())) == 4
    assert first.failed == second.failed == third.failed == []


@pytest.mark.shared
async def test_the_set_of_2021_is_imported_twice_without_duplicates(
    parts: Parts, tmp_path: Path
) -> None:
    folder = SYNTHEA / "v2021-uscore"
    if not folder.is_dir():
        pytest.skip("There are no shared samples beside the checkout.")
    names = sorted(folder.iterdir(), key=lambda path: path.stat().st_size)
    general = [path for path in names if "Information" in path.name]
    chosen = [*general, *[path for path in names if path not in general][:3]]

    first = await run(parts, *chosen)
    once = await parts.store.counts()
    second = await run(parts, *chosen)
    parts.store._counted_at = 0  # it keeps its counts for some seconds

    assert (first.failed, second.failed) == ([], [])
    assert first.resources == second.resources
    assert await parts.store.counts() == once
