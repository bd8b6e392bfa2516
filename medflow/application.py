"""The one web application: the FHIR engine's, with the routes of the other packages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter

from dicom_node.web import wado
from fhir_server.http.app import create_app, include
from medflow import admin, home, metrics, package_admin
from medflow.archive import archive

if TYPE_CHECKING:
    from fastapi import FastAPI

    from medflow.wiring import Parts


def application(parts: Parts) -> FastAPI:
    """Return the application that the web role serves."""
    app = create_app(parts.service, parts.accounts, parts.settings)
    images = APIRouter(prefix="/dicomweb")
    images.include_router(wado.router(parts.service, archive(parts.settings), app.state.context))
    routers = [home.router(parts), metrics.router(parts), images]
    caller = app.state.context
    include(app, [*routers, admin.router(parts, caller), package_admin.router(parts, caller)])
    return app
