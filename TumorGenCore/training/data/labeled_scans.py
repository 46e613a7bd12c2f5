"""Scans with their tumors, and patches from them that train a segmenter with tumors at their own size."""

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

#: Share of patches with their center near a tumor; the others show tissue.
TUMOR_SHARE = 0.6
#: Share of synthetic tumors among the tumors shown, if there are synthetic ones.
SYNTHETIC_SHARE = 0.5
#: Largest distance of the tumor from the center of its patch, mm along each axis.
OFF_CENTER_MM = 20.0
#: Factor on the spacing of a patch (least, most), and log-normal spread of a factor on its SUV.
ZOOM, GAIN_SPREAD = (0.7, 1.3), 0.2
_TRIES = 50


@dataclass(frozen=True)
class LabeledScan:
    """A scan from which a segmenter may learn.

    Args:
        name: name of the scan.
        image: SUV.
        tumors: the tumors, 0/1 on the grid of ``image``.
        tumor_lps: centers of the tumors' voxels, (n, 3), mm; empty for a scan that shows tissue only.
        tissue_lps: possible centers of a tissue patch, (n, 3), mm.
        avoid: disease that is not in ``tumors`` and must not be shown, 0/1 on the grid of ``image``; None if there is
            none.
    """

    name: str
    image: sitk.Image
    tumors: sitk.Image
    tumor_lps: NDArray[np.float64]
    tissue_lps: NDArray[np.float64]
    avoid: sitk.Image | None = None


def labeled(case: Case) -> LabeledScan:
    """Returns a case as a scan with its tumors."""
    tumors = case_tumors(case)
    points = Grid.from_image(tumors).index_to_lps(np.argwhere(sitk.GetArrayViewFromImage(tumors) > 0)[:, ::-1])
    return LabeledScan(case.name, case.image, tumors, points, case.body_lps)


def tissue_only(case: Case, excluded_lps_mm: Sequence[Sequence[float]] = ()) -> LabeledScan:
    """Returns a case as a scan of healthy tissue, without its tumors and without disease that has no contour.

    Args:
        case: the scan.
        excluded_lps_mm: boxes (x0, x1, y0, y1, z0, z1; LPS mm) around disease without a contour.
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
    """Makes patches by index: six in ten lie near a tumor, the others show tissue.

    The tissue does not depend on the synthetic tumors. So trainings with and without them differ in the tumors alone.

    Args:
        real: scans with real tumors.
        synthetic: scans with synthetic tumors; if there are any, they make up half of the tumors shown.
        tissue: scans whose tissue is shown.
        spacing_mm: spacing of the patches before augmentation.
        seed: decides a patch together with its index.

    Raises:
        TrainingDataError: there is no real tumor or no tissue.
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
            raise TrainingDataError("The cases have no real tumor or no tissue to show; add cases.")

    def scene(self, index: int, size: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Makes patch ``index``.

        Args:
            index: decides the patch together with the seed.
            size: voxels along each axis.

        Returns:
            SUV and mask, 0/1, both (k, j, i).

        Raises:
            TrainingDataError: every attempted patch shows excluded disease.
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
            f"No patch of {size * self.spacing_mm:.0f} mm without excluded disease was found; exclude smaller regions."
        )

    def _patch(self, rng: np.random.Generator, points_lps: NDArray, off_center: bool, size: int) -> WorkingPatch:
        center = points_lps[rng.integers(len(points_lps))]
        if off_center:
            center = center + rng.uniform(-OFF_CENTER_MM, OFF_CENTER_MM, 3)
        axes = Rotation.random(rng=rng).as_matrix() * rng.choice([-1.0, 1.0], size=3)
        box = Box(tuple(center.tolist()), (10.0, 10.0, 10.0), tuple(map(tuple, axes.tolist())))  # type: ignore[arg-type]
        return WorkingPatch.of_size(box, (size,) * 3, self.spacing_mm * rng.uniform(*ZOOM))
