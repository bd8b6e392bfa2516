"""What the command line says of settings that only the engine can judge.

https://hl7.org/fhir/R4/resourcelist.html
"""

from __future__ import annotations

import pytest

from medflow.cli import session


def test_a_level_for_what_is_no_resource_type_ends_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MEDFLOW_FHIR__VALIDATION_BY_TYPE", "Patiant=off")

    with pytest.raises(SystemExit):
        session.settings()

    assert (
        "`Patiant` is not a resource type of R4. Did you mean `Patient`?" in capsys.readouterr().err
    )
