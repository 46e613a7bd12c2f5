"""Scans with their tumors, and patches of them at their own size for a segmenter to learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from TumorGenCore.errors import TrainingDataError
from TumorGenCore.training.data.cases import Case, voxels_at
from TumorGenCore.training.data.tumor_masks import case_tumors
from TumorGenCore.volumes.geometry import Box, Grid
from TumorGenCore.volumes.patch import WorkingPatch

__all__ = ["LabeledScan", "PatchPicker", "labeled", "tissue_only"]

#: Share of patches that are centered near a tumor; the others show tissue.
TUMOR_SHARE = 0.6
#: Of the tumors, where there are synthetic ones.
SYNTHETIC_SHARE = 0.5
#: A tumor lies up to so far from its patch's middle, mm, along each axis.
OFF_CENTER_MM = 20.0
#: Voxels of a patch over the usual spacing (least, most), and the log-normal spread of its SUV.
ZOOM, GAIN_SPREAD = (0.7, 1.3), 0.2
_TRIES = 50


@dataclass(frozen=True)
class LabeledScan:
    """What a segmenter may learn from.

    Args:
        name: of the scan.
        image: SUV.
        tumors: 0/1 on its grid.
        tumor_lps: their voxels' centers, (n, 3), mm; none for a scan that shows tissue only.
        tissue_lps: centers that a patch of tissue may have, (n, 3), mm.
        avoid: 0/1 on its grid: disease that is not among ``tumors``, hence never shown; None where there is none.
    """

    name: str
    image: sitk.Image
    tumors: sitk.Image
    tumor_lps: NDArray[np.float64]
    tissue_lps: NDArray[np.float64]
    avoid: sitk.Image | None = None


def labeled(case: Case) -> LabeledScan:
    """A case with its tumors."""
    tumors = case_tumors(case)
    points = Grid.from_image(tumors).index_to_lps(np.argwhere(sitk.GetArrayViewFromImage(tumors) > 0)[:, ::-1])
    return LabeledScan(case.name, case.image, tumors, points, case.body_lps)


def tissue_only(case: Case, excluded_lps_mm: Sequence[Sequence[float]] = ()) -> LabeledScan:
    """A case's healthy tissue. Its tumors are not shown, and neither is disease that nobody contoured.

    Args:
        case: the scan.
        excluded_lps_mm: boxes (x0, x1, y0, y1, z0, z1) with such disease, LPS mm.
    """
    grid = Grid.from_image(case.image)
    avoid = sitk.GetArrayFromImage(case.mask) > 0
    for box in excluded_lps_mm:
        low, high = np.asarray(box[0::2]), np.asarray(box[1::2])
        inside = np.all((case.body_lps >= low) & (case.body_lps <= high), axis=1)
        avoid |= voxels_at(case.body_lps[inside], grid)
    image = grid.image_from_array(avoid.astype(np.uint8)) if avoid.any() else None
    return LabeledScan(
        case.name, case.image, grid.empty_image(sitk.sitkUInt8), np.empty((0, 3)), case.healthy_lps, image
    )


class PatchPicker:
    """Patches by index: six in ten near a tumor, the others tissue.

    The tissue does not depend on the synthetic tumors, so that what differs with them is the tumors alone.

    Args:
        real: scans with real tumors.
        synthetic: scans with synthetic ones; half of the tumors shown, where there are any.
        tissue: scans whose tissue is shown.
        spacing_mm: of the patches, before augmentation.
        seed: with an index, decides a patch.

    Raises:
        TrainingDataError: no real tumor, or no tissue.
    """

    def __init__(
        self,
        real: Sequence[LabeledScan],
        synthetic: Sequence[LabeledScan],
        tissue: Sequence[LabeledScan],
        spacing_mm: float,
        seed: int,
    ) -> None:
        self.real, self.synthetic = ([s for s in scans if len(s.tumor_lps)] for scans in (real, synthetic))
        self.tissue = [scan for scan in tissue if len(scan.tissue_lps)]
        self.spacing_mm, self.seed = spacing_mm, seed
        if not self.real or not self.tissue:
            raise TrainingDataError("There is no real tumor or no tissue to show; add cases.")

    def scene(self, index: int, size: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Patch ``index``.

        Args:
            index: with the seed, decides the patch.
            size: voxels along each axis.

        Returns:
            SUV and mask, 0/1, both (k, j, i).

        Raises:
            TrainingDataError: all patches that were tried show what shall be avoided.
        """
        rng = np.random.default_rng([self.seed, 6, index])
        show_tumor = rng.random() < TUMOR_SHARE
        scans = self.tissue
        if show_tumor:
            scans = self.synthetic if self.synthetic and rng.random() < SYNTHETIC_SHARE else self.real
        for _ in range(_TRIES):
            scan = scans[rng.integers(len(scans))]
            patch = self._patch(rng, scan.tumor_lps if show_tumor else scan.tissue_lps, show_tumor, size)
            if scan.avoid is None or not (patch.sample(scan.avoid) > 0).any():
                gain = np.float32(np.exp(rng.normal() * GAIN_SPREAD))
                return gain * patch.sample(scan.image), (patch.sample(scan.tumors) > 0.5).astype(np.float32)
        raise TrainingDataError(
            f"No patch of {size * self.spacing_mm:.0f} mm was found that keeps clear of excluded disease; exclude less."
        )

    def _patch(self, rng: np.random.Generator, points_lps: NDArray, off_center: bool, size: int) -> WorkingPatch:
        center = points_lps[rng.integers(len(points_lps))]
        if off_center:
            center = center + rng.uniform(-OFF_CENTER_MM, OFF_CENTER_MM, 3)
        axes = Rotation.random(rng=rng).as_matrix() * rng.choice([-1.0, 1.0], size=3)
        box = Box(tuple(center.tolist()), (10.0, 10.0, 10.0), tuple(map(tuple, axes.tolist())))  # type: ignore[arg-type]
        return WorkingPatch.of_size(box, (size,) * 3, self.spacing_mm * rng.uniform(*ZOOM))
