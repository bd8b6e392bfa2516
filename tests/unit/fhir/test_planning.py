"""https://hl7.org/fhir/R4/http.html#versioning, https://www.rfc-editor.org/rfc/rfc9110#section-13.1"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fhir_server import jsonio
from fhir_server.model import ALL, ANY_VERSION, Access
from fhir_server.search.extract import index
from fhir_server.store.document import Change
from fhir_server.store.planning import plan
from kernel.errors import Conflict, FhirError, Forbidden, Gone, NotFound, PreconditionFailed

BODY = b'{"resourceType":"Patient","id":"a","active":true}'
ORIGIN = ["rest", "tester", "tester", "test"]


def change(body: bytes = BODY, **members: Any) -> Change:
    indexed = index(jsonio.decode(body))
    return Change(ALL, "Patient", "a", "PUT", body, indexed, **members)


def stored(version: int, body: bytes | None = BODY) -> dict[str, Any]:
    """A document at a version; without a body, a deletion."""
    document: dict[str, Any] = {"_id": "Patient/a", "v": version, "u": 1000, "m": "PUT", "k": []}
    if body is None:
        return document | {"kx": []}
    made = jsonio.stamp(body, "Patient", "a", version, 1000)
    return document | {"b": made}


OTHER = b'{"resourceType":"Patient","id":"a","active":false}'
DELETION = Change(ALL, "Patient", "a", "DELETE", None)


@pytest.mark.parametrize(
    ("old", "status", "version", "action"),
    [
        (None, 201, 1, "create"),
        (stored(4, OTHER), 200, 5, "update"),
        (stored(4, None), 201, 5, "create"),
    ],
)
def test_new_content_makes_the_next_version(
    old: dict[str, Any] | None, status: int, version: int, action: str
) -> None:
    result, written = plan(change(), old, 500, ORIGIN)

    assert (result.status, result.version.version, result.changed) == (status, version, True)
    assert written is not None
    assert (written.action, written.superseded) == (action, old)
    assert result.version.updated > (old["u"] if old else 0)


@pytest.mark.parametrize(
    "body",
    [
        BODY,
        b'{"active":true,"id":"a","resourceType":"Patient"}',
        b'{"resourceType":"Patient","id":"a","meta":{"versionId":"77"},"active" : true}',
        b'{"resourceType":"\\u0050atient","id":"a","active":true}',
    ],
)
@pytest.mark.parametrize("version", [4, 9])
def test_equal_content_makes_none(body: bytes, version: int) -> None:
    result, written = plan(change(body), stored(version), 500, ORIGIN)

    assert (result.changed, result.version.version, written) == (False, version, None)


@pytest.mark.parametrize(
    ("old", "expect"),
    [
        (None, (0,)),
        (stored(4, None), (0,)),
        (stored(4), (4,)),
        (stored(4), (1, 4)),
        (stored(4), (ANY_VERSION,)),
        (stored(4), ()),
        (None, ()),
    ],
)
def test_a_precondition_that_holds(old: dict[str, Any] | None, expect: tuple[int, ...]) -> None:
    result, _ = plan(change(OTHER, expect=expect), old, 500, ORIGIN)

    assert result.changed


@pytest.mark.parametrize(
    ("old", "expect", "text"),
    [
        (None, (1,), "expected at version `1`, but none is current"),
        (None, (ANY_VERSION,), "expected at any version, but none is current"),
        (stored(4, None), (4,), "but none is current"),
        (stored(4, None), (ANY_VERSION,), "but none is current"),
        (stored(4), (0,), "but version `4` is current"),
        (stored(4), (3, 5), "expected at version `3` or `5`, but version `4` is current"),
    ],
)
@pytest.mark.parametrize("wanted", [change(OTHER), DELETION])
def test_a_precondition_that_does_not_hold(
    old: dict[str, Any] | None, expect: tuple[int, ...], text: str, wanted: Change
) -> None:
    with pytest.raises(PreconditionFailed, match=text) as refused:
        plan(replace(wanted, expect=expect, where="Bundle.entry[1]"), old, 500, ORIGIN)

    assert refused.value.issues[0].expression == ("Bundle.entry[1]",)


def test_an_id_that_must_be_free_is_so_after_a_deletion() -> None:
    with pytest.raises(Conflict, match="in use for another resource"):
        plan(change(free=True), stored(4, OTHER), 500, ORIGIN)

    assert plan(change(free=True), stored(4, None), 500, ORIGIN)[0].version.version == 5


@pytest.mark.parametrize(("old", "version"), [(None, 0), (stored(4, None), 4)])
def test_to_delete_nothing_changes_nothing(old: dict[str, Any] | None, version: int) -> None:
    result, written = plan(DELETION, old, 500, ORIGIN)

    assert (result.status, result.changed, result.version.version) == (204, False, version)
    assert written is None


def test_an_edit_is_made_of_the_current_content() -> None:
    seen: list[bytes] = []

    def edit(current: bytes) -> Change:
        seen.append(current)
        return change(OTHER)

    result, _ = plan(change(edit=edit), stored(4), 500, ORIGIN)

    assert seen == [stored(4)["b"]]
    assert (result.status, result.version.version) == (200, 5)


def test_an_edit_that_changes_nothing_makes_no_version() -> None:
    result, written = plan(change(edit=lambda _: None), stored(4), 500, ORIGIN)

    assert (result.changed, result.version.version, written) == (False, 4, None)


@pytest.mark.parametrize(
    ("old", "error"),
    [(None, NotFound), (stored(4, None), Gone), (stored(4), PreconditionFailed)],
)
def test_what_cannot_be_edited_is_told_before_its_version(
    old: dict[str, Any] | None, error: type[FhirError]
) -> None:
    with pytest.raises(error):
        plan(change(expect=(3,), edit=lambda _: None), old, 500, ORIGIN)


def test_nobody_writes_what_lies_outside_of_their_access() -> None:
    with pytest.raises(Forbidden, match="outside of what you may write"):
        plan(replace(change(OTHER), access=Access()), stored(4), 500, ORIGIN)
