"""Voxels are read unchanged, and reading never copies a shared volume."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from TumorGenCore import UnsupportedVolumeError
from TumorGenCore.volumes.suv import PetUnits
from TumorGenCore.volumes.volume import PetVolume, check_volume
from TumorGenCore.volumes.voxels import read_region, read_slabs

SIZE_KJI = (7, 400, 500)  # two and a half of these slices fill a slab


def values(dtype: type = np.float32) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 100, SIZE_KJI).astype(dtype)


@pytest.mark.parametrize("is_shared", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.uint8])
def test_slabs_are_the_volume_in_order_and_leave_it_shared(is_shared: bool, dtype: type) -> None:
    image = sitk.GetImageFromArray(values(dtype))
    other = sitk.Image(image) if is_shared else None
    slabs = [(first, slab.copy()) for first, slab in read_slabs(image)]
    assert len(slabs) > 1
    assert [first for first, _ in slabs] == np.cumsum([0, *(len(slab) for _, slab in slabs[:-1])]).tolist()
    joined = np.concatenate([slab for _, slab in slabs])
    assert joined.dtype == dtype
    np.testing.assert_array_equal(joined, values(dtype))
    assert image.IsUnique() == (other is None)


def test_a_region_is_read_in_ijk_and_leaves_the_volume_shared() -> None:
    image = sitk.GetImageFromArray(values())
    other = sitk.Image(image)
    np.testing.assert_array_equal(read_region(image, (3, 4, 5), (10, 20, 2)), values()[5:7, 4:24, 3:13])
    assert not other.IsUnique()


@pytest.mark.parametrize("is_shared", [True, False])
def test_voxels_that_are_no_numbers_are_counted_over_all_slabs(is_shared: bool) -> None:
    wrong = values()
    wrong[5, 6, 7] = np.nan
    wrong[6, 0, 0] = -np.inf
    wrong[6, 399, 499] = np.inf
    image = sitk.GetImageFromArray(wrong)
    other = sitk.Image(image) if is_shared else image
    with pytest.raises(UnsupportedVolumeError, match=r"3 voxels are NaN or Inf, the first at ijk \(7, 6, 5\)"):
        check_volume(other)


def test_a_sum_that_overflows_is_no_reason_to_refuse() -> None:
    check_volume(sitk.GetImageFromArray(np.full((4, 4, 4), np.finfo(np.float32).max, dtype=np.float32)))


def test_a_pet_volume_cannot_be_made_of_voxels_that_are_no_numbers() -> None:
    wrong = values()
    wrong[5, 6, 7] = np.nan
    with pytest.raises(UnsupportedVolumeError, match=r"1 voxels are NaN or Inf, the first at ijk \(7, 6, 5\)"):
        PetVolume(sitk.GetImageFromArray(wrong), PetUnits("SUV", 1.0, "given"))
