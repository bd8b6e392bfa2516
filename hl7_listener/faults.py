"""What is wrong with a message, told to its sender by place and code, without quoting content.

HL7 v2.5.1 §2.15.5 (ERR), table 0357; the condition types refuse either the content (AE: mend the
message, or send it again later) or the message as a kind (AR).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

CONDITIONS: Final = {
    "100": "Segment sequence error",
    "101": "Required field missing",
    "102": "Data type error",
    "103": "Table value not found",
    "200": "Unsupported message type",
    "201": "Unsupported event code",
    "202": "Unsupported processing id",
    "203": "Unsupported version id",
    "204": "Unknown key identifier",
    "205": "Duplicate key identifier",
    "206": "Application record locked",
    "207": "Application internal error",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """`text` goes to the sender: no patient data. `sequence` counts segments of one name from 1."""

    code: str
    text: str
    segment: str = ""
    sequence: int = 1
    field: int = 0

    @property
    def place(self) -> str:
        return f"{self.segment}-{self.field}" if self.field else self.segment


class Refused(Exception):
    """The message is not applied.

    `answer` is AE or AR. `reason` may quote the message: it is kept for administrators, not logged.
    """

    def __init__(self, answer: Literal["AE", "AR"], *faults: Fault, reason: str = "") -> None:
        super().__init__(", ".join(f"{fault.code} {fault.place}".strip() for fault in faults))
        self.answer = answer
        self.faults = faults
        self.reason = reason or " ".join(fault.text for fault in faults)
