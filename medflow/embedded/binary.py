"""Where the programs are that MedFlow starts: on PATH, or inside an installed wheel."""

from __future__ import annotations

import importlib.metadata
import shutil
import stat
from pathlib import Path


def find(program: str, wheel: str) -> Path | None:
    """Return the program on PATH, else the one in the distribution `wheel`, else None.

    The wheel is looked into, not imported: importing these packages has side effects.
    """
    on_path = shutil.which(program)
    if on_path is not None:
        return Path(on_path)
    try:
        files = importlib.metadata.files(wheel) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    for file in files:
        if file.name == program and file.parent.name == "bin":
            path = Path(str(file.locate())).resolve()
            if path.is_file():
                return _executable(path)
    return None


def _executable(path: Path) -> Path:
    """Return the path, made executable: some installers drop the bit."""
    mode = path.stat().st_mode
    if not mode & stat.S_IXUSR:
        path.chmod(mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return path
