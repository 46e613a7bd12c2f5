"""The classes of an ablation differ from the product in one thing only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from TumorGenCore.bundle.model_bundle import load_bundle
from TumorGenCore.evaluation.studies.switches import BLIND_FIELD, MASKED_AFTER, UNIFORM_TIMES, BlindField, Switch
from TumorGenCore.method.vector_field import VectorField
from TumorGenCore.training.config import GeneratorRun
from TumorGenCore.training.data.cases import load_cases
from TumorGenCore.training.data.examples import ExampleMaker
from TumorGenCore.training.stages.autoencoder import load_autoencoder
from TumorGenCore.training.stages.generator_stage import GeneratorStage

#: These tests train networks.
pytestmark = pytest.mark.slow

RUN = GeneratorRun(
    channels=[8, 16],
    attention_levels=[False, True],
    num_head_channels=8,
    norm_num_groups=4,
    refiner_channels=8,
    buckets={"16": [2, 2, 1.0]},
)
OTHERS = [MASKED_AFTER, BLIND_FIELD, UNIFORM_TIMES]


@pytest.fixture(scope="module")
def stages(tiny_cases: Path, tiny_autoencoder: Path, tmp_path_factory) -> dict[Switch, GeneratorStage]:
    """The product's stage, and the stages that replace it in a study."""
    cases = load_cases(tiny_cases)
    made = {}
    for switch in (Switch(), *OTHERS):
        folder = tmp_path_factory.mktemp("cache")
        made[switch] = switch.stage(RUN, *load_autoencoder(tiny_autoencoder), cases, [], folder, True)
    return made


def test_only_what_is_masked_after_encoding_has_other_latents(stages) -> None:
    """The condition is the product (1 - B) z_1 of the paper; everything else is equal."""
    usual = stages[Switch()].caches[16]
    for switch in OTHERS:
        cache = stages[switch].caches[16]
        for name, tensor in vars(usual).items():
            assert torch.equal(getattr(cache, name), tensor) == (switch != MASKED_AFTER or name != "z_m"), name
    after = stages[MASKED_AFTER].caches[16]
    torch.testing.assert_close(after.z_m.float(), (1 - after.box.float()) * after.z_1.float(), rtol=0, atol=1e-2)
    assert torch.all(after.z_m[(after.box == 1).expand_as(after.z_m)] == 0)


def test_a_condition_masked_after_encoding_knows_of_the_tumor_and_the_products_does_not(stages) -> None:
    generator = torch.Generator().manual_seed(0)
    patch = torch.rand(1, 1, 16, 16, 16, generator=generator)
    inside = torch.zeros_like(patch)
    inside[..., 4:12, 4:12, 4:12] = 1
    other, box = torch.where(inside > 0, 5 * patch, patch), torch.nn.functional.avg_pool3d(inside, 4)
    for switch in (Switch(), MASKED_AFTER):
        stage = stages[switch]
        encoder = stage.encoder_kind(stage.vae, stage.scale)
        with torch.inference_mode():
            a, b = (encoder.condition(p, inside, stage.vae.encode(p), box) for p in (patch, other))
        outside = (box == 0).expand_as(a)
        assert torch.equal(a[outside], b[outside]) == (switch == Switch())


@pytest.mark.parametrize("switch", [Switch(), MASKED_AFTER])
def test_a_box_is_encoded_in_use_as_it_was_in_training(stages, switch, tiny_cases, tiny_bundle_folder) -> None:
    stage, bundle = stages[switch], load_bundle(tiny_bundle_folder)
    example = ExampleMaker(load_cases(tiny_cases), stage.patch, RUN.offsets, RUN.examples, 0).example(0, 16)
    trained = stage.encoder_kind(bundle.vae, bundle.scale).encode(example)["z_m"].float()
    engine = switch.generator(bundle, "cpu").engine
    coverage = (example.patch.box_coverage(), example.patch.box_coverage(bundle.vae.factor))
    encoded, _ = engine.encode(example.suv, *coverage, {})
    mean, deviation = (torch.tensor(v).reshape(1, -1, 1, 1, 1) for v in (bundle.latent_mean, bundle.latent_deviation))
    error = (encoded.z_m * deviation + mean - trained).abs().max()
    assert error < 0.05 * trained.std()


def test_a_blind_field_does_not_see_the_box_and_hears_the_controls() -> None:
    torch.manual_seed(0)
    x, z = torch.randn(1, 5, 8, 8, 8), torch.randn(1, 4, 8, 8, 8)
    t, asked = torch.tensor([0.5]), torch.tensor([[0.4, 0.7]])
    large, small = torch.ones(1, 1, 8, 8, 8), torch.zeros(1, 1, 8, 8, 8)
    for kind in (VectorField, BlindField):
        network = kind(channels=[8, 16, 16], num_head_channels=8, control_channels=2).eval()
        with torch.no_grad():  # MONAI starts some layers at zero.
            for parameter in network.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
        with torch.inference_mode():
            same = torch.equal(network(x, z, large, t, asked), network(x, z, small, t, asked))
            assert same == (kind is BlindField)
            assert not torch.equal(network(x, z, large, t, asked), network(x, z, large, t))


def test_each_stage_trains_its_own_network_from_the_same_weights(stages) -> None:
    usual = stages[Switch()].network.state_dict()
    for switch in OTHERS:
        network = stages[switch].network
        assert type(network.vector_field) is (BlindField if switch == BLIND_FIELD else VectorField)
        assert all(torch.equal(tensor, usual[name]) for name, tensor in network.state_dict().items())


def test_uniform_times_come_all_alike_and_the_products_are_logit_normal(stages) -> None:
    usual, uniform = (
        stages[switch].draw_times(4000, torch.Generator().manual_seed(0)).numpy()
        for switch in (Switch(), UNIFORM_TIMES)
    )
    quarters = [0.25, 0.5, 0.75]
    np.testing.assert_allclose(np.quantile(uniform, quarters), quarters, atol=0.03)
    np.testing.assert_allclose(np.quantile(np.log(usual / (1 - usual)), quarters), [-0.674, 0, 0.674], atol=0.06)
    other = stages[MASKED_AFTER].draw_times(4000, torch.Generator().manual_seed(0)).numpy()
    np.testing.assert_array_equal(other, usual)
