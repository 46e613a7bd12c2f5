"""The losses against closed forms, and their gradients."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from TumorGenCore.method.losses import (
    coarse_loss,
    data_estimate,
    fine_loss,
    gradient_loss,
    kl_loss,
    overlap_loss,
    reconstruction_loss,
    rectified_flow_loss,
    total_loss,
)

SHAPE = (2, 4, 6, 5, 7)


def noise(seed: int, shape: tuple[int, ...] = SHAPE) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def some_boxes() -> torch.Tensor:
    """A box of 3 x 2 x 4 cells in the first sample, of 4 x 5 x 3 in the second."""
    box = torch.zeros(2, 1, *SHAPE[2:], dtype=torch.float64)
    box[0, 0, 1:4, 2:4, 3:7] = 1
    box[1, 0, 2:6, 0:5, 1:4] = 1
    return box


def test_eq1_the_estimate_on_the_straight_path_is_the_data() -> None:
    x_1, epsilon, t = noise(0), noise(1), torch.tensor([0.25, 0.9], dtype=torch.float64)
    at = t.reshape(2, 1, 1, 1, 1)
    x_t = (1 - at) * epsilon + at * x_1
    torch.testing.assert_close(data_estimate(x_t, x_1 - epsilon, t), x_1)
    velocity = noise(2).requires_grad_()
    data_estimate(x_t, velocity, t).sum().backward()
    torch.testing.assert_close(velocity.grad, (1 - at).expand(SHAPE))


def test_eq3_is_zero_at_the_true_velocity_and_the_mean_square_beside_it() -> None:
    x_1, epsilon = noise(0), noise(1)
    assert rectified_flow_loss(x_1 - epsilon, x_1, epsilon) == 0
    assert rectified_flow_loss(x_1 - epsilon + 3, x_1, epsilon).item() == pytest.approx(9)


def test_eq3_weighted_is_a_weighted_mean() -> None:
    x_1, epsilon, box = noise(0), noise(1), some_boxes()
    velocity = x_1 - epsilon + torch.where(box > 0, 2.0, 5.0)
    inside = box.mean().item()
    assert rectified_flow_loss(velocity, x_1, epsilon, box).item() == pytest.approx(4)
    expected = (4 * 3 * inside + 25 * (1 - inside)) / (3 * inside + (1 - inside))
    assert rectified_flow_loss(velocity, x_1, epsilon, 1 + 2 * box).item() == pytest.approx(expected)


def test_eq4_sees_nothing_outside_the_box() -> None:
    z_1, box = noise(0), some_boxes()
    assert coarse_loss(z_1 + (1 - box) * noise(1), z_1, box) == 0
    z_hat = noise(1).requires_grad_()
    coarse_loss(z_hat, z_1, box).backward()
    outside = (box == 0).expand(SHAPE)
    assert torch.all(z_hat.grad[outside] == 0)
    assert torch.all(z_hat.grad[~outside] != 0)


def test_eq4_is_normalized_by_the_volume_of_each_box() -> None:
    z_1, box = noise(0), some_boxes()
    assert coarse_loss(z_1 + 3, z_1, box).item() == pytest.approx(9)
    for n in range(2):
        one = slice(n, n + 1)
        assert coarse_loss((z_1 + 3)[one], z_1[one], box[one]).item() == pytest.approx(9)


def test_eq4_is_weighted_by_t() -> None:
    z_1, box = noise(0), some_boxes()
    z_hat = z_1 + torch.tensor([1.0, 2.0]).reshape(2, 1, 1, 1, 1)
    t = torch.tensor([0.25, 0.75], dtype=torch.float64)
    assert coarse_loss(z_hat, z_1, box, t).item() == pytest.approx((0.25 * 1 + 0.75 * 4) / 1)


def test_eq4_without_a_box_is_zero() -> None:
    assert coarse_loss(noise(0), noise(1), torch.zeros(2, 1, *SHAPE[2:], dtype=torch.float64)) == 0


def _soft_masks(seed: int) -> torch.Tensor:
    return torch.sigmoid(noise(seed, (2, 1, *SHAPE[2:]))).float()


def test_eq5_is_zero_for_equal_inputs_and_grows_with_the_difference() -> None:
    z_1, m_1, box, change = noise(0).float(), _soft_masks(1), some_boxes().float(), noise(2).float()
    losses = [fine_loss(z_1 + e * change, m_1, z_1, m_1, box).item() for e in (0.0, 0.1, 0.3, 1.0, 3.0)]
    assert losses[0] == pytest.approx(0, abs=1e-5)
    assert all(b > a + 0.005 for a, b in pairwise(losses))
    assert fine_loss(z_1, 1 - m_1, z_1, m_1, box).item() > 0.05


def test_eq5_sees_nothing_outside_the_bounding_cells_of_the_box() -> None:
    z_1, m_1, box = noise(0).float(), _soft_masks(1), some_boxes().float()
    box[0, 0, :, 2:5] = box[0, 0, :, 2:4].amax(dim=1, keepdim=True)  # three cells, like the window
    z_hat = torch.where(box > 0, z_1, 9.0)
    assert fine_loss(z_hat, m_1, z_1, m_1, box).item() == pytest.approx(0, abs=1e-5)


def test_eq5_is_the_closed_form_of_ssim() -> None:
    z_hat, z_1 = noise(0, (1, 2, 4, 4, 4)), noise(1, (1, 2, 4, 4, 4))
    m_hat, m_1 = torch.full((1, 1, 4, 4, 4), 0.5), torch.ones(1, 1, 4, 4, 4)
    box = torch.zeros(1, 1, 4, 4, 4)
    box[..., 1:4, 0:3, 1:4] = 1  # exactly one window
    a, b = (np.asarray(m * z)[0, :, 1:4, 0:3, 1:4].reshape(2, -1) for m, z in ((m_hat, z_hat), (m_1, z_1)))
    spread = b.max() - b.min()
    c1, c2 = (0.01 * spread) ** 2, (0.03 * spread) ** 2
    mean_a, mean_b = a.mean(axis=1), b.mean(axis=1)
    covariance = ((a - mean_a[:, None]) * (b - mean_b[:, None])).mean(axis=1)
    ssim = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    ssim *= (2 * covariance + c2) / (a.var(axis=1) + b.var(axis=1) + c2)
    loss = fine_loss(z_hat.float(), m_hat, z_1.float(), m_1, box)
    assert loss.item() == pytest.approx(1 - ssim.mean(), abs=1e-4)


def test_eq5_is_weighted_by_t_and_teaches_latents_and_mask() -> None:
    z_1, m_1, box = noise(0).float(), _soft_masks(1), some_boxes().float()
    z_hat, m_hat = noise(2).float().requires_grad_(), _soft_masks(3).requires_grad_()
    t = torch.tensor([1.0, 0.0])
    loss = fine_loss(z_hat, m_hat, z_1, m_1, box, t)
    assert loss.item() == pytest.approx(fine_loss(z_hat[:1], m_hat[:1], z_1[:1], m_1[:1], box[:1]).item())
    loss.backward()
    for gradient in (z_hat.grad, m_hat.grad):
        assert gradient[0].abs().max() > 0
        assert torch.all(gradient[1] == 0)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_eq5_takes_boxes_smaller_than_its_window(size: int) -> None:
    box = torch.zeros(1, 1, 5, 5, 5)
    box[..., 5 - size :, 0:size, 5 - size :] = 1
    z_1, m = noise(0, (1, 4, 5, 5, 5)).float(), torch.ones(1, 1, 5, 5, 5)
    assert fine_loss(z_1, m, z_1, m, box).item() == pytest.approx(0, abs=1e-5)
    assert fine_loss(noise(1, (1, 4, 5, 5, 5)).float(), m, z_1, m, box).item() > 0.5


def test_eq6_is_the_mean_square() -> None:
    refined = torch.full((2, 1, 4, 4, 4), 0.75, requires_grad=True)
    mask = torch.ones(2, 1, 4, 4, 4)
    loss = reconstruction_loss(refined, mask)
    assert loss.item() == pytest.approx(0.0625)
    loss.backward()
    torch.testing.assert_close(refined.grad, torch.full_like(mask, -0.5 / mask.numel()))


def test_eq7_weighs_its_parts() -> None:
    parts = [torch.tensor(float(v), requires_grad=True) for v in (1, 2, 3, 4)]
    assert total_loss(*parts).item() == pytest.approx(1 + 2 + 0.3 + 4)
    loss = total_loss(*parts, lambda_1=0.5, lambda_2=2.0, lambda_3=0.25)
    assert loss.item() == pytest.approx(1 + 1 + 6 + 1)
    loss.backward()
    assert [p.grad.item() for p in parts] == [1, 0.5, 2, 0.25]


def test_overlap_loss_is_small_for_the_truth_and_teaches_a_missed_tumor() -> None:
    mask = torch.zeros(1, 1, 8, 8, 8)
    mask[..., 2:5, 2:5, 2:5] = 1
    assert overlap_loss(40 * mask - 20, mask).item() == pytest.approx(0, abs=1e-4)
    missed = torch.full_like(mask, -20.0)
    dice, entropy = 1 - 1 / (27 + 1), 20 * mask.mean().item()
    assert overlap_loss(missed, mask).item() == pytest.approx(dice + entropy, abs=1e-4)
    logits = torch.zeros_like(mask, requires_grad=True)
    overlap_loss(logits, mask).backward()
    assert torch.all(logits.grad[mask == 1] < 0)
    assert torch.all(logits.grad[mask == 0] > 0)


@pytest.mark.parametrize(("mean", "deviation"), [(0.0, 1.0), (2.0, 1.0), (0.0, 3.0), (-0.7, 0.2)])
def test_kl_is_the_closed_form(mean: float, deviation: float) -> None:
    divergence = kl_loss(torch.full(SHAPE, mean), torch.full(SHAPE, deviation)).item()
    assert divergence == pytest.approx((mean**2 + deviation**2 - 1) / 2 - math.log(deviation), abs=1e-6)
    normals = [torch.distributions.Normal(m, d) for m, d in ((mean, deviation), (0.0, 1.0))]
    assert divergence == pytest.approx(torch.distributions.kl_divergence(*normals).item(), abs=1e-6)


def test_gradient_loss_ignores_an_offset_and_measures_slopes() -> None:
    k, j, i = torch.meshgrid(*(torch.arange(5.0) for _ in range(3)), indexing="ij")
    x = noise(0, (1, 1, 5, 5, 5)).float()
    assert gradient_loss(x + 4, x).item() == pytest.approx(0, abs=1e-6)
    assert gradient_loss(x + 2 * k - 3 * j + i, x).item() == pytest.approx((2 + 3 + 1) / 3, rel=1e-5)
    blurred = torch.nn.functional.avg_pool3d(x, 3, stride=1, padding=1).requires_grad_()
    loss = gradient_loss(blurred, x)
    loss.backward()
    assert blurred.grad.abs().max() > 0
