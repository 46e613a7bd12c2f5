"""Features of slices for the two-sample test."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from TumorGenCore.evaluation.features.slice_features import SliceFeatures
from TumorGenCore.evaluation.samples import LesionSample
from TumorGenCore.evaluation.two_sample.boxed import BoxedLesion
from TumorGenCore.evaluation.two_sample.comparison import Slices

__all__ = ["boxed_slices"]


def boxed_slices(features: SliceFeatures) -> Slices:
    """Returns a function from a lesion in its box to the features of its slices, (d,); NaN if no tumor grew.

    Args:
        features: see ``slice_features``.
    """

    def measure(lesion: BoxedLesion) -> NDArray[np.float64]:
        return features(LesionSample("", lesion.patient, lesion.seed, lesion.suv, lesion.mask, lesion.spacing_mm))

    return measure
