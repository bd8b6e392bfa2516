"""The time at which the expression runs; the same throughout one evaluation.

https://hl7.org/fhirpath/N1/#current-date-and-time-functions
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fhir_server.fhirpath import system, temporal
from fhir_server.fhirpath.function import Function
from fhir_server.fhirpath.temporal import Temporal
from kernel import clock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_server.fhirpath.node import Collection
    from fhir_server.fhirpath.scope import Code, Run, Scope


def _moment(run: Run) -> Temporal | None:
    if run.moment is None:
        run.moment = run.options.now()
    return temporal.parse(clock.instant(run.moment), "DateTime")


def _now(scope: Scope, _: Collection, __: Sequence[Code]) -> Collection:
    return system.one(_moment(scope.run))


def _today(scope: Scope, _: Collection, __: Sequence[Code]) -> Collection:
    moment = _moment(scope.run)
    return system.one(moment and Temporal("Date", moment.parts[:3]))


def _time_of_day(scope: Scope, _: Collection, __: Sequence[Code]) -> Collection:
    moment = _moment(scope.run)
    return system.one(moment and Temporal("Time", moment.parts[3:]))


FUNCTIONS: Final = (
    Function("now", _now),
    Function("today", _today),
    Function("timeOfDay", _time_of_day),
)
