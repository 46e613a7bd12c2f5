"""Names of the rectified-flow solvers, see ``solver.integrate``. No numpy here: the command line lists the names."""

from __future__ import annotations

from typing import Literal, get_args

__all__ = ["SOLVERS", "Solver", "check_solver"]

Solver = Literal["euler", "heun", "adams"]
SOLVERS: tuple[Solver, ...] = get_args(Solver)


def check_solver(solver: str) -> None:
    """Checks the name of a solver.

    Raises:
        ValueError: no solver has that name.
    """
    if solver not in SOLVERS:
        raise ValueError(f"solver is {solver!r}; use {' or '.join(map(repr, SOLVERS))}.")
