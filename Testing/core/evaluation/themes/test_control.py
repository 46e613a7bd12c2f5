"""The report's section on control: requested and reached values."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from TumorGenCore import Box, TumorGenerator
from TumorGenCore.bundle.model_bundle import ModelBundle, load_bundle
from TumorGenCore.evaluation.sites import Site
from TumorGenCore.evaluation.themes.control import FILLS, SUVS, control_lines, measure_control
from TumorGenCore.method.vector_field import VectorField


@pytest.fixture(scope="module")
def bundle(tiny_bundle_folder) -> ModelBundle:
    return load_bundle(tiny_bundle_folder)


@pytest.fixture(scope="module")
def sites() -> list[Site]:
    image = sitk.GetImageFromArray(np.random.default_rng(3).gamma(4.0, 0.2, (24, 24, 24)).astype(np.float32))
    image.SetSpacing((3.0, 3.0, 3.0))
    centers = ((36.0, 36.0, 36.0), (30.0, 36.0, 40.0))
    return [Site(f"site {n}", "healthy", image, Box(center, (40.0,) * 3)) for n, center in enumerate(centers)]


def test_uptake_that_is_asked_for_is_reached_and_the_report_says_so(bundle, sites):
    found = measure_control(TumorGenerator(bundle, device="cpu"), sites)
    assert found["fill"] == []
    assert [row["asked"] for row in found["suv_max"]] == list(SUVS)
    for row in found["suv_max"]:
        assert row["within"] in (0.0, 0.5, 1.0)
        if row["within"] == 1:
            assert row["reached"] == pytest.approx(row["asked"], rel=0.051)
    text = "\n".join(control_lines(found))
    assert "## Control" in text and "SUVmax | 20.00" in text


def test_a_fill_is_asked_of_a_model_that_hears_it(bundle, sites):
    torch.manual_seed(1)
    arguments = {**bundle.network_arguments["vector_field"], "control_channels": 2}
    engine = TumorGenerator(replace(bundle, vector_field=VectorField(**arguments).eval()), device="cpu")
    found = measure_control(engine, sites[:1])
    assert [row["asked"] for row in found["fill"]] == list(FILLS)
    assert all(row["reached"] >= 0 for row in found["fill"])
    assert "fill of the box" in "\n".join(control_lines(found))
