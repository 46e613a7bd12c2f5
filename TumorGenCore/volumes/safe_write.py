"""Writes files under a temporary name and then moves them, so that a failure leaves no incomplete file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

__all__ = ["check_folder", "replacing"]


def check_folder(path: Path) -> None:
    """Checks that the folder of ``path`` exists and can be written to.

    Raises:
        OSError: the folder does not exist or cannot be written to.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {path.parent} for {path.name}. Create it first.")
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(f"You may not write to the folder {path.parent}. Choose another folder for {path.name}.")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside ``path``, with its suffixes; its file becomes ``path`` if the block succeeds.

    Raises:
        OSError: the folder does not exist or cannot be written to.
    """
    check_folder(path)
    temporary = path.with_name(f".{uuid4().hex}-{path.name}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
