"""Every real scan and mask at hand is read without a refusal or an unwanted warning, as nibabel and pydicom read it."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from TumorGenCore.errors import VolumeWarning
from TumorGenCore.volumes.geometry import Grid
from TumorGenCore.volumes.read import read_mask, read_volume

TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
PET_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.128"


def check_as_nibabel(path: Path) -> Grid:
    """Reads a NIfTI file in SUV and compares voxels and places with those of nibabel."""
    image = read_volume(path, suv_factor=1.0).image
    theirs = nibabel.load(path)
    voxels = np.asanyarray(theirs.dataobj)
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(image).T, voxels, err_msg=path.name)
    grid = Grid.from_image(image)
    np.testing.assert_allclose(grid.index_to_lps_matrix, TO_LPS @ theirs.affine, rtol=0, atol=1e-4, err_msg=path.name)
    return grid


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("folder", "scans", "masks"), [("sts", 40, 40), ("whole_body", 2, 1)])
def test_scans_and_masks_are_read_as_nibabel_reads_them(shared_data, folder, scans, masks):
    images = sorted((shared_data / folder).glob("*_image.nii.gz"))
    found = 0
    for path in images:
        grid = check_as_nibabel(path)
        mask_path = path.with_name(path.name.replace("_image", "_mask"))
        if mask_path.exists():
            labels = np.asanyarray(nibabel.load(mask_path).dataobj)
            assert labels.any()
            np.testing.assert_array_equal(read_mask(mask_path, grid), labels.T > 0, err_msg=mask_path.name)
            found += 1
    assert (len(images), found) == (scans, masks)


def test_dicom_series_is_read_as_pydicom_reads_its_slices(shared_data):
    with pytest.warns(VolumeWarning, match="263, but the folder holds 234 slices") as caught:
        image = read_volume(shared_data / "dicom" / "CCTH-A01").image
    assert len(caught) == 1
    voxels = sitk.GetArrayViewFromImage(image)
    objects = [pydicom.dcmread(path) for path in sorted((shared_data / "dicom" / "CCTH-A01").glob("*.dcm"))]
    slices = [dataset for dataset in objects if dataset.SOPClassUID == PET_IMAGE_STORAGE]
    assert len(slices) == image.GetSize()[2] == 234
    for dataset in slices:
        first = [float(v) for v in dataset.ImagePositionPatient]
        i, j, k = image.TransformPhysicalPointToIndex(first)
        assert (i, j) == (0, 0)
        values = dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
        np.testing.assert_array_equal(voxels[k], values.astype(np.float32))
        # The table moves in steps that the scanner rounds.
        assert np.linalg.norm(np.subtract(image.TransformIndexToPhysicalPoint((0, 0, k)), first)) < 0.1
