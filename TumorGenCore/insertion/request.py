"""A user's request for a tumor: one object for command line, manifest, console, panel and preview.

It checks its values when it is created, so no other code needs to. The provenance stores it. This module imports
neither numpy nor torch. A request does not depend on the model: the bundle's laws draw what it leaves open (``told``).
Nor does it depend on the place: ``resolved`` says what it means in one box.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, Self, get_args

from TumorGenCore.errors import InvalidRequestError
from TumorGenCore.method.solver_names import SOLVERS, Solver

__all__ = [
    "FILL_TRIES",
    "MASK_KINDS",
    "MOST_SEED",
    "MOST_STEPS",
    "SIZES",
    "UPTAKES",
    "MaskKind",
    "TumorRequest",
    "check_seeds",
]

#: Kinds of masks.
MaskKind = Literal["metabolic", "reader"]
MASK_KINDS: tuple[MaskKind, ...] = get_args(MaskKind)
#: Names of the targets for the uptake, and for the size; a request has at most one of each.
UPTAKES = ("suv_max", "suv_mean", "suv_peak", "to_background", "to_reference")
SIZES = ("fill", "volume_ml", "diameter_mm")
#: Largest number of tries for a tumor with the wanted fill.
FILL_TRIES = 3
#: Largest number of steps of the solver. A hundred is already more than any model needs.
MOST_STEPS = 10_000
#: Names of targets in messages, where they are not those of the fields.
_WORDS = {"suv_max": "The target SUVmax", "suv_mean": "The target SUVmean", "suv_peak": "The target SUVpeak"}
#: Largest seed: noise uses seeds of 63 bits.
MOST_SEED = 2**63 - 1


@dataclass(frozen=True)
class TumorRequest:
    """Properties that a user wants for a tumor; None leaves a property to the model bundle.

    At most one of ``UPTAKES`` and one of ``SIZES`` can be given.

    Args:
        steps: steps of the solver.
        solver: ``euler``, ``heun`` or ``adams``.
        suv_max: wanted SUVmax.
        suv_mean: wanted SUVmean.
        suv_peak: wanted SUVpeak, as ``lesions.measures`` measures it: over a sphere of 1 ml.
        to_background: wanted ratio of SUVmean to the tissue around the box (``PreparedBox.tissue_suv``).
        to_reference: wanted ratio of SUVmean to ``reference_suv``.
        reference_suv: mean SUV of a reference region, such as the liver, in the scan before the insertion; goes with
            ``to_reference``.
        reference: name of that region, for the record; it decides nothing.
        fill: wanted share of the box's volume that is tumor, 0 to 1.
        volume_ml: wanted volume.
        diameter_mm: wanted equivalent diameter: that of a ball with the volume of the tumor.
        least_quality: lowest accepted quality, 0 to 1. Another seed replaces a tumor below it; None replaces none.
        mask: ``metabolic``, or ``reader`` for a mask as a reader might draw it (``reader_mask``); None is metabolic.

    Raises:
        InvalidRequestError: a value cannot be used; the message names it and says what to give.
    """

    steps: int | None = None
    solver: Solver | None = None
    suv_max: float | None = None
    suv_mean: float | None = None
    suv_peak: float | None = None
    to_background: float | None = None
    to_reference: float | None = None
    reference_suv: float | None = None
    reference: str | None = None
    fill: float | None = None
    volume_ml: float | None = None
    diameter_mm: float | None = None
    least_quality: float | None = None
    mask: MaskKind | None = None

    def __post_init__(self) -> None:
        if self.steps is not None and not (_is_whole(self.steps) and self.steps >= 1):
            raise InvalidRequestError(f"steps is {self.steps}; use at least 1.")
        if self.steps is not None and self.steps > MOST_STEPS:
            raise InvalidRequestError(f"steps is {self.steps}; use at most {MOST_STEPS:,}.")
        if self.solver is not None and self.solver not in SOLVERS:
            raise InvalidRequestError(f"solver is {self.solver!r}; use {' or '.join(map(repr, SOLVERS))}.")
        for group in (UPTAKES, SIZES):
            given = self._given(group)
            if len(given) > 1:
                raise InvalidRequestError(f"{given[0]} and {given[1]} are both given; give one of them.")
        for name in (*UPTAKES, "reference_suv", "volume_ml", "diameter_mm"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise InvalidRequestError(f"{_WORDS.get(name, name)} is {value}; give a positive number.")
        if self.to_reference is not None and self.reference_suv is None:
            raise InvalidRequestError("to_reference needs reference_suv; give the mean SUV of the reference region.")
        if self.to_reference is None and (self.reference_suv is not None or self.reference is not None):
            raise InvalidRequestError("There is a reference without to_reference; give the wanted ratio too.")
        if self.reference is not None and not isinstance(self.reference, str):
            raise InvalidRequestError(f"reference is {self.reference!r}; give the name of the region as text.")
        if self.fill is not None and not 0 < self.fill < 1:
            raise InvalidRequestError(
                f"fill is {self.fill}; give the share of the box's volume, more than 0 and less than 1."
            )
        if self.least_quality is not None and not 0 <= self.least_quality <= 1:
            raise InvalidRequestError(f"The least quality is {self.least_quality}; give a number from 0 to 1.")
        if self.mask is not None and self.mask not in MASK_KINDS:
            raise InvalidRequestError(f"mask is {self.mask!r}; use {' or '.join(map(repr, MASK_KINDS))}.")

    @property
    def uptake(self) -> str | None:
        """Name of the target for the uptake, one of ``UPTAKES``, if the user wants one."""
        return next(iter(self._given(UPTAKES)), None)

    @property
    def size(self) -> str | None:
        """Name of the target for the size, one of ``SIZES``, if the user wants one."""
        return next(iter(self._given(SIZES)), None)

    @property
    def most_tries(self) -> int:
        """Largest number of tries for one variant; a wanted size may need several (``redraw.FillSearch``)."""
        return 1 if self.size is None else FILL_TRIES

    @property
    def asked(self) -> frozenset[str]:
        """Measures of a lesion (``lesions.quality``) that the user chose; the quality does not judge them."""
        asked = {"volume_ml": self.size, "suv_max": self.uptake}
        return frozenset(name for name, value in asked.items() if value is not None)

    def or_else(self, usual: TumorRequest) -> TumorRequest:
        """Returns this request, with steps, solver, quality and mask from ``usual`` if they are not given here."""
        return replace(
            self,
            steps=usual.steps if self.steps is None else self.steps,
            solver=usual.solver if self.solver is None else self.solver,
            least_quality=usual.least_quality if self.least_quality is None else self.least_quality,
            mask=usual.mask if self.mask is None else self.mask,
        )

    def as_dict(self) -> dict[str, Any]:
        """Returns the given properties as JSON values, without those left to the model; the inverse of ``parse``."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """Reads the values of ``as_dict``; ignores entries with other names.

        Raises:
            InvalidRequestError: a value cannot be used.
        """
        known = {field.name for field in fields(cls)}
        try:
            return cls(**{name: value for name, value in values.items() if name in known})
        except TypeError as error:
            raise InvalidRequestError(f"The request {dict(values)} cannot be used: {error}.") from error

    def _given(self, names: Sequence[str]) -> list[str]:
        return [name for name in names if getattr(self, name) is not None]


def check_seeds(seeds: Sequence[int]) -> None:
    """Checks seeds.

    Raises:
        InvalidRequestError: there is no seed, or a seed is below 0 or above ``MOST_SEED``.
    """
    if not len(seeds):
        raise InvalidRequestError("There is no seed; give at least one.")
    for seed in seeds:
        if not 0 <= seed <= MOST_SEED:
            raise InvalidRequestError(f"seed is {seed}; use a number from 0 to 2^63 - 1.")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
