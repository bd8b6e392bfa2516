"""ORU^R01: results → a DiagnosticReport per OBR, an Observation per OBX.

HL7 v2.5.1 §7.3.1 (ORU^R01). The ids are made of the order's number, so that a correction finds what
it corrects.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from hl7_listener import visit
from hl7_listener.datatypes.document import attachment
from hl7_listener.datatypes.identity import authority, order_number
from hl7_listener.faults import CONDITIONS, Fault, Refused
from hl7_listener.messagetype import MessageType, Received
from hl7_listener.segmentmap import Facts, Items
from hl7_listener.segments.nte import NTE
from hl7_listener.segments.obr import OBR
from hl7_listener.segments.obx import OBX
from hl7_listener.segments.pid import everything
from kernel import ids
from kernel.errors import Invalid

if TYPE_CHECKING:
    from hl7_listener.draft import Draft, Drafted
    from hl7_listener.er7 import Segment
    from hl7_listener.sender import Sender

Json = dict[str, Any]


@dataclass(slots=True)
class Result:
    """An OBX with its notes; `sequence` is its place among all OBX of the message."""

    obx: Segment
    sequence: int
    notes: list[Segment] = field(default_factory=list)


@dataclass(slots=True)
class Order:
    """An OBR, the ORC before it, and its results; `obr` is None for results without an order."""

    obr: Segment | None
    sequence: int
    results: list[Result] = field(default_factory=list)


@dataclass(slots=True)
class PatientResult:
    """A patient, the visit, and the orders."""

    pid: Segment
    sequence: int
    pv1: Segment | None = None
    orders: list[Order] = field(default_factory=list)


def patient_results(segments: tuple[Segment, ...]) -> list[PatientResult]:
    """Return the groups of the message; segments that have no part in them are passed over.

    Raises:
        Refused: an OBR or OBX comes before any PID.
    """
    groups: list[PatientResult] = []
    seen: Counter[str] = Counter()
    common: Segment | None = None
    for segment in segments:
        seen[segment.name] += 1
        if segment.name == "PID":
            groups.append(PatientResult(segment, seen["PID"]))
        elif segment.name in {"OBR", "OBX"} and not groups:
            raise Refused(
                "AE", Fault("100", "Segment sequence error: no PID before it.", segment.name)
            )
        elif segment.name == "ORC":
            common = segment
        elif groups:
            _place(groups[-1], segment, seen[segment.name], common)
            common = None if segment.name == "OBR" else common
    return groups


async def draft_results(received: Received, draft: Draft) -> None:
    """Draft reports and observations, and the patient and visit if they are not known yet."""
    for group in patient_results(received.message.segments):
        subject = await visit.patient(
            received, draft, group.pid, sequence=group.sequence, update=False
        )
        at_visit = None
        if group.pv1 is not None:
            at_visit = await visit.encounter(
                received, draft, group.pid, group.pv1, subject, update=False
            )
        about = {"subject": subject.reference}
        if at_visit is not None:
            about["encounter"] = at_visit.reference
        for order in group.orders:
            await _draft_order(received, draft, order, subject, about)


def _place(group: PatientResult, segment: Segment, sequence: int, common: Segment | None) -> None:
    if segment.name == "PV1":
        group.pv1 = segment
    elif segment.name == "OBR":
        group.orders.append(Order(_numbered(segment, common), sequence))
    elif segment.name == "OBX":
        if not group.orders:
            group.orders.append(Order(None, 0))
        order = group.orders[-1]
        order.results.append(Result(_identified(segment, order), sequence))
    elif segment.name == "NTE" and group.orders and group.orders[-1].results:
        group.orders[-1].results[-1].notes.append(segment)


def _identified(obx: Segment, order: Order) -> Segment:
    """Return the OBX; one without OBX-3 goes on with what the OBX before it, or the OBR, is about."""
    if obx.raw(3):
        return obx
    code = order.obr.raw(4) if order.obr else ""
    code = order.results[-1].obx.raw(3) if order.results else code
    fields = list(obx.fields) + [""] * (4 - len(obx.fields))
    fields[3] = code
    return replace(obx, fields=tuple(fields))


def _numbered(obr: Segment, common: Segment | None) -> Segment:
    """Return the OBR with the order numbers of its ORC where it has none itself."""
    if common is None:
        return obr
    fields = list(obr.fields) + [""] * (4 - len(obr.fields))
    for number in (2, 3):
        fields[number] = fields[number] or common.raw(number)
    return replace(obr, fields=tuple(fields))


async def _draft_order(
    received: Received, draft: Draft, order: Order, subject: Drafted, about: Json
) -> None:
    key = _order_key(received, order, subject)
    observation_ids = _observation_ids(order, key)
    await draft.load("Observation", observation_ids)
    said = OBR.facts(order.obr, received.sender, order.sequence) if order.obr else Facts()
    when = {name: said.values[name] for name in said.values if name.startswith("effective")}
    documents: list[Json] = []
    references: list[Json] = []
    for result, id in zip(order.results, observation_ids, strict=True):
        documents += _documents(result)
        facts = _result_facts(result, received.sender, when, about)
        references.append(draft.put(await draft.at("Observation", id), facts).reference)
    if order.obr is not None:
        report = await draft.at("DiagnosticReport", ids.derived("hl7v2", "DiagnosticReport", *key))
        draft.put(
            report, _report_facts(said, order.obr, received.sender, about, references, documents)
        )


def _report_facts(
    facts: Facts,
    obr: Segment,
    sender: Sender,
    about: Json,
    references: list[Json],
    documents: list[Json],
) -> Facts:
    values = {"status": "unknown", **facts.values, **about}
    placer = [one for value in obr.repetitions(2) if (one := order_number("PLAC")(value, sender))]
    if placer:
        values["basedOn"] = [{"type": "ServiceRequest", "identifier": placer[0]}]
    lists = dict(facts.lists)
    if references:
        lists["result"] = Items(tuple(references))
    if documents:
        lists["presentedForm"] = Items(tuple(documents), (everything,))
    return replace(facts, values=values, lists=lists)


def _result_facts(result: Result, sender: Sender, when: Json, about: Json) -> Facts:
    facts = OBX.facts(result.obx, sender, result.sequence)
    values: Json = {"status": "unknown", **facts.values, **about}
    if "effectiveDateTime" not in values:
        values |= when
    notes = [one for nte in result.notes for one in NTE.facts(nte, sender).lists.values()]
    lists = dict(facts.lists)
    if notes:
        lists["note"] = Items(tuple(item for items in notes for item in items.new))
    return replace(facts, values=values, lists=lists, owned=facts.owned | NTE.elements)


def _documents(result: Result) -> list[Json]:
    """Return the attachments of an OBX whose value is a document.

    Raises:
        Refused: the data is not in its encoding.
    """
    kind = result.obx.text(2).upper()
    if kind not in {"ED", "RP"}:
        return []
    title = result.obx.text(3, 2) or result.obx.text(3)
    try:
        found = [attachment(kind, value, title) for value in result.obx.repetitions(5)]
    except Invalid as error:
        text = f"{CONDITIONS[error.hl7]}: OBX-5."
        raise Refused("AE", Fault(error.hl7, text, "OBX", result.sequence, 5)) from None
    return [one for one in found if one]


def _order_key(received: Received, order: Order, subject: Drafted) -> tuple[str, ...]:
    """Return what makes a report the same: patient, filler (or placer) number, and code."""
    if order.obr is not None:
        for number, kind in ((3, "FILL"), (2, "PLAC")):
            value = order.obr.text(number)
            namespace = authority(order.obr.text(number, 2), order.obr.text(number, 3))
            if value:
                system = namespace or received.sender.system_for(kind)
                return subject.id, system, value, *_code_key(order.obr, 4)
    sender, header = received.sender, received.message.header
    return subject.id, sender.application, sender.facility, header.text(10), str(order.sequence)


def _observation_ids(order: Order, key: tuple[str, ...]) -> list[str]:
    """Return an id per OBX; OBX-1 and the place count only where code and sub-id are not unique."""
    keys = [(*_code_key(one.obx, 3), one.obx.text(4)) for one in order.results]
    often = Counter(keys)
    place: Counter[tuple[str, ...]] = Counter()
    found = []
    for one in keys:
        place[one] += 1
        tail = (str(place[one]),) if often[one] > 1 else ()
        found.append(ids.derived("hl7v2", "Observation", *key, *one, *tail))
    return found


def _code_key(segment: Segment, number: int) -> tuple[str, str]:
    code = segment.text(number)
    return (code, segment.text(number, 3)) if code else (segment.text(number, 2), "")


ORU = MessageType(name="ORU", events=("R01",), requires=("PID",), draft=draft_results)
