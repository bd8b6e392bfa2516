"""Where the images are: one archive, below the data directory, for every process that needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dicom_node.archive import Archive

if TYPE_CHECKING:
    from kernel.settings import Settings


def archive(settings: Settings) -> Archive:
    """Return the archive; its folders are made if they are missing."""
    return Archive(settings.data_dir / "dicom")
