"""A 3D GAN of whole patches, after HA-GAN (Sun et al., IEEE JBHI 2022); see ``training.stages.gan``."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from TumorGenCore.insertion.generator import TumorGenerator
from TumorGenCore.method.devices import autocast
from TumorGenCore.training.stages.gan import draw_vectors
from TumorGenCore.training.stages.rival import TrainedRival

__all__ = ["GanPatches"]


class GanPatches:
    """Makes patches in one pass; see ``MakePatch``.

    Args:
        generator: provides the scale of the uptake.
        trained: trained rival of the kind ``gan``.
    """

    def __init__(self, generator: TumorGenerator, trained: TrainedRival) -> None:
        self.scale, self.device = generator.bundle.scale, generator.device
        self.network: Any = trained.network.to(generator.device)

    @torch.inference_mode()
    def __call__(self, edge: int, draws: torch.Generator) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Returns SUV and tumor, both (edge, edge, edge), along k, j, i."""
        z = draw_vectors(1, draws).to(self.device)
        with autocast(self.device):
            image, mask = self.network.make(z, edge)[0].cpu()
        return self.scale.to_suv(image).numpy(), (mask > 0).numpy()
