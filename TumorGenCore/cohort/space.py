"""Checks that the disk has room for the results of a run, before any work and without reading the scans."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path

from TumorGenCore.cohort.manifest import ManifestRow
from TumorGenCore.cohort.results import ResultFiles
from TumorGenCore.volumes.safe_write import check_space

__all__ = ["check_results_space", "compressed_size"]

#: Number and length of the pieces of a scan that are compressed on trial.
_PIECES, _PIECE_BYTES = 8, 32 * 1024
#: Share of the estimate that must be free. It was up to 24 % too large, and a run that fits must not be refused.
_SURE = 0.8


def check_results_space(output: Path, rows: Sequence[ManifestRow]) -> None:
    """Checks that the disk has room for the images that are not there yet; their masks are small.

    Args:
        output: folder of the results, which may be missing.
        rows: rows of the manifest.

    Raises:
        OSError: the disk has too little free space, or a scan cannot be opened.
    """
    there = output.is_dir()
    needed = 0
    for row in rows:
        missing = len(row.seeds)
        if there:
            missing -= sum(ResultFiles.of((row.name, seed), output).image.exists() for seed in row.seeds)
        if missing:
            needed += missing * compressed_size(row.image)
    check_space({output / "results" if there else output: int(_SURE * needed)})


def compressed_size(scan: Path) -> int:
    """Estimates the size of a result of a scan in bytes: that of its file or files, compressed.

    Args:
        scan: a volume file or the folder of a DICOM series.

    Raises:
        OSError: the scan cannot be opened.
    """
    files = sorted(path for path in scan.iterdir() if path.is_file()) if scan.is_dir() else [scan]
    tried = files[:: -(-len(files) // _PIECES)] if files else []
    pieces = b"".join(_pieces(path, -(-_PIECES // len(tried))) for path in tried)
    if not pieces:
        return 0
    size = sum(path.stat().st_size for path in tried) * len(files) // len(tried)
    return size * len(zlib.compress(pieces, 1)) // len(pieces)


def _pieces(path: Path, count: int) -> bytes:
    """Returns pieces of a file at even distances."""
    step = -(-path.stat().st_size // count)
    pieces = []
    with path.open("rb") as file:
        for n in range(count):
            file.seek(n * step)
            pieces.append(file.read(min(step, _PIECE_BYTES)))
    return b"".join(pieces)
