"""Notes the warnings of reading a file as remarks: the same sentences without the name of the file.

A remark goes into provenance, tables and scenes, and the name of a file may be that of a person.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from TumorGenCore.errors import VolumeWarning

__all__ = ["noted_warnings"]


@contextmanager
def noted_warnings(path: Path, called: str = "The file") -> Iterator[list[str]]:
    """Collects the ``VolumeWarning`` of the block, and gives all warnings once more at its end.

    Args:
        path: the file that the block reads.
        called: what the remarks call it.

    Yields:
        The remarks; the list is empty until the block ends.
    """
    remarks: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield remarks
    own = [warning.message for warning in caught if isinstance(warning.message, VolumeWarning)]
    remarks += dict.fromkeys(str(message).replace(path.name, called) for message in own)
    for warning in caught:
        warnings.warn(warning.message, stacklevel=4)
