"""Versions: how tests write them, and read the pages of a history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

if TYPE_CHECKING:
    from fhir_server.model import Context, Page, Result
    from fhir_server.service import FhirService


async def write(service: FhirService, ctx: Context, type: str, id: str, **members: Any) -> Result:
    return await service.update(ctx, type, id, {"resourceType": type, "id": id} | members)


def decoded(page: Page) -> Any:
    return msgspec.json.decode(page.body)


def versions(page: Page) -> list[str]:
    """Return `Type/id@version` of each entry."""
    return [
        f"{'/'.join(entry['fullUrl'].split('/')[-2:])}@{entry['response']['etag'][3:-1]}"
        for entry in decoded(page).get("entry", ())
    ]


def following(page: Page) -> list[tuple[str, str]] | None:
    """Return the parameters of the next page, None on the last."""
    urls = [link["url"] for link in decoded(page)["link"] if link["relation"] == "next"]
    return parse_qsl(urlsplit(urls[0]).query) if urls else None
