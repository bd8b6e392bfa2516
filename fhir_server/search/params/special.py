"""Special parameters: where a Location is near to.

https://hl7.org/fhir/R4/location.html#search

The latitude has an entry in the index, so that a belt of the Earth preselects; the distance is that
over the surface of a sphere, decided by MongoDB on the point itself. Poles and the date line are
nothing special to it.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from fhir_server.search import ucum
from fhir_server.search.kind import Condition, Facts, Index, Scope, SearchType, Where, either
from fhir_server.search.numbers import LONGEST, decimal
from fhir_server.search.params.date import missing
from fhir_server.search.text import split, unescape
from fhir_server.search.tokens import token
from kernel.errors import BadValue

if TYPE_CHECKING:
    from fhir_server.search.parameters import Parameter, Path

EARTH: Final = 6_371_008.8
"""Mean radius in metres (IUGG)."""
NEAR: Final = Decimal(50)
"""Kilometres that are near where the search does not say; the specification leaves it to us."""

MILES: Final = {"mi": "[mi_us]", "miles": "[mi_us]"}
"""Units that are asked for though UCUM does not have them."""

_NUMBER: Final = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")
_DEGREE: Final = math.pi / 180


def index(type: str, path: Path) -> Index:
    key = token(f"{type}.{path.key}")

    def add(value: dict[str, Any], facts: Facts) -> None:
        found = [decimal(value.get(name)) for name in ("longitude", "latitude")]
        if found[0] is None or found[1] is None:
            return
        longitude, latitude = float(found[0]), float(found[1])
        # What is not on Earth is found by nothing: MongoDB would refuse to compare it.
        if abs(longitude) <= 180 and abs(latitude) <= 90:
            facts.points.append((longitude, latitude))
            facts.quantities.append((key, latitude, latitude, ()))

    return add


def match(parameter: Parameter, modifier: str, values: tuple[str, ...], _: Scope) -> Condition:
    key = token(f"{parameter.type}.{parameter.keys[0]}")
    if modifier == "missing":
        present = {"q": {"$elemMatch": {"p": key}}}
        return Where({"$nor": [present]} if missing(values) else present)
    return either([_filter(key, *near(value)) for value in values])


def near(value: str) -> tuple[float, float, float]:
    """Return longitude, latitude (degrees) and distance (radians) of `lat|lon|distance|unit`.

    Raises:
        BadValue: not of this form, not on Earth, or a unit that is no length.
    """
    parts = [unescape(part).strip() for part in split(value, "|")]
    if not 2 <= len(parts) <= 4:
        raise BadValue(f"`{value[:200]}` is not `latitude|longitude|distance|unit`.")
    latitude, longitude = _degrees(parts[0], 90), _degrees(parts[1], 180)
    distance = parts[2] if len(parts) > 2 else ""
    unit = (parts[3] if len(parts) > 3 else "") if distance else ""
    metres = ucum.convert(
        _number(distance) if distance else NEAR, MILES.get(unit, unit or "km"), "m"
    )
    if metres is None:
        raise BadValue(f"`{unit[:40]}` is no length in UCUM, such as `km`, `m` or `[mi_us]`.")
    if metres < 0:
        raise BadValue(f"`{distance[:40]}` is less than no distance.")
    return longitude, latitude, min(float(metres) / EARTH, math.pi)


def _degrees(text: str, most: int) -> float:
    number = float(_number(text))
    if abs(number) > most:
        raise BadValue(f"`{text[:40]}` is not between -{most} and {most} degrees.")
    return number


def _number(text: str) -> Decimal:
    if len(text) > LONGEST or not _NUMBER.fullmatch(text):
        raise BadValue(f"`{text[:40]}` is not a number such as `42.25` or `-83.69`.")
    return Decimal(text)


def _filter(key: int, longitude: float, latitude: float, radians: float) -> dict[str, Any]:
    # A little more than the belt, so that rounding loses nobody at its edge.
    width = radians / _DEGREE + 1e-9
    belt = {"p": key, "l": {"$gte": latitude - width, "$lte": latitude + width}}
    return {
        "q": {"$elemMatch": belt},
        "g": {"$geoWithin": {"$centerSphere": [[longitude, latitude], radians]}},
    }


SPECIAL = SearchType("special", index, match, frozenset({"missing"}))
