"""Real tumors of training patients, rotated and scaled to fit a box."""

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

__all__ = ["Donor", "Donors", "fit_donor"]

#: Least contrast of a donor (``Lesion.contrast``), the same as for transplants in training.
LEAST_CONTRAST = 0.75
#: Share of the room in the box that the tumor fills along its tightest axis, (least, most).
FILL = (0.6, 1.0)
#: Largest magnification: a nodule at twice its size would look blurred.
MOST_GROWTH = 1.3
_TRIES = 8


@dataclass(frozen=True)
class Donor:
    """A tumor: its scan, its mask (float32, 0/1) on the grid of the scan, and its voxel centers, (n, 3), LPS mm."""

    image: sitk.Image
    mask: sitk.Image
    points_lps: NDArray[np.float64]

    @classmethod
    def of(cls, image: sitk.Image, mask: NDArray[np.bool_]) -> Donor:
        """Returns the tumor of a scan from its mask, (k, j, i), which is not empty."""
        grid = Grid.from_image(image)
        points = grid.index_to_lps(np.argwhere(mask)[:, ::-1])
        return cls(image, grid.image_from_array(mask.astype(np.float32)), points)


class Donors:
    """The tumors of training cases; all patients are drawn equally often.

    Args:
        cases: training cases, none of them in the evaluation.

    Raises:
        TrainingDataError: no case has a tumor with enough contrast.
    """

    def __init__(self, cases: Sequence[Case]) -> None:
        by_patient: dict[str, list[Donor]] = {}
        for case in cases:
            for lesion in case.lesions:
                if lesion.contrast >= LEAST_CONTRAST:
                    donor = Donor.of(case.image, tumor_mask(case, lesion))
                    by_patient.setdefault(case.patient, []).append(donor)
        if not by_patient:
            raise TrainingDataError(
                "The data folder has no training case of the bundle with a clear tumor, which copy-paste needs; add "
                "these cases."
            )
        self._by_patient = list(by_patient.values())

    def fitted(self, rng: np.random.Generator, patch: WorkingPatch) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Returns a tumor with its surroundings, SUV, and its mask, both on the patch, (k, j, i).

        The tumor has a random orientation and position, and fills 60 to 100 % of the room in the box, unless it would
        have to grow too much. It keeps its own uptake, which is blurred again if the tumor was shrunk.

        Raises:
            TrainingDataError: every attempted tumor vanishes in this box.
        """
        for _ in range(_TRIES):
            of_one = self._by_patient[rng.integers(len(self._by_patient))]
            suv, mask = fit_donor(of_one[rng.integers(len(of_one))], rng, patch)
            if mask.any():
                return suv, mask
        raise TrainingDataError(f"No tumor of the training cases fits a box of {patch.box.size_mm} mm; enlarge it.")

    def shape(self, rng: np.random.Generator, patch: WorkingPatch) -> NDArray[np.bool_]:
        """Returns the mask alone; see ``fitted``."""
        return self.fitted(rng, patch)[1]

    def uptake(self) -> tuple[float, float]:
        """Mean and standard deviation of the natural logarithm of the tumors' 95th percentile SUV."""
        levels = []
        for donors in self._by_patient:
            for donor in donors:
                inside = sitk.GetArrayViewFromImage(donor.mask) > 0
                levels.append(np.percentile(sitk.GetArrayViewFromImage(donor.image)[inside], 95))
        return float(np.log(levels).mean()), float(np.log(levels).std())


def fit_donor(
    donor: Donor, rng: np.random.Generator, patch: WorkingPatch
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Returns a tumor as ``Donors.fitted`` does; its mask may be empty, if the tumor is too small for the patch."""
    axes = Rotation.random(rng=rng).as_matrix() * rng.choice([-1.0, 1.0], size=3)
    tight = tight_box(donor.points_lps, axes, float(np.mean(donor.image.GetSpacing())))
    room, extent = room_mm(patch), np.asarray(tight.size_mm)
    scale = min(float((room / extent).min()) * rng.uniform(*FILL), MOST_GROWTH)
    shift = rng.uniform(-0.5, 0.5, 3) * (room - scale * extent)
    x, y, z = tight.to_lps(-shift / scale)
    around = WorkingPatch.of_size(
        Box((x, y, z), tight.size_mm, tight.axes), patch.grid.size_ijk, patch.grid.spacing_mm[0] / scale
    )
    # Sampling mirrors a scan beyond its edges, and would mirror the tumor too.
    mask = (around.sample(donor.mask) > 0.5) & around.inside(Grid.from_image(donor.mask))
    suv = around.sample(donor.image)
    if scale < 1:
        suv = blurred(suv, SCANNER_FWHM_MM * float(np.sqrt(1 - scale**2)), patch)
    return suv, mask
