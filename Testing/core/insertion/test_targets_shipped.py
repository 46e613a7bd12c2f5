"""Every target is reached within 5 % by the shipped bundle, as the measures of a lesion and the scan itself tell it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import SimpleITK as sitk

from TumorGenCore import Box, TumorGenerator, TumorRequest
from TumorGenCore.insertion.prepared import PreparedBox
from TumorGenCore.lesions.measures import measure_images
from TumorGenCore.phantom.phantom import make_phantom, phantom_box

SITES = {"liver": 34.0, "right lung": 36.0, "left thigh": 40.0}


@pytest.fixture(scope="module")
def generator() -> TumorGenerator:
    return TumorGenerator.from_pretrained(device="cpu")


@pytest.fixture(scope="module")
def scan() -> sitk.Image:
    return make_phantom(0)


@pytest.fixture(scope="module", params=list(SITES))
def prepared(request, generator, scan) -> PreparedBox:
    center = phantom_box(request.param).center_lps
    return generator.prepare(scan, Box(center, (SITES[request.param],) * 3), suv_factor=1)


@pytest.mark.parametrize(
    "asked",
    [
        {"suv_peak": 7.0},
        {"to_background": 5.0},
        {"to_reference": 4.0, "reference_suv": 2.0},
        {"volume_ml": 4.0},
        {"diameter_mm": 22.0},
        {"suv_peak": 6.0, "diameter_mm": 20.0},
    ],
    ids=lambda asked: "+".join(asked),
)
def test_the_target_is_reached_within_five_percent(generator, prepared, asked):
    request = TumorRequest(**asked)
    tumor = generator.generate(prepared, request, seed=3)
    found = measure_images(tumor.image, tumor.mask)
    reached = {
        "suv_peak": found.suv_peak,
        "to_background": found.suv_mean / prepared.tissue_suv,
        "to_reference": found.suv_mean / 2.0,
        "volume_ml": found.volume_ml,
        "diameter_mm": np.cbrt(6000 * found.volume_ml / math.pi),
    }
    for name in (request.uptake, request.size):
        if name is not None:
            # A tumor of 4 ml has 80 voxels, and a diameter has a third of the error of a volume.
            assert reached[name] == pytest.approx(asked[name], rel=0.05 if name != "diameter_mm" else 0.05 / 3)
    assert tumor.provenance["request"].items() >= asked.items()
    assert not any("requested" in line for line in tumor.warnings)
