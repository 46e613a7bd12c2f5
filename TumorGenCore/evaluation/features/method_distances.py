"""Frechet distances of several methods, comparable with each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from TumorGenCore.evaluation.features.frechet import frechet_of_features, most_components
from TumorGenCore.evaluation.features.left_out import LeftOutError, or_reason
from TumorGenCore.evaluation.features.radiomics import load_radiomics
from TumorGenCore.evaluation.features.resampling import LEAST_LESIONS, Rows
from TumorGenCore.evaluation.features.slice_features import PLANES, load_slice_features
from TumorGenCore.evaluation.samples import LesionSample, feature_rows

__all__ = ["distances", "every_distance"]


def every_distance(
    synthetic: Mapping[str, Sequence[LesionSample]],
    held_out: Sequence[LesionSample],
    training: Sequence[LesionSample],
) -> dict:
    """Measures ``distances`` with the features that need no file from the user: ``radiomics`` and ``efflite0``.

    Args:
        synthetic: lesions of each method, by its name.
        held_out: held-out real lesions.
        training: real lesions of the training.
    """
    return {
        "radiomics": distances(synthetic, held_out, training, load_radiomics, ("all",)),
        "efflite0": distances(synthetic, held_out, training, load_slice_features, PLANES, common_unit=True),
    }


def distances(
    synthetic: Mapping[str, Sequence[LesionSample]],
    held_out: Sequence[LesionSample],
    training: Sequence[LesionSample],
    load: Callable[[], Callable[[LesionSample], NDArray[np.float64]]],
    blocks: Sequence[str],
    common_unit: bool = False,
) -> dict:
    """Measures Frechet distances of all methods to the training lesions, on the same principal components.

    Args:
        synthetic: lesions of each method, by its name.
        held_out: held-out real lesions.
        training: real lesions of the training.
        load: returns a function from a lesion to its features.
        blocks: names of the blocks of equal length in the features.
        common_unit: see ``Projection.fitted``.

    Returns:
        ``methods``: for each method the result of ``frechet_of_features``, averaged over the blocks, with ``blocks``
        for each block alone; or ``left_out`` with the reason. If there is no distance at all, only ``left_out``.
    """

    def measured() -> dict:
        least = min(len(held_out), len(training))
        if least < LEAST_LESIONS:  # Before the features, which take seconds.
            raise LeftOutError(f"One side has only {least} real lesions; it needs {LEAST_LESIONS}.")
        features = load()
        real = feature_rows(held_out, features), feature_rows(training, features)
        rows = {method: feature_rows(lesions, features) for method, lesions in synthetic.items()}
        return {"methods": _of_methods(rows, *real, blocks, common_unit)}

    return or_reason(measured)


def _of_methods(
    synthetic: Mapping[str, Rows], held_out: Rows, training: Rows, blocks: Sequence[str], common_unit: bool
) -> dict:
    reasons, most = {}, {}
    for method, rows in synthetic.items():
        try:
            most[method] = most_components(rows, held_out, training, len(blocks))
        except LeftOutError as reason:
            reasons[method] = {"left_out": str(reason)}
    # More components mean larger distances, so the method with the fewest lesions sets the number for all.
    components = min(most.values(), default=0)
    return {
        method: reasons.get(method) or _of_method(rows, held_out, training, blocks, components, common_unit)
        for method, rows in synthetic.items()
    }


def _of_method(
    synthetic: Rows, held_out: Rows, training: Rows, blocks: Sequence[str], components: int, common_unit: bool
) -> dict:
    parts = len(blocks)
    measure = partial(frechet_of_features, components=components, common_unit=common_unit)
    split = [_split(rows, parts) for rows in (synthetic, held_out, training)]
    alone = [measure(a, b, c) for a, b, c in zip(*split, strict=True)]
    together = measure(synthetic, held_out, training, parts)
    return {**together, "blocks": dict(zip(blocks, alone, strict=True))}


def _split(rows: Rows, parts: int) -> list[Rows]:
    return [Rows(rows.patients, rows.seeds, values) for values in np.split(rows.values, parts, axis=1)]
