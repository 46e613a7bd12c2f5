"""Tumours that the vector field itself grew, with the masks that the training's rule gives them: lessons for VMR.

In use VMR never sees a true latent. What SC-VFE leaves has its own errors: a mask a little beside its uptake, an edge
softer than a scan's. The uptake is what the user gets, so it decides where the mask's border lies, by the rule that
every training mask was made by (``metabolic_part``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from TumorGenCore.networks.mask_refiner import plain_mask
from TumorGenCore.sampler import KnownRegion, integrate
from TumorGenCore.sampling import Sampling
from TumorGenCore.training.metabolic_part import hot_piece

__all__ = ["SampledPairs", "mask_of_uptake"]

#: Field of a batch: v(x, z_m, box, t, controls).
Field = Callable[..., torch.Tensor]
#: From latents z to SUV, (n, c, k, j, i) -> (n, 1, 4k, 4j, 4i).
Decode = Callable[[torch.Tensor], torch.Tensor]


def mask_of_uptake(
    suv: NDArray[np.float32], latent_mask: NDArray[np.float32], inside: NDArray[np.bool_], reach: int, share: float
) -> NDArray[np.bool_]:
    """The mask of a grown tumour: what takes up tracer in and next to its latent mask.

    Args:
        suv: the patch, (k, j, i).
        latent_mask: m^ upsampled to the patch, the share of tumour, 0 to 1.
        inside: of the box.
        reach: voxels that the uptake may lie beyond the latent mask.
        share: of the 95th percentile in the latent mask, see ``metabolic_part``.
    """
    contour = (latent_mask > 0.5) & inside
    if not contour.any():
        return contour
    region = ndimage.binary_dilation(contour, iterations=reach) & inside if reach else contour
    return hot_piece(suv, region, share * float(np.percentile(suv[contour], 95)))


@dataclass(frozen=True)
class SampledPairs:
    """Grown tumours of one patch size.

    Args:
        x: [z, m] as the sampler leaves them, normalised, (n, c + 1, k, j, i), float16.
        mask: M, (n, 1, 4k, 4j, 4i), uint8.
    """

    x: torch.Tensor
    mask: torch.Tensor

    @classmethod
    @torch.inference_mode()
    def grow(
        cls,
        batches: Iterable[dict[str, torch.Tensor]],
        field: Field,
        decode: Decode,
        reach: int,
        share: float,
        generator: torch.Generator,
    ) -> SampledPairs:
        """One tumour in the box of each example, by ten Euler steps under the inpainting constraint, as in use.

        Args:
            batches: of ``LatentCache.batch``; empty tumours are left out.
            field: the trained vector field.
            decode: the frozen decoder.
            reach, share: see ``mask_of_uptake``.
            generator: of the CPU, for the noise.
        """
        xs, masks = [], []
        for batch in batches:
            noise = torch.randn(batch["x_1"].shape, generator=generator)
            background = torch.cat([batch["x_1"][:, :-1], -torch.ones_like(noise[:, :1])], dim=1)
            known = KnownRegion(background, noise, batch["box"])
            velocity = _velocity(field, batch)
            x = integrate(velocity, noise, Sampling().grid(), known=known)
            suv = decode(x[:, :-1]).float().numpy()[:, 0]
            factor = suv.shape[-1] // x.shape[-1]
            latent = plain_mask(x[:, -1:].clamp(-1, 1), factor).numpy()[:, 0]
            inside = torch.nn.functional.interpolate(batch["box"], scale_factor=float(factor)).numpy()[:, 0] > 0.5
            for n in range(len(x)):
                mask = mask_of_uptake(suv[n], latent[n], inside[n], reach, share)
                if mask.any():
                    xs.append(x[n : n + 1].half())
                    masks.append(torch.from_numpy(mask.astype(np.uint8))[None, None])
        return cls(torch.cat(xs), torch.cat(masks))

    def batch(self, rng: np.random.Generator, count: int) -> dict[str, torch.Tensor]:
        """Some of them, float32: ``x`` and ``mask``."""
        some = rng.integers(len(self.x), size=count).tolist()
        return {"x": self.x[some].float(), "mask": self.mask[some].float()}


def _velocity(field: Field, batch: dict[str, torch.Tensor]) -> Callable[[torch.Tensor, float], torch.Tensor]:
    def velocity(x: torch.Tensor, t: float) -> torch.Tensor:
        at = torch.full((len(x),), t)
        return field(x, batch["z_m"], batch["box"], at, batch["controls"]).float()

    return velocity
