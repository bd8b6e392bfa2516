"""Which models run: docs/howto/add-an-ai-model.md"""

from __future__ import annotations

from dataclasses import replace

import pytest

from ai_adapters.registry import choose, models
from tests.unit.ai.samples import MODEL


def test_the_setting_chooses_models_in_its_order_and_each_once() -> None:
    other = replace(MODEL, name="other")
    known = {"sample": MODEL, "other": other}

    assert choose(" other, sample,,other", known) == (other, MODEL)


def test_no_name_runs_no_model() -> None:
    assert models("") == ()


def test_the_constant_model_is_found_and_says_what_it_is() -> None:
    (found,) = models(["constant"])

    assert "Not a medical device" in found.description


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"no AI model `constnat`; near it: `constant`\."):
        models("constnat")


def test_all_faults_are_named_at_once() -> None:
    broken = replace(MODEL, available=lambda: "Install `medflow[ai]`.")

    with pytest.raises(ValueError, match=r"`x`; near it: `sample`\. The AI .*medflow\[ai\]"):
        choose("x,sample", {"sample": broken})
