"""Changes to a tumor after it was grown, without sampling again: its uptake, and the threshold of its mask.

The fill cannot be changed like this: the model is told it before it samples. This module imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from TumorGenCore.errors import InvalidRequestError
from TumorGenCore.insertion.request import TumorRequest
from TumorGenCore.insertion.resolved import UptakeTarget

__all__ = ["USUAL_THRESHOLD", "Adjustment"]

#: Probability above which a voxel is tumor, unless the user changes it.
USUAL_THRESHOLD = 0.5


@dataclass(frozen=True)
class Adjustment:
    """What a user changed about a tumor.

    Args:
        suv_max: SUVmax to reach, by a factor for the uptake that the tumor adds; None leaves it to the request.
        mask_threshold: probability above which a voxel is tumor, more than 0 and less than 1.

    Raises:
        InvalidRequestError: a value cannot be used.
    """

    suv_max: float | None = None
    mask_threshold: float = USUAL_THRESHOLD

    def __post_init__(self) -> None:
        TumorRequest(suv_max=self.suv_max)  # It checks the SUV.
        if not 0 < self.mask_threshold < 1:
            raise InvalidRequestError(
                f"The mask threshold is {self.mask_threshold}; give a probability, more than 0 and less than 1."
            )

    def target(self, wanted: UptakeTarget | None) -> UptakeTarget | None:
        """The uptake to reach.

        Args:
            wanted: the uptake that the request led to.
        """
        return wanted if self.suv_max is None else UptakeTarget("max", float(self.suv_max))

    @property
    def asked(self) -> frozenset[str]:
        """Measures of a lesion (``lesions.quality``) that the user chose; the quality does not judge them."""
        changed = {"suv_max": self.suv_max is not None, "volume_ml": self.mask_threshold != USUAL_THRESHOLD}
        return frozenset(name for name, is_changed in changed.items() if is_changed)

    def as_dict(self) -> dict[str, float]:
        """Entries for a provenance, without what the user did not change; the inverse of ``parse``."""
        uptake = {} if self.suv_max is None else {"suv_max": float(self.suv_max)}
        usual = self.mask_threshold == USUAL_THRESHOLD
        return uptake if usual else {**uptake, "mask_threshold": float(self.mask_threshold)}

    @classmethod
    def parse(cls, entries: Mapping[str, Any]) -> Self:
        """Reads the entries of ``as_dict``.

        Raises:
            TypeError, ValueError, InvalidRequestError: an entry is unknown or cannot be used.
        """
        return cls(**{name: float(value) for name, value in entries.items()})
