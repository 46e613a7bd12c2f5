"""Synthetic tumors at healthy sites, and training patches with and without them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from small_cases import write_three_cases

from TumorGenCore.errors import TrainingDataError
from TumorGenCore.evaluation.studies.synthetic_scans import CLEAR_MM, healthy_sites, with_tumors
from TumorGenCore.training.data.cases import load_cases
from TumorGenCore.training.data.labeled_scans import PatchPicker, labeled, tissue_only


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    return load_cases(write_three_cases(tmp_path_factory.mktemp("scans")))


def test_tissue_is_the_same_with_and_without_synthetic_tumors_and_what_is_avoided_is_never_shown(cases) -> None:
    real, host = labeled(cases[0]), tissue_only(cases[2])
    assert len(host.tumor_lps) == 0 and host.avoid is not None
    pickers = [PatchPicker([real], some, [real, host], 2.5, 0) for some in ([], [labeled(cases[1])])]
    shown = [[picker.scene(n, 16) for n in range(60)] for picker in pickers]
    same = [np.array_equal(a[0], b[0]) for a, b in zip(*shown, strict=True)]
    # Four in ten patches show tissue; half of the others show tumors that both pickers have.
    assert 0.25 < np.mean(same) < 0.6
    tumors = np.mean([mask.any() for _, mask in shown[0]])
    assert 0.4 < tumors < 0.8
    # The host's hot ball of SUV 8 has no label, so a patch with it would teach the segmenter to ignore it.
    only_tissue = PatchPicker([real], [], [host], 2.5, 0)
    for n in range(60):
        suv, mask = only_tissue.scene(n, 16)
        assert mask.any() or suv.max() < 3
    with pytest.raises(TrainingDataError, match="no real tumor"):
        PatchPicker([host], [], [host], 2.5, 0)


def test_synthetic_tumors_grow_at_healthy_places_and_real_ones_keep_their_label(cases) -> None:
    pairs = [(cases[0], labeled(cases[0])), (cases[2], tissue_only(cases[2]))]
    sites = healthy_sites(pairs, 4, 0)
    assert [place.site.patient for place in sites] == ["A", "T", "A", "T"]
    for place in sites:
        if place.site.patient == "T":
            assert np.linalg.norm(np.subtract(place.site.box.center_lps, (0.0, 0.0, 70.0))) > CLEAR_MM

    def method(site, seed):
        """Makes no tumor with the first seed."""
        image, mask = sitk.Image(site.image), sitk.Image(site.image.GetSize(), sitk.sitkUInt8)
        mask.CopyInformation(image)
        if seed > 0:
            at = mask.TransformPhysicalPointToIndex(site.box.center_lps)
            mask[at] = 1
            image[at] = 9.0
        return image, mask

    made, empty = with_tumors(method, sites)
    assert (len(made), empty) == (4, 0)
    for scan in made:
        assert len(scan.tumor_lps) == 1
        marked = sitk.GetArrayFromImage(scan.tumors).sum()
        assert marked > 50 if scan.name.startswith("A") else marked == 1
    nothing, empty = with_tumors(lambda site, seed: method(site, 0), sites[:1])
    assert (nothing, empty) == ([], 1)
    with pytest.raises(TrainingDataError, match="0 of 2 healthy places"):
        healthy_sites([(replace(cases[0], healthy_lps=np.empty((0, 3))), labeled(cases[0]))], 2, 0)
