"""Walk the elements of a data set without reading their values: is all of it there?

DICOM PS3.5 §7.1 (data elements), §7.5 (nesting), §A.4 (encapsulated pixel data). pydicom reads past
a missing end in silence; this walk is the gate in front of it, and bounds nesting and count.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pydicom.datadict import dictionary_has_tag, dictionary_VR

from kernel.errors import BadStructure

if TYPE_CHECKING:
    from collections.abc import Callable
    from mmap import mmap

ITEM: Final = 0xFFFEE000
ITEM_END: Final = 0xFFFEE00D
SEQUENCE_END: Final = 0xFFFEE0DD
UNDEFINED: Final = 0xFFFFFFFF
MAX_DEPTH: Final = 64
MAX_ELEMENTS: Final = 1_000_000
LONG: Final = frozenset(
    {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
)
_PIXELS: Final = frozenset({b"OB", b"OW"})


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a transfer syntax writes elements; the default is that of file meta information."""

    explicit: bool = True
    little: bool = True

    @property
    def order(self) -> str:
        return "<" if self.little else ">"


IMPLICIT: Final = Encoding(explicit=False)


@dataclass(frozen=True, slots=True)
class Element:
    """Where one element lies; `value` is the offset of its value, `vr` empty if not written."""

    tag: int
    vr: bytes
    length: int
    value: int

    def __str__(self) -> str:
        return f"`({self.tag >> 16:04X},{self.tag & 0xFFFF:04X})`"


def check(data: mmap | bytes, start: int, encoding: Encoding) -> None:
    """Walk the data set from `start` to the end of `data`.

    Raises:
        BadStructure: it ends inside an element, nests too deep or is no data set at all.
    """
    _Walk(data).elements(start, len(data), encoding, 0, endless=False)


def meta_end(data: mmap | bytes) -> int:
    """Return where the file meta information ends and the data set begins.

    DICOM PS3.10 §7.1.

    Raises:
        BadStructure: the bytes are no DICOM file.
    """
    if data[128:132] != b"DICM":
        raise BadStructure("This is no DICOM file: `DICM` is not at byte 128.")
    position = 132
    while len(data) - position >= 8 and data[position : position + 2] == b"\x02\x00":
        element = at(data, position, len(data), Encoding())
        position = element.value + element.length
        if position > len(data):
            raise _truncated(element, len(data))
    return position


def at(data: mmap | bytes, position: int, end: int, encoding: Encoding) -> Element:
    """Return the element whose header starts at `position`."""
    order = encoding.order
    if end - position < 8:
        raise BadStructure(f"The file is truncated at byte `{end}`, inside an element's header.")
    group, number = struct.unpack_from(f"{order}HH", data, position)
    tag = group << 16 | number
    vr = bytes(data[position + 4 : position + 6])
    if not encoding.explicit or tag >> 16 == 0xFFFE or not vr.isalpha() or not vr.isupper():
        return Element(tag, b"", _long(order, data, position + 4), position + 8)
    if vr not in LONG:
        (length,) = struct.unpack_from(f"{order}H", data, position + 6)
        return Element(tag, vr, length, position + 8)
    if end - position < 12:
        raise BadStructure(f"The file is truncated at byte `{end}`, inside an element's header.")
    return Element(tag, vr, _long(order, data, position + 8), position + 12)


def _long(order: str, data: mmap | bytes, position: int) -> int:
    length: int = struct.unpack_from(f"{order}L", data, position)[0]
    return length


def _truncated(element: Element, end: int) -> BadStructure:
    return BadStructure(f"The file is truncated: it ends at byte `{end}`, inside {element}.")


class _Walk:
    """One pass over one data set; counts elements so that a hostile one ends."""

    __slots__ = ("_count", "_data")

    def __init__(self, data: mmap | bytes) -> None:
        self._data = data
        self._count = 0

    def elements(
        self, position: int, end: int, encoding: Encoding, depth: int, *, endless: bool
    ) -> int:
        """Return where the elements end: at `end`, or after the item delimiter if `endless`."""
        if depth > MAX_DEPTH:
            raise BadStructure(f"Sequences nest deeper than `{MAX_DEPTH}`.")
        while position < end:
            if not endless and end - position < 8 and not any(self._data[position:end]):
                return end  # padding with zeros after the last element
            element = at(self._data, position, end, encoding)
            self._tick()
            if element.tag == ITEM_END and endless:
                return element.value
            position = self._value(element, end, encoding, depth)
        if endless:
            raise BadStructure(f"The file is truncated at byte `{end}`, inside a sequence item.")
        return position

    def _tick(self) -> None:
        self._count += 1
        if self._count > MAX_ELEMENTS:
            raise BadStructure(f"The data set has more than `{MAX_ELEMENTS}` elements.")

    def _value(self, element: Element, end: int, encoding: Encoding, depth: int) -> int:
        if element.length == UNDEFINED:
            return self._undefined(element, end, encoding, depth)
        stop = element.value + element.length
        if stop > end:
            raise _truncated(element, end)
        if _is_sequence(element):
            self._items(element, stop, encoding, depth, self._nested(encoding, depth))
        return stop

    def _undefined(self, element: Element, end: int, encoding: Encoding, depth: int) -> int:
        if element.vr in _PIXELS or element.tag == 0x7FE00010:
            return self._items(element, end, encoding, depth, _fragment, endless=True)
        # PS3.5 §6.2.2: UN of undefined length is a sequence in implicit VR little endian.
        inner = IMPLICIT if element.vr == b"UN" else encoding
        return self._items(element, end, inner, depth, self._nested(inner, depth), endless=True)

    def _nested(self, encoding: Encoding, depth: int) -> Callable[[Element, int], int]:
        def item(found: Element, end: int) -> int:
            if found.length == UNDEFINED:
                return self.elements(found.value, end, encoding, depth + 1, endless=True)
            stop = found.value + found.length
            if stop > end:
                raise _truncated(found, end)
            return self.elements(found.value, stop, encoding, depth + 1, endless=False)

        return item

    def _items(
        self,
        parent: Element,
        end: int,
        encoding: Encoding,
        depth: int,
        item: Callable[[Element, int], int],
        *,
        endless: bool = False,
    ) -> int:
        position = parent.value
        while position < end:
            found = at(self._data, position, end, encoding)
            self._tick()
            if found.tag == SEQUENCE_END and endless:
                return found.value
            if found.tag != ITEM:
                raise BadStructure(f"{parent} holds {found} where an item should be.")
            position = item(found, end)
        if endless:
            raise _truncated(parent, end)
        return position


def _fragment(found: Element, end: int) -> int:
    stop = found.value + found.length
    if stop > end:
        raise _truncated(found, end)
    return stop


def _is_sequence(element: Element) -> bool:
    if element.vr:
        return element.vr == b"SQ"
    return dictionary_has_tag(element.tag) and dictionary_VR(element.tag) == "SQ"
