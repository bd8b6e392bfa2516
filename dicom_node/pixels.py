"""Frames as a person would see them: modality LUT, VOI LUT or window, polarity, 8 bits, RGB.

DICOM PS3.3 §C.11.1 (modality LUT), §C.11.2 (VOI LUT), §C.7.6.3.1.2 (photometric interpretation).
What cannot be shown right is refused: a picture that is wrong looks as convincing as one that is
right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut
from pydicom.pixels.utils import pixel_array

from dicom_node import header
from dicom_node.quiet import silence
from kernel.errors import NotFound, Unprocessable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from dicom_node.archive import Archive

MAX_PIXELS: Final = 400_000_000  # of one frame
_GREY: Final = frozenset({"MONOCHROME1", "MONOCHROME2"})
_WINDOW: Final = ("WindowCenter", "WindowWidth", "VOILUTFunction", "VOILUTSequence")
_RESCALE: Final = ("RescaleSlope", "RescaleIntercept", "ModalityLUTSequence")


class PixelSource:
    """Reads frames out of the archive. Its methods block: call them in a thread."""

    __slots__ = ("_archive",)

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def frames(
        self, StudyInstanceUID: str, instances: Sequence[tuple[str, str]], limit: int
    ) -> list[NDArray[np.uint8]]:
        """Return the first `limit` frames of (SeriesInstanceUID, SOPInstanceUID) pairs, in order.

        Each is RGB of the shape (rows, columns, 3). Instances without pixels, such as structured
        reports, have no frames.

        Raises:
            NotFound: an instance is not in the archive.
            Unprocessable: it belongs to another study, or its pixels cannot be shown right.
        """
        found: list[NDArray[np.uint8]] = []
        for series, instance in instances:
            if len(found) >= limit:
                break
            dataset = self._read(instance)
            _check(dataset, StudyInstanceUID, series, instance)
            found += _frames(dataset, instance, limit - len(found))
        return found

    def modalities(self, instances: Sequence[tuple[str, str]]) -> frozenset[str]:
        """Return the modality codes that the instances themselves carry."""
        return frozenset(
            str(modality)
            for _, instance in instances
            if (modality := self._read(instance, pixels=False).get("Modality"))
        )

    def _read(self, SOPInstanceUID: str, *, pixels: bool = True) -> Dataset:
        path = self._archive.locate(SOPInstanceUID)
        if path is None:
            raise NotFound(f"Instance `{SOPInstanceUID}` is not in the archive.")
        checked = header.read(path)
        return pydicom.dcmread(path) if pixels else checked.dataset


def _check(dataset: Dataset, study: str, series: str, instance: str) -> None:
    if (dataset.get("StudyInstanceUID"), dataset.get("SeriesInstanceUID")) != (study, series):
        raise Unprocessable(f"Instance `{instance}` belongs to another study or series.")
    if int(dataset.get("Rows") or 0) * int(dataset.get("Columns") or 0) > MAX_PIXELS:
        raise Unprocessable(f"A frame of instance `{instance}` has over `{MAX_PIXELS}` pixels.")


def _frames(dataset: Dataset, instance: str, limit: int) -> Iterator[NDArray[np.uint8]]:
    if not any(key in dataset for key in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        return
    silence()
    for index in range(min(int(dataset.get("NumberOfFrames") or 1), limit)):
        try:
            yield shown(dataset, index)
        except Unprocessable:
            raise
        except Exception as error:  # a decoder that is missing, or damaged pixels
            syntax = dataset.file_meta.TransferSyntaxUID
            raise Unprocessable(
                f"Frame `{index}` of instance `{instance}` in transfer syntax `{syntax}` cannot be"
                " decoded."
            ) from error


def shown(dataset: Dataset, index: int) -> NDArray[np.uint8]:
    """Return one frame as RGB, 8 bits, of the shape (rows, columns, 3)."""
    stored = pixel_array(dataset, index=index)
    photometric = str(dataset.get("PhotometricInterpretation"))
    if photometric in _GREY:
        grey = _grey(dataset, stored, index)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if photometric == "PALETTE COLOR":
        stored = apply_color_lut(stored, dataset)
    elif stored.ndim != 3 or stored.shape[2] != 3:
        raise Unprocessable(f"Photometric interpretation `{photometric}` is not supported.")
    return _bytes(stored, int(dataset.get("BitsStored", 8)))


def _bytes(colour: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    """Return colour samples as 8 bits; a palette gives 16 bits in full range."""
    if colour.dtype == np.uint8 and bits <= 8:
        return np.ascontiguousarray(colour[:, :, :3])
    if colour.dtype == np.uint16:
        return (colour[:, :, :3] >> 8).astype(np.uint8)
    raise Unprocessable(f"Colour samples of type `{colour.dtype}` are not supported.")


def _grey(dataset: Dataset, stored: NDArray[Any], index: int) -> NDArray[np.uint8]:
    rules = _rules(dataset, index)
    padding = _padding(dataset, stored)
    values = np.asarray(apply_modality_lut(stored, rules), dtype=np.float64)
    level = _level(rules, values, padding)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        level = 1.0 - level
    level[padding] = 0.0  # outside of the picture is background in either polarity
    return np.rint(level * 255).astype(np.uint8)


def _rules(dataset: Dataset, index: int) -> Dataset:
    """Return what applies to one frame: its functional groups, the shared ones, the data set.

    DICOM PS3.3 §C.7.6.16 (multi-frame functional groups).
    """
    found = Dataset()
    places = [dataset]
    shared = dataset.get("SharedFunctionalGroupsSequence") or []
    each = dataset.get("PerFrameFunctionalGroupsSequence") or []
    for group in (*shared[:1], *each[index : index + 1]):
        for keyword in ("PixelValueTransformationSequence", "FrameVOILUTSequence"):
            places += list(group.get(keyword) or [])
    for place in places:
        for keyword in (*_WINDOW, *_RESCALE):
            if keyword in place:
                found[keyword] = place[keyword]
    return found


def _padding(dataset: Dataset, stored: NDArray[Any]) -> NDArray[np.bool_]:
    """Return where a pixel is no part of the picture; DICOM PS3.3 §C.7.5.1.1.2."""
    value = dataset.get("PixelPaddingValue")
    if value is None:
        return np.zeros(stored.shape, dtype=np.bool_)
    other = dataset.get("PixelPaddingRangeLimit", value)
    low, high = sorted((int(value), int(other)))
    return np.asarray((stored >= low) & (stored <= high))


def _level(
    rules: Dataset, values: NDArray[np.float64], padding: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return brightness from 0 to 1: VOI LUT, else window, else the range that is there."""
    if rules.get("VOILUTSequence"):
        return _table(rules.VOILUTSequence[0], values)
    center, width = _first(rules.get("WindowCenter")), _first(rules.get("WindowWidth"))
    if center is not None and width is not None:
        return _window(values, center, width, str(rules.get("VOILUTFunction") or "LINEAR"))
    inside = values[~padding]
    if not inside.size or inside.min() == inside.max():
        return np.zeros(values.shape)
    return np.asarray(np.clip((values - inside.min()) / (inside.max() - inside.min()), 0, 1))


def _first(raw: Any) -> float | None:
    if raw is None or raw == "":
        return None
    return float(raw) if isinstance(raw, str | float | int) else float(raw[0])


def _window(
    values: NDArray[np.float64], center: float, width: float, function: str
) -> NDArray[np.float64]:
    """Return brightness by window; DICOM PS3.3 §C.11.2.1.2 and §C.11.2.1.3."""
    if width <= 0 or (width < 1 and function == "LINEAR"):
        raise Unprocessable(f"Window width `{width}` is not valid.")
    if function == "SIGMOID":
        return np.asarray(1 / (1 + np.exp(np.clip(-4 * (values - center) / width, -700, 700))))
    if function == "LINEAR_EXACT":
        return np.clip((values - center) / width + 0.5, 0, 1)
    if function != "LINEAR":
        raise Unprocessable(f"VOI LUT function `{function}` is not supported.")
    if width == 1:
        return np.asarray(values > center - 0.5, dtype=np.float64)
    return np.clip((values - (center - 0.5)) / (width - 1) + 0.5, 0, 1)


def _table(item: Dataset, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return brightness by lookup table; DICOM PS3.3 §C.11.2.1.1."""
    entries, first, bits = (int(part) for part in item.LUTDescriptor)
    data = item.LUTData
    table = np.frombuffer(data, "<u2") if isinstance(data, bytes) else np.asarray(data)
    if len(table) != (entries or 1 << 16):
        raise Unprocessable(f"A VOI LUT has `{len(table)}` entries instead of `{entries}`.")
    index = np.clip(np.rint(values).astype(np.int64) - first, 0, len(table) - 1)
    return np.asarray(table[index] / float((1 << bits) - 1))
