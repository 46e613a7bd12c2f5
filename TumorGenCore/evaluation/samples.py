"""Samples for the measures of realism: a real or synthetic lesion with its surroundings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from TumorGenCore.evaluation.features.resampling import Rows
from TumorGenCore.evaluation.themes.detection import made_small
from TumorGenCore.method.pseudo_mask import BoxOffsets
from TumorGenCore.training.data.cases import Case
from TumorGenCore.training.data.tumor_masks import tumor_mask
from TumorGenCore.volumes.geometry import Grid
from TumorGenCore.volumes.patch import PatchSettings

__all__ = [
    "LesionSample",
    "feature_rows",
    "largest_lesions",
    "real_lesions",
    "sample_rows",
    "small_lesions",
    "synthetic_lesion",
]

#: Tissue kept around a lesion, mm: enough for the SUVpeak sphere and the profiles of the edge.
MARGIN_MM = 25.0
#: Number of small lesions made from each held-out case, if they fit: most synthetic lesions are small, most real ones
#: are not.
SMALL_LESIONS = 5
#: Edge of the patches for lesions made small, voxels.
_SMALL_PATCH = 48


@dataclass(frozen=True)
class LesionSample:
    """A lesion on its native grid.

    Args:
        name: name in reports.
        patient: patient of the scan; bootstrap intervals draw patients.
        seed: seed of a synthetic lesion; 0 for a real one.
        suv: crop of the scan, float32 (k, j, i).
        mask: (k, j, i), true inside the lesion; empty if no tumor grew.
        spacing_mm: voxel edges along i, j, k.
    """

    name: str
    patient: str
    seed: int
    suv: NDArray[np.float32]
    mask: NDArray[np.bool_]
    spacing_mm: tuple[float, float, float]


def real_lesions(case: Case) -> list[LesionSample]:
    """Returns the tumors of a case, the largest contour first."""
    grid = Grid.from_image(case.image)
    suv = sitk.GetArrayViewFromImage(case.image)
    samples = []
    for n, lesion in enumerate(sorted(case.lesions, key=lambda item: -item.volume_ml)):
        mask = tumor_mask(case, lesion)
        samples.append(_crop(f"{case.name} lesion {n + 1}", case.patient, 0, suv, mask, grid.spacing_mm))
    return samples


def largest_lesions(cases: Sequence[Case]) -> list[LesionSample]:
    """Returns the largest lesion of every case that has one; evaluations place their boxes over these."""
    return [real_lesions(case)[0] for case in cases if case.lesions]


def small_lesions(case: Case, patch: PatchSettings, count: int = SMALL_LESIONS) -> list[LesionSample]:
    """Makes the tumors of a case small (``detection.made_small``), on voxels of the size of the case's voxels.

    Args:
        case: case with tumors and healthy tissue; the result is empty without either.
        patch: working patch of the bundle, which provides the spacing.
        count: number of attempts; there are fewer lesions if one fits nowhere.
    """
    spacing = Grid.from_image(case.image).spacing_mm
    samples = []
    for scan in made_small(case, patch, BoxOffsets(), _SMALL_PATCH, count, seed=0):
        zoom = scan.voxel_ml ** (1 / 3) * 10 / np.asarray(spacing[::-1])
        suv, mask = (ndimage.zoom(values.astype(np.float32), zoom, order=1) for values in (scan.suv, scan.truth))
        if (mask > 0.5).any():
            samples.append(_crop(scan.name, case.patient, 0, suv, mask > 0.5, spacing))
    return samples


def synthetic_lesion(name: str, patient: str, seed: int, image: sitk.Image, mask: sitk.Image) -> LesionSample:
    """Returns the tumor inserted at a site, with all its parts.

    Args:
        name: name of the site.
        patient: patient of the scan.
        seed: seed of the tumor.
        image: synthetic image, SUV.
        mask: above 0 inside the tumor, on the grid of the image; empty if none grew.
    """
    suv, inside = sitk.GetArrayViewFromImage(image), sitk.GetArrayViewFromImage(mask) > 0
    return _crop(f"{name} seed {seed}", patient, seed, suv, inside, Grid.from_image(image).spacing_mm)


def feature_rows(samples: Sequence[LesionSample], features: Callable[[LesionSample], NDArray[np.float64]]) -> Rows:
    """Computes the features of every lesion, (d,) each, and adds its patient and seed."""
    return sample_rows(samples, np.stack([features(s) for s in samples]) if samples else np.zeros((0, 1)))


def sample_rows(samples: Sequence[LesionSample], values: NDArray) -> Rows:
    """Joins values (n, d) of n lesions with the patient and the seed of each."""
    return Rows(np.array([s.patient for s in samples]), np.array([s.seed for s in samples]), values)


def _crop(
    name: str, patient: str, seed: int, suv: NDArray, mask: NDArray[np.bool_], spacing: tuple[float, float, float]
) -> LesionSample:
    slices = []
    for axis in range(3):
        hit = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        margin = int(np.ceil(MARGIN_MM / spacing[2 - axis]))
        slices.append(slice(max(0, hit[0] - margin), hit[-1] + 1 + margin) if len(hit) else slice(0, 1))
    where = tuple(slices)
    return LesionSample(name, patient, seed, suv[where].astype(np.float32), mask[where].copy(), spacing)
