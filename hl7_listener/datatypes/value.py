"""OBX-5 by OBX-2: NM, SN, codes, texts, times, ranges, with the units of OBX-6.

HL7 v2.5.1 §7.4.2.2 and §7.4.2.5; table 0125. The digits of a number are kept as they were sent.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from hl7_listener.conceptmap import table
from hl7_listener.datatypes.code import codings, concept
from hl7_listener.datatypes.time import date_time, time

if TYPE_CHECKING:
    from collections.abc import Callable

    from hl7_listener.er7 import Repetition, Segment
    from hl7_listener.sender import Sender

Json = dict[str, Any]

UCUM: Final = "http://unitsofmeasure.org"
COMPARATORS: Final = frozenset({"<", "<=", ">=", ">"})
_NUMBER: Final = re.compile(r"[+-]?(?:\d{1,18}(?:\.\d{0,18})?|\.\d{1,18})", re.ASCII)
_RANGE: Final = re.compile(
    r"([+-]?\d{1,18}(?:\.\d{1,18})?)\s*-\s*([+-]?\d{1,18}(?:\.\d{1,18})?)", re.ASCII
)


def number(text: str) -> Decimal | None:
    """Return the number with the digits that were sent, or None if the text is none."""
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def unit(value: Repetition | None, sender: Sender) -> Json:
    """Return unit, and system and code if it is UCUM or a well-known spelling of it."""
    if value is None:
        return {}
    code, shown, system = value.part(1), value.part(2), value.part(3)
    text = shown or code
    if system.upper() == "UCUM" and code and not any(c.isspace() for c in code):
        return {"unit": text, "system": UCUM, "code": code}
    known = table("ucum").code(_spelling(code)) or table("ucum").code(_spelling(shown))
    if known:
        return {"unit": code or shown, "system": UCUM, "code": known}
    coded = codings(value, sender) if system else []
    if coded and "system" in coded[0]:
        return {"unit": text, "system": coded[0]["system"], "code": coded[0]["code"]}
    return {"unit": text} if text else {}


def _spelling(text: str) -> str:
    """Return how the table spells it: in lower case, with the micro sign and not the Greek mu."""
    return text.lower().replace("\N{GREEK SMALL LETTER MU}", "\N{MICRO SIGN}")


def observation_value(segment: Segment, sender: Sender) -> Json:
    """Return `{"value…": …}` for an OBX, or nothing if it holds none."""
    values = segment.repetitions(5)
    if not values:
        return {}
    kind = segment.text(2).upper()
    units = segment.repetitions(6)
    read = _READERS.get(kind, _text)
    return read(values, unit(units[0] if units else None, sender), sender)


def reference_range(value: Repetition, unit_of: Json) -> Json | None:
    """Return OBX-7: the text always, low and high if it is `low-high`."""
    text = value.text
    if not text:
        return None
    found = _RANGE.fullmatch(text)
    if found is None:
        return {"text": text}
    low, high = (_quantity(Decimal(limit), unit_of) for limit in found.groups())
    return {"low": low, "high": high, "text": text}


def _quantity(value: Decimal, unit_of: Json, comparator: str = "") -> Json:
    return {"value": value} | ({"comparator": comparator} if comparator else {}) | unit_of


def _numeric(values: tuple[Repetition, ...], unit_of: Json, _: Sender) -> Json:
    """NM: a number, or with a comparator in front; other text is kept as text."""
    text = values[0].text
    comparator = next((c for c in ("<=", ">=", "<", ">") if text.startswith(c)), "")
    found = number(text.removeprefix(comparator).strip())
    if found is None or len(values) > 1:
        return _joined(values, "; ", unit_of.get("unit", ""))
    return {"valueQuantity": _quantity(found, unit_of, comparator)}


def _structured(values: tuple[Repetition, ...], unit_of: Json, _: Sender) -> Json:
    """SN: comparator, number, separator or suffix, number (HL7 v2.5.1 §2A.71)."""
    comparator, first, separator, second = (values[0].part(n) for n in range(1, 5))
    low, high = number(first), number(second)
    plain = comparator in {"", "="} and len(values) == 1
    if low is not None and not (separator or second) and (plain or comparator in COMPARATORS):
        shown = comparator if comparator in COMPARATORS else ""
        return {"valueQuantity": _quantity(low, unit_of, shown)}
    if plain and low is not None and high is not None and separator == "-":
        return {"valueRange": {"low": _quantity(low, unit_of), "high": _quantity(high, unit_of)}}
    if plain and low is not None and high is not None and separator in {":", "/"}:
        return {
            "valueRatio": {"numerator": _quantity(low, unit_of), "denominator": {"value": high}}
        }
    text = "; ".join("".join(value.part(n) for n in range(1, 5)) for value in values)
    return _string(" ".join(filter(None, (text, unit_of.get("unit", "")))))


def _coded(values: tuple[Repetition, ...], _: Json, sender: Sender) -> Json:
    """CE, CWE, CNE, CF: all codings of all repetitions are one concept."""
    concepts = [found for value in values if (found := concept(value, sender))]
    coding = [item for found in concepts for item in found.get("coding", ())]
    text = "; ".join(found["text"] for found in concepts if "text" in found)
    joined = ({"coding": coding} if coding else {}) | ({"text": text} if text else {})
    return {"valueCodeableConcept": joined} if joined else {}


def _simple(values: tuple[Repetition, ...], _: Json, __: Sender) -> Json:
    return _joined(values, "; ")


def _text(values: tuple[Repetition, ...], _: Json, __: Sender) -> Json:
    """ST, TX, FT, and types that are not known: the text, a line for each repetition."""
    return _joined(values, "\n")


def _moment(values: tuple[Repetition, ...], _: Json, sender: Sender) -> Json:
    found = date_time(values[0].part(1), sender.zone)
    return {"valueDateTime": found} if found else {}


def _clock(values: tuple[Repetition, ...], _: Json, __: Sender) -> Json:
    found = time(values[0].part(1))
    return {"valueTime": found} if found else {}


def _period(values: tuple[Repetition, ...], _: Json, sender: Sender) -> Json:
    start, end = (date_time(values[0].part(n), sender.zone) for n in (1, 2))
    period = ({"start": start} if start else {}) | ({"end": end} if end else {})
    return {"valuePeriod": period} if period else {}


def _interval(values: tuple[Repetition, ...], unit_of: Json, _: Sender) -> Json:
    low, high = (number(values[0].part(n)) for n in (1, 2))
    if low is None and high is None:
        return _joined(values, "; ")
    limits = (("low", low), ("high", high))
    return {"valueRange": {name: _quantity(n, unit_of) for name, n in limits if n is not None}}


def _nothing(_: tuple[Repetition, ...], __: Json, ___: Sender) -> Json:
    """ED and RP are attachments of the report."""
    return {}


def _joined(values: tuple[Repetition, ...], mark: str, unit_text: str = "") -> Json:
    text = mark.join(value.text for value in values)
    return _string(f"{text} {unit_text}".strip())


def _string(text: str) -> Json:
    return {"valueString": text} if text.strip() else {}


_READERS: Final[dict[str, Callable[[tuple[Repetition, ...], Json, Sender], Json]]] = {
    "NM": _numeric,
    "SN": _structured,
    "CE": _coded,
    "CWE": _coded,
    "CNE": _coded,
    "CF": _coded,
    "IS": _coded,
    "ID": _simple,
    "DT": _moment,
    "TS": _moment,
    "DTM": _moment,
    "TM": _clock,
    "DR": _period,
    "NR": _interval,
    "ED": _nothing,
    "RP": _nothing,
}
