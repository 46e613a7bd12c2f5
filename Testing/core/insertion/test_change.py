"""What a tumor adds to the tissue and takes from it, voxel by voxel."""

from __future__ import annotations

import numpy as np
import pytest

from TumorGenCore.insertion.change import FAINT_SUV, tissue_change


def test_a_tumor_in_plain_tissue_adds_the_difference_and_keeps_the_tissue() -> None:
    change = tissue_change(np.array([6.0]), np.array([1.0]), np.array([1.0]), tissue_suv=1.0)
    assert change.rise[0] == pytest.approx(5.0) and change.kept[0] == pytest.approx(1.0)
    np.testing.assert_allclose(change.on(np.array([1.2])), [6.2])


def test_an_old_tumor_does_not_shine_through_a_fainter_one() -> None:
    """SUV 15 in tissue of SUV 1 becomes a tumor of SUV 4, if 4 is wanted; the old uptake alone would be 15."""
    change = tissue_change(np.array([16.0]), np.array([15.0]), np.array([1.0]), tissue_suv=1.0)
    left = float(change.on(np.array([15.0]), gain=0.0)[0])
    assert left == pytest.approx(15 * (1 + FAINT_SUV) / (15 + FAINT_SUV))
    assert left + change.rise[0] == pytest.approx(16.0)
    assert change.on(np.array([15.0]), gain=(4 - left) / change.rise[0])[0] == pytest.approx(4.0)


def test_beside_the_tumor_hot_tissue_stays() -> None:
    change = tissue_change(np.array([8.0]), np.array([8.0]), np.array([0.0]), tissue_suv=1.0)
    assert change.kept[0] == 1 and change.rise[0] == 0


def test_at_the_border_the_tissue_falls_by_the_share_of_tumor() -> None:
    inside, border = (
        tissue_change(np.array([9.0]), np.array([8.0]), np.array([share]), tissue_suv=1.0).kept[0]
        for share in (1.0, 0.5)
    )
    assert border == pytest.approx((1 + inside) / 2)


def test_what_the_model_lowers_falls_by_its_share() -> None:
    change = tissue_change(np.array([1.0]), np.array([9.0]), np.array([0.0]), tissue_suv=1.0)
    assert change.rise[0] == 0
    assert change.kept[0] == pytest.approx((1 + FAINT_SUV) / (9 + FAINT_SUV))
