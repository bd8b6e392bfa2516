"""The seam: what a model is given, what it must say, and the label that makes it known.

No model library is imported here. Modalities are the codes of DICOM PS3.3 §C.7.3.1.1.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from fhir_server.model import Resource


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """One study, ready to read, without a word about who the patient is.

    `uid` is the StudyInstanceUID, empty if the ImagingStudy names none. Each frame has the shape
    (rows, columns, 3): RGB, 8 bits, windowed. Models that need no pixels get none.
    """

    id: str  # logical id of the ImagingStudy
    uid: str
    modalities: frozenset[str]
    instances: tuple[str, ...]  # SOPInstanceUIDs, sorted
    frames: Sequence[NDArray[np.uint8]] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """One statement about a study.

    `code` is a Coding (system, code, display), None when the model names no code; `confidence` is
    measured, from 0 to 1, None when the model gives none.
    """

    text: str
    code: Mapping[str, str] | None = None
    confidence: float | None = None


class Reader(Protocol):
    """A loaded model. It lives in a process of its own and is asked one study at a time."""

    def read(self, study: Study) -> Sequence[Finding]:
        """Return what is seen, most important first. Any exception is a failed attempt."""
        ...


def nothing_missing() -> str | None:
    """Return None: the `available` of a model that needs nothing but MedFlow itself."""
    return None


@dataclass(frozen=True, slots=True)
class Model:
    """A label on a model.

    `load` is a module-level function; it runs once, in the worker process that will use the model,
    and imports what it needs there. `available` returns None, or a sentence that says what to
    install. `version` names the weights and the preparation: whatever changes an answer changes it.
    An empty `modalities` accepts every study.
    """

    name: str
    version: str
    load: Callable[[], Reader]
    manufacturer: str
    description: str
    licence: str
    modalities: frozenset[str] = frozenset()
    needs_pixels: bool = False
    available: Callable[[], str | None] = nothing_missing

    def accepts(self, modalities: frozenset[str]) -> bool:
        return not self.modalities or not self.modalities.isdisjoint(modalities)


class StudySource(Protocol):
    """Where pixels come from; the DICOM node implements it."""

    async def study(self, imaging_study: Resource) -> Study:
        """Return the study with its frames.

        Raises:
            NotFound: the images of this study are not here.
        """
        ...
