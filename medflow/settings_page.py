"""docs/settings.md, made from the settings themselves so that the page cannot lie.

`medflow settings --markdown` prints it; a test compares it with the page in the repository.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, Literal, get_args, get_origin

from pydantic import SecretStr

from kernel.settings import names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic.fields import FieldInfo

_HEAD = """\
# Settings

Every setting is an environment variable.
A `MEDFLOW_` variable that is not in this list is refused at start, with the nearest right name.
`medflow check` says whether the current settings can work.

This page is made by `medflow settings --markdown`; do not edit it.
"""

_FOOT = """\
## Not supported yet

A configuration file, and changing a setting without a restart.
"""

_COLUMNS = "| Variable | Default | Accepts | What it does |\n|---|---|---|---|"

_KINDS: Final[Mapping[Any, str]] = {
    int: "whole number",
    float: "number",
    bool: "`true`, `false`",
    SecretStr: "text, secret",
}

_BOUNDS: Final = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


def markdown() -> str:
    """Return the whole page: one table a group, in the order of the model."""
    tables = (
        "\n".join(
            [f"## {_title(group)}", "", _COLUMNS, *(_row(name, field) for name, field in rows)]
        )
        for group, rows in _groups()
    )
    return "\n\n".join([_HEAD.rstrip(), *tables, _FOOT])


def _groups() -> list[tuple[str, list[tuple[str, FieldInfo]]]]:
    found = [(group, name, field) for name, (group, field) in names().items()]
    return [
        (group, [(name, field) for _, name, field in rows])
        for group, rows in groupby(found, key=lambda row: row[0])
    ]


def _title(group: str) -> str:
    return group.strip().splitlines()[0].rstrip(".") if group.strip() else "General"


def _row(name: str, field: FieldInfo) -> str:
    cells = (f"`{name}`", _default(field), _accepts(field), field.description or "")
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def _default(field: FieldInfo) -> str:
    value: Any = field.default
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, bool):
        value = str(value).lower()
    return f"`{value}`" if value != "" else "(empty)"


def _accepts(field: FieldInfo) -> str:
    kind: Any = field.annotation
    if get_origin(kind) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(kind))
    bounds = [
        f"{sign} {getattr(rule, bound)}"
        for rule in field.metadata
        for bound, sign in _BOUNDS.items()
        if getattr(rule, bound, None) is not None
    ]
    return f"{_KINDS.get(kind, 'text')} {', '.join(bounds)}".rstrip()
