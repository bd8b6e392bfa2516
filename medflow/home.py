"""The front page, and how the server is: `/`, `/health`, `/health/detailed`; docs/install.md."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from medflow.greeting import tries
from medflow.health import examine

if TYPE_CHECKING:
    from medflow.wiring import Parts

PAGES: Final = Path(__file__).with_name("pages")
ASSETS: Final = {
    "home.css": "text/css; charset=utf-8",
    "home.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
NAMES: Final = {
    "web": "Web and FHIR",
    "hl7": "HL7 v2",
    "dicom": "DICOM",
    "ai": "AI adapters",
    "worker": "Background work",
    "mongodb": "MongoDB",
    "redis": "Redis",
    "supervisor": "Supervisor",
}
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self';"
    " connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
FRESH: Final = {**HEADERS, "Cache-Control": "no-store"}


def router(parts: Parts) -> APIRouter:
    """Return the routes of the front page and of health."""
    routes = APIRouter()
    template = Environment(
        loader=FileSystemLoader(PAGES), autoescape=True, undefined=StrictUndefined
    ).get_template("home.html")

    @routes.get("/", include_in_schema=False)
    async def home() -> HTMLResponse:
        page = template.render(await _shown(parts))
        return HTMLResponse(page, headers=FRESH)

    @routes.get("/health", tags=["operation"], summary="200 once every listener accepts")
    async def health() -> JSONResponse:
        found = await examine(parts)
        said = {"status": found["status"], "missing": found["missing"]}
        return JSONResponse(said, 503 if found["missing"] else 200, headers=FRESH)

    @routes.get("/health/detailed", tags=["operation"], summary="The state of each part")
    async def detailed() -> JSONResponse:
        found = await examine(parts)
        return JSONResponse(found, 503 if found["missing"] else 200, headers=FRESH)

    @routes.get("/assets/{name}", include_in_schema=False)
    async def asset(name: str) -> Response:
        if name not in ASSETS:
            return JSONResponse({"detail": "There is no such file."}, 404)
        return FileResponse(
            PAGES / name,
            media_type=ASSETS[name],
            headers={**HEADERS, "Cache-Control": "max-age=300"},
        )

    return routes


async def _shown(parts: Parts) -> dict[str, Any]:
    """Return what the page shows. Counts tell about the hospital, so only `open` mode has them."""
    found = await examine(parts)
    mode = parts.settings.auth.mode
    return {
        "health": found,
        "services": [
            {"key": key, "name": NAMES.get(key, key), "where": _where(found, key), **service}
            for key, service in sorted(
                found["services"].items(), key=lambda item: list(NAMES).index(item[0])
            )
        ],
        "endpoints": found["endpoints"],
        "tries": tries(found["endpoints"], mode),
        "mode": mode,
        "counts": await parts.counts()
        if mode == "open" and "mongodb" not in found["missing"]
        else {},
        "now": f"{datetime.now(UTC):%H:%M:%S} UTC",
    }


def _where(found: dict[str, Any], key: str) -> str:
    listener = {"web": "fhir", "hl7": "mllp", "dicom": "dicom"}.get(key, "")
    url: str = found["endpoints"].get(listener, {}).get("url", "")
    return url
