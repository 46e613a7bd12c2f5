"""The report's section on control: requested and reached values."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from TumorGenCore import Box, TumorGenerator
from TumorGenCore.bundle.model_bundle import ModelBundle, load_bundle
from TumorGenCore.evaluation.sites import Site
from TumorGenCore.evaluation.themes import control
from TumorGenCore.evaluation.themes.control import control_lines, measure_control
from TumorGenCore.method.schedule import Sampling
from TumorGenCore.method.vector_field import VectorField

#: Two of the values of each target that has a range.
ASKED = {name: values[-2:] for name, values in control.ASKED.items()}


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "ASKED", ASKED)


@pytest.fixture(scope="module")
def bundle(tiny_bundle_folder) -> ModelBundle:
    return replace(load_bundle(tiny_bundle_folder), sampling=Sampling(steps=2))


@pytest.fixture(scope="module")
def sites() -> list[Site]:
    image = sitk.GetImageFromArray(np.random.default_rng(3).gamma(4.0, 0.2, (24, 24, 24)).astype(np.float32))
    image.SetSpacing((3.0, 3.0, 3.0))
    centers = ((36.0, 36.0, 36.0), (30.0, 36.0, 40.0))
    return [Site(f"site {n}", "healthy", image, Box(center, (40.0,) * 3)) for n, center in enumerate(centers)]


def test_uptake_that_is_asked_for_is_reached_and_the_report_says_so(bundle, sites):
    found = measure_control(TumorGenerator(bundle, device="cpu"), sites)
    assert found["fill"] == []
    assert [row["asked"] for row in found["suv_max"]] == list(ASKED["suv_max"])
    for row in [*found["suv_max"], *found["suv_peak"], *found["to_background"], *found["to_reference"]]:
        assert row["within"] in (0.0, 0.5, 1.0)
        if row["within"] == 1:
            assert row["reached"] == pytest.approx(row["asked"], rel=0.051)
    text = "\n".join(control_lines(found))
    assert "## Control" in text and "SUVmax | 20.00" in text
    assert "lesion to a reference of SUV 2 | 3.00" in text


def test_a_place_that_refuses_a_target_counts_and_the_others_are_made(bundle, sites):
    air = Site("air", "healthy", sites[0].image * 0, sites[0].box)
    found = measure_control(TumorGenerator(bundle, device="cpu"), [sites[0], air])
    (row,) = found["to_background"]
    assert row["refused"] == row["forewarned"] == 0.5
    assert row["reached"] == pytest.approx(4, rel=0.05)


def test_a_fill_is_asked_of_a_model_that_hears_it(bundle, sites):
    torch.manual_seed(1)
    arguments = {**bundle.network_arguments["vector_field"], "control_channels": 2}
    engine = TumorGenerator(replace(bundle, vector_field=VectorField(**arguments).eval()), device="cpu")
    found = measure_control(engine, sites[:1])
    assert [row["asked"] for row in found["fill"]] == list(ASKED["fill"])
    assert all(row["reached"] >= 0 for row in found["fill"])
    assert "fill of the box" in "\n".join(control_lines(found))
    (volume,), (diameter,) = found["volume_ml"], found["diameter_mm"]
    assert volume["within"] == (abs(volume["reached"] / 5 - 1) <= 0.05)
    assert diameter["within"] == (abs(diameter["reached"] / 20 - 1) <= 0.05)
