"""The trainings of rivals on latents, with the backbone of the generator."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import nn

from TumorGenCore.method import losses
from TumorGenCore.method.schedule import time_grid
from TumorGenCore.method.solver import KnownRegion, integrate
from TumorGenCore.method.vector_field import VectorField
from TumorGenCore.training.loop.pictures import save_slices
from TumorGenCore.training.loop.stage import Batch
from TumorGenCore.training.stages.diffusion import LEVELS, add_noise, denoise, diffusion_velocity
from TumorGenCore.training.stages.generator_stage import VALIDATION_TIMES, GeneratorStage, draw_noise

__all__ = [
    "DiffusionStage",
    "RivalStage",
    "UnconditionalStage",
    "WholeDiffusionStage",
    "estimate_velocity",
    "estimate_whole_velocity",
    "without_condition",
]


def estimate_velocity(
    network: nn.Module,
    z_t: torch.Tensor,
    m: torch.Tensor,
    z_m: torch.Tensor,
    box: torch.Tensor,
    level: torch.Tensor,
) -> torch.Tensor:
    """Estimates the diffusion's v of z_t with the generator's backbone; the given mask replaces the noisy one.

    Args:
        network: the backbone.
        z_t: noisy latents, (n, c, k, j, i).
        m: the mask's occupancy of latent cells, (n, 1, k, j, i), -1 to 1.
        z_m: latents of the patch without the content of the box, (n, c, k, j, i).
        box: B, (n, 1, k, j, i), 1 inside.
        level: noise level, (n,), 0 to 49.

    Returns:
        v, float32, same shape as ``z_t``.
    """
    made: torch.Tensor = network(torch.cat([z_t, m], dim=1), z_m, box, level / LEVELS)
    return made[:, :-1].float()


def without_condition(
    network: nn.Module, x_t: torch.Tensor, z_m: torch.Tensor, box: torch.Tensor, t: torch.Tensor
) -> torch.Tensor:
    """Estimates the velocity with the generator's backbone, which sees neither the surroundings nor the box.

    Args:
        network: the backbone.
        x_t: noisy [z, m], (n, c + 1, k, j, i).
        z_m: (n, c, k, j, i); only its shape is used.
        box: (n, 1, k, j, i); only its shape is used.
        t: time, (n,), 0 noise, 1 data.

    Returns:
        v, float32, same shape as ``x_t``.
    """
    made: torch.Tensor = network(x_t, torch.zeros_like(z_m), torch.zeros_like(box), t)
    return made.float()


def estimate_whole_velocity(network: nn.Module, x_t: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
    """Estimates the diffusion's v of latents and mask with the generator's backbone, which sees nothing else.

    Args:
        network: the backbone.
        x_t: noisy [z, m], (n, c + 1, k, j, i).
        level: noise level, (n,), 0 to 49.

    Returns:
        v, float32, same shape as ``x_t``.
    """
    return without_condition(network, x_t, x_t[:, :-1], x_t[:, -1:], level / LEVELS)


class RivalStage(GeneratorStage):
    """The generator's stage with another network and loss."""

    #: Class of the network.
    network_kind: ClassVar[type[nn.Module]] = VectorField

    def arguments_of_network(self) -> dict[str, Any]:
        """Returns the arguments of ``network_kind``, in the form that a file of weights stores."""
        return self.arguments["vector_field"]

    def build_network(self) -> nn.Module:
        """Builds the network; see ``GeneratorStage.build_network``."""
        return self.network_kind(**self.arguments_of_network())


class _LatentStage(RivalStage):
    """The generator's stage with its vector field alone; one error replaces Eq. 7."""

    def error(self, network: nn.Module, batch: Batch, noise: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """Returns the mean squared error of the network's estimate.

        Args:
            network: the backbone.
            batch: n examples.
            noise: noise for [z, m], (n, c + 1, k, j, i).
            t: times, (n,), between 0 and 1.
        """
        raise NotImplementedError

    def sample(self, network: nn.Module, batch: Batch, generator: torch.Generator) -> torch.Tensor:
        """Samples latents and masks [z, m], (n, c + 1, k, j, i), in the boxes of a batch.

        Args:
            network: the backbone.
            batch: n examples.
            generator: random generator of the noise, on the CPU.
        """
        raise NotImplementedError

    def loss(
        self, network: nn.Module, batch: Batch, generator: torch.Generator
    ) -> tuple[torch.Tensor, dict[str, float]]:
        noise = draw_noise(batch["x_1"], generator)
        return self.error(network, batch, noise, self.draw_times(len(noise), generator).to(noise.device)), {}

    def validate(self, network: nn.Module) -> dict[str, float]:
        if self.held_out is None:
            return {}
        batch = self.normalized(self.held_out, list(range(len(self.held_out))))
        noise = draw_noise(batch["x_1"], torch.Generator().manual_seed(0))
        errors = [self.error(network, batch, noise, torch.full((len(noise),), t)) for t in VALIDATION_TIMES]
        return {"error": float(torch.stack(errors).mean())}

    def picture(self, network: nn.Module, path: Path) -> None:
        if self.held_out is None:
            return
        batch = self.normalized(self.held_out, list(range(min(10, len(self.held_out)))))
        made = [self.sample(network, batch, torch.Generator().manual_seed(seed)) for seed in range(2)]
        rows = [self.scale.to_suv(self.decode(x)[0]) for x in (batch["x_1"], *made)]
        masks = [nn.functional.interpolate(x[:, -1:], scale_factor=self.vae.factor) / 2 + 0.5 for x in made]
        save_slices(rows, ["scan, contour", "seed 0", "seed 1"], path, [batch["mask"], *masks])


class _LevelStage(_LatentStage):
    """Training at one of fifty noise levels."""

    def draw_times(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Draws uniform times, so that all levels are equally frequent, as is usual for these models."""
        return torch.rand(count, generator=generator)

    @staticmethod
    def level(t: torch.Tensor) -> torch.Tensor:
        """Returns the noise levels of times, (n,), 0 to 49."""
        return (t * LEVELS).long().clamp_max(LEVELS - 1)


class DiffusionStage(_LevelStage):
    """Training on z for a given mask; errors inside the box count more, as for the generator."""

    def error(self, network: nn.Module, batch: Batch, noise: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """Returns the error of v for z; errors inside the box weigh more."""
        z_1, m = batch["x_1"][:, :-1], batch["x_1"][:, -1:]
        level = self.level(t)
        z_t, v = (make(z_1, noise[:, :-1], level) for make in (add_noise, diffusion_velocity))
        found = estimate_velocity(network, z_t, m, batch["z_m"], batch["box"], level)
        weight = (1 + (self.run.box_weight - 1) * batch["box"]).expand_as(found)
        return ((found - v) ** 2 * weight).sum() / weight.sum()

    def sample(self, network: nn.Module, batch: Batch, generator: torch.Generator) -> torch.Tensor:
        """Denoises z in fifty DDIM steps, for the masks of the batch."""
        z_1, m = batch["x_1"][:, :-1], batch["x_1"][:, -1:]

        def estimate(z_t: torch.Tensor, level: int) -> torch.Tensor:
            return estimate_velocity(network, z_t, m, batch["z_m"], batch["box"], torch.full((len(z_t),), level))

        z = denoise(estimate, torch.randn(z_1.shape, generator=generator), "ddim", generator)
        return torch.cat([z, m], dim=1)


class UnconditionalStage(_LatentStage):
    """Training by Eq. 3 without the condition; all cells count alike, because the network does not know the box."""

    def error(self, network: nn.Module, batch: Batch, noise: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """Returns the error of the velocity."""
        at = t.reshape(-1, 1, 1, 1, 1)
        x_t = (1 - at) * noise + at * batch["x_1"]
        velocity = without_condition(network, x_t, batch["z_m"], batch["box"], t)
        return losses.rectified_flow_loss(velocity, batch["x_1"], noise)

    def sample(self, network: nn.Module, batch: Batch, generator: torch.Generator) -> torch.Tensor:
        """Solves the flow in fifty Euler steps; outside the boxes, latents and masks are known."""
        noise = torch.randn(batch["x_1"].shape, generator=generator)

        def velocity(x: torch.Tensor, t: float) -> torch.Tensor:
            return without_condition(network, x, batch["z_m"], batch["box"], torch.full((len(x),), t))

        return integrate(velocity, noise, time_grid(LEVELS), known=KnownRegion(batch["x_1"], noise, batch["box"]))


class WholeDiffusionStage(_LevelStage):
    """Training on z and m of whole patches without any condition; all cells count alike."""

    def error(self, network: nn.Module, batch: Batch, noise: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """Returns the error of v for z and m."""
        level = self.level(t)
        x_t, v = (make(batch["x_1"], noise, level) for make in (add_noise, diffusion_velocity))
        return nn.functional.mse_loss(estimate_whole_velocity(network, x_t, level), v)

    def sample(self, network: nn.Module, batch: Batch, generator: torch.Generator) -> torch.Tensor:
        """Denoises z and m in fifty DDIM steps; only the shape of the batch matters."""

        def estimate(x_t: torch.Tensor, level: int) -> torch.Tensor:
            return estimate_whole_velocity(network, x_t, torch.full((len(x_t),), level))

        return denoise(estimate, torch.randn(batch["x_1"].shape, generator=generator), "ddim", generator)
