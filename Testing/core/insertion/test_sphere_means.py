"""Means over spheres are those of the measure of a lesion, also at the edge of a block and of the scan."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from TumorGenCore import Box
from TumorGenCore.insertion.placed import place_box
from TumorGenCore.insertion.sphere_means import SphereMeans
from TumorGenCore.lesions.measures import measure_lesion
from TumorGenCore.volumes.patch import PatchSettings

SPACING = (3.0, 2.0, 4.0)


@pytest.mark.parametrize(
    ("center", "start"), [((36.0, 24.0, 48.0), [6, 6, 6]), ((9.0, 6.0, 12.0), [0, 0, 0])], ids=["inside", "corner"]
)
def test_the_highest_mean_in_a_block_is_the_suvpeak_of_the_whole_scan(center, start):
    values = np.random.default_rng(5).gamma(2.0, 500.0, (24, 24, 24)).astype(np.float32)
    image = sitk.GetImageFromArray(values)
    image.SetSpacing(SPACING)
    placed = place_box(image, Box(center, (20.0, 20.0, 20.0)), PatchSettings(), suv_factor=0.01)
    block = tuple(slice(n, n + 8) for n in reversed(start))
    mask = np.zeros(values.shape, dtype=bool)
    mask[block] = True  # up to the edge of the block, where spheres leave it
    suv = values * 0.01
    suv[block] *= 3
    means = SphereMeans.around(placed, start, (8, 8, 8)).of(suv[block], mask[block])
    assert means.shape == (512,)
    assert means.max() == pytest.approx(measure_lesion(suv, mask, SPACING).suv_peak, rel=1e-6)
    assert SphereMeans.around(placed, start, (8, 8, 8)).of(suv[block] * 0, mask[block]).max() > 0
