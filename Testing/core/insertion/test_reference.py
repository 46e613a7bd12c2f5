"""A reference region comes from a mask file or a label map, and its mean SUV is that of its voxels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from TumorGenCore import InvalidRequestError, TumorRequest
from TumorGenCore.insertion.reference import Reference, region_suv
from TumorGenCore.volumes.suv import PetUnits
from TumorGenCore.volumes.volume import PetVolume


@pytest.fixture
def scan() -> PetVolume:
    image = sitk.GetImageFromArray(np.random.default_rng(0).gamma(4.0, 250.0, (12, 14, 16)).astype(np.int16))
    image.SetSpacing((4.0, 4.0, 3.0))
    return PetVolume(image, PetUnits("BQML", 0.002, "given"))


@pytest.fixture
def labels(scan) -> np.ndarray:
    found = np.zeros((12, 14, 16), np.uint8)
    found[2:6, 3:9, 4:12], found[8:10, 2:5, 3:6] = 5, 1  # liver and spleen of TotalSegmentator
    return found


def write(scan: PetVolume, voxels: np.ndarray, path) -> str:
    image = sitk.GetImageFromArray(voxels)
    image.CopyInformation(scan.image)
    sitk.WriteImage(image, str(path))
    return str(path)


def test_label_and_mask_file_give_the_mean_of_their_voxels(scan, labels, tmp_path):
    expected = sitk.GetArrayFromImage(scan.image)[labels == 5].mean() * 0.002
    organs = tmp_path / "organs.nii.gz"
    write(scan, labels, organs)
    mask = write(scan, (labels == 5).astype(np.uint8), tmp_path / "mask of a patient.nii.gz")
    for region in ("liver", "5"):
        request = Reference.of(3.0, region, organs).asked(TumorRequest(fill=0.1), scan)
        assert (request.to_reference, request.reference, request.fill) == (3.0, region, 0.1)
        assert request.reference_suv == pytest.approx(expected, rel=1e-6)
    request = Reference.of(3.0, mask, organs).asked(TumorRequest(), scan)
    assert request.reference_suv == pytest.approx(expected, rel=1e-6)
    assert request.reference is None  # A file name may name a patient.


def test_what_cannot_be_a_reference_is_named(scan, labels, tmp_path):
    organs = tmp_path / "organs.nii.gz"
    write(scan, labels, organs)
    with pytest.raises(InvalidRequestError, match=r"'liver' is no mask file .* label map"):
        Reference.of(3.0, "liver", None)
    with pytest.raises(InvalidRequestError, match="to_reference is -1"):
        Reference.of(-1.0, "liver", organs)
    with pytest.raises(InvalidRequestError, match="heart"):
        Reference.of(3.0, "heart", organs).asked(TumorRequest(), scan)
    with pytest.raises(InvalidRequestError, match="both given"):
        Reference.of(3.0, "liver", organs).asked(TumorRequest(suv_max=5), scan)
    with pytest.raises(InvalidRequestError, match="no voxel on the scan"):
        region_suv(scan, labels == 9)
    cold = replace(scan, image=scan.image * 0)
    with pytest.raises(InvalidRequestError, match="mean SUV of the reference region is 0"):
        region_suv(cold, labels == 5)
