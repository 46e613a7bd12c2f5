"""The rectified-flow solvers against closed forms, and the inpainting constraint."""

from __future__ import annotations

import math

import pytest
import torch

from TumorGenCore.errors import CancelledError
from TumorGenCore.method.schedule import shifted_times, time_grid
from TumorGenCore.method.solver import KnownRegion, integrate
from TumorGenCore.method.solver_names import SOLVERS

SHAPE = (1, 5, 4, 6, 8)


def noise(seed: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("steps", [1, 3, 10, 50])
@pytest.mark.parametrize("solver", SOLVERS)
def test_a_straight_path_is_followed_exactly(solver: str, steps: int, dtype: torch.dtype) -> None:
    data, start = noise(0, dtype), noise(1, dtype)
    end = integrate(lambda x, t: data - start, start, time_grid(steps), solver)
    # Each step rounds once, at the size of the largest value on the way.
    rounding = (steps + 2) * torch.finfo(dtype).eps * max(data.abs().max(), start.abs().max())
    assert (end - data).abs().max() <= rounding
    assert end.dtype == dtype


@pytest.mark.parametrize(
    ("velocity", "end"),
    [(lambda x, t: x, math.e), (lambda x, t: 2 * t * x, math.e), (lambda x, t: 3 * t * t, 2.0)],
    ids=["x", "2tx", "3tt"],
)
@pytest.mark.parametrize(("solver", "order"), [("euler", 1), ("heun", 2), ("adams", 2)])
def test_the_error_falls_with_the_order_of_the_solver(solver: str, order: int, velocity, end: float) -> None:
    def error(steps: int) -> float:
        start = torch.ones((), dtype=torch.float64)
        return abs(integrate(lambda x, t: velocity(x, t) + 0 * x, start, time_grid(steps), solver).item() - end)

    for steps in (80, 160):
        assert math.log2(error(steps) / error(2 * steps)) == pytest.approx(order, abs=0.05)


@pytest.mark.parametrize(("solver", "each"), [("euler", 1), ("adams", 1), ("heun", 2)])
def test_the_velocity_is_asked_at_the_times_of_the_grid(solver: str, each: int) -> None:
    asked: list[float] = []

    def velocity(x: torch.Tensor, t: float) -> torch.Tensor:
        asked.append(t)
        return x

    integrate(velocity, noise(0), time_grid(4), solver)
    assert asked == [0, *(t for t in (0.25, 0.5, 0.75) for _ in range(each))]


@pytest.mark.parametrize("shift", [0.5, 2.0])
def test_adams_stays_of_second_order_on_uneven_times(shift: float) -> None:
    def error(steps: int) -> float:
        start = torch.ones((), dtype=torch.float64)
        return abs(integrate(lambda x, t: x, start, shifted_times(steps, shift), "adams").item() - math.e)

    assert math.log2(error(160) / error(320)) == pytest.approx(2, abs=0.1)


def test_an_uneven_time_grid_is_followed() -> None:
    start, times = torch.ones((), dtype=torch.float64), [0.0, 0.5, 0.6, 1.0]
    assert integrate(lambda x, t: x, start, times).item() == pytest.approx(1.5 * 1.1 * 1.4)


def _known(box: torch.Tensor) -> KnownRegion:
    return KnownRegion(data=noise(0), noise=noise(1), unknown=box)


def _half_box() -> torch.Tensor:
    box = torch.zeros(1, 1, *SHAPE[2:])
    box[..., 3:6] = 1
    box[..., 6] = 0.5  # cells that a face cuts
    return box


@pytest.mark.parametrize("solver", SOLVERS)
def test_outside_the_box_the_known_path_is_followed_and_the_data_reached_exactly(solver: str) -> None:
    box = _half_box()
    known = _known(box)
    outside = (box == 0).expand(SHAPE)
    seen: list[float] = []

    def velocity(x: torch.Tensor, t: float) -> torch.Tensor:
        seen.append(t)
        path = (1 - t) * known.noise + t * known.data
        assert torch.equal(x[outside], path[outside])
        return 7 * noise(2) + x  # would lead far away

    end = integrate(velocity, known.noise, time_grid(5), solver, known)
    assert len(seen) > 4
    assert torch.equal(end[outside], known.data[outside])


def test_inside_the_box_the_constraint_changes_nothing() -> None:
    box = _half_box()
    inside = (box == 1).expand(SHAPE)
    velocity = lambda x, t: torch.sin(x) + t  # noqa: E731
    free = integrate(velocity, noise(1), time_grid(5))
    held = integrate(velocity, noise(1), time_grid(5), known=_known(box))
    assert torch.equal(free[inside], held[inside])


def test_a_cell_cut_by_a_face_is_a_mixture() -> None:
    known = _known(_half_box())
    x = noise(3)
    path = 0.25 * known.noise + 0.75 * known.data
    torch.testing.assert_close(known.constrain(x, 0.75)[..., 6], (x[..., 6] + path[..., 6]) / 2)


@pytest.mark.parametrize("times", [[0.0, 0.5, 0.5, 1.0], [0.0, 0.6, 0.4, 1.0], [1.0, 0.0]])
def test_times_must_increase(times: list[float]) -> None:
    with pytest.raises(ValueError, match="times must increase"):
        integrate(lambda x, t: x, noise(0), times)


def test_an_unknown_solver_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="solver is 'dpm'; use 'euler' or 'heun' or 'adams'"):
        integrate(lambda x, t: x, noise(0), time_grid(2), "dpm")  # type: ignore[arg-type]


@pytest.mark.parametrize("solver", SOLVERS)
def test_steps_are_reported_in_order(solver: str) -> None:
    done: list[int] = []
    integrate(lambda x, t: x, noise(0), time_grid(4), solver, on_step=done.append)
    assert done == [1, 2, 3, 4]


def test_raising_in_a_step_stops_the_sampling() -> None:
    asked: list[float] = []

    def velocity(x: torch.Tensor, t: float) -> torch.Tensor:
        asked.append(t)
        return x

    def cancel(step: int) -> None:
        if step == 2:
            raise CancelledError("enough")

    start = noise(0)
    with pytest.raises(CancelledError, match="enough"):
        integrate(velocity, start, time_grid(5), on_step=cancel)
    assert len(asked) == 2
    assert torch.equal(start, noise(0))
