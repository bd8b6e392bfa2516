"""The figures of a run as tables: medians, beside one another and beside what is to be reached."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from tests.perf.load import Load
from tests.perf.workload import SLOWEST_PAGE_MS, TARGETS

HEAD = (
    "operation",
    "clients",
    "contender",
    "per second",
    "p50 ms",
    "server µs",
    "mongod µs",
    "MedFlow is",
    "target",
)


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement. `server` and `database` are CPU µs for each operation."""

    operation: str
    clients: int
    contender: str
    rate: float
    p50: float
    server: float
    database: float
    refused: int = 0


def medians(figures: Sequence[Figure]) -> list[Figure]:
    """Return the median of each value over the repeats of one measurement, in order."""
    groups: dict[tuple[str, int, str], list[Figure]] = {}
    for figure in figures:
        key = (figure.operation, figure.clients, figure.contender)
        groups.setdefault(key, []).append(figure)
    return [
        Figure(
            *key,
            rate=statistics.median(f.rate for f in same),
            p50=statistics.median(f.p50 for f in same),
            server=statistics.median(f.server for f in same),
            database=statistics.median(f.database for f in same),
            refused=sum(f.refused for f in same),
        )
        for key, same in groups.items()
    ]


def table(figures: Sequence[Figure], ours: str = "MedFlow") -> str:
    """Return the table; the last columns say how many times as fast we are, and what is wanted."""
    found = medians(figures)
    own = {(f.operation, f.clients): f.rate for f in found if f.contender == ours}
    most = {f.operation: max(g.clients for g in found if g.operation == f.operation) for f in found}
    rows = (
        _row(
            f,
            own.get((f.operation, f.clients)),
            f.contender == ours and f.clients == most[f.operation],
        )
        for f in found
    )
    return _aligned([HEAD, *rows])


def pages(found: Sequence[tuple[str, Load]]) -> str:
    """Return the latencies of search pages with one client."""
    rows = [("search page", "1 client", "", "p50 ms", "p95 ms", "wanted p50")]
    rows += [
        (
            name + (f" ({load.refused} refused)" if load.refused else ""),
            f"{load.count:,} times",
            "",
            f"{load.p50:.2f}",
            f"{load.p95:.2f}",
            f"{SLOWEST_PAGE_MS} {_verdict(load.p50 <= SLOWEST_PAGE_MS and not load.refused)}",
        )
        for name, load in found
    ]
    return _aligned(rows)


def _row(figure: Figure, own: float | None, judged: bool) -> tuple[str, ...]:
    """Return a line; what is wanted is wanted of us, with the most clients."""
    name = figure.contender + (f" ({figure.refused} refused)" if figure.refused else "")
    ratio = f"{own / figure.rate:.1f}x" if own and figure.rate and own != figure.rate else ""
    wanted = TARGETS.get(figure.operation)
    reached = figure.rate >= (wanted or 0) and not figure.refused
    return (
        figure.operation,
        str(figure.clients),
        name,
        f"{figure.rate:,.0f}",
        f"{figure.p50:.2f}",
        f"{figure.server:,.0f}",
        f"{figure.database:,.0f}",
        ratio,
        f"{wanted:,} {_verdict(reached)}" if wanted and judged else "",
    )


def _verdict(reached: bool) -> str:
    return "reached" if reached else "MISSED"


def _aligned(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    lines = ["  ".join(_cell(n, row[n], widths[n]) for n in range(len(row))) for row in rows]
    return "\n".join([lines[0], "-" * len(lines[0]), *(line.rstrip() for line in lines[1:])])


def _cell(column: int, text: str, width: int) -> str:
    return text.ljust(width) if column in {0, 2} else text.rjust(width)
