"""From a search that was understood to what the store is asked, links between resources resolved.

https://hl7.org/fhir/R4/search.html#chaining

A link is a search of its own: with the caller's Access to the type that it looks at, as of the same
moment. What it finds becomes a condition on the reference.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from fhir_server import jsonio
from fhir_server.interactions import compartment, content
from fhir_server.interactions.unfolding import leads_inside
from fhir_server.search import contained, links, plan
from fhir_server.search.kind import Condition, Scope, Where, either
from fhir_server.search.nodes import (
    Chain,
    Criterion,
    Every,
    Has,
    Listed,
    Node,
    Nope,
    Some,
    Text,
)
from fhir_server.search.params import reference, uri
from fhir_server.search.tokens import type_token
from fhir_server.tables import RESOURCE_TYPES
from kernel.errors import Forbidden, Invalid

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from fhir_server.engine import Engine
    from fhir_server.model import Access, Context
    from fhir_server.search.links import Way
    from fhir_server.search.parameters import Parameter
    from fhir_server.search.query import Query
    from fhir_server.store.finder import Part

MOST_LINKED: Final = 20_000
"""Most resources that one link of a search may go through."""
BREATHE: Final = 500
DENYING: Final = frozenset({"not", "missing"})


@dataclass(slots=True)
class Selection:
    """Resolves the criteria of one search; `at` is the moment, once one is known.

    `steps` tell what was looked for on the way, for `_explain`.
    """

    engine: Engine
    ctx: Context
    at: int | None = None
    steps: list[str] = field(default_factory=list)

    @property
    def scope(self) -> Scope:
        return Scope(self.engine.zone, self.ctx.base.rstrip("/"))

    async def parts(self, query: Query, inside: tuple[str, str] | None = None) -> list[Part]:
        """Return a filter and the caller's Access for each type that is searched.

        `inside` is a compartment: a type and an id. With several types, those that the caller may
        not search are left out.

        Raises:
            Forbidden: the caller may search none of them.
            Invalid: a link leads through too many resources.
        """
        parts: list[Part] = []
        refused: Forbidden | None = None
        for type in query.types:
            if contained.is_inside(type):
                parts += await self._holders(type, query)
                continue
            try:
                access = self.engine.authorise(self.ctx, type, "s")
            except Forbidden as error:
                refused = refused or error
                continue
            nodes = query.criteria[type]
            within = compartment.within(type, *inside) if inside else None
            if inside and within is None:
                continue
            parts.append((await self.filter(type, nodes, [within] if within else []), access))
        if refused is not None and not parts:
            raise refused
        return parts

    async def _holders(self, type: str, query: Query) -> list[Part]:
        """Return the parts of a search of contained resources: by who may see what holds them."""
        condition = await self.filter(type, query.criteria[type])
        held: dict[Access, list[int]] = {}
        for holder in sorted(RESOURCE_TYPES):
            try:
                access = self.engine.authorise(self.ctx, holder, "s")
            except Forbidden:
                continue
            held.setdefault(access, []).append(type_token(holder))
        return [
            ({"$and": [condition, {"k": {"$in": tokens}}]}, access)
            for access, tokens in held.items()
        ]

    async def filter(
        self, type: str, nodes: Sequence[Node], more: Sequence[Condition] = ()
    ) -> dict[str, Any]:
        """Return the filter of the documents of a type for which all nodes hold."""
        easy = [node for node in nodes if isinstance(node, Criterion)]
        conditions = [*more, *(plan.condition(node, self.scope) for node in easy)]
        others = [node for node in nodes if not isinstance(node, Criterion | Text)]
        conditions += [await self._condition(type, node) for node in others]
        texts = [node for node in nodes if isinstance(node, Text)]
        if texts:
            keys = await self._texts(type, texts, plan.combined(type, conditions))
            return plan.combined(type, [*conditions, Where({"_id": {"$in": keys}})])
        return plan.combined(type, conditions)

    async def _condition(self, type: str, node: Node) -> Condition:
        match node:
            case Criterion():
                return plan.condition(node, self.scope)
            case Chain():
                return await self._chain(node)
            case Has():
                return await self._has(type, node)
            case Listed():
                return await self._listed(type, node)
            case Text():
                return Where(
                    {"_id": {"$in": await self._texts(type, [node], plan.combined(type, []))}}
                )
            case Every():
                return Where({"$and": [await self._alone(type, one) for one in node.nodes]})
            case Some():
                return Where({"$or": [await self._alone(type, one) for one in node.nodes]})
            case Nope():
                return Where({"$nor": [await self._alone(type, node.node)]})

    async def _alone(self, type: str, node: Node) -> dict[str, Any]:
        return plan.alone(await self._condition(type, node))

    async def _chain(self, node: Chain) -> Condition:
        """Return the condition on the reference, from what is found at its other end."""
        found: list[str] = []
        artifacts: list[tuple[str, str]] = []
        fields = {"_id": 1, "b": 1} if links.is_canonical(node.parameter) else {"_id": 1}
        refused: Forbidden | None = None
        for target, inner in node.targets:
            try:
                access = self.engine.authorise(self.ctx, target, "s")
            except Forbidden as error:
                refused = error
                continue
            part = (await self.filter(target, [inner]), access)
            async for row in self._linked([part], fields, node.parameter):
                found.append(row["_id"])
                if "b" in fields and (named := links.artifact(row["b"])).url:
                    artifacts.append((named.url, named.version))
        if refused is not None and (node.named or not found):
            raise refused
        self.steps.append(f"`{node.parameter.name}`: {len(found)} resources at its other end")
        pointing = reference.pointing(node.parameter, found)
        more = [uri.naming(node.parameter, artifacts)] if artifacts else []
        if held := await self._held(node):
            more.append({"_id": {"$in": held}})
        return either([plan.alone(pointing), *more]) if more else pointing

    async def _held(self, node: Chain) -> list[str]:
        """Return the keys of the resources whose reference leads to what they contain."""
        if not node.inside:
            return []
        type = node.parameter.type
        filters = {target: await self.filter(target, [inner]) for target, inner in node.inside}
        # A container has the facts of all that it contains, so that what is denied of one of them
        # may be true of another: then each is looked at.
        likely = [
            filters[target] if _narrows(inner) else {"k": type_token(target)}
            for target, inner in node.inside
        ]
        condition = {"$and": [{"$or": likely}, {"k": type_token(type)}]}
        part = (condition, self.engine.authorise(self.ctx, type, "s"))
        return [
            row["_id"]
            async for row in self._linked([part], {"b": 1, "u": 1}, node.parameter)
            if leads_inside(self.engine, jsonio.decode(row["b"]), node.parameter, filters, row["u"])
        ]

    async def _has(self, type: str, node: Has) -> Condition:
        """Return the condition on the resource itself, from what refers to it."""
        access = self.engine.authorise(self.ctx, node.type, "s")
        part = (await self.filter(node.type, [node.inner]), access)
        if type == "Patient" and reference.says_whose(node.parameter):
            # `p` of a Patient is its own token, so that a covered scan answers.
            owners = await self.engine.store.finder.distinct("p", [part], MOST_LINKED + 1, self.at)
            self._bound(len(owners), node.parameter)
            self.steps.append(f"`_has:{node.type}`: {len(owners)} patients")
            return Where({"p": {"$in": owners}})
        read = self._reads(node, type)
        keys: dict[str, None] = {}
        canonicals: dict[str, None] = {}
        count = 0
        async for row in self._linked([part], {"b": 1}, node.parameter):
            for text, way in read(row["b"]):
                if way.canonical:
                    canonicals[text] = None
                local = text.removeprefix(f"{self.scope.base}/").partition("/_history/")[0]
                if local.startswith(f"{type}/"):
                    keys[local] = None
            count += 1
            if count % BREATHE == 0:
                await asyncio.sleep(0)
        self.steps.append(f"`_has:{node.type}`: {count} resources refer to {len(keys)}")
        return either([{"_id": {"$in": list(keys)}}, *uri.named(type, canonicals)])

    def _reads(self, node: Has, type: str) -> Callable[[bytes], list[tuple[str, Way]]]:
        """Return what reads the references of a parameter, be it made over REST, to a type."""
        if not links.is_computed(node.parameter):
            return links.reader(node.type, frozenset({(node.parameter, type)})).read
        name = node.parameter.name
        customs = self.engine.store.customs.of(node.type)
        return partial(links.computed, [(c, type) for c in customs if c.parameter.name == name])

    async def _linked(
        self, parts: list[Part], projection: dict[str, int], parameter: Parameter
    ) -> AsyncIterator[dict[str, Any]]:
        finder = self.engine.store.finder
        count = 0
        async for row in finder.scan(parts, projection, self.at, MOST_LINKED + 1):
            count += 1
            self._bound(count, parameter)
            yield row

    def _bound(self, count: int, parameter: Parameter) -> None:
        if count > MOST_LINKED:
            raise Invalid(
                f"More than {MOST_LINKED} resources stand behind `{parameter.name}`."
                " Narrow the search there, or search in two steps.",
                code="too-costly",
            )

    async def _listed(self, type: str, node: Listed) -> Condition:
        """Return the condition that is met by what is on one of the lists."""
        access = self.engine.authorise(self.ctx, "List", "r")
        lists = await self.engine.store.finder.fetch(
            [f"List/{id}" for id in node.ids], access, self.at
        )
        keys: dict[str, None] = {}
        for version in lists:
            entries = jsonio.decode(version.body or b"{}").get("entry") or ()
            for entry in entries:
                written = (entry.get("item") or {}).get("reference", "")
                local = written.removeprefix(f"{self.scope.base}/").partition("/_history/")[0]
                if local.startswith(f"{type}/") and not entry.get("deleted"):
                    keys[local] = None
        return Where({"_id": {"$in": list(keys)}})

    async def _texts(self, type: str, nodes: Sequence[Text], narrowed: dict[str, Any]) -> list[str]:
        """Return the keys of the documents whose text has the words, read one after the other."""
        part = (narrowed, self.engine.authorise(self.ctx, type, "s"))
        keys: list[str] = []
        count = 0
        async for row in self.engine.store.finder.scan([part], {"b": 1}, self.at):
            if all(content.holds(row["b"], node) for node in nodes):
                keys.append(row["_id"])
                if len(keys) > MOST_LINKED:
                    raise Invalid(
                        f"The words are in more than {MOST_LINKED} resources. Narrow the search.",
                        code="too-costly",
                    )
            count += 1
            if count % BREATHE == 0:
                await asyncio.sleep(0)
        self.steps.append(f"words: {count} resources read, {len(keys)} have them")
        return keys


def _narrows(node: Node) -> bool:
    """Return whether a container of what meets this criterion meets it too."""
    return not isinstance(node, Criterion) or (
        node.modifier not in DENYING and node.parameter.name != "_id"
    )
