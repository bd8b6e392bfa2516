"""Which models run: those that the setting `MEDFLOW_AI__MODELS` names, checked at start.

Models are labels, found by scanning `ai_adapters.models` and the entry points `medflow.model`.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from ai_adapters.adapter import Model
from kernel.registry import scan

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def models(names: str | Iterable[str]) -> tuple[Model, ...]:
    """Return the models of these names (comma separated, or a sequence), ready to run.

    Raises:
        ValueError: a name is unknown, or what the model needs is not installed; every fault is
            named at once.
    """
    return choose(names, scan("ai_adapters.models", Model))


def choose(names: str | Iterable[str], known: Mapping[str, Model]) -> tuple[Model, ...]:
    """Return the models of these names out of `known`; raises as `models` does."""
    parts = names.split(",") if isinstance(names, str) else names
    wanted = list(dict.fromkeys(stripped for name in parts if (stripped := name.strip())))
    faults = [fault for name in wanted if (fault := _fault(name, known))]
    if faults:
        raise ValueError(" ".join(faults))
    return tuple(known[name] for name in wanted)


def _fault(name: str, known: Mapping[str, Model]) -> str | None:
    model = known.get(name)
    if model is None:
        near = get_close_matches(name, known, 3) or sorted(known)
        names = ", ".join(f"`{each}`" for each in near)
        return f"There is no AI model `{name}`; near it: {names}."
    missing = model.available()
    return missing and f"The AI model `{name}` cannot run here: {missing}"
