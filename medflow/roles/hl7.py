"""HL7 v2 over MLLP. HL7 v2.5.1 Appendix C."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hl7_listener.server import serve
from medflow.roles.role import Role

if TYPE_CHECKING:
    from medflow.roles.role import Announce
    from medflow.wiring import Parts


async def _run(parts: Parts, announce: Announce) -> None:
    await serve(parts.service, parts.settings.hl7, announce)


HL7 = Role("hl7", _run)
