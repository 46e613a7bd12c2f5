"""Memorization: the test finds copies of training lesions and does not report new lesions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lesions import SPACING_MM, lumpy_lesion
from scipy import ndimage
from scipy.spatial.transform import Rotation

from TumorGenCore.evaluation.features.left_out import LeftOutError
from TumorGenCore.evaluation.features.memorization import memorization, nearest
from TumorGenCore.evaluation.samples import LesionSample


def lesion(number: int, kind: str = "T") -> LesionSample:
    """A lumpy lesion, different for every number."""
    suv, mask = lumpy_lesion(number)
    return LesionSample(f"{kind}{number}", f"{kind}{number}", 0, suv, mask, SPACING_MM)


@pytest.fixture(scope="module")
def training() -> list[LesionSample]:
    return [lesion(n) for n in range(24)]


def turned(sample: LesionSample) -> LesionSample:
    """The same lesion rotated by an arbitrary angle, mirrored, shrunk and twice as hot."""
    matrix = Rotation.from_euler("xyz", [35, 20, 50], degrees=True).as_matrix() @ np.diag([1, 1, -1]) * 1.15
    offset = 21.5 - matrix @ np.full(3, 21.5)
    suv = ndimage.affine_transform(2 * sample.suv, matrix, offset, order=1, mode="nearest")
    mask = ndimage.affine_transform(sample.mask.astype(float), matrix, offset, order=1) > 0.5
    return replace(sample, name="turned", patient="S", suv=suv, mask=mask)


def test_a_copy_is_named_wherever_and_however_it_lies(training):
    copy = replace(training[4], name="copy", patient="S")
    held_out = [lesion(n, "H") for n in range(100, 116)]
    found = memorization([copy, turned(training[7])], held_out, training)
    assert found["copies"] == ["copy", "turned"]
    assert [row["nearest"] for row in found["synthetic"]] == ["T4", "T7"]
    assert found["synthetic"][0]["distance"] == pytest.approx(0, abs=1e-6)
    assert found["near_share"] == 1
    assert found["near_share_interval"] is None  # both are of one patient


def test_new_lesions_are_not_accused(training):
    held_out = [lesion(n, "H") for n in range(100, 116)]
    found = memorization([lesion(n, "S") for n in range(200, 230)], held_out, training)
    low, high = found["near_share_interval"]
    assert low <= 0.05 <= high
    assert found["near_share"] < 0.15
    assert found["copies"] == []


def test_no_lesion_is_compared_with_its_own_patient(training):
    distances = nearest(training, training)
    assert np.isinf(np.diag(distances)).all()
    assert (distances[~np.eye(len(training), dtype=bool)] > 0.01).all()


def test_too_few_lesions_are_left_out(training):
    with pytest.raises(LeftOutError, match="2 training lesions"):
        memorization([lesion(1, "S")], [lesion(2, "H")], training[:2])
    with pytest.raises(LeftOutError, match="0 synthetic"):
        empty = replace(training[0], mask=np.zeros_like(training[0].mask))
        memorization([empty], [], training)


def test_plain_round_lesions_are_told_from_copies_by_real_ones_made_small(training):
    """All balls are nearest to the only ball of the training, so this nearness does not prove a copy."""

    def ball(name: str, radius: float) -> LesionSample:
        k, j, i = np.indices((40, 40, 40)) - 19.5
        distance = np.sqrt(k**2 + j**2 + i**2)
        suv = (8 / (1 + np.exp(distance - radius))).astype(np.float32)
        return LesionSample(name, name, 0, suv, distance < radius, SPACING_MM)

    training = [*training, ball("T-ball", 9)]
    held_out = [lesion(n, "H") for n in range(100, 116)]
    grown = [ball("S-ball", 7)]
    assert memorization(grown, held_out, training)["copies"] == ["S-ball"]
    found = memorization(grown, held_out, training, [ball("H-small", 9), ball("H2-small", 8)])
    assert found["copies"] == []
    assert found["made_small"] == 2
    # A copy of a lesion that is not plain is still detected.
    copy = replace(training[4], name="copy", patient="S")
    assert memorization([copy], held_out, training, [ball("H-small", 7.5)])["copies"] == ["copy"]
