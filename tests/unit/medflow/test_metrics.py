"""https://prometheus.io/docs/instrumenting/exposition_formats/"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest

from medflow.metrics import State


def test_each_service_has_its_state() -> None:
    registry = CollectorRegistry()
    registry.register(
        State(
            {
                "mongodb": {"up": False},
                "hl7": {"up": True, "since": 1500, "restarts": 2, "handled": 7},
            }
        )
    )

    text = generate_latest(registry).decode()

    assert 'medflow_up{service="mongodb"} 0.0' in text
    assert 'medflow_up{service="hl7"} 1.0' in text
    assert 'medflow_handled_total{service="hl7"} 7.0' in text
    assert 'medflow_restarts_total{service="hl7"} 2.0' in text
    assert 'medflow_since_seconds{service="hl7"} 1.5' in text
