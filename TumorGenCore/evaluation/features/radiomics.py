"""Radiomics of a lesion with MIRP, which follows the Image Biomarker Standardization Initiative."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from TumorGenCore.evaluation.features.left_out import LeftOutError
from TumorGenCore.evaluation.features.lesion_shape import sphericity
from TumorGenCore.evaluation.samples import LesionSample

__all__ = ["load_radiomics", "radiomics"]

#: Isotropic spacing for texture, mm, and the width of a gray level, SUV.
SPACING_MM = 4.0
BIN_SUV = 0.5
#: Upper limit of the SUV: a defective bundle must not cause millions of gray levels.
TOP_SUV = 100.0
#: First-order statistics, gray level co-occurrence, run lengths and size zones.
FAMILIES = ["statistics", "glcm", "rlm", "szm"]
#: Least number of voxels for texture.
LEAST_VOXELS = 16


def load_radiomics() -> Callable[[LesionSample], NDArray[np.float64]]:
    """Returns ``radiomics`` if MIRP is installed.

    Raises:
        LeftOutError: MIRP is not installed.
    """
    if find_spec("mirp") is None:
        raise LeftOutError("mirp is not installed; pip install 'tumorgen[evaluate]'.")
    return radiomics


def radiomics(sample: LesionSample) -> NDArray[np.float64]:
    """Measures the features of a lesion: those of MIRP, then the logarithm of the volume and the sphericity.

    MIRP's features pass through asinh: several grow with a high power of the uptake, but a Frechet distance assumes
    Gaussians. MIRP's shape features are not used, because they take seconds per lesion.

    Returns:
        Features, (d,), with the same length for every lesion; all NaN if the lesion is too small for texture.
    """
    suv, mask = _isotropic(sample)
    suv = np.clip(suv, 0, TOP_SUV)
    if mask.sum() < LEAST_VOXELS:
        return np.full(_feature_count(), np.nan)
    texture = np.arcsinh(_mirp(suv, mask))
    volume = np.log(float(sample.mask.sum() * np.prod(sample.spacing_mm)))
    return np.append(texture, [volume, sphericity(sample.mask, sample.spacing_mm)])


def _feature_count() -> int:
    ball = (np.indices((9, 9, 9)) - 4) ** 2
    mask = ball.sum(axis=0) <= 9
    return len(_mirp(ball.sum(axis=0).astype(np.float32), mask)) + 2


def _mirp(suv: NDArray, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    # Imported here, because the import takes seconds and the package is optional.
    from mirp import extract_features

    quiet = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = extract_features(
                image=suv,
                mask=mask.astype(np.uint8),
                num_cpus=1,  # This process alone, even if the user has a cluster.
                image_modality="pet",
                by_slice=False,
                resegmentation_intensity_range=[0.0, np.nan],
                base_feature_families=FAMILIES,
                base_discretisation_method="fixed_bin_size",
                base_discretisation_bin_width=BIN_SUV,
                glcm_spatial_method="3d_volume_merge",
                glrlm_spatial_method="3d_volume_merge",
            )[0]
    finally:
        logging.disable(quiet)
    names = [name for name in table.columns if name.startswith(("stat_", "cm_", "rlm_", "szm_"))]
    return table[names].to_numpy(dtype=np.float64)[0]


def _isotropic(sample: LesionSample) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Resamples uptake and mask to 4 mm, (k, j, i)."""
    arrays = []
    for array in (sample.suv, sample.mask.astype(np.float32)):
        image = sitk.GetImageFromArray(array)
        image.SetSpacing(sample.spacing_mm)
        size = [
            max(1, round(n * step / SPACING_MM)) for n, step in zip(image.GetSize(), sample.spacing_mm, strict=True)
        ]
        arrays.append(
            sitk.GetArrayFromImage(
                sitk.Resample(
                    image,
                    size,
                    sitk.Transform(3, sitk.sitkIdentity),
                    sitk.sitkLinear,
                    (0.0, 0.0, 0.0),
                    [SPACING_MM] * 3,
                    (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0),
                    0.0,
                    sitk.sitkFloat32,
                )
            )
        )
    return arrays[0], arrays[1] > 0.5
