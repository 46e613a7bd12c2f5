"""A box on a scan, prepared once for all tumors that are grown in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from TumorGenCore.insertion.engine import EncodedBox
from TumorGenCore.insertion.forewarnings import target_warnings
from TumorGenCore.insertion.placed import PlacedBox
from TumorGenCore.insertion.request import TumorRequest
from TumorGenCore.insertion.resolved import Targets, resolved
from TumorGenCore.insertion.scan_noise import ScanNoise, noise_around

__all__ = ["PreparedBox"]


@dataclass(frozen=True)
class PreparedBox(PlacedBox):
    """All data of a box that do not depend on the seed.

    Args:
        encoded: input of the networks for the box.
        tissue_suv: median SUV of the tissue around the box.
        input_hash: returns the hash of the volume; the first call computes it.
        warnings: warnings about the box and its preparation, in plain words.
        seconds: time of each part of the preparation.
    """

    encoded: EncodedBox
    tissue_suv: float
    input_hash: Callable[[], str]
    warnings: tuple[str, ...]
    seconds: dict[str, float] = field(default_factory=dict)

    @cached_property
    def original_suv(self) -> NDArray[np.float32]:
        """D(z_1) in SUV, (k, j, i) of the patch."""
        original: NDArray[np.float32] = self.encoded.original_suv[0, 0].cpu().numpy()
        return original

    @cached_property
    def noise(self) -> ScanNoise:
        """Noise of the tissue around the box."""
        return noise_around(self)

    def targets(self, request: TumorRequest) -> Targets:
        """What a request means in this box; see ``resolved``.

        Args:
            request: wanted properties of the tumors.

        Raises:
            InvalidRequestError: the request means nothing here.
        """
        return resolved(request, self.tissue_suv, self.box)

    def forewarnings(self, request: TumorRequest) -> tuple[str, ...]:
        """Warnings for the user before any tumor is grown here: about reading, the box, and the targets in this place.

        Args:
            request: wanted properties of the tumors.
        """
        reading = (*self.remarks, *self.units.remarks)
        return (*reading, *self.warnings, *target_warnings(self.targets(request), self, self.tissue_suv))
