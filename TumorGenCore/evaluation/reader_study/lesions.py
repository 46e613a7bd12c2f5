"""One lesion of a reader study: a cube of the scan around it, turned and mirrored at random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from TumorGenCore.lesions.extent import around
from TumorGenCore.training.data.cases import Case, Lesion
from TumorGenCore.training.data.tumor_masks import tumor_mask
from TumorGenCore.volumes.geometry import Box, Grid
from TumorGenCore.volumes.patch import WorkingPatch

__all__ = ["EDGE_VOXELS", "SMALL_ML", "StudyLesion", "Truth", "lesion_as_drawn", "study_lesion"]

Truth = Literal["real", "synthetic"]

#: Lesions below this volume are called small, ml.
SMALL_ML = 10.0
#: Smaller lesions are not shown, because they are a few voxels; nor those that lie nearer to the edge of the scan, mm.
_LEAST_ML, _EDGE_MM = 1.0, 8.0
#: Edge of every cube, voxels.
EDGE_VOXELS = 64
#: Voxel edges to choose from, mm. Few steps, so that the scale tells little about the lesion.
_SPACINGS_MM = (2.0, 3.0, 4.0)
#: Tissue to show on each side of the lesion if a cube can hold it, and the largest shift of the lesion, mm.
_MARGIN_MM, _SHIFT_MM = 20.0, 6.0
#: Spread of the tilt, radians.
_TILT = 0.12


@dataclass(frozen=True)
class StudyLesion:
    """A lesion as a reader sees it, and what only the key says.

    Args:
        truth: ``real`` or ``synthetic``.
        made: how it came about, in words.
        case: name of the scan.
        patient: patient of the scan.
        volume_ml: volume of the lesion.
        suv_max: highest SUV in the lesion.
        suv: the cube, float32 (k, j, i), ``EDGE_VOXELS`` on each axis, 0 outside the scan.
        spacing_mm: edge of its voxels.
        quality: total quality of a synthetic tumor, 0 to 1; None if nobody scored it.
    """

    truth: Truth
    made: str
    case: str
    patient: str
    volume_ml: float
    suv_max: float
    suv: NDArray[np.float32]
    spacing_mm: float
    quality: float | None = None

    @property
    def size(self) -> Literal["small", "large"]:
        """``small`` below ``SMALL_ML``, else ``large``."""
        return "small" if self.volume_ml < SMALL_ML else "large"


def study_lesion(
    truth: Truth, made: str, case: Case, image: sitk.Image, inside: NDArray[np.bool_], rng: np.random.Generator
) -> StudyLesion | None:
    """Cuts a lesion out of a scan. Real and synthetic lesions go through the same steps with the same draws.

    The lesion lies up to 6 mm from the center. The cube is turned about the long axis of the body by 0, 90, 180 or
    270 degrees, mirrored along any axis and tilted by a few degrees, so that a reader does not recognize a place that
    was shown before.

    Args:
        truth: whether the lesion is real.
        made: how it came about, in words.
        case: gives the names of scan and patient.
        image: the scan with the lesion, SUV.
        inside: (k, j, i) on its grid, true in the lesion.
        rng: draws the view.

    Returns:
        The lesion; None if it has less than 1 ml or lies within 8 mm of the edge of the scan, which would cut it.
    """
    grid = Grid.from_image(image)
    volume_ml = float(inside.sum() * np.prod(grid.spacing_mm)) / 1000
    if volume_ml < _LEAST_ML:
        return None
    block = around(inside)
    room = [min(part.start, size - part.stop) for part, size in zip(block, inside.shape, strict=True)]
    if min(np.multiply(room, grid.spacing_mm[::-1])) < _EDGE_MM:
        return None
    start = np.array([part.start for part in block])
    points = grid.index_to_lps((np.argwhere(inside[block]) + start)[:, ::-1])
    low, high = points.min(axis=0), points.max(axis=0)
    need_mm = float((high - low).max()) + 2 * _MARGIN_MM
    spacing = next((mm for mm in _SPACINGS_MM if mm * EDGE_VOXELS >= need_mm), _SPACINGS_MM[-1])
    center = (low + high) / 2 + rng.uniform(-_SHIFT_MM, _SHIFT_MM, size=3)
    turn = Rotation.from_euler("z", 90 * int(rng.integers(4)), degrees=True)
    tilt = Rotation.from_rotvec(rng.normal(size=3) * _TILT)
    axes = (tilt * turn).as_matrix() * rng.choice([-1.0, 1.0], size=3)
    edge = spacing * EDGE_VOXELS
    box = Box(tuple(center.tolist()), (edge, edge, edge), axes.tolist())
    patch = WorkingPatch.of_size(box, (EDGE_VOXELS,) * 3, spacing)
    suv = np.maximum(patch.sample(image), np.float32(0)) * patch.inside(grid)
    suv_max = float(sitk.GetArrayViewFromImage(image)[block][inside[block]].max())
    return StudyLesion(truth, made, case.name, case.patient, volume_ml, suv_max, suv, spacing)


def lesion_as_drawn(
    truth: Truth, made: str, case: Case, lesion: Lesion, rng: np.random.Generator
) -> StudyLesion | None:
    """Cuts out a lesion of a case's mask, of which the part with tracer uptake counts; see ``study_lesion``."""
    return study_lesion(truth, made, case, case.image, tumor_mask(case, lesion), rng)
