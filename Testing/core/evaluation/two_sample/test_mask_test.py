"""The two-sample test on masks: equal samples cannot be told apart, other forms can, and other fills in one part."""

from __future__ import annotations

import numpy as np
import pytest

from TumorGenCore.evaluation.two_sample import mask_test
from TumorGenCore.evaluation.two_sample.mask_test import FEATURES, PARTS, MaskRow, compared, mask_row, spread_of
from TumorGenCore.volumes.geometry import Box


def rows(seed: int, **shift: float) -> list[MaskRow]:
    rng = np.random.default_rng(seed)
    return [
        {
            "patient": f"P{n // 2}",
            "volume_ml": 5.0,
            **{name: float(rng.normal()) + shift.get(name, 0) for name in FEATURES},
        }
        for n in range(40)
    ]


def test_a_row_holds_volume_and_fill() -> None:
    cube = np.zeros((9, 9, 9), dtype=bool)
    cube[2:7, 2:7, 2:7] = True
    row = mask_row("P", cube, (2.0, 2.0, 2.0), Box((0, 0, 0), (20, 20, 20)))
    assert set(row) == {"patient", "volume_ml", *FEATURES}
    assert row["volume_ml"] == pytest.approx(1.0) and row["fill"] == pytest.approx(0.125)


def test_only_what_differs_tells_masks_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mask_test, "DEALS", 1)
    real = rows(0)
    alike, other, filled = (compared(real, some) for some in (rows(1), rows(2, solidity=4.0), rows(3, fill=4.0)))
    assert all(0.3 < alike[part]["auc"] < 0.7 for part in PARTS)
    assert all(other[part]["auc"] > 0.9 for part in PARTS)
    assert filled["shape and fill"]["auc"] > 0.9 > 0.7 > filled["shape"]["auc"]
    low, high = other["shape"]["interval"]
    assert low <= other["shape"]["auc"] <= high


def test_quantiles_leave_out_what_is_unknown() -> None:
    real, empty = rows(0), {**rows(1)[0], "solidity": float("nan")}
    found = spread_of([*rows(1, solidity=9.0), empty], real)
    assert found["solidity"]["n"] == 40 and found["solidity"]["larger"] == 1.0
    assert found["fill"]["n"] == 41 and "larger" not in spread_of(real)["fill"]
