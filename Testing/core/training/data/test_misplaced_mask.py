"""Misplaced masks: size of the shifts, and no other changes."""

from __future__ import annotations

import pytest
import torch

from TumorGenCore.training.data.misplaced_mask import misplaced

EDGES = (24, 28, 32)


def balls(count: int, center: tuple[float, float, float] = (11.0, 15.0, 14.0), radius: float = 5.0) -> torch.Tensor:
    axes = torch.meshgrid(*(torch.arange(n, dtype=torch.float32) for n in EDGES), indexing="ij")
    distance = sum((axis - c) ** 2 for axis, c in zip(axes, center, strict=True)) ** 0.5
    inside = (radius + 0.5 - distance).clamp(0, 1)
    return (2 * inside - 1).expand(count, 1, *EDGES)


def centers_and_sizes(mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    occupied = ((mask + 1) / 2)[:, 0]
    volumes = occupied.sum(dim=(1, 2, 3))
    sums = [
        (occupied.sum(dim=tuple(a for a in (1, 2, 3) if a != axis)) * torch.arange(EDGES[axis - 1])).sum(dim=1)
        for axis in (1, 2, 3)
    ]
    return torch.stack(sums, dim=1) / volumes[:, None], volumes


def test_shifts_and_sizes_deviate_as_they_are_said_to() -> None:
    before, volume = centers_and_sizes(balls(1))
    moved = misplaced(balls(300), 0.5, torch.Generator().manual_seed(0), noise=0.0)
    after, volumes = centers_and_sizes(moved)
    shifts = after - before
    assert shifts.std(dim=0) == pytest.approx(torch.full((3,), 0.5), rel=0.15)
    assert shifts.mean(dim=0).abs().max() < 0.1
    assert float((volumes / volume[0]).log().std()) == pytest.approx(3 * 0.5 * 0.3, rel=0.15)
    # Masks scale about their own centers, so a large mask is not farther away than a small one.
    assert abs(float(torch.corrcoef(torch.stack([volumes, shifts.norm(dim=1)]))[0, 1])) < 0.2


def test_each_mask_goes_its_own_way_and_the_same_generator_gives_the_same() -> None:
    first, again = (misplaced(balls(2), 1.0, torch.Generator().manual_seed(3), noise=0.0) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.allclose(first[0], first[1])


def test_without_an_error_masks_stay_where_they_are() -> None:
    assert torch.equal(misplaced(balls(2), 0.0, torch.Generator(), noise=0.0), balls(2))


def test_a_box_without_a_tumor_stays_empty() -> None:
    empty = torch.full((2, 1, 8, 8, 8), -1.0)
    torch.testing.assert_close(misplaced(empty, 1.0, torch.Generator().manual_seed(0), noise=0.0), empty)


def test_noise_is_added_on_top() -> None:
    noise = misplaced(balls(1), 0.0, torch.Generator().manual_seed(0)) - balls(1)
    assert float(noise.std()) == pytest.approx(0.3, rel=0.05)
