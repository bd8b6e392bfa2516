"""Expressions: parsed and compiled once, evaluated against plain FHIR JSON.

https://hl7.org/fhirpath/N1/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from fhir_server.fhirpath import compiler, parser
from fhir_server.fhirpath.node import Node, root
from fhir_server.fhirpath.scope import DEFAULTS, Options, Run, Scope
from kernel.errors import Invalid

if TYPE_CHECKING:
    from fhir_server.fhirpath.scope import Code, ConformsTo, MemberOf, Resolve, Truth
    from fhir_server.fhirpath.syntax import Syntax


_FORGIVING: Final = Options(forgiving=True)

# Compiled, a character of an expression takes up to 1 kB: what strangers send must not fill memory.
_KEPT: Final = 256
_KEPT_LENGTH: Final = 400


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression; safe to share between threads and tasks."""

    text: str
    tree: Syntax
    code: Code
    judge: Truth

    def evaluate(
        self,
        resource: Mapping[str, Any] | Node,
        *,
        context: Node | None = None,
        variables: Mapping[str, Any] | None = None,
        resolve: Resolve | None = None,
        member_of: MemberOf | None = None,
        conforms_to: ConformsTo | None = None,
        options: Options = DEFAULTS,
    ) -> list[Node]:
        """Return the items found, with their types and paths.

        `context` is where the expression starts if that is not the resource itself; `variables`
        become `%name`: values, nodes, resources or lists of them.

        Raises:
            Invalid: the expression does not fit what it meets, or costs too much.
        """
        run = Run(context or (resource if isinstance(resource, Node) else root(resource)), options)
        run.variables = variables or {}
        run.resolve, run.member_of, run.conforms_to = resolve, member_of, conforms_to
        try:
            return list(self.code(Scope(run, [run.context])))
        except RecursionError:
            raise _too_deep() from None

    def true(self, resource: Mapping[str, Any] | Node) -> bool:
        """Return whether a condition is met: nothing that can be said is not enough.

        Raises:
            Invalid: the expression does not fit what it meets, or costs too much.
        """
        return self.truth(resource) is True

    def holds(self, resource: Mapping[str, Any] | Node) -> bool:
        """Return whether an invariant holds: it is broken only if it is false.

        Some of R4's are empty where they do not apply, such as ref-1 of a Reference without
        `reference`, which R4's own examples have.

        Raises:
            Invalid: the expression does not fit what it meets, or costs too much.
        """
        return self.truth(resource) is not False

    def truth(self, resource: Mapping[str, Any] | Node) -> bool | None:
        """Return the three-valued truth: a boolean, None where the result is empty.

        It is forgiving: R4's own invariants use `as` on several items.

        Raises:
            Invalid: the expression does not fit what it meets, or costs too much.
        """
        node = resource if isinstance(resource, Node) else root(resource)
        try:
            return self.judge(Scope(Run(node, _FORGIVING), [node]))
        except RecursionError:
            raise _too_deep() from None


def compile(text: str) -> Expression:
    """Return the compiled expression; a short text is compiled once.

    Raises:
        Invalid: it is no FHIRPath, names what does not exist, or is too long or too deep.
    """
    return _kept(text) if len(text) <= _KEPT_LENGTH else _compiled(text)


def _compiled(text: str) -> Expression:
    try:
        tree = parser.parse(text)
        return Expression(text, tree, compiler.compiled(tree), compiler.truth(tree))
    except RecursionError:
        raise _too_deep() from None


_kept = lru_cache(maxsize=_KEPT)(_compiled)


def _too_deep() -> Invalid:
    return Invalid("The FHIRPath expression is nested too deeply.", code="too-costly")
