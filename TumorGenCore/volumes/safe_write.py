"""Files are written under a temporary name and then moved, so that a failure leaves no part of one behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

__all__ = ["check_folder", "replacing"]


def check_folder(path: Path) -> None:
    """Check that the folder of ``path`` exists and lets us write.

    Raises:
        OSError: the folder does not exist or may not be written to.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {path.parent} to write {path.name} to; create it first.")
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(f"The folder {path.parent} may not be written to; choose another for {path.name}.")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path``, with its suffixes, that takes its place if the block succeeds.

    Raises:
        OSError: the folder does not exist or may not be written to.
    """
    check_folder(path)
    temporary = path.with_name(f".{uuid4().hex}-{path.name}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
