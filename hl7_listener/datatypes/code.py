"""CE, CWE, CNE, CF, IS, ID: codes and where they come from.

HL7 v2.5.1 §2A.13 (CWE); table 0396 names the coding systems.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from hl7_listener.conceptmap import table
from hl7_listener.datatypes.identity import authority
from kernel.errors import BadValue

if TYPE_CHECKING:
    from collections.abc import Callable

    from hl7_listener.er7 import Repetition
    from hl7_listener.sender import Sender

Json = dict[str, Any]
Mapping = "Callable[[Repetition, Sender], Any]"

V2: Final = "http://terminology.hl7.org/CodeSystem/v2-"
_TABLE: Final = re.compile(r"HL7(\d{4})", re.IGNORECASE)
_TRIPLETS: Final = ((1, 14), (4, 17), (10, 20))  # first component, component of the system's OID


def system_uri(name: str, oid: str, sender: Sender) -> str | None:
    """Return the URI of a coding system; names of no known table are the sender's own."""
    known = table("code-system").code(name.upper())
    if known:
        return known
    listed = _TABLE.fullmatch(name)
    if listed:
        return f"{V2}{listed.group(1)}"
    if oid:
        found = authority("", oid)
        if found and not found.startswith("urn:id:"):
            return found
    return sender.system_for(name) if name else None


def codings(value: Repetition, sender: Sender, default: str = "") -> list[Json]:
    """Return a Coding per triplet; `default` is the system of a code that names none."""
    found = []
    for first, oid in _TRIPLETS:
        if first >= 10 and value.components < 12:
            break
        code = " ".join(value.part(first).split())
        if not code:
            continue
        system = system_uri(value.part(first + 2), value.part(oid), sender) or default
        coding = {"system": system, "code": code, "display": value.part(first + 1)}
        found.append({name: text for name, text in coding.items() if text})
    return found


def concept(value: Repetition, sender: Sender, default: str = "") -> Json | None:
    """Return a CodeableConcept; a text without a code is a text."""
    coding = codings(value, sender, default)
    text = value.part(9) or ("" if coding else value.part(2) or value.part(5))
    return ({"coding": coding} if coding else {}) | ({"text": text} if text else {}) or None


def coded(number: str) -> Callable[[Repetition, Sender], Json | None]:
    """Return the mapping of a field whose codes, if they name no system, are of table `number`."""

    def mapping(value: Repetition, sender: Sender) -> Json | None:
        return concept(value, sender, V2 + number)

    return mapping


def mapped(name: str) -> Callable[[Repetition, Sender], Json | None]:
    """Return the mapping through `profiles/hl7v2/<name>.json`; other codes stay what they are."""

    def mapping(value: Repetition, sender: Sender) -> Json | None:
        codes = table(name)
        own = value.part(3)
        standard = not own or _TABLE.fullmatch(own)
        coding = codes.coding(value.part(1)) if standard else None
        if coding is None:
            return concept(value, sender, codes.source)
        text = value.part(9) or value.part(2)
        return {"coding": [coding]} | ({"text": text} if text else {})

    return mapping


def required(name: str) -> Callable[[Repetition, Sender], str | None]:
    """Return the mapping to a code that FHIR binds: a code outside of the table is refused.

    Raises (when called):
        BadValue: the code is not in the table.
    """

    def mapping(value: Repetition, _: Sender) -> str | None:
        given = value.part(1)
        if not given:
            return None
        code = table(name).code(given.upper())
        if code is None:
            known = ", ".join(f"`{code}`" for code in table(name).codes)
            raise BadValue(f"`{given[:40]}` is not one of {known}.")
        return code

    return mapping


def yes_no(value: Repetition, _: Sender) -> bool | None:
    """Return table 0136 as a boolean.

    Raises:
        BadValue: neither Y nor N.
    """
    given = value.part(1).upper()
    if given not in {"", "Y", "N", "YES", "NO"}:
        raise BadValue(f"`{given[:40]}` is neither `Y` nor `N`.")
    return given.startswith("Y") if given else None


def encounter_class(value: Repetition, sender: Sender) -> Json | None:
    """Return the Coding of PV1-2."""
    found = mapped("encounter-class")(value, sender)
    coding: Json | None = found["coding"][0] if found and "coding" in found else None
    return coding
