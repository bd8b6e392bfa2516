"""MessageType: the label of a message that is understood, and the message as it is processed.

HL7 v2.5.1 §2.15.9.9 (MSH-9), tables 0076 and 0003.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from kernel import registry

if TYPE_CHECKING:
    from hl7_listener.draft import Draft
    from hl7_listener.er7 import Message
    from hl7_listener.sender import Sender


@dataclass(frozen=True, slots=True)
class Received:
    """A message to map. `event` is its trigger event, `A01`."""

    message: Message
    sender: Sender
    event: str


@dataclass(frozen=True, slots=True)
class MessageType:
    """`events` are the trigger events of the message `name`; `requires` names its segments.

    `draft` puts what the message says into the draft. It raises Refused for what it cannot use.
    """

    name: str
    events: tuple[str, ...]
    requires: tuple[str, ...]
    draft: Callable[[Received, Draft], Awaitable[None]]


@cache
def supported() -> dict[str, MessageType]:
    """Return the message types that are understood, by MSH-9.1."""
    return registry.scan("hl7_listener.messages", MessageType)
