"""An unusable volume is refused at construction; the check of others is quick."""

from __future__ import annotations

import time

import numpy as np
import pytest
import SimpleITK as sitk
from volume_files import oblique_image, rejects

from TumorGenCore.errors import UnsupportedVolumeError
from TumorGenCore.volumes.volume import check_volume


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nan_and_inf_are_refused_with_their_place(tmp_path, dtype, value):
    image = oblique_image(dtype)
    image.SetPixel(4, 5, 6, value)
    with pytest.raises(UnsupportedVolumeError, match=r"1 voxels are NaN or Inf, the first at ijk \(4, 5, 6\)"):
        check_volume(image)
    for suffix in (".nrrd", ".mha", ".nii", ".nii.gz"):
        sitk.WriteImage(image, str(tmp_path / f"case{suffix}"))
        rejects(tmp_path / f"case{suffix}", "NaN or Inf")


def test_large_finite_values_pass_though_their_sum_overflows():
    image = sitk.GetImageFromArray(np.full((3, 3, 3), 3e38, dtype=np.float32))
    assert check_volume(image).size_ijk == (3, 3, 3)


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(sitk.Image([4, 4, 4], sitk.sitkVectorUInt8, 3), id="rgb"),
        pytest.param(sitk.Image([4, 4, 4], sitk.sitkVectorFloat32, 3), id="vector"),
        pytest.param(sitk.Image([4, 4, 4], sitk.sitkComplexFloat32), id="complex"),
        pytest.param(sitk.Image([4, 4, 4], sitk.sitkLabelUInt8), id="label-map"),
        pytest.param(sitk.Image([4, 4], sitk.sitkFloat32), id="2d"),
        pytest.param(sitk.Image([4, 4, 4, 2], sitk.sitkFloat32), id="4d"),
    ],
)
def test_what_is_not_a_3d_scalar_volume_is_refused(image):
    with pytest.raises(UnsupportedVolumeError, match="Extract one"):
        check_volume(image)


def test_check_of_a_whole_body_volume_is_quick():
    image = sitk.Image([168, 168, 545], sitk.sitkFloat32)
    check_volume(image)
    durations = []
    for _ in range(3):
        start = time.perf_counter()
        check_volume(image)
        durations.append(time.perf_counter() - start)
    assert min(durations) < 0.1
