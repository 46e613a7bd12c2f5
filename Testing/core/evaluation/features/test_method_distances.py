"""Frechet distances of several methods, comparable with each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from TumorGenCore.evaluation.features.left_out import LeftOutError
from TumorGenCore.evaluation.features.method_distances import distances
from TumorGenCore.evaluation.samples import LesionSample


def ball(radius: float, patient: str, seed: int = 0) -> LesionSample:
    """A lesion with a measurable radius."""
    distance = np.sqrt(((np.indices((24, 24, 24)) - 11.5) ** 2).sum(axis=0))
    mask = distance <= radius
    return LesionSample(patient, patient, seed, mask.astype(np.float32), mask, (4.0, 4.0, 4.0))


def load_size():
    """Two blocks, each with the radius and noise that depends on the lesion only."""

    def features(sample: LesionSample) -> np.ndarray:
        if not sample.mask.any():
            return np.full(4, np.nan)
        rng = np.random.default_rng(int(sample.mask.sum()))
        radius = np.cbrt(sample.mask.sum())
        return np.array([radius, rng.normal(), 2 * radius, rng.normal()])

    return features


def balls(radii: np.ndarray, letter: str) -> list[LesionSample]:
    return [ball(radius, f"{letter}{n}") for n, radius in enumerate(radii)]


def test_distances_of_methods_are_on_one_scale_and_tell_them_apart() -> None:
    rng = np.random.default_rng(0)
    held_out, training = balls(rng.uniform(4, 8, 8), "H"), balls(rng.uniform(4, 8, 20), "T")
    like, unlike = balls(rng.uniform(4, 8, 8), "H"), balls(rng.uniform(9, 11, 8), "H")
    gone = [replace(lesion, mask=np.zeros_like(lesion.mask)) for lesion in like[:5]]
    synthetic = {"like": like, "unlike": unlike, "poor": [*gone, *like[5:]], "fewer": like[:5]}
    found = distances(synthetic, held_out, training, load_size, ("first", "second"))["methods"]
    assert list(found) == ["like", "unlike", "poor", "fewer"]
    assert "has 3 lesions" in found["poor"]["left_out"]
    known = [found[method] for method in ("like", "unlike", "fewer")]
    # The method with the fewest lesions limits the components, so all methods have one floor.
    assert {row["components"] for row in known} == {2}
    assert len({row["floor"] for row in known}) == 1
    assert found["unlike"]["value"] > 3 * found["like"]["value"]
    blocks = found["unlike"]["blocks"]
    assert found["unlike"]["value"] == pytest.approx(np.mean([blocks[n]["value"] for n in ("first", "second")]))


def test_features_that_are_not_installed_are_left_out_with_the_reason() -> None:
    def load():
        raise LeftOutError("not here")

    real = balls(np.full(5, 6.0), "H")
    assert distances({"a": real}, real, real, load, ("all",)) == {"left_out": "not here"}
