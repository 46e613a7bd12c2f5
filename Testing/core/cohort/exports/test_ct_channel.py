"""A CT becomes a channel on the grid of the PET."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from TumorGenCore.cohort.exports.ct_channel import on_grid_of


def image(array: np.ndarray, spacing: float, origin: float) -> sitk.Image:
    made = sitk.GetImageFromArray(array)
    made.SetSpacing([spacing] * 3)
    made.SetOrigin([origin] * 3)
    return made


def test_a_ct_on_another_grid_is_interpolated_and_air_outside(tmp_path):
    pet, ct, output = (tmp_path / name for name in ("pet.nii.gz", "ct.nii.gz", "out.nii.gz"))
    sitk.WriteImage(image(np.zeros((6, 6, 6), np.float32), 4.0, 0.0), str(pet))
    x = np.broadcast_to(10 * np.arange(8, dtype=np.int16), (8, 8, 8))  # 10 HU a voxel of 2 mm
    sitk.WriteImage(image(np.ascontiguousarray(x), 2.0, 1.0), str(ct))
    assert on_grid_of(pet, ct, output)
    made = sitk.ReadImage(str(output))
    found = sitk.GetArrayFromImage(made)
    assert made.GetSpacing() == (4.0, 4.0, 4.0) and found.dtype == np.int16
    assert found[1, 1].tolist() == [0, 15, 35, 55, -1024, -1024]  # x = 0, 4, ..., 20; the voxels of the CT fill 0 to 16
    assert (found[5] == -1024).all()


def test_a_ct_on_the_same_grid_stays_and_another_format_is_converted_without_a_change(tmp_path):
    pet = tmp_path / "pet.nii.gz"
    sitk.WriteImage(image(np.zeros((5, 6, 7), np.float32), 4.07, -11.3), str(pet))
    hu = np.random.default_rng(0).integers(-1000, 1500, (5, 6, 7)).astype(np.int16)
    for name, moved in (("ct.nii.gz", False), ("ct.nrrd", True)):
        sitk.WriteImage(image(hu, 4.07, -11.3 + 1e-4), str(tmp_path / name))
        output = tmp_path / f"{name}-out.nii.gz"
        assert on_grid_of(pet, tmp_path / name, output) is moved and output.exists() is moved
    assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(output))), hu)
