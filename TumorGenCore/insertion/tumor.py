"""The result of an insertion: one tumor in one box, with image, masks, measures, quality and provenance."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from TumorGenCore.insertion.paste import Pasted, on_whole_grid, with_region
from TumorGenCore.insertion.prepared import PreparedBox
from TumorGenCore.insertion.provenance import Provenance, make_provenance
from TumorGenCore.insertion.request import TumorRequest
from TumorGenCore.insertion.targets import misses
from TumorGenCore.lesions.quality import Expected, QualityScore, score_region
from TumorGenCore.method.controls import TumorControls
from TumorGenCore.method.schedule import Sampling

if TYPE_CHECKING:
    import torch

    from TumorGenCore.bundle.model_bundle import ModelBundle

__all__ = ["Growth", "Maker", "Tumor"]


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


@dataclass(frozen=True)
class Tumor:
    """One synthetic tumor.

    What takes the longer the larger the volume is, and what only some callers want, is made when it is first asked for.
    The scan is kept for that as it was when the box was prepared.

    Args:
        prepared: box and scan.
        request: what was asked for.
        growth: how it was grown.
        pasted: it, on the scan's voxels around the box.
        maker: bundle, device, sampling.
        notices: how it was computed, where the user should know of it.
        seconds: time of each part.
        created: when, with its time zone.
    """

    prepared: PreparedBox
    request: TumorRequest
    growth: Growth
    pasted: Pasted
    maker: Maker
    notices: tuple[str, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    created: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def seed(self) -> int:
        """That it was grown with."""
        return self.growth.seed

    @cached_property
    def image(self) -> sitk.Image:
        """The volume with the tumor: the input's grid, pixel type and units, without its metadata keys."""
        return with_region(self.prepared.image, self.pasted.voxels, self.pasted.start_ijk)

    @cached_property
    def mask(self) -> sitk.Image:
        """0/1 uint8 on the image's grid, zero outside the box."""
        return on_whole_grid(self.prepared, self.pasted.tumor, self.pasted.start_ijk)

    @cached_property
    def mask_probability(self) -> sitk.Image:
        """The soft mask M', float32 on the image's grid, zero outside the box."""
        return on_whole_grid(self.prepared, self.pasted.probability, self.pasted.start_ijk)

    @cached_property
    def provenance(self) -> Provenance:
        """How it was made; says that it is synthetic."""
        return make_provenance([self])

    @cached_property
    def quality(self) -> QualityScore:
        """How good the tumor is, and what is poor about it. What the user asked for is not judged."""
        bundle = self.maker.bundle
        return score_region(
            before=self.prepared.image,
            after=self.pasted.voxels,
            tumor=self.pasted.tumor,
            start_ijk=self.pasted.start_ijk,
            box=self.prepared.box,
            suv_factor=self.prepared.units.suv_factor,
            expected=Expected(bundle.training_lesions, bundle.tuning.field_bounds, self.request.asked),
        )

    @cached_property
    def sha256(self) -> str:
        """Of the voxels and the mask around the box: equal for equal tumors."""
        digest = hashlib.sha256(f"{self.pasted.voxels.dtype.str} {self.pasted.voxels.shape}".encode())
        for part in (self.pasted.voxels, self.pasted.tumor):
            digest.update(np.ascontiguousarray(part).data)
        return digest.hexdigest()

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know, in plain words."""
        return tuple(dict.fromkeys((*self.prepared.warnings, *self.notices, *self._shortcomings())))

    def _shortcomings(self) -> list[str]:
        """What was asked for and is not there."""
        found = []
        pasted, fill, target = self.pasted, self.request.fill, self.request.target
        if not pasted.tumor.any():
            found.append("No tumor grew in this box with this seed; try another seed or a larger box.")
        if fill is not None and misses(pasted.fill, fill):
            found.append(
                f"The tumor fills {100 * pasted.fill:.0f} % of the box and not the {100 * fill:.0f} % asked for; "
                "try another seed, or another box."
            )
        if target is not None and pasted.reached is not None and misses(pasted.reached, target.suv):
            found.append(
                f"The tumor reaches SUV{target.measure} {pasted.reached:.1f} and not the {target.suv:.1f} "
                "asked for; try another seed, or a box in other tissue."
            )
        return found
