"""Keep pydicom and pynetdicom from telling what they read.

Both quote element values in warnings, log lines and tracebacks, and values are PHI. MedFlow logs
what happened itself, without them.
"""

from __future__ import annotations

import logging
import warnings

from pydicom import config as pydicom_config
from pynetdicom import _config as pynetdicom_config

_LIBRARIES = ("pydicom", "pynetdicom")


def silence() -> None:
    """Turn off the libraries' own logs, warnings and value checks. Idempotent and cheap."""
    for library in _LIBRARIES:
        logger = logging.getLogger(library)
        logger.propagate = False
        logger.setLevel(logging.CRITICAL + 1)
        pattern = rf"{library}(\..*)?"
        if not any(_is_ours(entry, pattern) for entry in warnings.filters):
            warnings.filterwarnings("ignore", module=pattern)
    pydicom_config.settings.reading_validation_mode = pydicom_config.IGNORE
    pynetdicom_config.LOG_HANDLER_LEVEL = "none"


def _is_ours(entry: tuple[object, ...], pattern: str) -> bool:
    return entry[0] == "ignore" and getattr(entry[3], "pattern", None) == pattern
