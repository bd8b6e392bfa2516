"""The DICOM node with a real archive and a real database. DICOM PS3.8 §9."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dicom_node.archive import Archive
from fhir_server.service import FhirService
from tests.integration.dicom.running import (
    Running,
    running,
)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "dicom")


@pytest.fixture
async def node(service: FhirService, archive: Archive) -> AsyncIterator[Running]:
    async with running(service, archive) as made:
        yield made
