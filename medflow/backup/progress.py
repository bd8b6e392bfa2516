"""A progress bar for each step of a backup or a restore, on stderr."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from medflow.backup.save import Tell


@contextmanager
def shown(*, hidden: bool) -> Iterator[Tell]:
    """Show the steps that are told of."""
    bars: dict[str, TaskID] = {}
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        disable=hidden,
    ) as progress:

        def tell(what: str, done: int, total: int | None) -> None:
            if what not in bars:
                bars[what] = progress.add_task(what, total=None)
            # An estimate may be too low.
            most = None if total is None else max(total, done)
            progress.update(bars[what], completed=done, total=most)

        yield tell
