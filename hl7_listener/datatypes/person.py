"""XPN, XAD, XTN: names, addresses, telephone numbers.

HL7 v2.5.1 §2A.89 (XPN), §2A.86 (XAD), §2A.90 (XTN).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hl7_listener.conceptmap import table

if TYPE_CHECKING:
    from collections.abc import Callable

    from hl7_listener.er7 import Repetition
    from hl7_listener.sender import Sender

Json = dict[str, Any]


def xpn(value: Repetition, _: Sender) -> Json | None:
    """Return a HumanName."""
    family, given, middle, suffix, prefix, degree = (value.part(n) for n in range(1, 7))
    name = _filled(
        use=table("name-use").code(value.part(7)),
        family=family,
        given=[part for part in (given, middle) if part],
        prefix=[prefix] if prefix else None,
        suffix=[part for part in (suffix, degree) if part],
    )
    return name if name.keys() - {"use"} else None


def family_name(value: Repetition, _: Sender) -> str | None:
    """Return the family name only: the mother's maiden name."""
    return value.part(1) or None


def xad(value: Repetition, _: Sender) -> Json | None:
    """Return an Address."""
    kind = value.part(7)
    address = _filled(
        use=table("address-use").code(kind),
        type=table("address-type").code(kind),
        line=[part for part in (value.part(1), value.part(2)) if part],
        city=value.part(3),
        district=value.part(9),
        state=value.part(4),
        postalCode=value.part(5),
        country=value.part(6),
    )
    return address if address.keys() - {"use", "type"} else None


def place(value: Repetition, _: Sender) -> Json | None:
    """Return an Address of which only a text is known: the birth place."""
    return {"text": value.text} if value.text else None


def xtn(default_use: str) -> Callable[[Repetition, Sender], Json | None]:
    """Return the mapping of an XTN whose use, if it says none, is `default_use`."""

    def contact(value: Repetition, _: Sender) -> Json | None:
        equipment, code = value.part(3), value.part(2)
        email = value.part(4)
        number = email or value.part(12) or value.part(1) or _composed(value)
        if not number:
            return None
        system = table("telecom-system").code(equipment) or "phone"
        mobile = equipment == "CP"
        use = "mobile" if mobile else table("telecom-use").code(code) or default_use
        return {
            "system": "email" if email or "@" in number else system,
            "value": number,
            "use": use,
        }

    return contact


def _composed(value: Repetition) -> str:
    """Return the number from its parts: country, area, local, extension."""
    country, area, local, extension = (value.part(n) for n in (5, 6, 7, 8))
    number = " ".join(filter(None, (f"+{country.lstrip('+')}" if country else "", area, local)))
    return f"{number} x{extension}" if number and extension else number


def _filled(**members: Any) -> Json:
    return {name: value for name, value in members.items() if value}
