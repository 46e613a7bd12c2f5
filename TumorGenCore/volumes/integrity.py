"""Reads NIfTI, NRRD and MetaImage files so that nothing damaged or contradictory passes for good.

All problems of a file become named errors here.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import SimpleITK as sitk

from TumorGenCore.errors import UnsupportedVolumeError
from TumorGenCore.volumes.metaimage_file import read_metaimage
from TumorGenCore.volumes.nifti_file import read_nifti
from TumorGenCore.volumes.nrrd_file import read_nrrd
from TumorGenCore.volumes.volume import check_volume

__all__ = ["named_problems", "read_checked"]

_READERS = {
    ".nii.gz": read_nifti,
    ".nii": read_nifti,
    ".nrrd": read_nrrd,
    ".nhdr": read_nrrd,
    ".mha": read_metaimage,
    ".mhd": read_metaimage,
}


def read_checked(path: Path) -> sitk.Image:
    """Reads the 3D image of an existing file with one of the ``READABLE_SUFFIXES``, without its metadata.

    Warns:
        VolumeWarning: the file is odd or contradicts itself; the message says what was taken.

    Raises:
        UnsupportedVolumeError: the file is truncated, damaged or cannot be used; the message says what to do.
    """
    read = next(reader for suffix, reader in _READERS.items() if path.name.lower().endswith(suffix))
    with named_problems(path):
        image = read(path)
    check_volume(image)
    return image


@contextmanager
def named_problems(path: Path) -> Iterator[None]:
    """Turns the errors of a reader into ``UnsupportedVolumeError`` that names the file and says what to do."""
    try:
        yield
    except PermissionError as error:
        raise UnsupportedVolumeError(f"You may not read {path}. Ask its owner for permission.") from error
    except MemoryError as error:
        raise UnsupportedVolumeError(f"The memory is too small for {path.name}. Crop or resample it first.") from error
    except (EOFError, OSError, OverflowError, ValueError, zlib.error) as error:
        raise UnsupportedVolumeError(f"{path.name} is truncated or damaged ({error}). Export it again.") from error
