"""An oblique volume of any pixel type, file suffixes, and a check that reading refuses a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_slices import RIGHT_HANDED

from TumorGenCore.errors import UnsupportedVolumeError
from TumorGenCore.volumes.read import read_volume

SUFFIXES = (".nrrd", ".mha", ".nii", ".nii.gz")


LEFT_HANDED = RIGHT_HANDED @ np.diag([1, 1, -1])


def oblique_image(dtype: type = np.float32, direction: np.ndarray = RIGHT_HANDED) -> sitk.Image:
    generator = np.random.default_rng(5)
    if np.issubdtype(dtype, np.floating):
        values = generator.random((7, 6, 5)).astype(dtype) * 20
    else:
        values = generator.integers(0, np.iinfo(dtype).max, (7, 6, 5), endpoint=True).astype(dtype)
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((1.25, 2.7, 4.1))
    image.SetOrigin((-123.456, 78.9, 1012.3))
    image.SetDirection(direction.ravel().tolist())
    return image


def rejects(path: Path, *words: str) -> None:
    """Checks that reading fails with an error that contains all the words."""
    with pytest.raises(UnsupportedVolumeError) as caught:
        read_volume(path)
    for word in words:
        assert word in str(caught.value)
