"""ADT: admit, transfer, discharge, register, pre-admit, update → Patient and Encounter.

HL7 v2.5.1 §3.3.1 (A01), §3.3.2 (A02), §3.3.3 (A03), §3.3.4 (A04), §3.3.5 (A05), §3.3.8 (A08),
§3.3.11 (A11).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hl7_listener import visit
from hl7_listener.messagetype import MessageType, Received

if TYPE_CHECKING:
    from hl7_listener.draft import Draft


async def draft_visit(received: Received, draft: Draft) -> None:
    """Draft the Patient of the first PID, and the Encounter of the first PV1."""
    pid = received.message.first("PID")
    pv1 = received.message.first("PV1")
    if pid is None:  # the dispatcher has looked
        return
    subject = await visit.patient(received, draft, pid)
    if pv1 is not None:
        await visit.encounter(received, draft, pid, pv1, subject)


ADT = MessageType(
    name="ADT",
    events=("A01", "A02", "A03", "A04", "A05", "A08", "A11"),
    requires=("PID",),
    draft=draft_visit,
)
