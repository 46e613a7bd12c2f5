"""Training of ``HierarchicalGan`` on the patches of the generator's cached examples, as the VAE decodes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import nn

from TumorGenCore.training.config import RivalRun
from TumorGenCore.training.loop.pictures import save_slices
from TumorGenCore.training.loop.stage import Batch
from TumorGenCore.training.stages.gan import CELL, HierarchicalGan, draw_vectors
from TumorGenCore.training.stages.rival_stages import RivalStage

__all__ = ["GanStage"]

_SHOWN = 10


class GanStage(RivalStage):
    """One step trains generator, critics and encoders together."""

    network_kind: ClassVar[type[nn.Module]] = HierarchicalGan

    run: RivalRun

    def arguments_of_network(self) -> dict[str, Any]:
        """Returns the arguments of ``HierarchicalGan``."""
        return {"channels": self.run.gan_channels, "norm_num_groups": self.run.norm_num_groups}

    def patches(self, batch: Batch) -> torch.Tensor:
        """Returns image on the network scale and mask, -1 to 1, as channels: (n, 2, k, j, i)."""
        with torch.no_grad():
            image = self.decode(batch["x_1"])[0].float()
        return torch.cat([image, batch["mask"] * 2 - 1], dim=1)

    def loss(
        self, network: nn.Module, batch: Batch, generator: torch.Generator
    ) -> tuple[torch.Tensor, dict[str, float]]:
        """Returns the sum of the losses of ``HierarchicalGan.forward``, and each by its name; see ``Stage.loss``."""
        real = self.patches(batch)
        z = draw_vectors(len(real), generator).to(real.device)
        places = real.shape[-1] // CELL // 2 + 1
        k, j, i = torch.randint(places, (3,), generator=generator).tolist()
        parts = network(real, z, (k, j, i))
        return torch.stack(list(parts.values())).sum(), {name: float(part.detach()) for name, part in parts.items()}

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Returns the L1 error of held-out patches that are made again from their vectors; see ``Stage.validate``."""
        if self.held_out is None:
            return {}
        real = self.patches(self.normalized(self.held_out, list(range(len(self.held_out)))))
        return {"error": float(F.l1_loss(self._again(network, real), real))}

    def picture(self, network: nn.Module, path: Path) -> None:
        """Shows held-out patches, the same made again from their vectors, and new ones; see ``Stage.picture``."""
        if self.held_out is None:
            return
        real = self.patches(self.normalized(self.held_out, list(range(min(_SHOWN, len(self.held_out))))))
        bare: Any = network
        new = bare.make(draw_vectors(len(real), torch.Generator().manual_seed(0)).to(real.device), real.shape[-1])
        rows = [real, self._again(network, real), new]
        images, masks = [self.scale.to_suv(row[:, :1]) for row in rows], [row[:, 1:] / 2 + 0.5 for row in rows]
        save_slices(images, ["scan, contour", "made again", "new"], path, masks)

    @staticmethod
    def _again(network: nn.Module, real: torch.Tensor) -> torch.Tensor:
        bare: Any = network
        made: torch.Tensor = bare.make(bare.encode(real), real.shape[-1])
        return made
