"""Ways to insert that the product does not have, for the ablation and for one of the rivals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional

from TumorGenCore.insertion.change import TissueChange
from TumorGenCore.insertion.engine import Engine, Grown
from TumorGenCore.insertion.generator import TumorGenerator
from TumorGenCore.insertion.paste import FitMask
from TumorGenCore.insertion.prepared import PreparedBox

__all__ = ["Replacing", "Unfitted", "Unrefined", "plain_mask"]


class Replacing(TumorGenerator):
    """Replaces the tissue by D(z), while the product adds the difference between D(z) and D(z_1)."""

    def change(self, grown: Grown, prepared: PreparedBox) -> TissueChange:
        """Returns a change that replaces the tissue by the decoded patch."""
        return TissueChange(np.maximum(grown.synthetic_suv, 0), np.zeros_like(grown.synthetic_suv))


class Unfitted(TumorGenerator):
    """Keeps M' even if the uptake has another border."""

    def fit_mask(self, prepared: PreparedBox) -> FitMask | None:
        """Returns None: M' is not fitted to the uptake."""
        return None


class _PlainMask(Engine):
    def refine(self, mask: torch.Tensor, features: Sequence[torch.Tensor]) -> torch.Tensor:
        return plain_mask(mask, self.bundle.vae.factor)


class Unrefined(TumorGenerator):
    """Uses the upsampled latent mask instead of VMR's mask."""

    engine_type = _PlainMask


def plain_mask(mask: torch.Tensor, factor: int) -> torch.Tensor:
    """Upsamples the mask of the latent grid, without a refiner.

    Args:
        mask: m^, (n, 1, k, j, i) on the latent grid, -1 to 1.
        factor: patch resolution over latent resolution.

    Returns:
        Share of tumor, (n, 1, factor k, factor j, factor i), 0 to 1.
    """
    occupied = (mask.float() + 1) / 2
    return functional.interpolate(occupied, scale_factor=float(factor), mode="trilinear", align_corners=False)
