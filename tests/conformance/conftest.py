"""The search in memory, for tables that need no database."""

from __future__ import annotations

from tests.unit.search.conftest import found

__all__ = ["found"]
