"""The label of a DIMSE service; DICOM PS3.7 §9.

A service is a file in this package with a `Service` bound at module level.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydicom.dataset import Dataset
    from pynetdicom.events import InterventionEvent
    from pynetdicom.presentation import PresentationContext

    from dicom_node.node import Node


@dataclass(frozen=True, slots=True)
class Service:
    """`handle` runs in the association's thread and returns the status of the response.

    It is given pynetdicom's event, which has the attributes of its kind only at run time.
    """

    name: str
    event: InterventionEvent
    contexts: Callable[[], list[PresentationContext]]
    handle: Callable[[Any, Node], int | Dataset]
