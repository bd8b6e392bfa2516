"""A dry run: says the same of every study, so that the whole path can be tried without weights.

What it writes is labelled like any model's output:
https://hl7.org/fhir/R4/valueset-security-labels.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ai_adapters.adapter import Finding, Model, Reader, Study

if TYPE_CHECKING:
    from collections.abc import Sequence

SAYS: Final = "Dry run: no image was looked at. Not a medical device; disregard for care."


class Constant:
    """Looks at nothing."""

    def read(self, study: Study) -> Sequence[Finding]:
        """Return the one sentence for any study."""
        del study
        return (Finding(SAYS),)


def load() -> Reader:
    """Return the reader; there is nothing to load."""
    return Constant()


CONSTANT: Final = Model(
    name="constant",
    version="1",
    load=load,
    manufacturer="MedFlow",
    description="Dry run that says the same of every study. Not a medical device.",
    licence="Apache-2.0",
)
