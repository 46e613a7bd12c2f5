"""Rectified-flow solvers (section 2.2 of the paper) for any callable velocity, and the inpainting constraint.

Time runs from 0 (noise) to 1 (data), in float64. MONAI 1.6's ``RFlowScheduler`` runs the other way with float16 times
and integer next steps, which overshoots even a straight path.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch

from TumorGenCore.method.solver_names import Solver, check_solver

__all__ = ["KnownRegion", "integrate"]

Velocity = Callable[[torch.Tensor, float], torch.Tensor]


@dataclass(frozen=True)
class KnownRegion:
    """The known part outside the box: there x follows its own straight path (blended latents).

    Args:
        data: x_1 where it is known, (n, c, k, j, i).
        noise: the noise from which sampling starts, same shape.
        unknown: B, (n, 1, k, j, i); 1 where x is free, 0 where it is known, in between in cells that a face cuts.
    """

    data: torch.Tensor
    noise: torch.Tensor
    unknown: torch.Tensor

    def constrain(self, x: torch.Tensor, t: float) -> torch.Tensor:
        """B x + (1 - B) ((1 - t) noise + t data): Eq. 2 where x is known.

        Args:
            x: (n, c, k, j, i).
            t: time, 0 noise, 1 data.

        Returns:
            Same shape as ``x``.
        """
        return self.unknown * x + (1 - self.unknown) * ((1 - t) * self.noise + t * self.data)


def integrate(
    velocity: Velocity,
    noise: torch.Tensor,
    times: Sequence[float],
    solver: Solver = "euler",
    known: KnownRegion | None = None,
    on_step: Callable[[int], None] | None = None,
) -> torch.Tensor:
    """Integrates dx/dt = v(x, t) from noise to data, along the paths of section 2.2.

    Args:
        velocity: v(x, t); x has the shape of ``noise``, t is a float.
        noise: x at ``times[0]``, (n, c, k, j, i).
        times: increasing, up to 1; see ``schedule``.
        solver: ``euler``; ``heun`` (second order, two evaluations per step except the last); ``adams``
            (Adams-Bashforth: second order, one evaluation per step; it also uses the velocity of the previous step,
            and starts with an Euler step).
        known: the inpainting constraint, applied at every time of the grid.
        on_step: called with 1, 2, ... after each step; may raise an error to cancel.

    Returns:
        x at ``times[-1]``.

    Raises:
        ValueError: the solver is unknown, or the times do not increase.
    """
    check_solver(solver)
    if any(later <= earlier for earlier, later in pairwise(times)):
        raise ValueError("times must increase from noise (0) to data (1).")
    x = noise
    before: tuple[float, torch.Tensor] | None = None
    for step, (t, t_next) in enumerate(pairwise(times), start=1):
        v = here = velocity(x, t)
        if solver == "adams":
            if before is not None:
                t_before, v_before = before
                v = here + (t_next - t) / (t - t_before) / 2 * (here - v_before)
            before = t, here
        x_next = x + (t_next - t) * v
        if solver == "heun" and step < len(times) - 1:
            if known is not None:
                x_next = known.constrain(x_next, t_next)
            x_next = x + (t_next - t) / 2 * (v + velocity(x_next, t_next))
        x = x_next if known is None else known.constrain(x_next, t_next)
        if on_step is not None:
            on_step(step)
    return x
