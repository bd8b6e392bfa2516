"""Who sent a message, and what its values mean there: authority, time zone, local code systems."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from hl7_listener.er7 import Message

LOCAL = "urn:id:"
"""What namespaces that are only known locally are made URIs with; see docs/hl7v2.md."""


@dataclass(frozen=True, slots=True)
class Sender:
    """`application` is MSH-3, `facility` MSH-4, both as sent; `zone` is for times without offset."""

    application: str = ""
    facility: str = ""
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))

    @property
    def scope(self) -> str:
        """The namespace of identifiers that come without an authority."""
        return self.facility or self.application or "unspecified"

    @property
    def system(self) -> str:
        return local(self.scope)

    def system_for(self, what: str) -> str:
        """Return the URI of something that only this sender numbers, such as its orders."""
        return f"{self.system}:{quote(what, safe='')}"


def local(namespace: str) -> str:
    """Return the URI of a local namespace: `urn:id:HOSPA`."""
    return LOCAL + quote(namespace, safe="")


def sender_of(message: Message, zone: ZoneInfo) -> Sender:
    """Return who sent the message."""
    header = message.header
    return Sender(header.text(3), header.text(4), zone)
