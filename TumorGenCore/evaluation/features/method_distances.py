"""Frechet distances of several methods that can be compared with each other."""

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
    """``distances`` by the features that need no file of the user's: ``radiomics`` and ``efflite0``.

    Args:
        synthetic: lesions of each method, by its name.
        held_out: real lesions that the training did not see.
        training: real lesions that it saw.
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
    """Frechet distances of every method's lesions to the training lesions, on the same principal components.

    Args:
        synthetic: lesions of each method, by its name.
        held_out: real lesions that the training did not see.
        training: real lesions that it saw.
        load: makes the function from a lesion to its features.
        blocks: names of the equal parts that the features consist of.
        common_unit: see ``Projection.fitted``.

    Returns:
        ``methods``: per method what ``frechet_of_features`` gives, averaged over the blocks, and in ``blocks`` for
        each alone; or ``left_out`` with the reason. Only ``left_out`` where there is no distance at all.
    """

    def measured() -> dict:
        least = min(len(held_out), len(training))
        if least < LEAST_LESIONS:  # Before the features, which take seconds.
            raise LeftOutError(f"{least} real lesions on a side; {LEAST_LESIONS} are needed.")
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
    # Distances on more components are longer: the poorest method sets the number for all.
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
