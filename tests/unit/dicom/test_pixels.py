"""Frames as a person would see them. DICOM PS3.3 §C.11.1, §C.11.2, §C.7.6.3.1.2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset

from dicom_node.archive import Archive
from dicom_node.pixels import PixelSource, shown
from kernel.errors import NotFound, Unprocessable

FOLDER = Path(str(get_testdata_file("CT_small.dcm"))).parent


def image(pixels: NDArray[Any], **elements: Any) -> Dataset:
    """Return a grey image with these stored values; other elements override."""
    made = pydicom.dcmread(FOLDER / "CT_small.dcm")
    for keyword in ("PixelPaddingValue", "WindowCenter", "WindowWidth"):
        made.pop(keyword, None)
    made.Rows, made.Columns = pixels.shape[:2]
    made.PixelRepresentation = int(pixels.dtype.kind == "i")
    made.RescaleSlope, made.RescaleIntercept = 1, 0
    made.PixelData = pixels.tobytes()
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return made


RAMP = np.array([[0, 1000, 2000, 3000, 4000]], dtype="<u2")


def grey(made: Dataset) -> list[int]:
    found = shown(made, 0)
    assert found.dtype == np.uint8
    assert found.shape == (1, 5, 3)
    assert (found[..., 0] == found[..., 2]).all()
    return [int(level) for level in found[0, :, 0]]


def test_a_window_is_applied_to_rescaled_values() -> None:
    # CT: unsigned with intercept -1024 must not wrap; PS3.3 §C.11.2.1.2, c=40 w=401.
    pixels = np.array([[0, 864, 1064, 1264, 4095]], dtype="<u2")

    found = grey(image(pixels, RescaleIntercept=-1024, WindowCenter=40, WindowWidth=401))

    assert found[0] == 0
    assert found[-1] == 255
    assert found == sorted(found)
    assert abs(found[2] - 128) <= 1


def test_monochrome1_is_inverted() -> None:
    found = grey(image(RAMP, PhotometricInterpretation="MONOCHROME1"))

    assert found == [255, 191, 128, 64, 0]


def test_without_a_window_the_whole_range_is_shown() -> None:
    assert grey(image(RAMP)) == [0, 64, 128, 191, 255]


def test_padding_is_background_and_does_not_stretch_the_range() -> None:
    pixels = np.array([[-2000, 0, 100, 200, 300]], dtype="<i2")

    found = grey(image(pixels, PixelPaddingValue=-2000))

    assert found == [0, 0, 85, 170, 255]


@pytest.mark.parametrize(
    ("function", "expected"),
    [("LINEAR", [0, 64, 128, 191, 255]), ("LINEAR_EXACT", [0, 64, 128, 191, 255])],
)
def test_window_functions(function: str, expected: list[int]) -> None:
    found = grey(image(RAMP, WindowCenter=2000, WindowWidth=4000, VOILUTFunction=function))

    assert found == pytest.approx(expected, abs=1)


def test_a_sigmoid_is_soft_at_its_ends() -> None:
    found = grey(image(RAMP, WindowCenter=2000, WindowWidth=4000, VOILUTFunction="SIGMOID"))

    assert found[2] == pytest.approx(128, abs=1)
    assert 0 < found[0] < found[1] < found[3] < found[4] < 255


@pytest.mark.parametrize(
    "elements", [{"WindowWidth": 0}, {"VOILUTFunction": "GAMMA", "WindowWidth": 10}]
)
def test_a_window_that_makes_no_sense_is_refused(elements: dict[str, Any]) -> None:
    with pytest.raises(Unprocessable):
        shown(image(RAMP, WindowCenter=10, **elements), 0)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path)


def kept(archive: Archive, name: str) -> tuple[str, tuple[str, str]]:
    """Put a file of pydicom's into the archive; return its study, and its series and instance."""
    found = pydicom.dcmread(FOLDER / name, stop_before_pixels=True)
    part = archive.receive(1 << 30, 0)
    part.write((FOLDER / name).read_bytes())
    archive.settle(part.commit(), found.SOPInstanceUID)
    return found.StudyInstanceUID, (found.SeriesInstanceUID, found.SOPInstanceUID)


@pytest.mark.parametrize(
    "name",
    [
        "CT_small.dcm",
        "MR_small_RLE.dcm",
        "examples_palette.dcm",
        "SC_rgb_rle_2frame.dcm",
        "ExplVR_BigEnd.dcm",
    ],
)
def test_frames_are_rgb(archive: Archive, name: str) -> None:
    study, instance = kept(archive, name)

    found = PixelSource(archive).frames(study, [instance], 10)

    assert found
    for frame in found:
        assert frame.dtype == np.uint8
        assert frame.shape[2:] == (3,)
        assert frame.std() > 1


def test_colours_are_those_of_the_file(archive: Archive) -> None:
    study, instance = kept(archive, "SC_rgb_rle_2frame.dcm")

    (frame,) = PixelSource(archive).frames(study, [instance], 1)

    assert tuple(frame[5, 50]) == (255, 0, 0)  # the first bar is red


def test_the_limit_counts_frames(archive: Archive) -> None:
    study, instance = kept(archive, "SC_rgb_rle_2frame.dcm")

    assert len(PixelSource(archive).frames(study, [instance], 1)) == 1
    assert len(PixelSource(archive).frames(study, [instance], 5)) == 2


def test_a_report_has_no_frames(archive: Archive) -> None:
    study, instance = kept(archive, "test-SR.dcm")

    assert PixelSource(archive).frames(study, [instance], 5) == []


def test_an_image_that_is_not_here_is_named(archive: Archive) -> None:
    with pytest.raises(NotFound, match=r"`1\.2\.3`"):
        PixelSource(archive).frames("1", [("1.2", "1.2.3")], 5)


def test_an_image_of_another_study_is_refused(archive: Archive) -> None:
    _, instance = kept(archive, "CT_small.dcm")

    with pytest.raises(Unprocessable, match="another study"):
        PixelSource(archive).frames("1.2.3", [instance], 5)


def test_a_syntax_without_a_decoder_is_refused(archive: Archive) -> None:
    study, instance = kept(archive, "JPEG2000.dcm")

    with pytest.raises(Unprocessable, match="decoded"):
        PixelSource(archive).frames(study, [instance], 5)


def test_modalities_are_those_of_the_instances(archive: Archive) -> None:
    _, instance = kept(archive, "CT_small.dcm")

    assert PixelSource(archive).modalities([instance]) == {"CT"}
