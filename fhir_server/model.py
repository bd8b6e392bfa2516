"""Plain types that every part of the engine and every gateway shares.

Resources travel as plain FHIR JSON: bytes where they are only passed on, mappings where they are
looked into. Nothing here knows HTTP, MongoDB or another protocol.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

Resource = Mapping[str, Any]
"""One FHIR resource as decoded JSON."""

Protocol = Literal["rest", "hl7v2", "dicom", "ai", "import", "system"]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from; Provenance and audit are made of it.

    `peer` is the client id, the MLLP peer, the calling AE title or the model's name; `message` is
    the request id, MSH-10, the SOP Instance UID or the run id.
    """

    protocol: Protocol
    peer: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who acts. `scopes` are SMART v2 scopes, such as `system/*.cruds` or `patient/*.rs`.

    `patient` is the id of the Patient that `patient/` scopes are bound to.
    """

    name: str
    scopes: tuple[str, ...] = ()
    patient: str | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """What every call into the service carries."""

    principal: Principal
    origin: Origin
    base: str = ""  # the FHIR base URL as the caller wrote it; "" outside HTTP
    lenient: bool = False  # `Prefer: handling=lenient`
    returns: str = ""  # `Prefer: return=…`: minimal, representation or OperationOutcome


EVERYTHING: Final = ("system/*.cruds",)
"""The scopes of a principal that may do all: the `open` mode, the administrator's import."""


@dataclass(frozen=True, slots=True)
class Clause:
    """A document matches if it carries all `required` tokens and none of `excluded`."""

    required: frozenset[int] = frozenset()
    excluded: frozenset[int] = frozenset()

    def admits(self, tokens: Sequence[int] | frozenset[int]) -> bool:
        carried = frozenset(tokens)
        return self.required <= carried and not (self.excluded & carried)


@dataclass(frozen=True, slots=True)
class Access:
    """A compiled authorisation decision: a document is visible if any clause admits it.

    Everything that decides (type, compartment, tag, security label, search criteria of a scope) is
    an index token of the document, so that one value serves the query and the check of a write.
    No clause means nothing; one empty clause means everything.
    """

    clauses: tuple[Clause, ...] = ()

    @property
    def everything(self) -> bool:
        return any(not (clause.required or clause.excluded) for clause in self.clauses)

    def admits(self, tokens: Sequence[int] | frozenset[int]) -> bool:
        return any(clause.admits(tokens) for clause in self.clauses)


ALL: Final = Access((Clause(),))


class Version(NamedTuple):
    """One version of one resource: a tuple, as a page of a search makes many of them.

    `body` is the exact JSON to send, id and meta included; None if this version is a deletion.
    `version` 0 is what a deletion of nothing answers with: there never was one.
    `updated` is `meta.lastUpdated`, milliseconds since the epoch.
    `returned` says that the version before was a deletion, so that this one created it again.
    """

    type: str
    id: str
    version: int
    updated: int
    body: bytes | None
    method: Literal["POST", "PUT", "DELETE"] = "PUT"
    returned: bool = False

    @property
    def reference(self) -> str:
        return f"{self.type}/{self.id}"


@dataclass(frozen=True, slots=True)
class Result:
    """What a write did. `status` is the HTTP status: 200, 201 or 204.

    `changed` is False if the content was the same as before, so that no version was made.
    """

    status: int
    version: Version
    changed: bool = True


ANY_VERSION: Final = -1
"""In a precondition: whatever version is current, but there must be one. `If-Match: *`."""


@dataclass(frozen=True, slots=True)
class Deleted:
    """What a conditional delete did: the resources, `Type/id`, that are deleted now."""

    count: int
    references: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """A searchset or history Bundle, ready to send, and how many matches it holds."""

    body: bytes
    count: int


@dataclass(frozen=True, slots=True)
class Message:
    """An original message as it arrived, kept for inspection and replay.

    `id` is deterministic, so that a resent message is recognised. `state` is `applied` if its
    resources are stored, `refused` if the sender was told no. `reason` may quote the sender's own
    values: it is shown to administrators and never logged. `answer` is the protocol's answer, sent
    again for a resend. `produced` are references to the versions that it made.
    """

    id: str
    protocol: Protocol
    peer: str
    control: str  # MSH-10
    kind: str  # ADT^A01
    state: Literal["applied", "refused"]
    received: int  # milliseconds since the epoch
    raw: bytes
    reason: str = ""
    answer: bytes = b""
    produced: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)  # protocol's own keys, e.g. sender
