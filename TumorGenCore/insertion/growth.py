"""Record of how a tumor was grown, for its provenance and for growing it again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from TumorGenCore.insertion.zoom import LEAST_ZOOM, MOST_ZOOM
from TumorGenCore.method.controls import TumorControls
from TumorGenCore.method.schedule import Sampling

if TYPE_CHECKING:
    import torch

    from TumorGenCore.bundle.model_bundle import ModelBundle

__all__ = ["Growth", "Maker"]


#: Largest number of tumors that are sampled together.
MOST_BATCH = 10_000
#: Largest number of tries for a tumor, far above what fill, specks and quality together ask for.
MOST_TRIES = 10_000


@dataclass(frozen=True)
class Maker:
    """Bundle, device and sampling settings that made a tumor."""

    bundle: ModelBundle
    device: torch.device
    sampling: Sampling


@dataclass(frozen=True)
class Growth:
    """How a tumor was grown. With this and the request, it can be grown again.

    Args:
        seed: seed of the user.
        told: what the model was told in the try that was used.
        tries: number of tries.
        batch: see ``engine.Sampled``.
        zoom: factor for its edges after it was grown; see ``zoom``.
    """

    seed: int
    told: TumorControls
    tries: int
    batch: tuple[int, int]
    zoom: float = 1.0

    def as_dict(self) -> dict[str, Any]:
        """Entries for a provenance, without the seed, which is stored beside them."""
        told = {"fill": self.told.fill, "p95_suv": self.told.suv}
        return {
            "told": {name: float(value) for name, value in told.items() if value is not None},
            "tries": self.tries,
            "batch": list(self.batch),
            "zoom": self.zoom,
        }

    @classmethod
    def parse(cls, record: Mapping[str, Any]) -> Self:
        """Reads it from a tumor's part of a provenance; the inverse of ``as_dict``.

        Raises:
            KeyError, TypeError, ValueError: an entry is missing or has the wrong form.
        """
        told = record["told"]
        place, size = (int(n) for n in record["batch"])
        if not 0 <= place < size <= MOST_BATCH:
            raise ValueError(
                f"batch is {record['batch']}; the place must be at least 0 and below the size, which is at most "
                f"{MOST_BATCH}"
            )
        if not all(math.isfinite(value) for value in told.values()):
            raise ValueError(f"told is {told}; its numbers must be finite")
        tries = record["tries"]
        if isinstance(tries, bool) or not isinstance(tries, int) or not 1 <= tries <= MOST_TRIES:
            raise ValueError(f"tries must be a whole number from 1 to {MOST_TRIES}")
        zoom = float(record.get("zoom", 1))  # Before version 0.6.0 no tumor was zoomed.
        if not LEAST_ZOOM <= zoom <= MOST_ZOOM:
            raise ValueError(f"zoom is {zoom}; use a number from {LEAST_ZOOM:g} to {MOST_ZOOM:g}")
        controls = TumorControls(told.get("fill"), told.get("p95_suv"))
        return cls(int(record["seed"]), controls, tries, (place, size), zoom)
