"""Which file formats a volume is read from and written to, by the suffix of the file's name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

__all__ = ["READABLE_SUFFIXES", "SEGMENTATION_SUFFIX", "WRITABLE_SUFFIXES", "known_suffix"]

READABLE_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")
WRITABLE_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")
#: Of Slicer's segmentations; it ends in a writable suffix.
SEGMENTATION_SUFFIX = ".seg.nrrd"


def known_suffix(path: Path, known: Sequence[str]) -> str | None:
    """The first of the ``known`` suffixes in which the file's name ends, whatever its case; None where none fits."""
    return next((suffix for suffix in known if path.name.lower().endswith(suffix)), None)
