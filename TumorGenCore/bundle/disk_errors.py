"""Names the file when a library for tensors finds no space for it; the libraries raise errors of their own then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

__all__ = ["named_disk_errors"]


@contextmanager
def named_disk_errors(path: Path) -> Iterator[None]:
    """Turns errors of PyTorch and safetensors while they write a file into an OSError that names it.

    Raises:
        OSError: the block could not write the file.
    """
    try:
        yield
    except (SafetensorError, RuntimeError) as error:
        raise OSError(f"{path} cannot be written; perhaps the disk is full. {error}") from error
