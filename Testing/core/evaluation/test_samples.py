"""Lesions cut out of scans with their surroundings."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from small_cases import write_case

from TumorGenCore.evaluation.samples import MARGIN_MM, largest_lesions, real_lesions
from TumorGenCore.training.data.cases import load_cases
from TumorGenCore.training.data.tumor_masks import case_tumors, tumor_mask
from TumorGenCore.volumes.geometry import Grid


def test_lesions_keep_their_surroundings_and_come_largest_first(tmp_path):
    write_case(tmp_path, "H0", (-25.0, 10.0, -15.0))
    lesion = real_lesions(load_cases(tmp_path)[0])[0]
    assert lesion.patient == "H0"
    assert lesion.suv[lesion.mask].min() > 7
    assert lesion.mask.sum() == pytest.approx(4 / 3 * 3.1416 * 3**3, rel=0.15)
    assert min(lesion.mask.shape) >= 6 + MARGIN_MM / 4


def test_only_cases_with_a_tumor_have_a_largest_lesion(tiny_cases):
    cases = load_cases(tiny_cases)
    assert [lesion.patient for lesion in largest_lesions(cases)] == [case.patient for case in cases if case.lesions]
    assert len(largest_lesions(cases)) == len(cases) - 1


def test_a_real_tumor_is_the_part_of_its_contour_that_takes_up_tracer(tmp_path):
    """The case is a hot shell with a cold middle; its contour reaches 8 mm beyond it, like contours drawn on MR."""
    grid = Grid((40, 40, 40), (4.0, 4.0, 4.0))
    radius = np.sqrt(((np.indices((40, 40, 40)) - 19.5) ** 2).sum(axis=0))
    hot = radius <= 6
    suv = np.where(hot & (radius > 2), 8.0, 1.0).astype(np.float32)
    sitk.WriteImage(grid.image_from_array(suv), tmp_path / "A_image.nii.gz")
    sitk.WriteImage(grid.image_from_array((radius <= 8).astype(np.uint8)), tmp_path / "A_mask.nii.gz")
    case = load_cases(tmp_path)[0]
    assert np.array_equal(tumor_mask(case, case.lesions[0]), hot)
    assert np.array_equal(sitk.GetArrayFromImage(case_tumors(case)) > 0, hot)
    lesion = real_lesions(case)[0]
    assert lesion.mask.sum() == hot.sum()
