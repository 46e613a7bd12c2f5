"""Real tumors of training patients, turned and scaled to fit a box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from TumorGenCore.errors import TrainingDataError
from TumorGenCore.evaluation.rivals.host import SCANNER_FWHM_MM, blurred, room_mm
from TumorGenCore.method.pseudo_mask import tight_box
from TumorGenCore.training.data.cases import Case
from TumorGenCore.training.data.tumor_masks import tumor_mask
from TumorGenCore.volumes.geometry import Box, Grid
from TumorGenCore.volumes.patch import WorkingPatch

__all__ = ["Donors"]

#: Tumors that hardly stand out are not pasted (``Lesion.contrast``), as training transplants none.
LEAST_CONTRAST = 0.75
#: Share of the room in the box that the tumor takes along the axis it fills most, (least, most).
FILL = (0.6, 1.0)
#: Tumors grow no further than this: a nodule of twice its size would be a blurred one.
MOST_GROWTH = 1.3
_TRIES = 8


@dataclass(frozen=True)
class _Donor:
    """A tumor: its scan, its mask (float32, 0/1) on the scan's grid, and the centers of its voxels, (n, 3), LPS mm."""

    image: sitk.Image
    mask: sitk.Image
    points_lps: NDArray[np.float64]


class Donors:
    """The tumors of training cases; each patient gives as many as any other.

    Args:
        cases: none of them evaluated.

    Raises:
        TrainingDataError: no case has a tumor that stands out.
    """

    def __init__(self, cases: Sequence[Case]) -> None:
        by_patient: dict[str, list[_Donor]] = {}
        for case in cases:
            grid = Grid.from_image(case.image)
            for lesion in case.lesions:
                if lesion.contrast >= LEAST_CONTRAST:
                    mask = tumor_mask(case, lesion)
                    points = grid.index_to_lps(np.argwhere(mask)[:, ::-1])
                    donor = _Donor(case.image, grid.image_from_array(mask.astype(np.float32)), points)
                    by_patient.setdefault(case.patient, []).append(donor)
        if not by_patient:
            raise TrainingDataError(
                "None of the cases that the bundle was trained on lies in the data folder with a tumor; copy-paste "
                "needs them."
            )
        self._by_patient = list(by_patient.values())

    def fitted(self, rng: np.random.Generator, patch: WorkingPatch) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """A tumor with its surroundings, SUV, and its mask, both on the patch, (k, j, i).

        It is turned at random and takes 60 to 100 % of the room in the box, anywhere in it; the uptake is its own,
        blurred again where shrinking made it too sharp.

        Raises:
            TrainingDataError: all tumors that were tried vanish in this box.
        """
        for _ in range(_TRIES):
            of_one = self._by_patient[rng.integers(len(self._by_patient))]
            suv, mask = _fit(of_one[rng.integers(len(of_one))], rng, patch)
            if mask.any():
                return suv, mask
        raise TrainingDataError(f"No tumor of the training cases fits a box of {patch.box.size_mm} mm.")

    def shape(self, rng: np.random.Generator, patch: WorkingPatch) -> NDArray[np.bool_]:
        """The mask alone; see ``fitted``."""
        return self.fitted(rng, patch)[1]

    def uptake(self) -> tuple[float, float]:
        """Mean and deviation of the natural logarithm of the tumors' 95th percentile SUV."""
        levels = []
        for donors in self._by_patient:
            for donor in donors:
                inside = sitk.GetArrayViewFromImage(donor.mask) > 0
                levels.append(np.percentile(sitk.GetArrayViewFromImage(donor.image)[inside], 95))
        return float(np.log(levels).mean()), float(np.log(levels).std())


def _fit(donor: _Donor, rng: np.random.Generator, patch: WorkingPatch) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    axes = Rotation.random(rng=rng).as_matrix() * rng.choice([-1.0, 1.0], size=3)
    tight = tight_box(donor.points_lps, axes, float(np.mean(donor.image.GetSpacing())))
    room, extent = room_mm(patch), np.asarray(tight.size_mm)
    scale = min(float((room / extent).min()) * rng.uniform(*FILL), MOST_GROWTH)
    shift = rng.uniform(-0.5, 0.5, 3) * (room - scale * extent)
    x, y, z = tight.to_lps(-shift / scale)
    around = WorkingPatch.of_size(
        Box((x, y, z), tight.size_mm, tight.axes), patch.grid.size_ijk, patch.grid.spacing_mm[0] / scale
    )
    # Beyond its edges a scan is mirrored, and so would be the tumor.
    mask = (around.sample(donor.mask) > 0.5) & around.inside(Grid.from_image(donor.mask))
    suv = around.sample(donor.image)
    if scale < 1:
        suv = blurred(suv, SCANNER_FWHM_MM * float(np.sqrt(1 - scale**2)), patch)
    return suv, mask
