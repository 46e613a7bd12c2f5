"""Ways to insert that the product does not have: the ablation compares with them, and one of the rivals is made so."""

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
    """D(z) takes the tissue's place, where the product adds how D(z) differs from D(z_1)."""

    def change(self, grown: Grown, prepared: PreparedBox) -> TissueChange:
        """The tissue goes, and the decoded patch comes."""
        return TissueChange(np.maximum(grown.synthetic_suv, 0), np.zeros_like(grown.synthetic_suv))


class Unfitted(TumorGenerator):
    """M' stays as it is where its uptake ends elsewhere."""

    def fit_mask(self, prepared: PreparedBox) -> FitMask | None:
        """M' is not laid on its uptake."""
        return None


class _PlainMask(Engine):
    def refine(self, mask: torch.Tensor, features: Sequence[torch.Tensor]) -> torch.Tensor:
        return plain_mask(mask, self.bundle.vae.factor)


class Unrefined(TumorGenerator):
    """The latent mask, upsampled, in place of VMR's."""

    engine_type = _PlainMask


def plain_mask(mask: torch.Tensor, factor: int) -> torch.Tensor:
    """The latent-grid mask upsampled, without a refiner.

    Args:
        mask: m^, (n, 1, k, j, i) on the latent grid, -1 to 1.
        factor: patch resolution over latent resolution.

    Returns:
        (n, 1, factor k, factor j, factor i), the share of tumor, 0 to 1.
    """
    occupied = (mask.float() + 1) / 2
    return functional.interpolate(occupied, scale_factor=float(factor), mode="trilinear", align_corners=False)
