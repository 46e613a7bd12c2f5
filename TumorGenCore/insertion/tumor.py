"""The result of an insertion: one tumor in one box, with image, masks, measures, quality and provenance."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np
import SimpleITK as sitk

from TumorGenCore.insertion.growth import Growth, Maker
from TumorGenCore.insertion.paste import Pasted, on_whole_grid, with_region
from TumorGenCore.insertion.prepared import PreparedBox
from TumorGenCore.insertion.provenance import Provenance, box_record, make_provenance
from TumorGenCore.insertion.request import TumorRequest
from TumorGenCore.insertion.targets import misses
from TumorGenCore.lesions.quality import Expected, QualityScore, score_region

__all__ = ["Tumor", "provenance_of"]


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
        return provenance_of([self])

    @property
    def record(self) -> dict[str, Any]:
        """Its part of a provenance: box (LPS mm), how it was grown, the gain of its uptake, the hash of its voxels."""
        return {
            "seed": int(self.seed),
            **box_record(self.prepared.box),
            **self.growth.as_dict(),
            "uptake_gain": float(self.pasted.gain),
            "sha256": self.sha256,
        }

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


def provenance_of(tumors: Sequence[Tumor]) -> Provenance:
    """The record of an image with these tumors.

    Args:
        tumors: in the order in which they were inserted; the first saw the input itself.
    """
    first = tumors[0]
    records = [tumor.record for tumor in tumors]
    return make_provenance(first.prepared, first.request, first.maker, first.created, records)
