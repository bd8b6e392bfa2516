"""The syntax tree of an expression.

https://hl7.org/fhirpath/N1/#formal-specifications
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fhir_server.fhirpath.kinds import TypeName
    from fhir_server.fhirpath.system import Value


@dataclass(frozen=True, slots=True)
class Literal:
    """A value, None for `{}`."""

    value: Value | None


@dataclass(frozen=True, slots=True)
class Special:
    """`$this`, `$index` or `$total`, without the `$`."""

    name: str


@dataclass(frozen=True, slots=True)
class Variable:
    """`%name`, without the `%`."""

    name: str


@dataclass(frozen=True, slots=True)
class Name:
    """A member, or a type where one may stand; `at` is the character where it begins."""

    name: str
    at: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """A function call."""

    name: str
    arguments: tuple[Syntax, ...]
    at: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """`target.then`."""

    target: Syntax
    then: Name | Call | Special


@dataclass(frozen=True, slots=True)
class Item:
    """`target[index]`."""

    target: Syntax
    index: Syntax


@dataclass(frozen=True, slots=True)
class Sign:
    """`-operand` or `+operand`."""

    operator: str
    operand: Syntax


@dataclass(frozen=True, slots=True)
class Binary:
    """`left operator right`; `at` is the character where the operator begins."""

    operator: str
    left: Syntax
    right: Syntax
    at: int = 0


@dataclass(frozen=True, slots=True)
class TypeTest:
    """`operand is type` or `operand as type`."""

    operator: str
    operand: Syntax
    type: TypeName


Syntax = Literal | Special | Variable | Name | Call | Step | Item | Sign | Binary | TypeTest
