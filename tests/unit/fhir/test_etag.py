"""https://www.rfc-editor.org/rfc/rfc9110#section-13.1"""

from __future__ import annotations

import pytest

from fhir_server.interactions.etag import etag, expected, version_of, versions_of
from fhir_server.model import ANY_VERSION
from kernel.errors import BadValue


@pytest.mark.parametrize(
    ("tags", "versions"),
    [
        ('W/"3"', (3,)),
        ('"3"', (3,)),
        ('W/"1", W/"2" ,"7"', (1, 2, 7)),
        ('W/"0"', (0,)),
        ("*", (ANY_VERSION,)),
        (" * ", (ANY_VERSION,)),
    ],
)
def test_a_list_of_tags_is_read(tags: str, versions: tuple[int, ...]) -> None:
    assert versions_of(tags) == versions


@pytest.mark.parametrize("tags", ["", "3", 'W/"a"', 'W/"1",', '*, W/"1"', 'W/"-1"', 'w/"1"'])
def test_what_is_no_tag_of_ours_is_refused(tags: str) -> None:
    with pytest.raises(BadValue, match="is not an entity tag"):
        versions_of(tags)


def test_a_long_list_is_refused() -> None:
    with pytest.raises(BadValue, match="More than 100"):
        versions_of(",".join(['W/"1"'] * 200))


def test_a_tag_is_read_as_it_was_written() -> None:
    assert version_of(etag(12)) == 12


def test_a_precondition_is_one_version_several_or_none() -> None:
    assert expected(None) == ()
    assert expected(0) == (0,)
    assert expected((1, 2)) == (1, 2)
