"""Where a page of a history ended, sealed into the text of a link.

https://hl7.org/fhir/R4/http.html#paging
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fhir_server.search.page import seal, unseal
from kernel.errors import BadValue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_server.engine import Engine


async def write(engine: Engine, path: str, place: Sequence[Any]) -> str:
    """Return a position in the history at `path` as the value of `_page`."""
    return seal(await engine.store.page_key(), {"history": path, "place": list(place)})


async def read(engine: Engine, path: str, text: str) -> list[Any]:
    """Return the parts of a position.

    Raises:
        BadValue: it was not written here, or for another history.
    """
    content = unseal(await engine.store.page_key(), text)
    if content.get("history") != path:
        raise BadValue("`_page` is of a `next` link of another history.")
    place: list[Any] = content["place"]
    return place
