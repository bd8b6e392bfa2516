"""Distances over the surface of the Earth, as MongoDB's `$centerSphere` has them.

https://www.mongodb.com/docs/manual/reference/operator/query/centerSphere/
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

Point = tuple[float, float]
"""Longitude and latitude in degrees."""


def within(centre: Sequence[float], radians: float, point: Sequence[float]) -> bool:
    """Return whether a point is at most an angle away from a centre; haversine formula."""
    east, north, x, y = (math.radians(degrees) for degrees in (*centre, *point))
    half = math.sin((y - north) / 2) ** 2
    half += math.cos(north) * math.cos(y) * math.sin((x - east) / 2) ** 2
    return 2 * math.asin(math.sqrt(min(half, 1))) <= radians
