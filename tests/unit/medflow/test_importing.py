"""Files to import: what they are and what is made of them, https://hl7.org/fhir/R4/bundle.html."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from kernel.errors import BadStructure, FhirError, TooLarge
from medflow.importing import bundles
from medflow.importing.gateways import code
from medflow.importing.sources import kind_of, sources

if TYPE_CHECKING:
    from pathlib import Path

PATIENT: dict[str, Any] = {"resourceType": "Patient", "id": "p"}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.json", "json"), ("a.JSON.GZ", "json"), ("a.ndjson", "ndjson"), ("a.hl7", "hl7"),
        ("a.dcm", "dicom"), ("a.txt", None), ("a", None),
    ],
)  # fmt: skip
def test_a_file_is_known_by_its_name(tmp_path: Path, name: str, kind: str | None) -> None:
    (tmp_path / name).write_bytes(b"x")

    assert kind_of(tmp_path / name) == kind


def test_a_dicom_file_needs_no_suffix(tmp_path: Path) -> None:
    (tmp_path / "IM0001").write_bytes(bytes(128) + b"DICM")

    assert kind_of(tmp_path / "IM0001") == "dicom"


def test_files_that_others_refer_to_come_first(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name in ("a.json", "practitionerInformation.json", "deep/hospitalInformation.json", "x.md"):
        (tmp_path / name).write_text("{}")

    found, others = sources([tmp_path])

    assert [source.path.name for source in found] == [
        "hospitalInformation.json",
        "practitionerInformation.json",
        "a.json",
    ]
    assert others == 1


def test_a_resource_is_put_under_its_id_or_posted() -> None:
    made = bundles.transaction([PATIENT, {"resourceType": "Patient"}])

    assert [entry["request"] for entry in made["entry"]] == [
        {"method": "PUT", "url": "Patient/p"},
        {"method": "POST", "url": "Patient"},
    ]


def test_a_collection_becomes_a_transaction() -> None:
    raw = json.dumps(
        {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": PATIENT}]}
    )

    made = bundles.from_json(raw.encode())

    assert made == bundles.transaction([PATIENT])


def test_a_transaction_stays_what_it_is() -> None:
    given = b'{"resourceType": "Bundle", "type": "transaction", "entry": []}'

    assert bundles.from_json(given) is given


def test_lines_are_stored_together_up_to_a_limit() -> None:
    lines = b"\n".join([json.dumps(PATIENT).encode()] * (bundles.TOGETHER + 1)) + b"\r\n\n"

    made = list(bundles.from_ndjson(lines))

    assert [len(bundle["entry"]) for bundle in made] == [bundles.TOGETHER, 1]


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"[]", b"{", b"null", b'{"id": "x"}', b'{"resourceType": 1}', b"\xff",
        b'{"resourceType": "Bundle"}',
        b'{"resourceType": "Bundle", "type": "collection", "entry": [1]}',
        b'{"resourceType": "Bundle", "type": "collection", "entry": [{}]}',
    ],
)  # fmt: skip
def test_what_is_no_resource_is_refused(raw: bytes) -> None:
    with pytest.raises(FhirError):
        bundles.from_json(raw)


def test_a_broken_gzip_file_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress(b"{}" * 1000)
    for name, content in (("a.json.gz", whole[:-9]), ("b.json.gz", b"{}")):
        (tmp_path / name).write_bytes(content)

        with pytest.raises(BadStructure):
            bundles.read(tmp_path / name)


def test_a_gzip_file_may_not_unfold_without_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundles, "LARGEST", 100)
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(bytes(101)))

    with pytest.raises(TooLarge, match="`100` bytes"):
        bundles.read(tmp_path / "a.json.gz")


def test_the_entries_that_a_batch_refused_are_told() -> None:
    outcome = {"issue": [{"diagnostics": "No."}]}
    answers = [{"status": "201 Created"}, {"status": "400", "outcome": outcome}, {"status": "404"}]

    found = bundles.faults({"entry": [{"response": answer} for answer in answers]})

    assert found == ["entry 1: No.", "entry 2: 404"]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"MSH|^~\\&|\rMSA|AA|1\r", "AA"), (b"MSH*\nMSA*AE*1", "AE"), (b"MSA|", ""), (b"", ""),
        (b"MSH|^~\\&|\rERR|1", ""),
    ],
)  # fmt: skip
def test_the_acknowledgement_code_is_read(answer: bytes, expected: str) -> None:
    assert code(answer) == expected
