"""What is loaded and asked for: Synthea transaction bundles, or generated ones of that shape.

https://github.com/synthetichealth/synthea
"""

from __future__ import annotations

import gzip
import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SYNTHEA = Path(__file__).resolve().parents[2] / ".." / "shared" / "fhir" / "synthea" / "v2019"
LOINC = "http://loinc.org"


@dataclass(frozen=True, slots=True)
class Corpus:
    """`bundles` are transactions; `codes` are the commonest LOINC codes of their Observations."""

    origin: str
    bundles: tuple[bytes, ...]
    resources: int
    observations: tuple[bytes, ...]
    codes: tuple[str, ...]


def corpus(bundles: int) -> Corpus:
    """Return that many patients with all that belongs to them."""
    files = sorted(path for path in SYNTHEA.glob("*.gz") if "Information" not in path.name)
    if files:
        return _read("Synthea", [gzip.open(path).read() for path in files[:bundles]])
    return _read("generated", [_generated(number) for number in range(bundles)])


def resources(bundle: bytes) -> Iterator[dict[str, Any]]:
    yield from (entry["resource"] for entry in json.loads(bundle)["entry"])


def _read(origin: str, bundles: Sequence[bytes]) -> Corpus:
    found = [resource for bundle in bundles for resource in resources(bundle)]
    observations = [r for r in found if r["resourceType"] == "Observation"]
    codes = Counter(
        c["code"] for r in observations for c in r["code"]["coding"] if c.get("system") == LOINC
    )
    return Corpus(
        origin,
        tuple(bundles),
        len(found),
        tuple(_without_links(r) for r in observations),
        tuple(code for code, _ in codes.most_common(20)),
    )


def _without_links(observation: dict[str, Any]) -> bytes:
    """Return it ready to be created alone: references inside its bundle lead nowhere now."""
    alone = {k: v for k, v in observation.items() if k not in {"id", "encounter"}}
    return json.dumps(alone | {"subject": {"reference": "Patient/bench"}}).encode()


def _generated(number: int) -> bytes:
    chance = random.Random(number)
    patient = f"urn:uuid:00000000-0000-4000-8000-{number:012d}"
    entries = [_entry({"resourceType": "Patient", "gender": "unknown"}, patient)]
    for n in range(300):
        code = str(1000 + int(chance.expovariate(0.05)))
        entries.append(
            _entry(
                {
                    "resourceType": "Observation",
                    "status": "final",
                    "category": [{"coding": [{"code": "laboratory"}]}],
                    "code": {"coding": [{"system": LOINC, "code": code}], "text": f"Test {code}"},
                    "subject": {"reference": patient},
                    "effectiveDateTime": f"20{n % 25:02d}-0{n % 9 + 1}-1{n % 10}T10:00:00Z",
                    "valueQuantity": {"value": chance.randint(1, 900) / 10, "unit": "mg/dL"},
                },
                f"urn:uuid:00000000-0000-4000-{n:04d}-{number:012d}",
            )
        )
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    return json.dumps(bundle).encode()


def _entry(resource: dict[str, Any], url: str) -> dict[str, Any]:
    request = {"method": "POST", "url": resource["resourceType"]}
    return {"fullUrl": url, "resource": resource, "request": request}
