"""What the gateways write, against the profiles that say what they guarantee (profiles/medflow).

https://hl7.org/fhir/R4/profiling.html
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from ai_adapters.models.constant import CONSTANT
from ai_adapters.runner import AiRunner
from ai_adapters.worker import Workers
from fhir_server.operations.operation import Call
from fhir_server.packages import ours
from hl7_listener.batch import split
from hl7_listener.server import submit
from tests.integration import ai_models
from tests.integration.ai_desk import Desk
from tests.integration.dicom.running import CT, MR, changed, running
from tests.integration.test_hl7 import ADMIT, CASES, RESULT, code_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from fhir_server.model import Context
    from fhir_server.service import FhirService

Json = dict[str, Any]
PROFILE = "urn:medflow:profile:"
KINDS = re.compile(rb"\|(ADT\^A0[123458]|ADT\^A11|ORU\^R01)")
RICH = (
    "MSH|^~\\&|ADTAPP|HOSPA|HUB|HUB|20240301121500+0000||ADT^A04^ADT_A01|C9|P|2.5.1\r"
    "EVN|A04|20240301101500+0000\r"
    "PID|1||P9^^^HOSPA^MR~77^^^HOSPB&1.2.3&ISO^PI||Quux^Zelda^Q^Jr^Dr^^L~Old^Zelda^^^^^M"
    "|Maiden|19700101121500|F|||1 Way^^Town^ST^12345^US^H||555-0100^PRN^PH~z@x.org^NET^Internet"
    "|555-0199|en|M|CHR|ACC1^^^HOSPA|123-45-6789|D1^CA|||Town|N|2||||||N\r"
    "PV1|1|O|W1^2^3^HOSPA|R|PRE1|W0|77^Doc^Tor|78^Ref^Er|79^Con^Sul|MED||||7|||80^Ad^Mit||V9^^^HOSPA"
    "|||||||||||||||||01||||||||20240301100000+0000|20240302100000+0000\r"
)
VALUES = (
    "MSH|^~\\&|LAB|HOSPA|HUB|HUB|20240301110000+0000||ORU^R01^ORU_R01|R9|P|2.5.1\r"
    "PID|1||P9^^^HOSPA^MR||Quux^Zelda||19700101|F\r"
    "OBR|1|O9^EHR|F9^LAB|24323-8^Panel^LN|||20240301090000+0000|20240301093000+0000"
    "||||||||||||||20240301101000+0000||LAB|C|||||||77&Doc&Tor\r"
    "OBX|1|NM|1-8^a^LN||<5|mmol/L^^UCUM|1-9|N~H|||F|||20240301090000+0000|L^Lab|78^T^Ech\r"
    "OBX|2|SN|2-6^b^LN||^1^:^128||||||P\r"
    "OBX|3|SN|3-4^c^LN||^1^-^5|mg/dl|||||F\r"
    "OBX|4|CWE|4-2^d^LN||260385009^Negative^SCT||||||F\r"
    "OBX|5|DT|5-9^e^LN||20240301||||||F\r"
    "OBX|6|TM|6-7^f^LN||1015||||||F\r"
    "OBX|7|ST|7-5^g^LN||||||||X\r"
    "OBX|8|TX|8-3^h^LN||one~two||||||F\r"
    "OBX|9|ED|9-1^i^LN||^application^pdf^Base64^JVBERg==||||||F\r"
)


async def everything(service: FhirService, ctx: Context, type: str) -> list[Json]:
    found = await service.find(ctx, type, [], limit=1000)
    return [json.loads(version.body or b"{}") for version in found]


async def faults(service: FhirService, ctx: Context, resource: Json, profile: str) -> list[str]:
    """Return the errors of `$validate` against a profile of ours."""
    parameters = [
        {"name": "resource", "resource": resource},
        {"name": "profile", "valueCanonical": PROFILE + profile},
    ]
    call = Call(
        resource["resourceType"], resource={"resourceType": "Parameters", "parameter": parameters}
    )
    outcome = await service.operation(ctx, "validate", call, safe=True)
    return [
        f"{resource['resourceType']} {one.get('expression')}: {one['diagnostics']}"
        for one in outcome["issue"]
        if one["severity"] in {"error", "fatal"}
    ]


async def all_faults(service: FhirService, ctx: Context, origin: str, *profiles: str) -> list[str]:
    """Return what is wrong with all stored resources of the types of an origin's profiles."""
    found: list[str] = []
    for profile in profiles:
        type = type_of(f"{origin}-{profile}")
        resources = await everything(service, ctx, type)
        assert resources, f"There is no {type}."
        for resource in resources:
            found += await faults(service, ctx, resource, f"{origin}-{profile}")
    return found


def type_of(profile: str) -> str:
    [item] = [one for one in ours.shelf().items if one.url == PROFILE + profile]
    return item.profile_of


@pytest_asyncio.fixture(scope="module")
async def workers() -> AsyncIterator[Workers]:
    async with Workers(timeout_s=30, attempts=1) as started:
        yield started


V2 = ("patient", "encounter", "observation", "diagnostic-report", "provenance")


async def test_what_hl7_messages_become_is_what_the_profiles_say(
    service: FhirService, ctx: Context
) -> None:
    answers = [
        await submit(service, message.encode(), "10.0.0.1")
        for message in (ADMIT, RESULT, RICH, VALUES)
    ]

    assert [code_of(answer) for answer in answers] == ["AA"] * 4
    assert await all_faults(service, ctx, "hl7v2", *V2) == []


@pytest.mark.shared
async def test_what_real_messages_become_is_what_the_profiles_say(
    service: FhirService, ctx: Context
) -> None:
    if not CASES.is_dir():
        pytest.skip("the shared samples are not beside the checkout")
    files = sorted((CASES / "cases").glob("*.hl7"))
    messages = [one for file in files for one in split(file.read_bytes())]
    ours_too = [one for one in messages if KINDS.search(one[:300])]

    answers = [code_of(await submit(service, one, "10.0.0.1")) for one in ours_too]

    assert answers.count("AA") > len(answers) // 2
    assert await all_faults(service, ctx, "hl7v2", *V2) == []


async def test_what_dicom_images_become_is_what_the_profiles_say(
    service: FhirService, ctx: Context, tmp_path: Path
) -> None:
    from dicom_node.archive import Archive  # noqa: PLC0415 - pydicom is slow to import

    nobody = changed(
        CT,
        tmp_path / "nobody.dcm",
        PatientID="",
        StudyInstanceUID="1.2.3.4",
        SOPInstanceUID="1.2.3.5",
    )
    numbered = changed(
        MR,
        tmp_path / "n.dcm",
        AccessionNumber="A1",
        StudyInstanceUID="1.2.3.6",
        SOPInstanceUID="1.2.3.7",
    )

    async with running(service, Archive(tmp_path / "dicom")) as node:
        sent = await node.send(CT, MR, nobody, numbered)

    assert [one.status for one in sent] == [0x0000] * 4
    assert await all_faults(service, ctx, "dicom", "patient", "imaging-study", "provenance") == []


async def test_what_models_say_becomes_what_the_profiles_say(
    service: FhirService, ctx: Context, workers: Workers
) -> None:
    desk = Desk(service, ctx)
    runner = AiRunner(service, [CONSTANT, ai_models.MANY, ai_models.RAISE], workers)

    await runner.handle([await desk.store(1)])
    await runner.handle([await desk.store(3)])

    assert await all_faults(
        service, ctx, "ai", "device", "observation", "diagnostic-report", "provenance", "task"
    ) == []  # fmt: skip
    statuses = {one["status"] for one in await everything(service, ctx, "Observation")}
    assert statuses == {"preliminary", "cancelled"}  # a finding that went away was one of them


def without(*names: str) -> Callable[[Json], None]:
    def change(resource: Json) -> None:
        place: Any = resource
        for name in names[:-1]:
            place = place[name][0] if isinstance(place[name], list) else place[name]
        del place[names[-1]]

    return change


def given(value: Any, *names: str) -> Callable[[Json], None]:
    def change(resource: Json) -> None:
        place: Any = resource
        for name in names[:-1]:
            place = place[name][0] if isinstance(place[name], list) else place[name]
        place[names[-1]] = value

    return change


BROKEN = [
    ("hl7v2-patient", without("identifier")),
    ("hl7v2-patient", without("identifier", "system")),
    ("hl7v2-patient", without("telecom", "use")),
    ("hl7v2-encounter", without("subject")),
    ("hl7v2-encounter", given("Organization", "participant", "individual", "type")),
    ("hl7v2-encounter", given("DIS", "participant", "type", "coding", "code")),
    ("hl7v2-observation", without("subject", "reference")),
    ("hl7v2-diagnostic-report", without("identifier", "value")),
    ("hl7v2-provenance", given("urn:other", "entity", "what", "identifier", "system")),
    ("hl7v2-provenance", given("quotation", "entity", "role")),
]


@pytest.mark.parametrize(
    ("profile", "change"), BROKEN, ids=[f"{n}-{p}" for n, (p, _) in enumerate(BROKEN)]
)
async def test_what_breaks_a_promise_about_messages_is_found(
    service: FhirService, ctx: Context, profile: str, change: Callable[[Json], None]
) -> None:
    for message in (RICH, VALUES):
        await submit(service, message.encode(), "10.0.0.1")
    resources = await everything(service, ctx, type_of(profile))
    resource = max(resources, key=lambda one: len(json.dumps(one)))

    change(resource)

    assert await faults(service, ctx, resource, profile)


STUDY = {
    "resourceType": "ImagingStudy",
    "identifier": [{"use": "official", "system": "urn:dicom:uid", "value": "urn:oid:1.2"}],
    "status": "available",
    "modality": [{"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "CT"}],
    "subject": {"reference": "Patient/1"},
    "numberOfSeries": 1,
    "numberOfInstances": 1,
    "series": [
        {
            "uid": "1.2.3",
            "modality": {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "CT"},
            "numberOfInstances": 1,
            "instance": [
                {"uid": "1.2.4", "sopClass": {"system": "urn:ietf:rfc:3986", "code": "urn:oid:1"}}
            ],
        }
    ],
}


@pytest.mark.parametrize(
    "change",
    [
        without("identifier"),
        given("urn:other", "identifier", "system"),
        given("1.2", "identifier", "value"),
        given(2, "numberOfSeries"),
        given(2, "numberOfInstances"),
        without("series", "instance"),
        given("urn:other", "series", "modality", "system"),
        without("subject", "reference"),
    ],
)
async def test_what_breaks_a_promise_about_images_is_found(
    service: FhirService, ctx: Context, change: Callable[[Json], None]
) -> None:
    study = json.loads(json.dumps(STUDY))
    assert await faults(service, ctx, study, "dicom-imaging-study") == []

    change(study)

    assert await faults(service, ctx, study, "dicom-imaging-study")


AI_BROKEN = [
    ("ai-diagnostic-report", without("meta", "security")),
    ("ai-diagnostic-report", given("final", "status")),
    ("ai-diagnostic-report", without("identifier")),
    ("ai-diagnostic-report", given("All is well.", "conclusion")),
    ("ai-diagnostic-report", given([{"display": "A machine"}], "performer")),
    ("ai-observation", without("device")),
    ("ai-observation", given("final", "status")),
    ("ai-device", without("version")),
    ("ai-provenance", given([{"system": "urn:x", "code": "AIAST"}], "meta", "security")),
    ("ai-task", without("statusReason")),
]


@pytest.mark.parametrize(
    ("profile", "change"), AI_BROKEN, ids=[f"{n}-{p}" for n, (p, _) in enumerate(AI_BROKEN)]
)
async def test_what_breaks_a_promise_about_models_is_found(
    service: FhirService,
    ctx: Context,
    workers: Workers,
    profile: str,
    change: Callable[[Json], None],
) -> None:
    desk = Desk(service, ctx)
    await AiRunner(service, [CONSTANT, ai_models.RAISE], workers).handle([await desk.store()])
    resource = (await everything(service, ctx, type_of(profile)))[0]

    change(resource)

    assert await faults(service, ctx, resource, profile)
