"""Names of the rectified-flow solvers, see ``solver.integrate``. Needs no numpy: command lines list them."""

from __future__ import annotations

from typing import Literal, get_args

__all__ = ["SOLVERS", "Solver", "check_solver"]

Solver = Literal["euler", "heun", "adams"]
SOLVERS: tuple[Solver, ...] = get_args(Solver)


def check_solver(solver: str) -> None:
    """Check the name of a solver.

    Raises:
        ValueError: there is no solver of that name.
    """
    if solver not in SOLVERS:
        raise ValueError(f"solver is {solver!r}; use {' or '.join(map(repr, SOLVERS))}.")
