"""Controls for the fill of the box and the uptake: their values, the network, and the engine."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from TumorGenCore import Box, TumorGenerator, TumorRequest
from TumorGenCore.bundle.laws import FillLaw
from TumorGenCore.bundle.model_bundle import ModelBundle, load_bundle
from TumorGenCore.bundle.tuning import Tuning
from TumorGenCore.method.controls import MOST_EDGE, TumorControls, measure_controls
from TumorGenCore.method.intensity import NetworkScale
from TumorGenCore.method.vector_field import VectorField

SCALE = NetworkScale()


def test_silence_is_zero_and_what_is_said_is_not():
    assert TumorControls().encode(SCALE).tolist() == [[0.0, 0.0]]
    assert TumorControls(fill=0.125).encode(SCALE)[0].tolist() == [0.5, 0.0]
    assert TumorControls(suv=SCALE.top_suv).encode(SCALE)[0].tolist() == pytest.approx([0.0, 1.0])
    assert TumorControls(fill=0.0, suv=0.0).encode(SCALE).min() > 0
    assert TumorControls(fill=3.375).encode(SCALE)[0, 0] == 1.5
    assert TumorControls(fill=100.0).encode(SCALE)[0, 0] == pytest.approx(MOST_EDGE)


def test_a_ball_in_a_box_is_measured():
    k, j, i = np.indices((40, 40, 40)) - 19.5
    ball = k**2 + j**2 + i**2 < 10**2
    coverage = np.zeros(ball.shape, np.float32)
    coverage[8:32, 8:32, 8:32] = 1
    found = measure_controls(np.where(ball, 7.0, 1.0), ball, coverage)
    assert found.fill == pytest.approx(4 / 3 * np.pi * 10**3 / 24**3, rel=0.02)
    assert found.suv == 7.0
    assert measure_controls(ball * 1.0, np.zeros_like(ball), coverage) == TumorControls()


def stirred(network: VectorField) -> VectorField:
    """Some layers start at zero; random weights give each layer an effect."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network.eval()


def field_with_controls(bundle: ModelBundle) -> VectorField:
    torch.manual_seed(1)
    return VectorField(**{**bundle.network_arguments["vector_field"], "control_channels": 2}).eval()


def test_the_network_hears_only_inside_the_box():
    torch.manual_seed(0)
    network = stirred(VectorField(channels=[8, 16, 16], num_head_channels=8, control_channels=2))
    x, z = torch.randn(1, 5, 8, 8, 8), torch.randn(1, 4, 8, 8, 8)
    t, asked = torch.tensor([0.5]), torch.tensor([[0.4, 0.7]])
    everywhere, nowhere = torch.ones(1, 1, 8, 8, 8), torch.zeros(1, 1, 8, 8, 8)
    with torch.inference_mode():
        silent = network(x, z, everywhere, t)
        assert torch.equal(silent, network(x, z, everywhere, t, torch.zeros(1, 2)))
        assert not torch.equal(silent, network(x, z, everywhere, t, asked))
        assert torch.equal(network(x, z, nowhere, t), network(x, z, nowhere, t, asked))


@pytest.fixture(scope="module")
def image() -> sitk.Image:
    image = sitk.GetImageFromArray(np.random.default_rng(3).gamma(4.0, 0.2, (24, 24, 24)).astype(np.float32))
    image.SetSpacing((3.0, 3.0, 3.0))
    return image


BOX = Box((36.0, 36.0, 36.0), (40.0, 40.0, 40.0))


def test_a_model_without_controls_refuses_a_fill_and_bad_fills_are_named(tiny_bundle_folder, image):
    engine = TumorGenerator.from_pretrained(tiny_bundle_folder, device="cpu")
    with pytest.raises(ValueError, match="has no control for the fill"):
        engine.insert(image, BOX, TumorRequest(steps=1, fill=0.2), suv_factor=1)
    with pytest.raises(ValueError, match=r"fill is 1\.5"):
        engine.insert(image, BOX, TumorRequest(steps=1, fill=1.5), suv_factor=1)


def test_a_speck_is_grown_again_of_more_than_was_drawn_for_it(tiny_bundle_folder, image):
    bundle = load_bundle(tiny_bundle_folder)
    field = stirred(field_with_controls(bundle))

    def grown(median: float, speck_share: float) -> np.ndarray:
        law = FillLaw(median=median, spread=0.0)
        engine = TumorGenerator(
            replace(bundle, vector_field=field, fill=law, tuning=Tuning(speck_share=speck_share)), device="cpu"
        )
        seen: list[int] = []
        made = engine.insert(
            image, BOX, TumorRequest(steps=1), seed=2, suv_factor=1, on_progress=lambda done, *_: seen.append(done)
        )
        assert max(seen) == 1
        return sitk.GetArrayFromImage(made.mask_probability)

    never, always = 1e-9, 1e9
    np.testing.assert_array_equal(grown(0.04, always), grown(Tuning().speck_tries[-1] * 0.04, never))
    assert not np.array_equal(grown(0.04, never), grown(0.04, always))


def test_the_engine_takes_the_nearest_tumor_and_says_what_it_missed(tiny_bundle_folder, image):
    bundle = load_bundle(tiny_bundle_folder)
    engine = TumorGenerator(replace(bundle, vector_field=field_with_controls(bundle)), device="cpu")
    result = engine.insert(image, BOX, TumorRequest(steps=1, fill=0.9), seed=2, suv_factor=1)
    assert any("requested 90 %" in line for line in result.warnings)
    assert result.provenance["request"]["fill"] == 0.9
