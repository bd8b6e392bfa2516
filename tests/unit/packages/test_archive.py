"""https://hl7.org/fhir/R5/packages.html, against whoever builds an archive to harm its reader."""

from __future__ import annotations

import gzip
import io
import tarfile
import tracemalloc
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.packages import archive
from kernel.errors import BadStructure, FhirError, TooLarge

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def everything(_: str) -> bool:
    return True


def opened(raw: bytes) -> dict[str, bytes]:
    return dict(archive.files(io.BytesIO(raw), everything))


def tgz(files: Mapping[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", format=form) as made:
        for path, content in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(content)
            made.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def member(**facts: Any) -> bytes:
    """Return an archive of one member that is no common file."""
    buffer = io.BytesIO()
    info = tarfile.TarInfo("package/x")
    for name, value in facts.items():
        setattr(info, name, value)
    with tarfile.open(fileobj=buffer, mode="w:gz") as made:
        made.addfile(info)
    return buffer.getvalue()


def header(**fields: bytes) -> bytes:
    """Return a header with a right checksum around whatever is in these fields."""
    block = bytearray(512)
    places = {"name": 0, "size": 124, "type": 156, "magic": 257}
    for name, value in ({"type": b"0", "magic": b"ustar\x0000"} | fields).items():
        block[places[name] : places[name] + len(value)] = value
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_what_is_packed_is_read(form: int) -> None:
    long = f"package/{'folder/' * 20}é.json"
    files = {"package/package.json": b"{}", "package/empty": b"", "package/b": b"x" * 2000}
    if form != tarfile.USTAR_FORMAT:
        files[long] = b"long"

    assert opened(tgz(files, form)) == files


def test_a_path_of_ustar_may_have_a_prefix() -> None:
    path = f"package/{'a' * 80}/{'b' * 60}.json"

    assert opened(tgz({path: b"1"}, tarfile.USTAR_FORMAT)) == {path: b"1"}


def test_only_what_is_wanted_is_read() -> None:
    found = archive.files(io.BytesIO(tgz({"a": b"1", "b": b"2"})), lambda path: path == "b")

    assert list(found) == [archive.File("b", b"2")]


def test_a_leading_dot_is_no_other_path() -> None:
    assert opened(tgz({"./package/a": b"1"})) == {"package/a": b"1"}


@pytest.mark.parametrize(
    "path",
    [
        "../etc/passwd",
        "package/../../x",
        "/etc/passwd",
        "package/..",
        "..\\x",
        "C:/x",
        "package/a\nb",
        "package/\x7f",
    ],
)
def test_a_path_that_leads_out_is_refused(path: str) -> None:
    with pytest.raises(BadStructure, match="leads out of the package"):
        opened(tgz({path: b"1"}))


@pytest.mark.parametrize(
    "type", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_are_refused(type: bytes) -> None:
    with pytest.raises(BadStructure, match="files only"):
        opened(member(type=type, linkname="/etc/passwd"))


def test_a_folder_is_passed_over() -> None:
    assert opened(member(type=tarfile.DIRTYPE)) == {}


def test_a_file_that_is_too_long_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "LONGEST_FILE", 1000)

    with pytest.raises(TooLarge, match="`a` is longer"):
        opened(tgz({"a": bytes(1001)}))


def test_a_bomb_ends_at_the_limit_and_takes_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = gzip.compress(header(name=b"package/a.txt", size=b"77777777777") + bytes(64 << 20))
    monkeypatch.setattr(archive, "LONGEST", 32 << 20)

    tracemalloc.start()
    with pytest.raises(TooLarge, match="32 MB"):
        list(archive.files(io.BytesIO(bomb), lambda _: False))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(bomb) < 100_000
    assert peak < 8 << 20


def test_too_many_files_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_FILES", 2)

    with pytest.raises(TooLarge, match="more than 2 files"):
        opened(tgz({"a": b"", "b": b"", "c": b""}))


def test_a_name_as_long_as_a_book_is_refused() -> None:
    with pytest.raises(TooLarge, match="a name longer"):
        opened(gzip.compress(header(type=b"L", size=b"00000777777\0") + bytes(1 << 20)))


@pytest.mark.parametrize("size", [b"\xff" * 12, b"\x80" + b"\xff" * 11, b"\x81" + bytes(11)])
def test_a_size_that_is_negative_or_beyond_all_is_refused(size: bytes) -> None:
    with pytest.raises(TooLarge):
        opened(gzip.compress(header(name=b"a", size=size) + bytes(1024)))


@pytest.mark.parametrize("size", [b"-0000000001\0", b"zzzzzzzzzzz\0", b"0000000 01\0\0"])
def test_a_size_that_is_no_octal_number_is_refused(size: bytes) -> None:
    with pytest.raises(BadStructure, match="not octal"):
        opened(gzip.compress(header(name=b"a", size=size) + bytes(1024)))


@pytest.mark.parametrize(
    "record", [b"8 path=a", b"999 path=a\n", b"x path=a\n", b"0 path=a\n", b"12 size=100\n"]
)
def test_an_extended_header_that_lies_is_refused(record: bytes) -> None:
    size = b"%011o\0" % len(record)
    raw = header(type=b"x", size=size) + record.ljust(512, b"\0") + header(name=b"a")

    with pytest.raises(BadStructure, match="header"):
        opened(gzip.compress(raw))


def test_a_name_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(BadStructure, match="UTF-8"):
        opened(gzip.compress(header(name=b"\xff\xfe")))


@pytest.mark.parametrize(
    "raw", [b"", b"no gzip", gzip.compress(b""), gzip.compress(b"no tar" * 99)]
)
def test_what_is_no_archive_is_refused(raw: bytes) -> None:
    with pytest.raises(BadStructure):
        opened(raw)


def cuts(raw: bytes) -> Iterable[bytes]:
    return (raw[:length] for length in range(1, len(raw), 7))


def test_what_is_cut_short_is_refused() -> None:
    whole = tgz({"a": bytes(range(256)) * 8})

    for cut in cuts(whole):
        with pytest.raises(BadStructure):
            opened(cut)


@given(st.integers(0, 3000), st.binary(min_size=1, max_size=20))
def test_damage_is_an_error_of_ours_or_no_harm(place: int, damage: bytes) -> None:
    tar = bytearray(gzip.decompress(tgz({"package/a": b"content", "package/b": b"x" * 600})))
    tar[place : place + len(damage)] = damage

    with suppress(FhirError):
        assert isinstance(opened(gzip.compress(bytes(tar), 1)), dict)
