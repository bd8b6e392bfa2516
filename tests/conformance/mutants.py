"""Single-fault mutants of official examples: each is wrong in one place, and says in which.

https://hl7.org/fhir/R4/downloads.html
"""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass
from typing import Final

from fhir_server import jsonio
from tests.conformance.breaches import RULES
from tests.conformance.damages import STRUCTURE
from tests.conformance.examples import Example
from tests.conformance.spots import Damage, Json, object_at, spots

LONGEST: Final = 20_000
"""Bytes of an example that is damaged: long ones say nothing more and take longer."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """An example with one fault at `path`, a FHIRPath; `kind` names the damage."""

    example: str
    kind: str
    path: str
    resource: Json

    @property
    def raw(self) -> bytes:
        return jsonio.encode(self.resource)


def mutants(examples: list[Example], each: int, seed: int = 4) -> list[Mutant]:
    """Return up to `each` mutants of every kind, of as many examples as there are."""
    chance = random.Random(seed)
    small = [example for example in examples if len(example.raw) <= LONGEST]
    found: list[Mutant] = []
    for kind, damage in DAMAGES.items():
        made = 0
        for example in chance.sample(small, len(small)):
            mutant = _mutant(example, kind, damage, chance)
            if mutant is not None:
                found.append(mutant)
                made += 1
            if made == each:
                break
    return found


def _mutant(example: Example, kind: str, damage: Damage, chance: random.Random) -> Mutant | None:
    places = spots(example.resource)
    damaged = copy.deepcopy(example.resource)  # what a damage does not fit stays as it is
    for spot in chance.sample(places, len(places)):
        path = damage(object_at(damaged, spot), spot)
        if path is not None:
            return Mutant(example.name, kind, path, damaged)
    return None


def _name(damage: Damage) -> str:
    return damage.__name__


DAMAGES: Final = {damage.__name__: damage for damage in sorted((*STRUCTURE, *RULES), key=_name)}
"""The kinds of damage, by name."""
