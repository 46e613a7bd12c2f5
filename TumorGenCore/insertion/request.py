"""What a user wants of a tumor: one value for command line, manifest, console, panel and preview.

It is checked when it is made, so nobody checks it again, and it goes into the provenance. Imports neither numpy nor
torch. It does not know the model: what nobody asks for, the bundle's laws draw (``told``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal, Self

from TumorGenCore.errors import InvalidRequestError
from TumorGenCore.method.solver_names import SOLVERS, Solver

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FILL_TRIES", "MOST_SEED", "TumorRequest", "UptakeTarget", "check_seeds"]

#: Tumors grown at most until one fills the box as far as asked.
FILL_TRIES = 7
#: The largest seed: noise is drawn from 63-bit numbers.
MOST_SEED = 2**63 - 1


@dataclass(frozen=True)
class UptakeTarget:
    """An uptake to reach.

    Args:
        measure: ``max`` or ``mean``, over the tumor's mask.
        suv: the SUV to reach.
    """

    measure: Literal["max", "mean"]
    suv: float

    def of(self, uptake: NDArray) -> float:
        """The measure of a tumor's voxels, any shape, SUV."""
        return float(uptake.max() if self.measure == "max" else uptake.mean())


@dataclass(frozen=True)
class TumorRequest:
    """What a user wants of a tumor; None leaves it to the model bundle.

    Args:
        steps: of the solver.
        solver: ``euler``, ``heun`` or ``adams``.
        suv_max: SUVmax that the tumor shall have; not together with ``suv_mean``.
        suv_mean: SUVmean that the tumor shall have.
        fill: share of the box's volume that shall be tumor, 0 to 1.
        least_quality: a tumor of a lower quality, 0 to 1, is drawn again with another seed; None draws none again.

    Raises:
        InvalidRequestError: a value that cannot be used; the message names it and says what to give.
    """

    steps: int | None = None
    solver: Solver | None = None
    suv_max: float | None = None
    suv_mean: float | None = None
    fill: float | None = None
    least_quality: float | None = None

    def __post_init__(self) -> None:
        if self.steps is not None and not (_is_whole(self.steps) and self.steps >= 1):
            raise InvalidRequestError(f"steps is {self.steps}; use at least 1.")
        if self.solver is not None and self.solver not in SOLVERS:
            raise InvalidRequestError(f"solver is {self.solver!r}; use {' or '.join(map(repr, SOLVERS))}.")
        if self.suv_max is not None and self.suv_mean is not None:
            raise InvalidRequestError("suv_max and suv_mean are both given; give one of them.")
        for name, value in (("max", self.suv_max), ("mean", self.suv_mean)):
            if value is not None and not (math.isfinite(value) and value > 0):
                raise InvalidRequestError(f"The target SUV{name} is {value}; give a positive number.")
        if self.fill is not None and not 0 < self.fill < 1:
            raise InvalidRequestError(
                f"fill is {self.fill}; give the share of the box's volume, more than 0 and less than 1."
            )
        if self.least_quality is not None and not 0 <= self.least_quality <= 1:
            raise InvalidRequestError(f"The least quality is {self.least_quality}; give a number from 0 to 1.")

    @property
    def target(self) -> UptakeTarget | None:
        """The uptake to reach, if one is asked for."""
        if self.suv_max is not None:
            return UptakeTarget("max", float(self.suv_max))
        return None if self.suv_mean is None else UptakeTarget("mean", float(self.suv_mean))

    @property
    def most_tries(self) -> int:
        """Tumors grown at most for one variant: for a fill several are tried (``redraw.FillSearch``)."""
        return 1 if self.fill is None else FILL_TRIES

    @property
    def asked(self) -> frozenset[str]:
        """Measures of a lesion (``lesions.quality``) that the user asked for, which are not judged."""
        asked = {"volume_ml": self.fill, "suv_max": self.target}
        return frozenset(name for name, value in asked.items() if value is not None)

    def or_else(self, usual: TumorRequest) -> TumorRequest:
        """This request, and where it asks for no steps, solver or quality, those of ``usual``."""
        return replace(
            self,
            steps=usual.steps if self.steps is None else self.steps,
            solver=usual.solver if self.solver is None else self.solver,
            least_quality=usual.least_quality if self.least_quality is None else self.least_quality,
        )

    def as_dict(self) -> dict[str, Any]:
        """For JSON: what is asked for, without what is left to the model; the inverse of ``parse``."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """From ``as_dict``; entries of other names are passed over.

        Raises:
            InvalidRequestError: a value that cannot be used.
        """
        known = {field.name for field in fields(cls)}
        try:
            return cls(**{name: value for name, value in values.items() if name in known})
        except TypeError as error:
            raise InvalidRequestError(f"What is asked for, {dict(values)}, cannot be used: {error}.") from error


def check_seeds(seeds: Sequence[int]) -> None:
    """Refuse what are no seeds.

    Raises:
        InvalidRequestError: no seed, or one below 0 or above ``MOST_SEED``.
    """
    if not len(seeds):
        raise InvalidRequestError("There is no seed; give at least one.")
    for seed in seeds:
        if not 0 <= seed <= MOST_SEED:
            raise InvalidRequestError(f"seed is {seed}; use 0 or a positive number below 2^63.")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
