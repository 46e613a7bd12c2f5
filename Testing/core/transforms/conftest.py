"""Scans with one labeled ball in several geometries, and a transform with a tiny untrained bundle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from monai.transforms import Compose, EnsureChannelFirstd, LoadImaged
from small_cases import write_case

from TumorGenCore import InsertTumord, TumorRequest

KEYS = ("image", "label")
_COS, _SIN = np.cos(0.4), np.sin(0.4)
#: Columns are the LPS directions of i, j, k.
DIRECTIONS = {
    "straight": np.eye(3),
    "flipped": np.diag([-1.0, 1.0, -1.0]) @ np.eye(3)[[1, 0, 2]],
    "oblique": np.array([[_COS, -_SIN, 0], [_SIN, _COS, 0], [0, 0, 1]])
    @ np.array([[1, 0, 0], [0, _COS, _SIN], [0, -_SIN, _COS]]),
    "left-handed": np.diag([1.0, 1.0, -1.0]),
}


@pytest.fixture(scope="session")
def scans(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """Paths of image and label by the name of the geometry; the axes have unequal numbers of voxels and spacings."""
    folder = tmp_path_factory.mktemp("scans")
    write_case(folder, "source", (-30.0, 10.0, 40.0))
    found = {}
    for name, direction in DIRECTIONS.items():
        found[name] = {}
        for key, kind in zip(KEYS, ("image", "mask"), strict=True):
            image = sitk.ReadImage(str(folder / f"source_{kind}.nii.gz"))[2:38, 1:39, :]
            image.SetSpacing((4.0, 4.1, 4.2))
            image.SetDirection(direction.ravel().tolist())
            image.SetOrigin((direction @ (-75.0, -77.0, -82.0)).tolist())
            path = folder / f"{name}_{key}.nii.gz"
            sitk.WriteImage(image, str(path))
            found[name][key] = str(path)
    return found


@pytest.fixture(scope="session")
def loaded(scans: dict[str, dict[str, str]]) -> dict[str, dict[str, Any]]:
    """The same, as MONAI loads them."""
    load = Compose([LoadImaged(KEYS), EnsureChannelFirstd(KEYS)])
    return {name: load(dict(paths)) for name, paths in scans.items()}


@pytest.fixture(scope="session")
def insert(tiny_bundle_folder: Path) -> Callable[..., InsertTumord]:
    """Makes a transform whose tumors are good enough whatever they are, with two steps."""

    def make(**options: Any) -> InsertTumord:
        request = TumorRequest(steps=2, least_quality=0, suv_max=9)
        options = {"request": request, "suv_factor": 1, "model": tiny_bundle_folder, **options}
        made = InsertTumord(KEYS, **options)
        made.set_random_state(5)
        return made

    return make
