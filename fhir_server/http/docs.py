"""`/docs`: the OpenAPI document in Swagger UI, from files of our own.

https://swagger.io/docs/open-source-tools/swagger-ui/

FastAPI's own page loads its scripts from a foreign host, which a hospital's network refuses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import swagger_ui_bundle
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

if TYPE_CHECKING:
    from fastapi import FastAPI


def add_docs(app: FastAPI) -> None:
    """Serve `/docs` and the files that it needs."""
    app.mount("/docs/assets", StaticFiles(directory=swagger_ui_bundle.swagger_ui_path))

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="MedFlow API",
            swagger_js_url="/docs/assets/swagger-ui-bundle.js",
            swagger_css_url="/docs/assets/swagger-ui.css",
            swagger_favicon_url="/assets/icon.svg",
        )
