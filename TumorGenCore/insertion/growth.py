"""How a tumor was grown, and by whom: what a provenance says of it, and what grows it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from TumorGenCore.method.controls import TumorControls
from TumorGenCore.method.schedule import Sampling

if TYPE_CHECKING:
    import torch

    from TumorGenCore.bundle.model_bundle import ModelBundle

__all__ = ["Growth", "Maker"]


@dataclass(frozen=True)
class Maker:
    """Who made a tumor: the bundle, on a device, and how it was sampled."""

    bundle: ModelBundle
    device: torch.device
    sampling: Sampling


@dataclass(frozen=True)
class Growth:
    """How a tumor was grown: with this, and the request, it can be grown again.

    Args:
        seed: the user's.
        told: what the model was told of it in the end.
        tries: how many times it was grown until it would do.
        batch: see ``engine.Sampled``.
    """

    seed: int
    told: TumorControls
    tries: int
    batch: tuple[int, int]

    def as_dict(self) -> dict[str, Any]:
        """For a provenance; the seed stands beside it."""
        told = {"fill": self.told.fill, "p95_suv": self.told.suv}
        return {
            "told": {name: float(value) for name, value in told.items() if value is not None},
            "tries": self.tries,
            "batch": list(self.batch),
        }

    @classmethod
    def parse(cls, record: Mapping[str, Any]) -> Self:
        """From a tumor's part of a provenance; the inverse of ``as_dict``.

        Raises:
            KeyError, TypeError, ValueError: it lacks something, or has another form.
        """
        told = record["told"]
        place, size = (int(n) for n in record["batch"])
        if not 0 <= place < size:
            raise ValueError(f"batch {record['batch']}")
        controls = TumorControls(told.get("fill"), told.get("p95_suv"))
        return cls(int(record["seed"]), controls, int(record["tries"]), (place, size))
