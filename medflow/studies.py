"""Pixels for models: the DICOM archive as the source that the AI runner asks."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ai_adapters.study import facts

if TYPE_CHECKING:
    from ai_adapters.adapter import Study
    from dicom_node.pixels import PixelSource
    from fhir_server.model import Resource

MOST_FRAMES: Final = 64
"""Frames of one study that a model is shown; they are in memory all at once."""


class ArchivedStudies:
    """Implements `ai_adapters.adapter.StudySource` on the archive of this machine."""

    def __init__(self, pixels: PixelSource) -> None:
        self._pixels = pixels

    async def study(self, imaging_study: Resource) -> Study:
        """Return the study with its frames. Raises NotFound."""
        known = facts(imaging_study)
        instances = [
            (series["uid"], instance["uid"])
            for series in imaging_study.get("series", [])
            for instance in series.get("instance", [])
        ]
        frames = await asyncio.to_thread(self._pixels.frames, known.uid, instances, MOST_FRAMES)
        return replace(known, frames=tuple(frames))
