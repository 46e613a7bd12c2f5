"""TumorGenerator: the whole way from a volume and a rough box to a synthetic image and its mask.

    prepared = generator.prepare(volume, box)                    once per box
    told     = told(bundle, request, noise, tissue)              what nobody asks for is drawn
    sampled  = engine.sample(encoded, noise and told, ...)       noise -> latents, all seeds together
    grown    = engine.decode(sampled)                            latents -> I' and M', one by one
    change   = tissue_change(grown, prepared)                    what I' adds to the tissue, and takes
    pasted   = paste(prepared, change, M', fit_mask, target)     on the scan's voxels, inside the box
    tumor    = Tumor(prepared, request, growth, pasted, ...)     image, mask, quality, provenance when asked for

Where a tumor will not do, ``redraw`` says what to tell the model next, and the middle five lines run again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch
from numpy.typing import NDArray

from TumorGenCore.bundle.model_bundle import DEFAULT_BUNDLE, ModelBundle, load_bundle
from TumorGenCore.errors import InvalidRequestError
from TumorGenCore.insertion.box_warnings import box_warnings
from TumorGenCore.insertion.change import TissueChange, tissue_change
from TumorGenCore.insertion.engine import Engine, Grown, Sampled, timed
from TumorGenCore.insertion.growth import Growth, Maker
from TumorGenCore.insertion.mask_fitting import fitted
from TumorGenCore.insertion.paste import FitMask, paste
from TumorGenCore.insertion.prepared import PreparedBox, place_box, tissue_suv
from TumorGenCore.insertion.progress import OnProgress, Progress, ShouldCancel
from TumorGenCore.insertion.provenance import hash_volume
from TumorGenCore.insertion.redraw import FillRule, FillSearch, SpeckRule
from TumorGenCore.insertion.request import TumorRequest, check_seeds
from TumorGenCore.insertion.told import noise_seed, told
from TumorGenCore.insertion.tumor import Tumor
from TumorGenCore.method.controls import TumorControls
from TumorGenCore.method.devices import pick_device
from TumorGenCore.method.schedule import Sampling
from TumorGenCore.volumes.geometry import Box, Grid
from TumorGenCore.volumes.volume import PetVolume

__all__ = ["TumorGenerator"]

_WHATEVER_GROWS = TumorRequest()


class TumorGenerator:
    """Inserts tumors with one model bundle on one device.

    Args:
        bundle: the networks, and what is tuned to them.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``.

    Raises:
        InvalidRequestError: a device that this machine does not have.

    Example:
        >>> generator = TumorGenerator.from_pretrained()
        >>> tumor = generator.insert(image, Box((0, 0, 0), (40, 40, 40)), TumorRequest(suv_max=8), seed=7)
        >>> tumor.image, tumor.mask
    """

    #: What computes with the networks; a study may put another one in its place, as it may override the steps below.
    engine_type: type[Engine] = Engine

    def __init__(self, bundle: ModelBundle, device: str = "auto") -> None:
        self.bundle = bundle
        self.engine = self.engine_type(bundle, pick_device(device))

    @property
    def device(self) -> torch.device:
        """Where the networks compute."""
        return self.engine.device

    @classmethod
    def from_pretrained(cls, name_or_path: str | Path = DEFAULT_BUNDLE, device: str = "auto") -> TumorGenerator:
        """Load an installed bundle by name, or a bundle folder.

        Raises:
            ModelBundleError: missing, damaged or foreign.
            InvalidRequestError: a device that this machine does not have.
        """
        generator = cls(load_bundle(name_or_path), device)
        if generator.device.type != "cpu":
            generator.warm_up()
        return generator

    def warm_up(self) -> None:
        """Let the networks compute once, on the smallest patch: a device's first calls load and choose its kernels."""
        volume = Grid((16, 16, 16), (4.0, 4.0, 4.0)).image_from_array(np.ones((16, 16, 16), np.float32))
        edge = self.bundle.patch.min_box_mm
        self.insert(volume, Box((30.0, 30.0, 30.0), (edge, edge, edge)), TumorRequest(steps=1), suv_factor=1)

    def insert(
        self,
        image: sitk.Image | PetVolume,
        box: Box,
        request: TumorRequest = _WHATEVER_GROWS,
        *,
        seed: int = 0,
        suv_factor: float | None = None,
        on_progress: OnProgress | None = None,
        should_cancel: ShouldCancel | None = None,
    ) -> Tumor:
        """Insert one tumor.

        Args:
            image: 3D scalar PET, or a ``PetVolume`` from ``read_volume`` that knows its units.
            box: where, LPS mm; may be rotated and may reach past the volume.
            request: what the tumor shall be like. With ``fill`` up to seven tumors are grown until one is within 5 %;
                the nearest is taken. ``least_quality`` says nothing of a single tumor.
            seed: the same seed gives the same tumor on a given device and thread count, and another one at another
                site (see ``told.SITE_MM``).
            suv_factor: SUV per unit of the image; None takes the image as SUV.
            on_progress: called after each sampling step.
            should_cancel: asked between steps.

        Raises:
            UnsupportedVolumeError, InvalidBoxError, InvalidRequestError: before any work.
            CancelledError: ``should_cancel`` said so.
        """
        self.check(request, (seed,))
        prepared = self.prepare(image, box, suv_factor=suv_factor)
        return self.generate(prepared, request, seed=seed, on_progress=on_progress, should_cancel=should_cancel)

    def prepare(self, image: sitk.Image | PetVolume, box: Box, *, suv_factor: float | None = None) -> PreparedBox:
        """Check volume and box, sample the patch, encode it, decode the original: once for all tumors of a box.

        Raises:
            UnsupportedVolumeError, InvalidBoxError
        """
        seconds: dict[str, float] = {}
        with timed(seconds, "check"):
            placed = place_box(image, box, self.bundle.patch, suv_factor)
        with timed(seconds, "sample"):
            suv = placed.patch.sample(placed.image) * np.float32(placed.units.suv_factor)
            inside, on_latent = placed.patch.box_coverage(), placed.patch.box_coverage(self.bundle.vae.factor)
            warnings = box_warnings(box, placed.grid, suv[inside > 0.5])
        encoded, notices = self.engine.encode(suv, inside, on_latent, seconds)
        return PreparedBox(
            **vars(placed),
            encoded=encoded,
            tissue_suv=tissue_suv(suv, inside),
            input_hash=cache(partial(hash_volume, placed.image)),
            warnings=(*warnings, *notices),
            seconds=seconds,
        )

    def generate(
        self,
        prepared: PreparedBox,
        request: TumorRequest = _WHATEVER_GROWS,
        *,
        seed: int = 0,
        on_progress: OnProgress | None = None,
        should_cancel: ShouldCancel | None = None,
    ) -> Tumor:
        """One tumor for a prepared box; see ``insert``."""
        (tumor,) = self.generate_each(
            prepared, request, seeds=(seed,), on_progress=on_progress, should_cancel=should_cancel
        )
        return tumor

    def generate_many(
        self, prepared: PreparedBox, request: TumorRequest = _WHATEVER_GROWS, *, seeds: Sequence[int]
    ) -> list[Tumor]:
        """One tumor for each seed, in their order; see ``generate_each``."""
        by_seed = {tumor.seed: tumor for tumor in self.generate_each(prepared, request, seeds=seeds)}
        return [by_seed[seed] for seed in seeds]

    def generate_each(
        self,
        prepared: PreparedBox,
        request: TumorRequest = _WHATEVER_GROWS,
        *,
        seeds: Sequence[int],
        on_progress: OnProgress | None = None,
        should_cancel: ShouldCancel | None = None,
    ) -> Iterator[Tumor]:
        """One tumor for each seed, each as soon as it is done: sampled together, then decoded and pasted one by one.

        A seed gives the same tumor alone and among others, to the rounding of the networks' precision: with several
        threads sums are taken in another order. For the arguments see ``insert``; what cannot be used is refused before
        any work.
        """
        sampling = self.check(request, seeds)
        progress = Progress(sampling.steps * request.most_tries * len(seeds), on_progress, should_cancel)
        return self._each(prepared, request, seeds, sampling, progress)

    def grow_again(
        self,
        prepared: PreparedBox,
        request: TumorRequest,
        growth: Growth,
        *,
        on_progress: OnProgress | None = None,
        should_cancel: ShouldCancel | None = None,
    ) -> Tumor:
        """The tumor of a provenance once more: told the same, and sampled in a batch of as many, which decides its last
        bits.

        Args:
            prepared: the same box in the same scan.
            request: of the tumor.
            growth: of the tumor.
            on_progress: called after each sampling step.
            should_cancel: asked between steps.
        """
        sampling = self.check(request, (growth.seed,))
        place, size = growth.batch
        progress = Progress(sampling.steps * size, on_progress, should_cancel)
        progress.tell(0, "sampling")
        order = (noise_seed(growth.seed, prepared.box), growth.told)
        sampled, notices = self.engine.sample(
            prepared.encoded, [order] * size, sampling, lambda done: progress.tell(done, "sampling")
        )
        growing = _Growing(growth.seed, *order, SpeckRule(None, self.bundle.tuning), dict(prepared.seconds))
        tumor = self._tumor(prepared, request, sampling, growing, sampled[place], notices)
        return replace(tumor, growth=growth)

    def check(self, request: TumorRequest, seeds: Sequence[int]) -> Sampling:
        """How the model will be sampled; what it cannot do is refused.

        Raises:
            InvalidRequestError: no seed or none that can be used, or a fill that the model cannot be told.
        """
        check_seeds(seeds)
        if request.fill is not None and not self.bundle.vector_field.control_channels:
            raise InvalidRequestError(
                f"The model {self.bundle.name} cannot be asked for a fill; draw a larger or smaller box, or use a "
                "model that was trained with controls."
            )
        return self.bundle.sampling.asked(request.steps, request.solver)

    def change(self, grown: Grown, prepared: PreparedBox) -> TissueChange:
        """What a grown tumor does to the tissue, on the working patch."""
        return tissue_change(grown.synthetic_suv, prepared.original_suv)

    def fit_mask(self, prepared: PreparedBox) -> FitMask | None:
        """How M' is laid on the uptake that it marks."""

        def fit(probability: NDArray, suv: NDArray, brought: NDArray) -> NDArray:
            spacing_mm = prepared.patch.grid.spacing_mm[0]
            return fitted(probability, suv, brought, spacing_mm, prepared.tissue_suv, self.bundle.tuning)

        return fit

    def _each(
        self,
        prepared: PreparedBox,
        request: TumorRequest,
        seeds: Sequence[int],
        sampling: Sampling,
        progress: Progress,
    ) -> Iterator[Tumor]:
        progress.tell(0, "sampling")
        waiting = [self._growing(prepared, request, seed) for seed in seeds]
        planned = progress.steps_in_all // len(seeds)
        settled = 0
        while waiting:
            before = planned * settled + sampling.steps * len(waiting) * len(waiting[0].tries)
            sampled, notices = self.engine.sample(
                prepared.encoded,
                [(growing.noise, growing.told) for growing in waiting],
                sampling,
                lambda done, before=before: progress.tell(before + done, "sampling"),  # type: ignore[misc]
            )
            again = []
            for growing, one in zip(waiting, sampled, strict=True):
                progress.tell(0, "pasting")
                tumor = self._tumor(prepared, request, sampling, growing, one, notices)
                if growing.take(tumor):
                    again.append(growing)
                else:
                    settled += 1
                    yield growing.best
            waiting = again
        progress.tell(progress.steps_in_all, "done")

    def _growing(self, prepared: PreparedBox, request: TumorRequest, seed: int) -> _Growing:
        noise = noise_seed(seed, prepared.box)
        first = told(self.bundle, request, noise, prepared.tissue_suv)
        if request.fill is None:
            rule: FillRule = SpeckRule(self.bundle.fill.draw(noise), self.bundle.tuning)
        else:
            search = FillSearch(request.fill, self.bundle.tuning.most_edge)
            rule, first = search, replace(first, fill=search.first_told)
        return _Growing(seed, noise, first, rule, dict(prepared.seconds))

    def _tumor(
        self,
        prepared: PreparedBox,
        request: TumorRequest,
        sampling: Sampling,
        growing: _Growing,
        sampled: Sampled,
        notices: tuple[str, ...],
    ) -> Tumor:
        """One sampled tumor on the scan."""
        seconds = growing.seconds
        seconds["steps"] = seconds.get("steps", 0.0) + sampled.seconds
        grown, more_notices = self.engine.decode(sampled, prepared.encoded, seconds)
        with timed(seconds, "paste"):
            change = self.change(grown, prepared)
            pasted = paste(prepared, change, grown.probability, self.fit_mask(prepared), request.target)
        growth = Growth(growing.seed, growing.told, len(growing.tries) + 1, sampled.batch)
        maker = Maker(self.bundle, self.device, sampling)
        return Tumor(prepared, request, growth, pasted, maker, (*notices, *more_notices), seconds)


@dataclass
class _Growing:
    """A seed whose tumor is being grown.

    Args:
        seed: the user's.
        noise: seed of its noise at the site.
        told: what the model is told of it next.
        rule: whether and how it is grown again.
        seconds: of all its parts so far.
        tries: its tumors so far.
    """

    seed: int
    noise: int
    told: TumorControls
    rule: FillRule
    seconds: dict[str, float]
    tries: list[Tumor] = field(default_factory=list)

    def take(self, tumor: Tumor) -> bool:
        """Take in the newest tumor; whether another is to be grown."""
        self.tries.append(tumor)
        fill = self.rule.next_told(tumor.pasted.fill)
        if fill is not None:
            self.told = replace(self.told, fill=fill)
        return fill is not None

    @property
    def best(self) -> Tumor:
        """Of the tumors so far, that which the rule takes; it says how many there were."""
        best = self.tries[self.rule.best]
        return replace(best, growth=replace(best.growth, tries=len(self.tries)))
