"""FHIR patch interaction: JSON Patch, FHIRPath Patch and JSON Merge Patch, by id and conditional.

https://hl7.org/fhir/R4/http.html#patch

The patch is applied inside the transaction to the version that is current there, so that patches
of different members by many clients at once all survive.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final

from fhir_server import jsonio
from fhir_server.engine import check_id
from fhir_server.interactions.criteria import criterion, matched, shown
from fhir_server.interactions.etag import expected
from fhir_server.interactions.patching import fhirpath_patch, json_patch, merge_patch
from fhir_server.store.document import Change
from fhir_server.store.unit import Unit
from kernel.errors import BadStructure, NotFound, Unprocessable, UnsupportedMediaType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_server.engine import Engine
    from fhir_server.model import Access, Context, Result

JSON_PATCH: Final = "application/json-patch+json"
FHIR: Final = "application/fhir+json"
MERGE_PATCH: Final = "application/merge-patch+json"
PLAIN_JSON: Final = frozenset({"application/json", "text/json"})
FHIR_JSON: Final = frozenset({FHIR, "application/json", "application/json+fhir", "text/json"})
CHARSETS: Final = frozenset({"", "utf-8", "utf8", "us-ascii"})
Apply = Callable[[dict[str, Any]], dict[str, Any]]
"""Returns the patched resource; it may change what it is given."""


async def patch(
    engine: Engine,
    ctx: Context,
    type: str,
    id: str,
    body: bytes,
    content_type: str,
    *,
    if_match: int | tuple[int, ...] | None = None,
) -> Result:
    """Change a part of a resource; what changes nothing makes no new version.

    Raises:
        UnsupportedMediaType: it is no kind of patch that is read here.
        Invalid: the patch is malformed, or what it makes is not a valid resource.
        Unprocessable: the patch does not fit to what is there.
        NotFound, Gone: there is nothing to patch.
        PreconditionFailed: another version is current than `if_match` names.
    """
    access = engine.authorise(ctx, type, "u")
    apply = read(body, content_type)
    change = edit(engine, access, type, check_id(id), apply, expected(if_match))
    return (await engine.store.commit(Unit(ctx, [change])))[0]


async def conditional_patch(
    engine: Engine,
    ctx: Context,
    type: str,
    query: str | Sequence[tuple[str, str]],
    body: bytes,
    content_type: str,
    *,
    if_match: int | tuple[int, ...] | None = None,
) -> Result:
    """Patch the one resource that matches.

    Raises:
        NotFound: none matches.
        MultipleMatches: more than one matches.
        FhirError: as `patch` does.
    """
    access = engine.authorise(ctx, type, "u")
    wanted = await criterion(engine, ctx, type, query)
    apply = read(body, content_type)

    async def resolve(found: list[list[str]]) -> Sequence[Change]:
        id = matched(wanted, found[0])
        if id is None:
            raise NotFound(f"No resource matches `{shown(wanted)}`.")
        return [edit(engine, access, type, id, apply, expected(if_match))]

    return (await engine.store.commit(Unit(ctx, criteria=[wanted], resolve=resolve)))[0]


def read(body: bytes, content_type: str) -> Apply:
    """Return a patch, ready to be applied.

    Raises:
        UnsupportedMediaType: it is no kind of patch that is read here.
        Invalid: it is malformed.
    """
    kind, _, parameters = content_type.partition(";")
    kind = kind.strip().lower()
    charset = parameters.lower().partition("charset=")[2].partition(";")[0].strip(' "')
    if charset not in CHARSETS:
        raise UnsupportedMediaType(f"`charset` is `{charset[:40]}`; FHIR JSON is always UTF-8.")
    if kind == JSON_PATCH:
        operations = json_patch.read(body)
        return lambda resource: json_patch.apply(resource, operations)
    if kind == MERGE_PATCH:
        return _merge_patch(jsonio.decode(body))
    if kind in PLAIN_JSON:
        return _plain(body)
    if kind in FHIR_JSON:
        return parameters_patch(body)
    raise UnsupportedMediaType(
        f"`{content_type[:80]}` is no patch that is read here: `{JSON_PATCH}` (a JSON Patch),"
        f" `application/fhir+json` (a FHIRPath Patch as a Parameters resource) and `{MERGE_PATCH}`"
        " (the members to replace) are."
    )


def _plain(body: bytes) -> Apply:
    """Return the kind of patch that plain JSON is by its form."""
    if body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
        operations = json_patch.read(body)
        return lambda resource: json_patch.apply(resource, operations)
    patch = jsonio.decode(body)
    if patch.get("resourceType") == "Parameters":
        return parameters_patch(body)
    return _merge_patch(patch)


def _merge_patch(patch: dict[str, Any]) -> Apply:
    return lambda resource: merge_patch.apply(resource, patch)


def of_resource(raw: bytes) -> tuple[bytes, str]:
    """Return the patch that an entry of a Bundle holds, and its content type.

    https://hl7.org/fhir/R4/http.html#transaction: a Binary with a JSON Patch, or a Parameters
    resource that is itself a FHIRPath Patch.

    Raises:
        BadStructure: not JSON, or a Binary without readable `data`.
    """
    resource = jsonio.decode(raw)
    if resource.get("resourceType") != "Binary":
        return raw, FHIR
    kind, data = resource.get("contentType"), resource.get("data")
    if not isinstance(kind, str) or not isinstance(data, str):
        raise BadStructure(
            "A Binary that is a patch needs `contentType` and `data`.", "Binary.data"
        )
    try:
        return b64decode("".join(data.split()), validate=True), kind
    except ValueError:
        raise BadStructure("`data` is not base64.", "Binary.data") from None


def parameters_patch(body: bytes) -> Apply:
    """Return a FHIRPath Patch, ready to be applied.

    Raises:
        Invalid: not JSON, not a Parameters resource, or not one of operations.
    """
    parameters = jsonio.decode(body)
    kind = parameters.get("resourceType")
    if kind != "Parameters":
        said = f"is `{str(kind)[:60]}`" if kind is not None else "is missing"
        raise BadStructure(
            f"`resourceType` {said}, but a FHIRPath Patch is a `Parameters` resource.",
            "resourceType",
        )
    fhirpath_patch.read(parameters)  # what is malformed is told before anything is looked for
    # A copy: what it puts into the resource must not change when it is applied again.
    return lambda resource: fhirpath_patch.apply(resource, deepcopy(parameters))


def edit(  # one place that knows how an edit comes about, for bundles too
    engine: Engine,
    access: Access,
    type: str,
    id: str,
    apply: Apply,
    expect: tuple[int, ...] = (),
    finish: Callable[[bytes], bytes] = bytes,
) -> Change:
    """Return the change that a patch makes of whatever version is current.

    `finish` has the last word on the bytes of the result.
    """

    def edited(current: bytes) -> Change | None:
        given = engine.body(type, finish(_patched(apply, current, type, id)), sent=False)
        if jsonio.canonical(given.raw) == jsonio.canonical(current):
            return None
        return engine.change(access, given, id, "PUT")

    return Change(access, type, id, "PUT", None, expect=expect, edit=edited)


def _patched(apply: Apply, current: bytes, type: str, id: str) -> bytes:
    try:
        patched = apply(jsonio.decode(current))
        for name, value in (("resourceType", type), ("id", id)):
            if patched.get(name) != value:
                raise Unprocessable(
                    f"The patch changes `{name}` of `{type}/{id}`, which stays what it is.",
                    f"{type}.{name}",
                )
        return jsonio.encode(_pruned(patched))
    except RecursionError:
        raise Unprocessable("What the patch makes is nested too deeply.") from None


def _pruned(value: Any, name: str = "") -> Any:
    """Return the value without the empty arrays and objects that a removal leaves behind.

    FHIR has none: https://hl7.org/fhir/R4/json.html. In the array beside one of primitives, `_given`
    beside `given`, the places count, so that null stands for what is empty.
    """
    if isinstance(value, Mapping):
        members = ((key, _pruned(item, key)) for key, item in value.items())
        return {key: item for key, item in members if not _empty(item)}
    if isinstance(value, list):
        items = [_pruned(item) for item in value]
        if not name.startswith("_"):
            return [item for item in items if not _empty(item)]
        return [None if _empty(item) else item for item in items] if any(items) else []
    return value


def _empty(value: Any) -> bool:
    return isinstance(value, dict | list) and not value
