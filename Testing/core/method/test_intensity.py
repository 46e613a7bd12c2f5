"""The network scale is reversible and maps its ends to the documented values."""

from __future__ import annotations

import pytest
import torch

from TumorGenCore.method.intensity import NetworkScale


@pytest.mark.parametrize("low", [-1.0, 0.0])
def test_zero_is_low_and_top_is_one(low: float) -> None:
    scale = NetworkScale(knee_suv=1.0, top_suv=50.0, low=low)
    x = scale.to_network(torch.tensor([0.0, 50.0], dtype=torch.float64))
    torch.testing.assert_close(x, torch.tensor([low, 1.0], dtype=torch.float64))


@pytest.mark.parametrize("low", [-1.0, 0.0])
def test_the_scale_is_reversible_also_above_its_top(low: float) -> None:
    suv = torch.linspace(0, 300, 1000, dtype=torch.float64)
    scale = NetworkScale(low=low)
    torch.testing.assert_close(scale.to_suv(scale.to_network(suv)), suv)


def test_equal_ratios_of_hot_uptake_are_equal_distances() -> None:
    x = NetworkScale().to_network(torch.tensor([20.0, 40.0, 80.0], dtype=torch.float64))
    assert float(x[1] - x[0]) == pytest.approx(float(x[2] - x[1]), rel=1e-3)


@pytest.mark.parametrize(("knee", "top"), [(0.0, 50.0), (-1.0, 50.0), (5.0, 5.0), (5.0, 1.0)])
def test_a_scale_without_range_is_refused(knee: float, top: float) -> None:
    with pytest.raises(ValueError, match="knee_suv"):
        NetworkScale(knee, top)


def test_metadata_makes_the_same_scale() -> None:
    scale = NetworkScale(2.0, 30.0, 0.0)
    values = scale.as_dict()
    assert values.pop("kind") == "asinh"
    assert NetworkScale(**values) == scale
