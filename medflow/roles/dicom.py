"""DICOM: associations and the archive. DICOM PS3.7, PS3.8."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dicom_node.scp import serve
from medflow.archive import archive
from medflow.roles.role import Role

if TYPE_CHECKING:
    from medflow.roles.role import Announce
    from medflow.wiring import Parts


async def _run(parts: Parts, announce: Announce) -> None:
    settings = parts.settings
    await serve(
        parts.service,
        settings.dicom,
        archive(settings),
        announce,
        any_title=settings.auth.mode == "open",
        time_zone=settings.fhir.time_zone,
    )


DICOM = Role("dicom", _run)
