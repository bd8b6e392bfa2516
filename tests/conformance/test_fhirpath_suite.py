"""The official FHIRPath test suite for R4, against the engine.

https://github.com/FHIR/fhir-test-cases/tree/master/r4/fhirpath
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

import pytest

from fhir_server import fhirpath, jsonio
from fhir_server.fhirpath import Node, system
from fhir_server.fhirpath.temporal import Temporal
from fhir_server.search import ucum
from kernel.errors import Invalid
from tests.conformance import xml_resources
from tests.conformance.fhirpath_exceptions import EXCEPTIONS

ARCHIVE: Final = (
    Path(__file__).resolve().parents[2] / ".." / "shared/fhir/examples/fhir-test-cases-r4.tar.xz"
)
PASSING: Final = 929
"""Tests that pass at least; raise it when more do."""

pytestmark = pytest.mark.shared


@dataclass(frozen=True, slots=True)
class Case:
    """One test. `invalid` says when it has to fail: `syntax`, `semantic` or `execution`."""

    name: str
    expression: str
    file: str
    outputs: tuple[tuple[str | None, str], ...]
    invalid: str = ""
    predicate: bool = False
    ordered: bool = True
    strict: bool = False


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    if not ARCHIVE.exists():
        pytest.skip("needs the shared test cases beside the checkout")
    with tarfile.open(ARCHIVE) as archive:
        members = [member for member in archive if member.isfile()]
        return {
            member.name.removeprefix("./"): content.read()
            for member in members
            if (content := archive.extractfile(member)) is not None
        }


@pytest.fixture(scope="module")
def cases(files: dict[str, bytes]) -> list[Case]:
    return list(_cases(files["r4/fhirpath/tests-fhir-r4.xml"]))


def _cases(suite: bytes) -> Iterator[Case]:
    seen: dict[str, int] = {}
    for test in ElementTree.fromstring(suite).iter("test"):
        name = test.get("name", "")
        seen[name] = seen.get(name, 0) + 1
        expression = test.find("expression")
        assert expression is not None
        yield Case(
            name if seen[name] == 1 else f"{name}/{seen[name]}",
            expression.text or "",
            test.get("inputfile", ""),
            tuple((output.get("type"), output.text or "") for output in test.iter("output")),
            expression.get("invalid", ""),
            test.get("predicate") == "true",
            test.get("ordered") != "false",
            test.get("mode") == "strict",
        )


def _input(files: dict[str, bytes], name: str) -> dict[str, Any]:
    if not name:
        return {"resourceType": "Basic"}
    content = files.get(f"r4/examples/{name}") or files[f"r4/{name}"]
    if name.endswith(".json"):
        return jsonio.decode(content)
    return xml_resources.resource(ElementTree.fromstring(content))


def _fault(case: Case, resource: dict[str, Any]) -> str:
    """Return what is wrong with the engine's answer, "" if nothing is."""
    try:
        expression = fhirpath.compile(case.expression)
        if case.invalid == "semantic":
            fhirpath.check(expression, resource["resourceType"], ordered=case.strict)
        found = expression.evaluate(resource, options=fhirpath.Options(canonical=ucum.canonical))
    except Invalid as error:
        return "" if case.invalid else f"refused: {error}"
    if case.invalid:
        return f"has to be refused ({case.invalid}), found {found}"
    if case.predicate:
        return "" if bool(found) == (case.outputs[0][1] == "true") else f"found {found}"
    wanted = [_wanted(*output) for output in case.outputs]
    got = [_got(node, type) for node, (type, _) in zip(found, case.outputs, strict=False)]
    if not case.ordered:
        wanted, got = sorted(wanted), sorted(got)
    return "" if got == wanted and len(found) == len(wanted) else f"found {found}"


def _wanted(type: str | None, text: str) -> str:
    return f"{type or ''}:{text}"


def _got(node: Node, type: str | None) -> str:
    written = _written(node)
    # Where the suite gives no type, it writes a partial DateTime as it writes a Date.
    return f"{_type(node)}:{written}" if type else f":{written.removesuffix('T')}"


def _type(node: Node) -> str:
    name = node.type.removeprefix("System.")
    return (
        name
        if name == "Quantity" or not node.type.startswith("System.")
        else name[:1].lower() + name[1:]
    )


def _written(node: Node) -> str:
    value = system.value(node)
    if isinstance(value, Temporal):
        return value.literal
    return "" if value is None else system.written(value)


def test_the_suite_passes_but_for_a_few(cases: list[Case], files: dict[str, bytes]) -> None:
    inputs = {case.file: _input(files, case.file) for case in cases}

    faults = {case.name: fault for case in cases if (fault := _fault(case, inputs[case.file]))}

    assert len(cases) == 935
    assert set(faults) == set(EXCEPTIONS), faults
    assert len(cases) - len(faults) >= PASSING


def test_what_must_fail_fails(cases: list[Case], files: dict[str, bytes]) -> None:
    invalid = [case for case in cases if case.invalid]

    accepted = [case.name for case in invalid if _fault(case, _input(files, case.file))]

    assert len(invalid) == 35
    assert accepted == []


def test_no_valid_expression_is_refused_by_the_strict_check(
    cases: list[Case], files: dict[str, bytes]
) -> None:
    types = {case.file: _input(files, case.file)["resourceType"] for case in cases}

    for case in cases:
        if not case.invalid:
            fhirpath.check(fhirpath.compile(case.expression), types[case.file])


@pytest.mark.parametrize(
    ("expression", "outputs"),
    [
        ("1 + 1", (("integer", "3"),)),
        ("1 + 1", (("decimal", "2"),)),
        ("1 + 1", ()),
        ("{}", (("integer", "1"),)),
    ],
)
def test_the_runner_finds_a_wrong_answer(
    expression: str, outputs: tuple[tuple[str | None, str], ...]
) -> None:
    case = Case("planted", expression, "", outputs)

    assert _fault(case, {"resourceType": "Basic"})


def test_the_runner_finds_what_is_not_refused() -> None:
    case = Case("planted", "1 + 1", "", (), invalid="execution")

    assert _fault(case, {"resourceType": "Basic"}).startswith("has to be refused")
