"""What a DIMSE service is given: the archive, the limits, and the one bridge to asyncio."""

from __future__ import annotations

import asyncio
import concurrent.futures
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import tzinfo
    from pathlib import Path

    from dicom_node.archive import Archive
    from dicom_node.indexer import Fate, Indexer
    from dicom_node.mapping.imaging_study import Mapped
    from kernel.settings import Dicom


@dataclass(frozen=True, slots=True)
class Bridge:
    """The only way from pynetdicom's threads to the event loop."""

    loop: asyncio.AbstractEventLoop
    indexer: Indexer

    def index(self, file: Path, peer: str, mapped: Mapped) -> concurrent.futures.Future[Fate]:
        """Hand a durable file to the indexer; the future resolves once it is indexed."""
        return asyncio.run_coroutine_threadsafe(self.indexer.add(file, peer, mapped), self.loop)

    def flush(self) -> None:
        """Have everything indexed now that was handed over before."""
        asyncio.run_coroutine_threadsafe(self.indexer.flush(), self.loop)

    @property
    def backlog(self) -> int:
        """How many instances wait for the index; read without a lock, so approximate."""
        return self.indexer.backlog


@dataclass(frozen=True, slots=True)
class Node:
    """`zone` is that of times that are written without an offset."""

    archive: Archive
    settings: Dicom
    bridge: Bridge
    zone: tzinfo
