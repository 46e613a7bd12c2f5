"""The organs of a phantom as a label map with the numbers of TotalSegmentator."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from TumorGenCore.lesions.organ_places import boxes_in_organ
from TumorGenCore.phantom.canvas import TISSUES
from TumorGenCore.phantom.organ_labels import organ_labels
from TumorGenCore.phantom.phantom import scan_phantom
from TumorGenCore.volumes.geometry import Grid
from TumorGenCore.volumes.label_map import read_label_map
from TumorGenCore.volumes.suv import PetUnits
from TumorGenCore.volumes.volume import PetVolume


@pytest.fixture(scope="module")
def scan():
    return scan_phantom(0, (5.0, 5.0, 5.0), noise=0)


@pytest.fixture(scope="module")
def organs(scan, tmp_path_factory):
    path = tmp_path_factory.mktemp("labels") / "labels.nii.gz"
    sitk.WriteImage(organ_labels(scan), str(path))
    return read_label_map(path, scan.image)


def middle(mask, scan) -> np.ndarray:
    """Center of a mask, LPS mm."""
    return Grid.from_image(scan.image).index_to_lps(np.argwhere(mask)[:, ::-1].mean(axis=0))


def test_tissues_and_labels_agree(scan, organs):
    for tissue, name in (("liver", "liver"), ("lung", "lung"), ("kidney", "kidney"), ("bladder", "urinary_bladder")):
        assert np.array_equal(organs.mask(name), scan.organs == TISSUES.index(tissue) + 1), name


def test_organs_have_their_side_and_their_place(scan, organs):
    for name in ("kidney", "lung_lower_lobe", "lung_upper_lobe"):
        assert middle(organs.mask(f"{name}_right"), scan)[0] < -20 < 20 < middle(organs.mask(f"{name}_left"), scan)[0]
    lobes = [f"lung_{lobe}_lobe_right" for lobe in ("lower", "middle", "upper")]
    assert sorted(lobes, key=lambda name: middle(organs.mask(name), scan)[2]) == lobes
    heights = [middle(organs.mask(name), scan)[2] for name in ("prostate", "kidney", "heart", "thyroid gland", "brain")]
    assert heights == sorted(heights)


@pytest.mark.parametrize(
    ("organ", "count"), [("liver", 3), ("lung", 2), ("kidney_left", 1), ("brain", 2), ("heart", 1)]
)
def test_every_organ_takes_lesions(scan, organs, organ, count):
    volume = PetVolume(scan.image, PetUnits("SUV", 1.0, "given"))
    mask = organs.mask(organ)
    for box in boxes_in_organ(volume, mask, organ, count, 3):
        assert mask[tuple(np.rint(Grid.from_image(scan.image).lps_to_index(box.center_lps)).astype(int)[::-1])]
