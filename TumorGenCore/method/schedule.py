"""How a model is sampled: how many steps, by which solver, at which times, from how much of the mask's noise.

A bundle carries its own. Needs no torch.
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
    """``steps + 1`` even times from 0 to 1.

    Raises:
        ValueError: fewer than one step.
    """
    if steps < 1:
        raise ValueError(f"steps is {steps}; sampling needs at least 1.")
    return np.linspace(0.0, 1.0, steps + 1, dtype=np.float64).tolist()


def shifted_times(steps: int, shift: float) -> list[float]:
    """Times warped toward the noise or the data, t -> t / (t + shift (1 - t)); 1 leaves them even.

    Above 1 the steps near the noise (t = 0) are finer, below 1 those near the data. Warping by a and then by b is
    warping by a b. It is the time shift of Esser et al. (2024), with time running from noise to data.

    Args:
        steps: how many.
        shift: positive.

    Raises:
        ValueError: fewer than one step, or a shift that is not a positive number.
    """
    if not 0 < shift < float("inf"):
        raise ValueError(f"The time grid's shift is {shift}; it must be a positive number.")
    t = np.asarray(time_grid(steps))
    return (t / (t + shift * (1 - t))).tolist()


@dataclass(frozen=True)
class Sampling:
    """How a model is sampled.

    Args:
        steps: of the solver.
        solver: ``euler``, ``heun`` (two evaluations a step but the last) or ``adams``.
        shift: of the time grid, see ``shifted_times``; 1 is even.
        times: the time grid itself instead, increasing from 0 to 1. For other than ``len(times) - 1`` steps it is read
            at even places, linearly between its own.
        mask_noise: deviation of the noise that the mask starts from, at most 1, which is training's. With less, the
            noise of the latents alone says where the tumor lies, and mask and tumor agree better.

    Raises:
        ValueError: a value that cannot be sampled with.
    """

    steps: int = 10
    solver: Solver = "euler"
    shift: float = 1.0
    times: tuple[float, ...] | None = None
    mask_noise: float = 1.0

    def __post_init__(self) -> None:
        shifted_times(self.steps, self.shift)
        check_solver(self.solver)
        if self.times is not None:
            if self.shift != 1:
                raise ValueError("A time grid is given by its times or by a shift, not by both.")
            _check_times(self.times)
        if not 0 <= self.mask_noise <= 1:
            raise ValueError(f"The mask's noise is {self.mask_noise}; it must lie between 0 and 1.")

    def asked(self, steps: int | None = None, solver: Solver | None = None) -> Sampling:
        """A copy with the steps and solver that a user wants; None keeps the bundle's own.

        Raises:
            InvalidRequestError: steps or solver that cannot be used.
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
        """What a bundle's metadata says of it; the inverse of ``parse``."""
        grid = {"shift": self.shift} if self.times is None else list(self.times)
        return {
            "steps": self.steps,
            "solver": self.solver,
            "time_grid": "uniform" if self.is_uniform else grid,
            **({} if self.mask_noise == 1 else {"mask_noise": self.mask_noise}),
        }

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Sampling:
        """Read it from a bundle's metadata.

        Args:
            values: ``{"steps", "solver", "time_grid", "mask_noise"}``, each of which may be missing. ``time_grid`` is
                ``"uniform"``, ``{"shift": number}``, or a list of times.

        Raises:
            ValueError: an unknown entry, or a value that cannot be sampled with.
            TypeError: a value of another kind.
        """
        unknown = set(values) - {"steps", "solver", "time_grid", "mask_noise"}
        if unknown:
            raise ValueError(f"sampling has an unknown entry {sorted(unknown)[0]!r}")
        grid = values.get("time_grid", "uniform")
        shape: dict[str, Any] = {}
        if isinstance(grid, Mapping) and set(grid) == {"shift"}:
            shape = {"shift": float(grid["shift"])}
        elif isinstance(grid, list):
            shape = {"times": tuple(float(t) for t in grid)}
        elif grid != "uniform":
            raise ValueError(f"time_grid is {grid!r}; use 'uniform', {{'shift': number}} or a list of times")
        own = cls()
        return cls(
            int(values.get("steps", own.steps)),
            values.get("solver", own.solver),
            mask_noise=float(values.get("mask_noise", own.mask_noise)),
            **shape,
        )


def _check_times(times: tuple[float, ...]) -> None:
    if len(times) < 2 or times[0] != 0 or times[-1] != 1 or any(b <= a for a, b in pairwise(times)):
        raise ValueError(f"The time grid is {list(times)}; its times must increase from 0 (noise) to 1 (data).")
