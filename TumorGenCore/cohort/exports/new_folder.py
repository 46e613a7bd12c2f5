"""A new folder that is there completely or not at all.

Its files are made in a hidden folder beside it, which is then renamed. After a kill the hidden folder is left; the next
export to the same place removes it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from TumorGenCore.errors import ExportError
from TumorGenCore.interrupts import held_stops
from TumorGenCore.volumes.safe_write import check_folder

__all__ = ["check_new_folder", "new_folder"]


def check_new_folder(path: Path) -> None:
    """Checks, before any work, that a new folder can be made.

    Raises:
        ExportError: there is something in its place.
        OSError: its name cannot be used, or the folder above it does not exist or cannot be written to.
    """
    check_folder(path)
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        raise ExportError(f"{path} is not a folder. Give a new folder for the export.")
    if path.is_dir() and any(path.iterdir()):
        raise ExportError(f"{path} is not empty. Give a new folder for the export.")


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yields a folder to fill, which becomes ``path`` if the block succeeds, and is removed if it fails.

    Args:
        path: must not exist, or be an empty folder.

    Raises:
        ExportError: there is something in its place, or another export writes there.
        OSError: the folder cannot be made.
    """
    check_new_folder(path)
    hidden = path.with_name(f".{path.name}-export")
    hidden.mkdir(exist_ok=True)
    lock = FileLock(hidden / "lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise ExportError(f"Another export writes to {path}. Wait for it, or give another folder.") from error
    made = hidden / "new"
    try:
        if made.exists():  # of a killed export
            shutil.rmtree(made)
        made.mkdir()
        yield made
        with held_stops() as stop:
            stop.stop()
            if path.is_dir():
                path.rmdir()
            made.rename(path)
    finally:
        with held_stops():
            shutil.rmtree(made, ignore_errors=True)
            with suppress(OSError):  # Windows deletes no open file.
                (hidden / "lock").unlink()
            lock.release()
            shutil.rmtree(hidden, ignore_errors=True)
