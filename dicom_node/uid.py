"""Unique identifiers: what we accept as one.

DICOM PS3.5 §9.1. Leading zeros in a component are forbidden there, written by real devices and
harmless here, so they pass; UIDs never become file names.
"""

from __future__ import annotations

import re
from typing import Final

from kernel.errors import BadValue

_UID: Final = re.compile(r"[0-9]+(\.[0-9]+)*")


def valid(uid: str) -> bool:
    """Return whether `uid` is digits and dots, 64 characters at most."""
    return len(uid) <= 64 and _UID.fullmatch(uid) is not None


def checked(keyword: str, value: object) -> str:
    """Return the UID without padding.

    Raises:
        BadValue: it is missing or not a UID.
    """
    uid = str(value or "").strip("\0 ")
    if not uid:
        raise BadValue(f"{keyword} is missing.")
    if not valid(uid):
        raise BadValue(f"{keyword} is not a UID: `{uid[:64]}`.")
    return uid
