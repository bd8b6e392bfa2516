"""Verification service class: C-ECHO.

DICOM PS3.4 §A; PS3.7 §9.1.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pynetdicom import evt
from pynetdicom.presentation import VerificationPresentationContexts

from dicom_node.services.service import Service

if TYPE_CHECKING:
    from pynetdicom.presentation import PresentationContext

    from dicom_node.node import Node


def echo(event: Any, node: Node) -> int:
    """Return success: the association could be negotiated and answered."""
    return 0x0000


def contexts() -> list[PresentationContext]:
    return list(VerificationPresentationContexts)


VERIFICATION = Service("verification", evt.EVT_C_ECHO, contexts, echo)
