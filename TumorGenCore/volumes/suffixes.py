"""File formats of volumes that can be read and written, by the suffix of the file name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

__all__ = ["READABLE_SUFFIXES", "SEGMENTATION_SUFFIX", "WRITABLE_SUFFIXES", "known_suffix"]

READABLE_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")
WRITABLE_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")
#: Suffix of Slicer segmentations; it also ends in a writable suffix.
SEGMENTATION_SUFFIX = ".seg.nrrd"


def known_suffix(path: Path, known: Sequence[str]) -> str | None:
    """Returns the first of the ``known`` suffixes that the file name ends in, in any case; None if there is none."""
    return next((suffix for suffix in known if path.name.lower().endswith(suffix)), None)
