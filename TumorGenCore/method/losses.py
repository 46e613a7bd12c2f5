"""Eq. 1 and 3 to 7 of the paper, one function each, and the VAE's losses. All take tensors; losses are scalars."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from monai.losses import DiceLoss
from monai.losses.ssim_loss import SSIMLoss

__all__ = [
    "coarse_loss",
    "data_estimate",
    "fine_loss",
    "gradient_loss",
    "kl_loss",
    "overlap_loss",
    "reconstruction_loss",
    "rectified_flow_loss",
    "total_loss",
]


def data_estimate(x_t: torch.Tensor, velocity: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """Eq. 1: x^_1 = x_t + (1 - t) v.

    Args:
        x_t: noisy [z, m] of Eq. 2, (n, c, k, j, i).
        velocity: v, same shape.
        t: time, (n,), 0 noise, 1 data.

    Returns:
        The estimated [z_1, m_1], same shape.
    """
    return x_t + (1 - _per_sample(t)) * velocity


def rectified_flow_loss(
    velocity: torch.Tensor, x_1: torch.Tensor, noise: torch.Tensor, weight: torch.Tensor | None = None
) -> torch.Tensor:
    """Eq. 3: mean of |v - (x_1 - noise)|^2.

    Args:
        velocity: v, (n, c, k, j, i).
        x_1: data [z_1, m_1], same shape.
        noise: epsilon, same shape.
        weight: optional (n, 1, k, j, i), for a weighted mean, for example with more weight inside the box.
    """
    square = (velocity - (x_1 - noise)) ** 2
    if weight is None:
        return square.mean()
    weight = weight.expand_as(square)
    return (square * weight).sum() / weight.sum().clamp_min(1e-6)


def coarse_loss(
    z_hat: torch.Tensor, z_1: torch.Tensor, box: torch.Tensor, sample_weight: torch.Tensor | None = None
) -> torch.Tensor:
    """Eq. 4: |B z^_1 - B z_1|^2, divided by the box's volume, so that small boxes count as much as large ones.

    Args:
        z_hat: estimated latents, (n, c, k, j, i).
        z_1: true latents, same shape.
        box: B, (n, 1, k, j, i), 1 inside.
        sample_weight: optional (n,); x^_1 is unreliable at small t, so training passes t.
    """
    square = (box * z_hat - box * z_1) ** 2
    per_sample = square.mean(1).sum((1, 2, 3)) / box[:, 0].sum((1, 2, 3)).clamp_min(1e-6)
    return _weighted_mean(per_sample, sample_weight)


def fine_loss(
    z_hat: torch.Tensor,
    m_hat: torch.Tensor,
    z_1: torch.Tensor,
    m_1: torch.Tensor,
    box: torch.Tensor,
    sample_weight: torch.Tensor | None = None,
    window: int = 3,
) -> torch.Tensor:
    """Eq. 5: 1 - SSIM(m^_1 z^_1, m_1 z_1), over the box's bounding crop.

    MONAI's default window of 11 is larger than most boxes on the latent grid and mostly sees zeros. So the window is 3,
    and the function crops each sample to its box. The data range is that of the true latents.

    Args:
        z_hat: estimated latents, (n, c, k, j, i).
        m_hat: estimated mask, (n, 1, k, j, i), 0 to 1.
        z_1: true latents, shape of ``z_hat``.
        m_1: true mask, shape of ``m_hat``.
        box: B, (n, 1, k, j, i), 1 inside.
        sample_weight: optional (n,).
        window: edge of the SSIM window, in latent cells.
    """
    values = []
    for n in range(len(z_1)):
        crop = _box_crop(box[n, 0], window)
        a, b = (m_hat[n] * z_hat[n])[crop][None], (m_1[n] * z_1[n])[crop][None]
        data_range = float((b.max() - b.min()).detach().clamp_min(1e-3))
        values.append(SSIMLoss(3, data_range=data_range, kernel_type="uniform", win_size=window)(a, b))
    return _weighted_mean(torch.stack(values), sample_weight)


def reconstruction_loss(refined: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Eq. 6: mean of |M' - M|^2.

    Args:
        refined: M', probabilities (n, 1, k, j, i).
        mask: M, 0 or 1, same shape.
    """
    return F.mse_loss(refined, mask)


def overlap_loss(logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Dice and cross-entropy, an addition to Eq. 6, whose squared error hardly sees small tumors.

    Args:
        logits: of M', (n, 1, k, j, i).
        mask: M, 0 or 1, same shape.
    """
    dice = DiceLoss(sigmoid=True, smooth_nr=1.0, smooth_dr=1.0)(logits, mask)
    return dice + F.binary_cross_entropy_with_logits(logits, mask)


def total_loss(
    rfm: torch.Tensor,
    coarse: torch.Tensor,
    fine: torch.Tensor,
    rec: torch.Tensor,
    lambda_1: float = 1.0,
    lambda_2: float = 0.1,
    lambda_3: float = 1.0,
) -> torch.Tensor:
    """Eq. 7: L = L_rfm + lambda_1 L_coarse + lambda_2 L_fine + lambda_3 L_rec.

    Args:
        rfm: L_rfm of Eq. 3, a scalar.
        coarse: L_coarse of Eq. 4, a scalar.
        fine: L_fine of Eq. 5, a scalar.
        rec: L_rec of Eq. 6, a scalar.
        lambda_1: weight of ``coarse``.
        lambda_2: weight of ``fine``.
        lambda_3: weight of ``rec``.
    """
    return rfm + lambda_1 * coarse + lambda_2 * fine + lambda_3 * rec


def kl_loss(mean: torch.Tensor, deviation: torch.Tensor) -> torch.Tensor:
    """KL(N(mean, deviation) || N(0, 1)), averaged over latent elements; both tensors of one shape."""
    variance = deviation**2
    return 0.5 * (mean**2 + variance - torch.log(variance.clamp_min(1e-12)) - 1).mean()


def gradient_loss(x_hat: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference of the slopes along the three axes; L1 alone blurs edges.

    Args:
        x_hat: reconstruction, (n, c, k, j, i).
        x: original, same shape.
    """
    total = x.new_zeros(())
    for axis in (2, 3, 4):
        total = total + (x_hat.diff(dim=axis) - x.diff(dim=axis)).abs().mean()
    return total / 3


def _per_sample(t: torch.Tensor) -> torch.Tensor:
    return t.reshape(-1, 1, 1, 1, 1)


def _weighted_mean(values: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
    if weight is None:
        return values.mean()
    return (values * weight).sum() / weight.sum().clamp_min(1e-6)


def _box_crop(box: torch.Tensor, window: int) -> tuple[slice, ...]:
    """Slices (channel, k, j, i) of the cells around the box, widened to at least one window."""
    slices: list[slice] = [slice(None)]
    for axis in range(3):
        other = [a for a in range(3) if a != axis]
        inside = torch.nonzero(box.amax(dim=other) > 0).flatten()
        n = box.shape[axis]
        start, stop = (int(inside[0]), int(inside[-1]) + 1) if len(inside) else (0, n)
        lack = max(0, window - (stop - start))
        start = max(0, min(start - lack // 2, n - window))
        slices.append(slice(start, max(stop, start + window)))
    return tuple(slices)
