"""Whose message it is: PID and PV1 to the Patient and Encounter that are already there, or new.

HL7 v2.5.1 §3.4.2.3 (PID-3) and §3.4.3.19 (PV1-19): a number counts with its assigning authority only.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from hl7_listener.conceptmap import table
from hl7_listener.datatypes.identity import cx, identifier_type
from hl7_listener.faults import Fault, Refused
from hl7_listener.segmentmap import Facts, Items
from hl7_listener.segments.pid import PID
from hl7_listener.segments.pv1 import PV1
from kernel import ids

if TYPE_CHECKING:
    from hl7_listener.draft import Draft, Drafted
    from hl7_listener.er7 import Segment
    from hl7_listener.messagetype import Received
    from hl7_listener.sender import Sender

Json = dict[str, Any]

BEGINNING: Final = frozenset({"A01", "A04", "A05"})
"""Events that are a visit of their own, even if it has no number."""

_EARLY: Final = frozenset({"planned", "arrived", "unknown"})
_NOT_IDENTIFYING: Final = frozenset({"AN", "VN"})
_UNKNOWN_CLASS: Final = {
    "system": "http://terminology.hl7.org/CodeSystem/v2-0004",
    "code": "U",
    "display": "Unknown",
}


async def patient(
    received: Received, draft: Draft, pid: Segment, *, sequence: int = 1, update: bool = True
) -> Drafted:
    """Return the Patient of a PID; one that is known already is changed only if `update`.

    Raises:
        Refused: there is no identifier, a field cannot be read, or two Patients carry the number.
    """
    facts = PID.facts(pid, received.sender, sequence)
    identifiers = _identifiers(pid, received.sender)
    if not identifiers:
        raise Refused("AE", Fault("101", "Required field missing: PID-3.", "PID", sequence, 3))
    first = identifiers[0]
    id = ids.derived("hl7v2", "Patient", first["system"], first["value"])
    known = await draft.known("Patient", identifiers, id)
    return draft.put(known, facts) if update or known.new else known


async def encounter(
    received: Received,
    draft: Draft,
    pid: Segment,
    pv1: Segment,
    subject: Drafted,
    *,
    update: bool = True,
) -> Drafted | None:
    """Return the Encounter of a PV1, or None if the message does not tell which visit it is."""
    numbers = [found for value in pv1.repetitions(19) if (found := cx(value, received.sender))]
    id = _encounter_id(received, pid, pv1, subject, numbers)
    if id is None:
        return None
    known = await draft.known("Encounter", numbers, id)
    if not (update or known.new):
        return known
    facts = PV1.facts(pv1, received.sender)
    values: Json = {"status": _status(received.event, pv1, known)}
    if "class" not in known.content:
        values["class"] = _UNKNOWN_CLASS
    values |= facts.values
    values["subject"] = subject.reference
    return draft.put(known, _with_account(replace(facts, values=values), pid, received.sender))


def _identifiers(pid: Segment, sender: Sender) -> list[Json]:
    """Return what the patient may be found by: PID-3, or PID-2 and PID-4 of old versions."""
    for number in (3, 2, 4):
        found = [one for value in pid.repetitions(number) if (one := cx(value, sender))]
        telling = [one for one in found if _type(one) not in _NOT_IDENTIFYING]
        if found:
            return telling or found
    return []


def _type(identifier: Json) -> str:
    coding = identifier.get("type", {}).get("coding", [{}])
    code: str = coding[0].get("code", "")
    return code


def _encounter_id(
    received: Received, pid: Segment, pv1: Segment, subject: Drafted, numbers: list[Json]
) -> str | None:
    if numbers:
        return ids.derived("hl7v2", "Encounter", numbers[0]["system"], numbers[0]["value"])
    account = [found for value in pid.repetitions(18) if (found := cx(value, received.sender))]
    admitted = pv1.text(44)
    if account:
        key = (account[0]["system"], account[0]["value"])
        return ids.derived("hl7v2", "Encounter", "account", *key, admitted)
    happened = admitted
    if not happened and received.event in BEGINNING and pv1.text(2) not in {"", "N"}:
        event = received.message.first("EVN")
        happened = (event and (event.text(6) or event.text(2))) or received.message.header.text(7)
    return ids.derived("hl7v2", "Encounter", "admit", subject.id, happened) if happened else None


def _status(event: str, pv1: Segment, known: Drafted) -> str:
    """Return the status: by the event, by discharge and admission times, else as it was."""
    stored: str = known.content.get("status", "")
    if event == "A11":
        return "cancelled"
    if pv1.valued(45):
        return "finished"
    by_event = table("encounter-status").code(event)
    if by_event in _EARLY and stored and stored not in _EARLY:
        return stored
    if by_event or stored:
        return by_event or stored
    return "in-progress" if pv1.valued(44) else "unknown"


def _with_account(facts: Facts, pid: Segment, sender: Sender) -> Facts:
    """Add PID-18, the account that the visit is billed to."""
    kind = {"type": identifier_type("AN")}
    found = [kind | one for value in pid.repetitions(18) if (one := cx(value, sender))]
    if not found:
        return facts
    old = facts.lists.get("identifier", Items())
    return replace(facts, lists={**facts.lists, "identifier": replace(old, new=(*old.new, *found))})
