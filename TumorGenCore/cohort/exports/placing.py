"""Puts files of the run into an export: as hard links where the file system has them, else as copies.

A hard link takes no space, and the export stays whole if the folder of the run is moved or removed. nnU-Net could also
read a list of paths (``dataset`` in its dataset.json), but then the export breaks with every move, and versions before
2.2 and other tools that read ``imagesTr`` do not know the list.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from TumorGenCore.errors import ExportError
from TumorGenCore.volumes.safe_write import check_space, write_pieces

__all__ = ["Placing"]

_PIECE_BYTES = 2**20


class Placing:
    """Puts files into a folder.

    Args:
        folder: of the export; it exists.
        sources: the files, which decide whether links work and how much space copies need.
        copy: make copies even where links work.

    Raises:
        OSError: the disk has too little space for copies.
    """

    def __init__(self, folder: Path, sources: Iterable[Path], *, copy: bool = False) -> None:
        self.folder, files = folder, sorted(set(sources))
        self.links = not copy and all(_links(one, folder) for one in _one_per_disk(files))
        if not self.links:
            check_space({folder / f"{n}": path.stat().st_size for n, path in enumerate(files)})

    def put(self, source: Path, name: str, sha256: str | None = None) -> Path:
        """Puts a file at ``name`` in the folder, with the folders above it.

        Args:
            source: the file, which stays as it is.
            name: path in the export, with /.
            sha256: what a copy must have; None takes any content.

        Returns:
            Its path in the export.

        Raises:
            ExportError: the file changed during the export.
            OSError: it cannot be written.
        """
        target = self.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if self.links:
            with suppress(OSError):  # A file of somebody else, or one with too many links, is copied.
                os.link(source.resolve(), target)
                return target
        with source.open("rb") as file:
            written = write_pieces(target, iter(lambda: file.read(_PIECE_BYTES), b""))
        if sha256 not in (None, written):
            raise ExportError(f"{source.name} changed during the export. Export again.")
        return target


def _one_per_disk(files: Iterable[Path]) -> Iterable[Path]:
    return {path.stat().st_dev: path for path in files}.values()


def _links(source: Path, folder: Path) -> bool:
    """Whether the file system takes a hard link to ``source`` in ``folder``."""
    trial = folder / f".{uuid4().hex}-new"
    try:
        os.link(source.resolve(), trial)
    except OSError:
        return False
    trial.unlink()
    return True
