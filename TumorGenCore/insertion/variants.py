"""Several variants of one request, for every front end. They are sampled together and returned one by one.

    run = VariantRun(generator, prepared, request, seeds=range(3))
    for variant in run:                  the good ones first, each as soon as it is done
        variant.image, variant.mask, variant.quality.total
    best_first(run), run.remark

A variant is one synthetic volume, with a tumor in each of its boxes.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from TumorGenCore.insertion.generator import TumorGenerator
from TumorGenCore.insertion.increment import IncrementUnits, increment_of
from TumorGenCore.insertion.paste import BoxRegion
from TumorGenCore.insertion.prepared import PreparedBox
from TumorGenCore.insertion.progress import OnProgress, Progress, ShouldCancel
from TumorGenCore.insertion.provenance import Provenance
from TumorGenCore.insertion.redraw import QualityRule, other_seeds
from TumorGenCore.insertion.request import TumorRequest
from TumorGenCore.insertion.segment import Segment
from TumorGenCore.insertion.summary import VariantSummary
from TumorGenCore.insertion.told import box_seed
from TumorGenCore.insertion.truth import lesion_rows
from TumorGenCore.insertion.tumor import Shortcoming, Tumor, provenance_of
from TumorGenCore.lesions.measures import PEAK_RADIUS_MM, LesionMeasures, measure_lesion
from TumorGenCore.lesions.quality import QualityScore, worst
from TumorGenCore.volumes.geometry import Box
from TumorGenCore.volumes.volume import PetVolume
from TumorGenCore.volumes.voxels import read_region

__all__ = ["Variant", "VariantRun", "best_first"]


@dataclass(frozen=True)
class Variant:
    """One synthetic volume.

    Args:
        tumors: one per box, in the order of insertion; each was inserted in the image with those before it.
        seconds: its time, with its share of the common computations.
        poor: message that its quality is lower than requested; empty if it is not.
    """

    tumors: tuple[Tumor, ...]
    seconds: float
    poor: str = ""

    @property
    def seed(self) -> int:
        """Seed of the variant, which is that of its first tumor."""
        return self.tumors[0].seed

    @property
    def image(self) -> sitk.Image:
        """The whole volume in the input's pixel type; identical to the input outside all boxes."""
        return self.tumors[-1].image

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """Masks of the tumors, one per box, disjoint. A later box removes the parts that it replaced."""
        segments = [Segment(tumor.pasted.tumor.copy(), _triple(tumor.pasted.start_ijk)) for tumor in self.tumors]
        for n, tumor in enumerate(self.tumors[1:], start=1):
            replaced = BoxRegion.of(tumor.prepared).window >= 0.5
            for earlier in segments[:n]:
                _clear(earlier.mask, earlier.start_ijk, replaced, segments[n].start_ijk)
        return tuple(segments)

    @cached_property
    def mask(self) -> sitk.Image:
        """Mask of the tumors of all boxes, uint8 0 or 1 on the image's grid."""
        if len(self.tumors) == 1:
            return self.tumors[0].mask
        grid = self.tumors[0].prepared.grid
        whole = np.zeros(grid.size_ijk[::-1], dtype=np.uint8)
        for segment in self.segments:
            whole[segment.region] |= segment.mask
        return grid.image_from_array(whole)

    @cached_property
    def mask_probability(self) -> sitk.Image:
        """Soft mask M' of all boxes, float32 on the image's grid."""
        if len(self.tumors) == 1:
            return self.tumors[0].mask_probability
        grid = self.tumors[0].prepared.grid
        whole = np.zeros(grid.size_ijk[::-1], dtype=np.float32)
        for tumor, segment in zip(self.tumors, self.segments, strict=True):
            here = whole[segment.region]
            here[BoxRegion.of(tumor.prepared).window >= 0.5] = 0
            np.maximum(here, tumor.pasted.probability, out=here)
        return grid.image_from_array(whole)

    @cached_property
    def measures(self) -> LesionMeasures:
        """Measures of all tumors together; reads only the surroundings of the boxes."""
        last = self.tumors[-1]
        grid = last.prepared.grid
        margin = math.ceil(2 * PEAK_RADIUS_MM / min(grid.spacing_mm))
        bounds = [tumor.prepared.box.index_bounds(grid, margin) for tumor in self.tumors]
        start = np.min([first for first, _ in bounds], axis=0)
        size = np.max([stop for _, stop in bounds], axis=0) - start
        voxels = self.voxels(start.tolist(), size.tolist())
        mask = np.zeros(voxels.shape, dtype=bool)
        for segment in self.segments:
            mask[_shifted(segment.start_ijk, segment.mask.shape, start)] |= segment.mask > 0
        return measure_lesion(voxels * last.prepared.units.suv_factor, mask, grid.right_edges_mm)

    def voxels(self, start_ijk: Sequence[int], size_ijk: Sequence[int]) -> NDArray:
        """Reads a block of the synthetic volume, in the scan's pixel type and units, without making the whole volume.

        Args:
            start_ijk: first voxel; the block must lie within the volume.
            size_ijk: voxels along i, j, k.

        Returns:
            Array (k, j, i).
        """
        voxels = read_region(self.tumors[0].prepared.image, start_ijk, size_ijk).copy()
        for tumor in self.tumors:
            pasted = tumor.pasted
            common = _common(start_ijk, voxels.shape, pasted.start_ijk, pasted.voxels.shape)
            if common is not None:
                here, there = common
                voxels[here] = pasted.voxels[there]
        return voxels

    @cached_property
    def truth(self) -> tuple[dict[str, Any], ...]:
        """What is known about each lesion; see ``truth_table``."""
        return lesion_rows(self)

    def increment(self, units: IncrementUnits = "suv") -> sitk.Image:
        """What the tumors changed, on the scan's grid, zero outside the boxes; see ``increment_of``."""
        return increment_of(self.tumors, units)

    @cached_property
    def quality(self) -> QualityScore:
        """Quality of the poorest tumor, which is the quality of the image."""
        return worst(tumor.quality for tumor in self.tumors)

    @cached_property
    def provenance(self) -> Provenance:
        """Record of how it was made, with the statement that it is synthetic."""
        return provenance_of(self.tumors)

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """Warnings for the user, in plain words."""
        lines = [line for tumor in self.tumors for line in tumor.warnings]
        return tuple(dict.fromkeys([*lines, *([self.poor] if self.poor else [])]))

    @property
    def shortcomings(self) -> tuple[Shortcoming, ...]:
        """What is wrong with its tumors."""
        found = [one for tumor in self.tumors for one in tumor.shortcomings]
        return (*found, Shortcoming("poor", self.poor)) if self.poor else tuple(found)

    @cached_property
    def summary(self) -> VariantSummary:
        """Summary of the variant, without voxels."""
        return VariantSummary(
            seed=self.seed,
            measures=self.measures,
            quality=self.quality,
            warnings=self.warnings,
            seconds=self.seconds,
            part_seconds=dict(self.tumors[0].seconds),
            provenance=self.provenance,
        )


class VariantRun:
    """Variants of one request, in one or several boxes of one scan. It can be iterated only once.

    The tumors of the first box are sampled together. With ``request.least_quality``, tumors with other seeds replace
    poor tumors, up to two for each wanted tumor. Good variants come as soon as they are done, and the poor ones that
    are still needed come at the end.

    Args:
        generator: the generator that inserts the tumors.
        prepared: the first box in the scan.
        request: wanted properties of the tumors.
        seeds: one for each variant.
        more_boxes: further boxes; tumors are inserted in this order, each in the image with those before it.
        redraw_seeds: seeds of the replacements, in order; None counts up from the highest of ``seeds``.
        on_progress: called after each sampling step with the finished steps, the planned steps and the current
            activity.
        should_cancel: called between steps; True cancels.

    Raises:
        InvalidRequestError: a seed, a fill or a target cannot be used.
    """

    def __init__(
        self,
        generator: TumorGenerator,
        prepared: PreparedBox,
        request: TumorRequest,
        seeds: Sequence[int],
        *,
        more_boxes: Sequence[Box] = (),
        redraw_seeds: Iterable[int] | None = None,
        on_progress: OnProgress | None = None,
        should_cancel: ShouldCancel | None = None,
    ) -> None:
        sampling = generator.check(request, seeds, prepared)
        self.generator, self.prepared, self.request = generator, prepared, request
        self.seeds, self.more_boxes = list(seeds), list(more_boxes)
        #: Seed and quality of each dropped tumor; each was replaced by another tumor.
        self.redrawn: list[tuple[int, QualityScore]] = []
        self._rule = QualityRule(self.seeds, request.least_quality, redraw_seeds)
        self._each = sampling.steps * request.most_tries
        in_all = self._each * len(self.seeds) * (1 + len(self.more_boxes))
        self._progress = Progress(in_all, on_progress, should_cancel)

    @property
    def forewarnings(self) -> tuple[str, ...]:
        """Warnings for the user before the work; see ``PreparedBox.forewarnings``."""
        return self.prepared.forewarnings(self.request)

    @property
    def remark(self) -> str:
        """How many tumors were dropped, and why; empty if none. It is complete at the end of the iteration."""
        if not self.redrawn:
            return ""
        reasons = Counter(quality.weakness for _, quality in self.redrawn)
        count = len(self.redrawn)
        what = f"{count} poor tumors were replaced by new ones"
        if count == 1:
            what = "1 poor tumor was replaced by a new one"
        return f"{what}: " + ", ".join(f"{n} for {reason}" for reason, n in reasons.most_common()) + "."

    def __iter__(self) -> Iterator[Variant]:
        poor: list[tuple[Tumor, float]] = []
        missing, batch, finished = len(self.seeds), self.seeds, 0
        while batch:
            for tumor, seconds in self._sampled_together(batch):
                if not self._is_good(tumor):
                    poor.append((tumor, seconds))
                    continue
                missing -= 1
                yield self._completed(tumor, seconds, finished)
                finished += 1
            batch = self._rule.next_seeds(missing)
        poor.sort(key=lambda one: -one[0].quality.total)
        self.redrawn += [(tumor.seed, tumor.quality) for tumor, _ in poor[missing:]]
        for tumor, seconds in poor[:missing]:
            yield self._completed(tumor, seconds, finished)
            finished += 1

    def _is_good(self, tumor: Tumor) -> bool:
        # The quality is computed only if the request sets a limit.
        return self.request.least_quality is None or self._rule.is_good(tumor.quality.total)

    def _sampled_together(self, seeds: Sequence[int]) -> Iterator[tuple[Tumor, float]]:
        """Yields the tumors of the first box, each with its time."""
        again = f"{len(seeds)} drawn again, " if seeds is not self.seeds else ""
        start = time.perf_counter()
        tumors = self.generator.generate_each(
            self.prepared,
            self.request,
            seeds=seeds,
            on_progress=lambda done, _, doing: self._progress.tell(done, again + doing),
        )
        for tumor in tumors:
            now = time.perf_counter()
            yield tumor, now - start
            start = time.perf_counter()

    def _completed(self, first: Tumor, seconds: float, finished: int) -> Variant:
        """Inserts tumors in the further boxes too, and returns the variant."""
        start = time.perf_counter()
        tumors = [first]
        done = self._each * (len(self.seeds) + finished * len(self.more_boxes))
        for number, box in enumerate(self.more_boxes, start=1):
            image = PetVolume(tumors[-1].image, self.prepared.units)
            seed = box_seed(first.seed, number)
            run = VariantRun(
                self.generator,
                self.generator.prepare(image, box),
                self.request,
                (seed,),
                redraw_seeds=other_seeds(seed),
                on_progress=self._from(done, number),
            )
            (variant,) = run
            tumors.append(variant.tumors[0])
            self.redrawn += run.redrawn
            done += self._each
        variant = Variant(tuple(tumors), seconds + time.perf_counter() - start)
        return self._judged(variant)

    def _from(self, before: int, number: int) -> OnProgress:
        def tell(done: int, _: int, doing: str) -> None:
            self._progress.tell(before + done, f"box {number + 1} of {1 + len(self.more_boxes)}, {doing}")

        return tell

    def _judged(self, variant: Variant) -> Variant:
        least = self.request.least_quality
        if least is None or variant.quality.total >= least:
            return variant
        words = (
            f"The tumor of seed {variant.seed} has a quality of {variant.quality.total:.3f}, below "
            f"{least:g}, and no better tumor was found."
        )
        return Variant(variant.tumors, variant.seconds, words)


def best_first(variants: Iterable[Variant]) -> list[Variant]:
    """Sorts variants by their quality, best first; equal ones keep their order.

    Args:
        variants: the variants, or a ``VariantRun``, which then makes them.
    """
    return sorted(variants, key=lambda variant: -variant.quality.total)


def _clear(
    mask: NDArray[np.uint8], start_ijk: Sequence[int], replaced: NDArray[np.bool_], at_ijk: Sequence[int]
) -> None:
    """Sets the mask of a crop to 0 in voxels that are ``replaced`` in another block of the grid."""
    common = _common(start_ijk, mask.shape, at_ijk, replaced.shape)
    if common is not None:
        here, there = common
        mask[here][replaced[there]] = 0


def _common(
    start_ijk: Sequence[int], shape_kji: Sequence[int], other_ijk: Sequence[int], other_kji: Sequence[int]
) -> tuple[tuple[slice, ...], tuple[slice, ...]] | None:
    """Slices (k, j, i) of the voxels that two blocks share, in each of the two; None if they share none."""
    here, there = [], []
    for a, n, b, m in zip(start_ijk[::-1], shape_kji, other_ijk[::-1], other_kji, strict=True):
        first, stop = max(a, b), min(a + n, b + m)
        if first >= stop:
            return None
        here.append(slice(first - a, stop - a))
        there.append(slice(first - b, stop - b))
    return tuple(here), tuple(there)


def _shifted(start_ijk: Sequence[int], shape_kji: Sequence[int], origin_ijk: NDArray) -> tuple[slice, ...]:
    """Slices of a block (first voxel in ijk, shape in kji) in an array that begins at ``origin_ijk``."""
    first = [a - int(b) for a, b in zip(start_ijk, origin_ijk, strict=True)][::-1]
    return tuple(slice(a, a + n) for a, n in zip(first, shape_kji, strict=True))


def _triple(values: Sequence[int]) -> tuple[int, int, int]:
    i, j, k = values
    return i, j, k
