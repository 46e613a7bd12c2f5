"""A tumor made by rules, after SynTumor (Hu et al., CVPR 2023), adapted to PET.

As in SynTumor, the tumor is an ellipsoid, bent by a smooth random field, filled with Gaussian texture, with a blurred
edge. For PET its uptake is drawn from a log-normal law, and texture and edge are blurred to a scanner's resolution.
"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from TumorGenCore.evaluation.rivals.host import SCANNER_FWHM_MM, blurred, host_of, random_of, room_mm
from TumorGenCore.evaluation.sites import Site
from TumorGenCore.volumes.patch import PatchSettings, WorkingPatch

__all__ = ["RuleBased", "bent_ellipsoid"]

#: Share of the room in the box that the ellipsoid fills along its tightest axis; relative radii; both (least, most).
FILL, FLATNESS = (0.6, 1.0), (0.6, 1.0)
#: Standard deviation of the bending, as a share of the mean radius, and the number of its knots along an axis.
BEND, KNOTS = 0.12, 4
#: Standard deviation of the texture, as a share of the uptake, and its grain, mm.
TEXTURE, GRAIN_MM = 0.2, 8.0
#: Least ratio of the tumor's uptake to the tissue's 90th percentile, so that the tumor is visible.
LEAST_RISE = 1.6


class RuleBased:
    """Makes a hot bent ellipsoid.

    Args:
        uptake: mean and standard deviation of the natural logarithm of the uptake, SUV.
        settings: settings of the working patch.
    """

    def __init__(self, uptake: tuple[float, float], settings: PatchSettings) -> None:
        self.uptake, self.settings = uptake, settings

    def __call__(self, site: Site, seed: int) -> tuple[sitk.Image, sitk.Image]:
        """Returns image in SUV and 0/1 mask with a tumor of this seed, on the grid of the site."""
        host, rng = host_of(site, self.settings), random_of(site, seed)
        patch = host.placed.patch
        mask = bent_ellipsoid(rng, patch)
        level = float(np.exp(rng.normal(*self.uptake)))
        level = max(level, LEAST_RISE * float(np.percentile(host.tissue[mask], 90)))
        grain = blurred(rng.normal(size=mask.shape), GRAIN_MM, patch)
        uptake = level * np.maximum(1 + TEXTURE * grain / grain.std(), 0)
        hot, weight = (blurred(volume, SCANNER_FWHM_MM, patch) for volume in (mask * uptake, mask))
        return host.with_tumor(host.tissue * (1 - weight) + hot, mask)


def bent_ellipsoid(rng: np.random.Generator, patch: WorkingPatch) -> NDArray[np.bool_]:
    """Returns the mask of a rotated and bent ellipsoid at a random place in the box, (k, j, i)."""
    turn = Rotation.random(rng=rng).as_matrix()
    radii = rng.uniform(*FLATNESS, size=3)
    reach = np.sqrt(turn**2 @ radii**2)  # Half the edges of the box around the ellipsoid.
    room = room_mm(patch)
    radii, reach = (r * float((room / 2 / reach).min()) * rng.uniform(*FILL) for r in (radii, reach))
    center = rng.uniform(-1, 1, 3) * (room / 2 - reach)
    k, j, i = np.indices(patch.grid.size_ijk[::-1])
    middle = (np.asarray(patch.grid.size_ijk) - 1) / 2
    points = (np.stack([i, j, k], axis=-1) - middle) * patch.grid.spacing_mm[0] - center
    zoom = np.asarray(k.shape) / KNOTS
    bend = [ndimage.zoom(rng.normal(size=(KNOTS,) * 3), zoom, order=3, mode="nearest") for _ in range(3)]
    points = points + np.stack(bend, axis=-1) * BEND * radii.mean()
    inside = (((points @ turn) / radii) ** 2).sum(axis=-1) < 1
    within: NDArray[np.bool_] = inside & (patch.box_coverage() > 0.5)
    return within
