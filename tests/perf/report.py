"""The figures of a run as a table: medians, beside one another."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

HEAD = (
    "operation",
    "clients",
    "contender",
    "per second",
    "p50 ms",
    "server µs",
    "mongod µs",
    "MedFlow is",
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
    """Return the table; the last column says how many times as fast we are."""
    found = medians(figures)
    own = {(f.operation, f.clients): f.rate for f in found if f.contender == ours}
    rows = [HEAD, *(_row(f, own.get((f.operation, f.clients))) for f in found)]
    widths = [max(len(row[n]) for row in rows) for n in range(len(HEAD))]
    lines = ["  ".join(_cell(n, row[n], widths[n]) for n in range(len(HEAD))) for row in rows]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def _row(figure: Figure, own: float | None) -> tuple[str, ...]:
    name = figure.contender + (f" ({figure.refused} refused)" if figure.refused else "")
    ratio = f"{own / figure.rate:.1f}x" if own and figure.rate and own != figure.rate else ""
    return (
        figure.operation,
        str(figure.clients),
        name,
        f"{figure.rate:,.0f}",
        f"{figure.p50:.2f}",
        f"{figure.server:,.0f}",
        f"{figure.database:,.0f}",
        ratio,
    )


def _cell(column: int, text: str, width: int) -> str:
    return text.ljust(width) if column in {0, 2} else text.rjust(width)
