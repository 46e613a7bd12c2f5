"""Tumors of methods that make whole patches and know no host, as HA-GAN and MedFusion do.

Such a patch is laid into the box as favorably for the method as seems fair:

- The patch has the smallest of the trained sizes that holds the box and its context.
- A patch without a tumor is made again, up to four times.
- It is turned at random and scaled so that its tumor fits into the box, as a donor of copy-paste is (``fit_donor``).
- Its whole content, the tissue as well, goes into the box, through the window of all rivals.
- Its tissue is brought to the level of the host's tissue. The tumor keeps its uptake.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import SimpleITK as sitk
import torch
from numpy.typing import NDArray

from TumorGenCore.evaluation.rivals.donors import Donor, fit_donor
from TumorGenCore.evaluation.rivals.host import Host, host_of, random_of, soft_weight
from TumorGenCore.evaluation.sites import Site
from TumorGenCore.insertion.change import FAINT_SUV
from TumorGenCore.lesions.avid_part import largest_piece
from TumorGenCore.volumes.geometry import Grid
from TumorGenCore.volumes.patch import PatchSettings, WorkingPatch

__all__ = ["MakePatch", "WholePatches"]

#: Function from the edge of a patch (voxels) and a random generator to SUV and tumor, both (k, j, i).
MakePatch = Callable[[int, torch.Generator], tuple[NDArray[np.float32], NDArray[np.bool_]]]

#: Attempts at a patch with a tumor. Then the tissue stays without one.
_TRIES = 4
#: Weight of the tumor up to which a voxel counts as tissue.
_LITTLE = 0.05


class WholePatches:
    """Lays the whole patches of a method into boxes.

    Args:
        make: makes a patch.
        edges: edges of the patches that the method was trained on, voxels.
        settings: settings of the working patch, whose spacing is that of the training.
    """

    def __init__(self, make: MakePatch, edges: Sequence[int], settings: PatchSettings) -> None:
        self.make, self.edges, self.settings = make, sorted(edges), settings

    def __call__(self, site: Site, seed: int) -> tuple[sitk.Image, sitk.Image]:
        """Returns image in SUV and 0/1 mask with a tumor of this seed, on the grid of the site.

        Without a tumor after four attempts, the mask is empty.
        """
        host, rng = host_of(site, self.settings), random_of(site, seed)
        draws = torch.Generator().manual_seed(int(rng.integers(2**63)))
        for _ in range(_TRIES):
            suv, mask = self._fitted(host.placed.patch, rng, draws)
            if mask.any():
                return host.with_tumor(_leveled(suv, mask, host), mask)
        return host.with_tumor(host.tissue, np.zeros(host.tissue.shape, bool))

    def _fitted(
        self, patch: WorkingPatch, rng: np.random.Generator, draws: torch.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Returns a made patch on the patch of the box; the mask is empty if there is no tumor."""
        edge = next((edge for edge in self.edges if edge >= max(patch.grid.size_ijk)), self.edges[-1])
        suv, mask = self.make(edge, draws)
        if not mask.any():
            return suv, mask
        image = Grid((edge,) * 3, (self.settings.spacing_mm,) * 3).image_from_array(suv)
        # A speck beside the tumor would make the tumor smaller in the box.
        return fit_donor(Donor.of(image, largest_piece(mask)), rng, patch)


def _leveled(suv: NDArray[np.float32], mask: NDArray[np.bool_], host: Host) -> NDArray[np.float32]:
    """Returns a patch with its tissue at the level of the host's tissue in the box."""
    patch = host.placed.patch
    weight = soft_weight(mask, patch)
    tissue = (weight <= _LITTLE) & (patch.box_coverage() > 0)
    if not tissue.any():
        return suv
    here, there = (float(np.median(level[tissue])) for level in (host.tissue, suv))
    gain = (max(here, 0) + FAINT_SUV) / (max(there, 0) + FAINT_SUV)
    return suv * (weight + (1 - weight) * np.float32(gain))
