"""Steps, solver and times: warped grids against closed forms, and their form in the metadata of a bundle."""

from __future__ import annotations

import json
import math
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from TumorGenCore import ModelBundleError
from TumorGenCore.bundle.folders import bundle_sampling
from TumorGenCore.bundle.model_bundle import load_bundle, save_bundle
from TumorGenCore.errors import InvalidRequestError
from TumorGenCore.method.schedule import Sampling, shifted_times, time_grid
from TumorGenCore.method.solver import integrate


def test_time_grid_is_even_and_exact_at_its_ends() -> None:
    for steps in (1, 3, 10, 49):
        times = time_grid(steps)
        assert len(times) == steps + 1
        assert times[0] == 0
        assert times[-1] == 1
        np.testing.assert_allclose(np.diff(times), 1 / steps, rtol=1e-12)


@pytest.mark.parametrize("steps", [0, -3])
def test_sampling_needs_a_step(steps: int) -> None:
    with pytest.raises(ValueError, match=f"steps is {steps}; sampling needs at least 1"):
        time_grid(steps)


@pytest.mark.parametrize("shift", [0.2, 0.5, 2.0, 7.0])
def test_shifted_times_are_a_group_and_move_the_middle_to_one_over_one_plus_shift(shift: float) -> None:
    times = shifted_times(10, shift)
    assert (times[0], times[-1]) == (0, 1)
    assert all(b > a for a, b in pairwise(times))
    assert times[5] == pytest.approx(1 / (1 + shift))
    # Odds of data against noise, t / (1 - t), are divided by the shift. So shifts multiply, and 1/shift undoes one.
    even = np.asarray(time_grid(10)[1:-1])
    np.testing.assert_allclose(np.divide(times[1:-1], 1 - np.asarray(times[1:-1])), even / (1 - even) / shift)
    np.testing.assert_allclose(1 - np.asarray(shifted_times(10, 1 / shift))[::-1], times, atol=1e-12)


def test_a_shift_of_one_leaves_the_times_even_bit_for_bit() -> None:
    for steps in (1, 4, 10, 49):
        assert shifted_times(steps, 1.0) == time_grid(steps)


@pytest.mark.parametrize("shift", [0.0, -1.0, math.nan, math.inf])
def test_a_shift_that_is_no_positive_number_is_refused(shift: float) -> None:
    with pytest.raises(ValueError, match=r"shift is .*; it must be a positive number"):
        shifted_times(4, shift)


def test_finer_steps_where_the_path_bends_make_a_smaller_error() -> None:
    """dx/dt = -2 x / (0.1 + t), which bends near the noise: x(1) = (0.1 / 1.1)^2."""
    start, exact = torch.ones((), dtype=torch.float64), (0.1 / 1.1) ** 2

    def error(shift: float) -> float:
        end = integrate(lambda x, t: -2 * x / (0.1 + t), start, Sampling(32, "heun", shift).grid(), "heun")
        return abs(end.item() - exact)

    assert error(3.0) < error(1.0) < error(1 / 3)


def test_given_times_are_kept_and_for_other_numbers_of_steps_read_between() -> None:
    times = (0.0, 0.1, 0.3, 0.6, 1.0)
    own = Sampling(4, times=times)
    assert own.grid() == list(times)
    assert own.asked(8).grid() == pytest.approx([0, 0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 1])
    assert own.asked(2).grid() == pytest.approx([0, 0.3, 1])
    assert own.asked(1).grid() == [0, 1]


def test_what_is_not_asked_for_is_the_bundles_own() -> None:
    own = Sampling(4, "heun", shift=2.0)
    assert own.asked() == own
    assert own.asked(6) == Sampling(6, "heun", 2.0)
    assert own.asked(solver="euler") == Sampling(4, "euler", 2.0)
    assert Sampling(4, mask_noise=0.3).asked(6) == Sampling(6, mask_noise=0.3)
    with pytest.raises(InvalidRequestError, match="steps is 0"):
        own.asked(0)
    with pytest.raises(InvalidRequestError, match="solver is 'dpm'; use 'euler' or 'heun' or 'adams'"):
        own.asked(solver="dpm")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "own", [Sampling(), Sampling(4, "heun", 2.5), Sampling(2, times=(0.0, 0.4, 1.0)), Sampling(mask_noise=0.3)]
)
def test_the_metadata_give_back_what_was_written(own: Sampling) -> None:
    assert Sampling.parse(json.loads(json.dumps(own.as_dict()))) == own


def test_missing_entries_are_ten_even_euler_steps() -> None:
    assert Sampling.parse({}) == Sampling(10, "euler")
    assert Sampling.parse({"steps": 4}).grid() == [0, 0.25, 0.5, 0.75, 1]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"steps": 0}, "steps is 0"),
        ({"steps": "many"}, "many"),
        ({"solver": "dpm"}, "solver is 'dpm'"),
        ({"time_grid": "cosine"}, "time_grid is 'cosine'; use 'uniform'"),
        ({"time_grid": {"shift": 0}}, "must be a positive number"),
        ({"time_grid": {"power": 2}}, "use 'uniform'"),
        ({"time_grid": [0, 0.5, 0.5, 1]}, "must increase from 0"),
        ({"time_grid": [0.1, 1]}, "must increase from 0"),
        ({"time_grid": [0, 0.9]}, "must increase from 0"),
        ({"time_grid": []}, "must increase from 0"),
        ({"mask_noise": 1.5}, "mask_noise is 1.5; it must lie between 0 and 1"),
        ({"latent_noise": -0.1}, "latent_noise is -0.1; it must lie between 0 and 1"),
        ({"mask_noise": "none"}, "none"),
        ({"time_grids": "uniform"}, "unknown entry 'time_grids'"),
    ],
)
def test_a_bundle_whose_sampling_cannot_be_used_is_refused_by_what_is_wrong(
    tiny_bundle_folder: Path, tmp_path: Path, values: dict[str, Any], message: str
) -> None:
    folder = tmp_path / "tiny"
    shutil.copytree(tiny_bundle_folder, folder)
    path = folder / "configs" / "metadata.json"
    metadata = json.loads(path.read_text())
    metadata["tumorgen"]["sampling"] = values
    path.write_text(json.dumps(metadata))
    for read in (load_bundle, bundle_sampling):
        with pytest.raises(ModelBundleError, match=message):
            read(folder)


def test_a_bundle_keeps_its_sampling_on_disk(tiny_bundle_folder: Path, tmp_path: Path) -> None:
    bundle = load_bundle(tiny_bundle_folder)
    assert bundle.sampling == Sampling()
    bundle.sampling = Sampling(4, "heun", 1.8)
    save_bundle(bundle, tmp_path / "quick", card="")
    assert load_bundle(tmp_path / "quick").sampling == bundle_sampling(tmp_path / "quick") == bundle.sampling
