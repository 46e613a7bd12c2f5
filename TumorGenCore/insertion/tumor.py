"""The result of an insertion: one tumor in one box, with image, masks, measures, quality and provenance."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Literal

import numpy as np
import SimpleITK as sitk

from TumorGenCore.insertion.adjustment import USUAL_THRESHOLD, Adjustment
from TumorGenCore.insertion.growth import Growth, Maker
from TumorGenCore.insertion.increment import IncrementUnits, increment_of
from TumorGenCore.insertion.paste import Pasted, on_whole_grid, with_region
from TumorGenCore.insertion.prepared import PreparedBox
from TumorGenCore.insertion.provenance import Provenance, box_record, make_provenance
from TumorGenCore.insertion.request import TumorRequest
from TumorGenCore.insertion.resolved import FillTarget, Targets, UptakeTarget
from TumorGenCore.insertion.targets import check_reachable, misses
from TumorGenCore.lesions.quality import LEAST_QUALITY, Expected, QualityScore, score_region

__all__ = ["Shortcoming", "Tumor", "provenance_of"]


@dataclass(frozen=True)
class Shortcoming:
    """What is wrong with a tumor.

    Args:
        kind: ``poor`` if its quality is poor or no tumor grew; ``missed`` if it misses a wanted fill or uptake; ``cut``
            if the voxel type of the scan cuts off its uptake.
        text: warning for the user.
    """

    kind: Literal["poor", "missed", "cut"]
    text: str


@dataclass(frozen=True)
class Tumor:
    """One synthetic tumor.

    It computes image, masks and other large or rare results on first use. For this it keeps the scan as it was when the
    box was prepared.

    Args:
        prepared: box and scan.
        request: the user's request.
        growth: how it was grown.
        pasted: the tumor on the scan's voxels around the box.
        maker: bundle, device and sampling settings.
        paste_again: pastes the grown tumor once more; takes ``target`` and ``threshold`` of ``paste.paste``.
        notices: notices for the user about the computation.
        seconds: time of each part.
        created: time of creation, with its time zone.
        adjustment: what was changed since it was grown.
    """

    prepared: PreparedBox
    request: TumorRequest
    growth: Growth
    pasted: Pasted
    maker: Maker
    paste_again: Callable[..., Pasted]
    notices: tuple[str, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    adjustment: Adjustment = field(default_factory=Adjustment)

    @property
    def seed(self) -> int:
        """Seed with which it was grown."""
        return self.growth.seed

    @cached_property
    def targets(self) -> Targets:
        """What the request means in this box."""
        return self.prepared.targets(self.request)

    @property
    def target(self) -> UptakeTarget | None:
        """The uptake to reach, if the user wants one."""
        return self.adjustment.target(self.targets.uptake)

    def with_uptake(self, suv_max: float) -> Tumor:
        """Returns the same tumor with another SUVmax, without sampling again.

        One factor for the uptake that the tumor adds leads to the SUVmax, and the mask is fitted again, as in a run.
        If the SUVmax cannot be reached, the warnings say so. No voxel outside the box changes.

        Raises:
            InvalidRequestError: this is no SUV, or the voxels of the scan cannot hold it.
        """
        return self.adjusted(replace(self.adjustment, suv_max=suv_max))

    def with_mask_threshold(self, probability: float) -> Tumor:
        """Returns the same tumor with the mask where its soft mask is above a probability, without sampling again.

        The voxels of the image stay, unless a wanted uptake is measured over the mask.

        Raises:
            InvalidRequestError: the probability is not more than 0 and less than 1.
        """
        return self.adjusted(replace(self.adjustment, mask_threshold=probability))

    def adjusted(self, adjustment: Adjustment) -> Tumor:
        """Returns the tumor as it was grown, with these changes; see ``with_uptake`` and ``with_mask_threshold``."""
        changed: dict[str, Any] = {"threshold": adjustment.mask_threshold}
        if adjustment.suv_max is not None:
            changed["target"] = adjustment.target(self.targets.uptake)
            check_reachable(changed["target"], self.prepared.highest_suv, self.prepared.voxel_type)
        return replace(self, pasted=self.paste_again(**changed), adjustment=adjustment)

    @cached_property
    def image(self) -> sitk.Image:
        """The volume with the tumor, in the input's grid, pixel type and units, without its metadata keys."""
        return with_region(self.prepared.image, self.pasted.voxels, self.pasted.start_ijk)

    @cached_property
    def mask(self) -> sitk.Image:
        """The mask, uint8 0 or 1 on the image's grid, zero outside the box."""
        return on_whole_grid(self.prepared, self.pasted.tumor, self.pasted.start_ijk)

    @cached_property
    def mask_probability(self) -> sitk.Image:
        """The soft mask M', float32 on the image's grid, zero outside the box."""
        return on_whole_grid(self.prepared, self.pasted.probability, self.pasted.start_ijk)

    def increment(self, units: IncrementUnits = "suv") -> sitk.Image:
        """What the tumor changed, on the image's grid, zero outside the box; see ``increment_of``."""
        return increment_of([self], units)

    @cached_property
    def provenance(self) -> Provenance:
        """Record of how it was made, with the statement that it is synthetic."""
        return provenance_of([self])

    @property
    def record(self) -> dict[str, Any]:
        """Its part of a provenance: box (LPS mm), how it was grown and changed, its gain, hash of its voxels."""
        changed = self.adjustment.as_dict()
        return {
            "seed": int(self.seed),
            **box_record(self.prepared.box),
            **self.growth.as_dict(),
            **({"adjusted": changed} if changed else {}),
            "uptake_gain": float(self.pasted.gain),
            "sha256": self.sha256,
        }

    @cached_property
    def quality(self) -> QualityScore:
        """Quality of the tumor, and what is poor about it. It does not judge properties that the user chose."""
        bundle, asked = self.maker.bundle, self.request.asked | self.adjustment.asked
        return score_region(
            before=self.prepared.image,
            after=self.pasted.voxels,
            tumor=self.pasted.tumor,
            start_ijk=self.pasted.start_ijk,
            box=self.prepared.box,
            suv_factor=self.prepared.units.suv_factor,
            expected=Expected(bundle.training_lesions, bundle.tuning.field_bounds, asked, inserted=True),
        )

    @cached_property
    def sha256(self) -> str:
        """Hash of the voxels and the mask around the box; equal for equal tumors."""
        digest = hashlib.sha256(f"{self.pasted.voxels.dtype.str} {self.pasted.voxels.shape}".encode())
        for part in (self.pasted.voxels, self.pasted.tumor):
            digest.update(np.ascontiguousarray(part).data)
        return digest.hexdigest()

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """Warnings for the user, in plain words."""
        before = self.prepared.forewarnings(self.request)
        return tuple(dict.fromkeys((*before, *self.notices, *(one.text for one in self.shortcomings))))

    @cached_property
    def shortcomings(self) -> tuple[Shortcoming, ...]:
        """A poor quality, and wanted properties that the tumor does not have."""
        found = []
        pasted, target = self.pasted, self.target
        size = None if "volume_ml" in self.adjustment.asked else self.targets.size
        if not pasted.tumor.any():
            text = "No tumor grew in this box with this seed; try another seed or a larger box."
            if self.adjustment.mask_threshold > USUAL_THRESHOLD:
                text = f"No voxel has a probability above {self.adjustment.mask_threshold:g}; lower the mask threshold."
            found.append(Shortcoming("poor", text))
        if pasted.cut_off:
            text = (
                f"The voxel type {self.prepared.voxel_type} of this scan ends at SUV {self.prepared.highest_suv:.3g}, "
                f"where it cuts off {pasted.cut_off} voxels of the tumor. Convert the scan to float32 or a wider "
                "integer type and insert the tumor again."
            )
            found.append(Shortcoming("cut", text))
        if pasted.tumor.any() and not self.quality.passes:
            judged = f"The quality of this tumor is {self.quality.total:.2f}, below {LEAST_QUALITY:g}: it is not good."
            found.append(Shortcoming("poor", " ".join([judged, *self.quality.reasons])))
        if size is not None and misses(pasted.fill, size.share):
            found.append(Shortcoming("missed", self._missed_size(size)))
        if target is not None and pasted.reached is not None and misses(pasted.reached, target.suv):
            # Another seed would be cut off in the same way.
            remedy = "." if pasted.cut_off else "; try another seed or a box in other tissue."
            text = (
                f"The tumor reaches {target.name} {pasted.reached:.1f} instead of the requested "
                f"{target.suv:.1f}{f' ({target.origin})' * bool(target.origin)}{remedy}"
            )
            found.append(Shortcoming("missed", text))
        return tuple(found)

    def _missed_size(self, size: FillTarget) -> str:
        words = f"fills {100 * self.pasted.fill:.0f} % of the box instead of the requested {100 * size.share:.0f} %"
        if size.origin:
            volume = self.pasted.fill * self.prepared.box.volume_ml
            words = f"has {volume:.3g} ml instead of the requested {size.origin}"
        return f"The tumor {words}; try another seed or another box."


def provenance_of(tumors: Sequence[Tumor]) -> Provenance:
    """Makes the record of an image with these tumors.

    Args:
        tumors: in the order of insertion; the first was inserted in the input itself.
    """
    first = tumors[0]
    records = [tumor.record for tumor in tumors]
    made = make_provenance(first.prepared, first.request, first.maker, first.created, records)
    return {**made, "warnings": list(dict.fromkeys(line for tumor in tumors for line in tumor.warnings))}
