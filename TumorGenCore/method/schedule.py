"""Settings with which a model is sampled: steps, solver, times, and noise of the mask.

Each bundle has its own. This module does not import torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from TumorGenCore.errors import InvalidRequestError
from TumorGenCore.method.solver_names import Solver, check_solver

__all__ = ["Sampling", "shifted_times", "time_grid"]


def time_grid(steps: int) -> list[float]:
    """``steps + 1`` evenly spaced times from 0 to 1.

    Raises:
        ValueError: ``steps`` is below 1.
    """
    if steps < 1:
        raise ValueError(f"steps is {steps}; sampling needs at least 1.")
    return np.linspace(0.0, 1.0, steps + 1, dtype=np.float64).tolist()


def shifted_times(steps: int, shift: float) -> list[float]:
    """Times shifted toward the noise or the data, t -> t / (t + shift (1 - t)).

    With a shift above 1 the steps near the noise (t = 0) are finer, below 1 those near the data; 1 keeps the times
    even. A shift by a and then by b equals a shift by a b. This is the time shift of Esser et al. (2024), with time
    from noise to data.

    Args:
        steps: number of steps.
        shift: positive.

    Raises:
        ValueError: ``steps`` is below 1, or the shift is not a positive number.
    """
    if not 0 < shift < float("inf"):
        raise ValueError(f"The time grid's shift is {shift}; it must be a positive number.")
    t = np.asarray(time_grid(steps))
    return (t / (t + shift * (1 - t))).tolist()


#: Noise of the start, by name: 1 is the value of training.
_NOISES = ("mask_noise", "latent_noise")


@dataclass(frozen=True)
class Sampling:
    """Settings with which a model is sampled.

    Args:
        steps: steps of the solver.
        solver: ``euler``, ``heun`` (two evaluations per step except the last) or ``adams``.
        shift: shift of the time grid, see ``shifted_times``; 1 is even.
        times: the time grid itself, increasing from 0 to 1, in place of ``shift``. If the number of steps is not
            ``len(times) - 1``, it is interpolated linearly at even places.
        mask_noise: standard deviation of the noise that the mask starts from, at most 1, the value of training. With
            less, the noise of the latents alone decides where the tumor lies, and mask and tumor agree better.
        latent_noise: the same for the latents of the image. With less, tumors are more compact, nearer to the middle of
            what the model learned.

    Raises:
        ValueError: a value cannot be used.
    """

    steps: int = 10
    solver: Solver = "euler"
    shift: float = 1.0
    times: tuple[float, ...] | None = None
    mask_noise: float = 1.0
    latent_noise: float = 1.0

    def __post_init__(self) -> None:
        shifted_times(self.steps, self.shift)
        check_solver(self.solver)
        if self.times is not None:
            if self.shift != 1:
                raise ValueError("The time grid has both times and a shift; give only one of them.")
            _check_times(self.times)
        for name in _NOISES:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must lie between 0 and 1.")

    def asked(self, steps: int | None = None, solver: Solver | None = None) -> Sampling:
        """Returns a copy with the steps and solver that a user wants; None keeps the bundle's value.

        Raises:
            InvalidRequestError: steps or solver cannot be used.
        """
        try:
            return replace(
                self,
                steps=self.steps if steps is None else steps,
                solver=self.solver if solver is None else solver,
            )
        except ValueError as error:
            raise InvalidRequestError(str(error)) from error

    @property
    def is_uniform(self) -> bool:
        """Whether the times are even."""
        return self.times is None and self.shift == 1

    def grid(self) -> list[float]:
        """The ``steps + 1`` times, from 0 (noise) to 1 (data)."""
        if self.times is None:
            return shifted_times(self.steps, self.shift)
        known = time_grid(len(self.times) - 1)
        return np.interp(time_grid(self.steps), known, self.times).tolist()

    def as_dict(self) -> dict[str, Any]:
        """Entry for a bundle's metadata; the inverse of ``parse``."""
        grid = {"shift": self.shift} if self.times is None else list(self.times)
        return {
            "steps": self.steps,
            "solver": self.solver,
            "time_grid": "uniform" if self.is_uniform else grid,
            **{name: getattr(self, name) for name in _NOISES if getattr(self, name) != 1},
        }

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Sampling:
        """Reads the settings from a bundle's metadata.

        Args:
            values: ``{"steps", "solver", "time_grid", "mask_noise", "latent_noise"}``; each may be missing. The grid is
                ``"uniform"``, ``{"shift": number}``, or a list of times.

        Raises:
            ValueError: an entry is unknown, or a value cannot be used.
            TypeError: a value has the wrong type.
        """
        unknown = set(values) - {"steps", "solver", "time_grid", *_NOISES}
        if unknown:
            raise ValueError(f"sampling has an unknown entry {sorted(unknown)[0]!r}")
        grid = values.get("time_grid", "uniform")
        shape: dict[str, Any] = {name: float(values[name]) for name in _NOISES if name in values}
        if isinstance(grid, Mapping) and set(grid) == {"shift"}:
            shape["shift"] = float(grid["shift"])
        elif isinstance(grid, list):
            shape["times"] = tuple(float(t) for t in grid)
        elif grid != "uniform":
            raise ValueError(f"time_grid is {grid!r}; use 'uniform', {{'shift': number}} or a list of times")
        own = cls()
        return cls(
            int(values.get("steps", own.steps)),
            values.get("solver", own.solver),
            **shape,
        )


def _check_times(times: tuple[float, ...]) -> None:
    if len(times) < 2 or times[0] != 0 or times[-1] != 1 or any(b <= a for a, b in pairwise(times)):
        raise ValueError(f"The time grid is {list(times)}; its times must increase from 0 (noise) to 1 (data).")
