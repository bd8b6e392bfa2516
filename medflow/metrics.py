"""`/metrics`: the state of this run for Prometheus; docs/install.md, Health.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from medflow.health import examine

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from prometheus_client.metrics_core import Metric

    from medflow.wiring import Parts

UP: Final = "1 if the service is up."
HANDLED: Final = "Requests, messages or events that the role has handled since it started."
RESTARTS: Final = "How often the supervisor had to start the role again."
SINCE: Final = "When the role last changed its state, seconds since the epoch."


class State(Collector):
    """What health says of each service, as metrics: counts and states, nothing about patients."""

    def __init__(self, services: Mapping[str, Mapping[str, Any]]) -> None:
        self._services = services

    def collect(self) -> Iterable[Metric]:
        up = GaugeMetricFamily("medflow_up", UP, labels=["service"])
        since = GaugeMetricFamily("medflow_since_seconds", SINCE, labels=["service"])
        handled = CounterMetricFamily("medflow_handled", HANDLED, labels=["service"])
        restarts = CounterMetricFamily("medflow_restarts", RESTARTS, labels=["service"])
        for name, service in self._services.items():
            up.add_metric([name], float(service["up"]))
            if "since" in service:
                since.add_metric([name], service["since"] / 1000)
            if "handled" in service:
                handled.add_metric([name], service["handled"])
            if "restarts" in service:
                restarts.add_metric([name], service["restarts"])
        return up, since, handled, restarts


def router(parts: Parts) -> APIRouter:
    """Return `/metrics`."""
    routes = APIRouter(tags=["operation"])

    @routes.get("/metrics", summary="The state of each part, for Prometheus")
    async def metrics() -> Response:
        registry = CollectorRegistry()
        registry.register(State((await examine(parts))["services"]))
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return routes
