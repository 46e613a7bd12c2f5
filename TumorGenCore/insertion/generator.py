"""TumorGenerator: all steps from a volume and a rough box to a synthetic image and its mask.

    prepared = generator.prepare(volume, box)                    once per box
    targets  = prepared.targets(request)                         SUV and fill that the request means in this box
    told     = told(bundle, targets, noise, tissue)              draws what the user left open
    sampled  = engine.sample(encoded, noise and told, ...)       noise -> latents, all seeds together
    grown    = engine.decode(sampled)                            latents -> I' and M', one by one
    change   = tissue_change(grown, prepared)                    uptake that I' adds to the tissue and removes
    pasted   = paste(prepared, change, M', fit_mask, target)     on the scan's voxels, in the box; zoomed to a fill
    tumor    = Tumor(prepared, request, growth, pasted, ...)     image, mask, quality, provenance on first use

If a tumor is not good enough, ``redraw`` decides what the model is told next, and the middle five lines run again.
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
from TumorGenCore.insertion.change import TissueChange, tissue_change
from TumorGenCore.insertion.engine import Engine, Grown, Sampled, timed
from TumorGenCore.insertion.forewarnings import box_warnings
from TumorGenCore.insertion.growth import Growth, Maker
from TumorGenCore.insertion.mask_fitting import fitted
from TumorGenCore.insertion.paste import FitMask, Grain, paste
from TumorGenCore.insertion.placed import place_box, tissue_suv
from TumorGenCore.insertion.prepared import PreparedBox
from TumorGenCore.insertion.progress import OnProgress, Progress, ShouldCancel
from TumorGenCore.insertion.provenance import hash_volume
from TumorGenCore.insertion.reader_mask import drawn_after
from TumorGenCore.insertion.redraw import FillRule, FillSearch, SpeckRule
from TumorGenCore.insertion.request import TumorRequest, check_seeds
from TumorGenCore.insertion.targets import check_reachable, fit_zoom
from TumorGenCore.insertion.told import noise_seed, reached_for, told
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
        bundle: the networks and the settings that are tuned to them.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.

    Raises:
        InvalidRequestError: this machine does not have the device.

    Example:
        >>> generator = TumorGenerator.from_pretrained()
        >>> tumor = generator.insert(image, Box((0, 0, 0), (40, 40, 40)), TumorRequest(suv_max=8), seed=7)
        >>> tumor.image, tumor.mask
    """

    #: Class of the engine; a study may replace it, or override the steps below.
    engine_type: type[Engine] = Engine

    def __init__(self, bundle: ModelBundle, device: str = "auto") -> None:
        self.bundle = bundle
        self.engine = self.engine_type(bundle, pick_device(device))

    @property
    def device(self) -> torch.device:
        """Device on which the networks compute."""
        return self.engine.device

    @classmethod
    def from_pretrained(cls, name_or_path: str | Path = DEFAULT_BUNDLE, device: str = "auto") -> TumorGenerator:
        """Loads an installed bundle by its name, or a bundle folder.

        Raises:
            ModelBundleError: the bundle is missing or damaged, or is not a TumorGen bundle.
            InvalidRequestError: this machine does not have the device.
        """
        generator = cls(load_bundle(name_or_path), device)
        if generator.device.type != "cpu":
            generator.warm_up()
        return generator

    def warm_up(self) -> None:
        """Runs the networks once on the smallest patch: in its first calls a device loads and chooses kernels."""
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
        """Inserts one tumor.

        Args:
            image: 3D scalar PET, or a ``PetVolume`` from ``read_volume``, which knows its units.
            box: place of the tumor, LPS mm; may be rotated and may reach beyond the volume.
            request: wanted properties of the tumor. With a size, up to three tumors are grown and zoomed until one is
                within 5 %, and the nearest is used. ``least_quality`` has no effect on a single tumor.
            seed: with the same device and thread count, the same seed gives the same tumor at one site and another
                tumor at another site (see ``site_cell.SITE_MM``).
            suv_factor: factor from voxel values to SUV; None takes the values as SUV.
            on_progress: called after each sampling step.
            should_cancel: called between steps; True cancels.

        Raises:
            UnsupportedVolumeError, InvalidBoxError, InvalidRequestError: the input cannot be used; raised before any
                work.
            CancelledError: ``should_cancel`` returned True.
        """
        self.check(request, (seed,))
        prepared = self.prepare(image, box, suv_factor=suv_factor)
        return self.generate(prepared, request, seed=seed, on_progress=on_progress, should_cancel=should_cancel)

    def prepare(self, image: sitk.Image | PetVolume, box: Box, *, suv_factor: float | None = None) -> PreparedBox:
        """Checks volume and box, samples and encodes the patch, and decodes the original; once for all tumors of a box.

        Raises:
            UnsupportedVolumeError, InvalidBoxError: volume or box cannot be used.
        """
        seconds: dict[str, float] = {}
        with timed(seconds, "check"):
            placed = place_box(image, box, self.bundle.patch, suv_factor)
        with timed(seconds, "sample"):
            suv = placed.sampled_suv()
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
        """Makes one tumor for a prepared box; see ``insert``."""
        (tumor,) = self.generate_each(
            prepared, request, seeds=(seed,), on_progress=on_progress, should_cancel=should_cancel
        )
        return tumor

    def generate_many(
        self, prepared: PreparedBox, request: TumorRequest = _WHATEVER_GROWS, *, seeds: Sequence[int]
    ) -> list[Tumor]:
        """Makes one tumor per seed, in the order of the seeds; see ``generate_each``."""
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
        """Yields one tumor per seed: samples all together, then decodes, pastes and yields one by one.

        Except for rounding, a seed gives the same tumor alone and among others: with several threads the order of sums
        differs. For the arguments see ``insert``. Input that cannot be used is an error before any work.
        """
        sampling = self.check(request, seeds, prepared)
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
        """Grows the tumor of a provenance again. The model is told the same, and the batch has the same size.

        The size of the batch decides the last bits.

        Args:
            prepared: the same box in the same scan.
            request: request of the tumor.
            growth: growth of the tumor.
            on_progress: called after each sampling step.
            should_cancel: called between steps; True cancels.
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
        tumor = self._tumor(prepared, request, sampling, growing, sampled[place], notices, growth.zoom)
        return replace(tumor, growth=growth)

    def check(self, request: TumorRequest, seeds: Sequence[int], prepared: PreparedBox | None = None) -> Sampling:
        """Returns the sampling settings for a request, and rejects what model or scan cannot do.

        Args:
            request: wanted properties of the tumors.
            seeds: one for each tumor.
            prepared: a box in the scan; without it, only the model is asked.

        Raises:
            InvalidRequestError: there is no seed, a seed cannot be used, the model has no control for the size, the
                request means nothing in this box (``resolved``), or the voxels of the scan cannot hold the uptake.
        """
        check_seeds(seeds)
        if prepared is not None:
            check_reachable(prepared.targets(request).uptake, prepared.highest_suv, prepared.voxel_type)
        if request.size is not None and not self.bundle.vector_field.control_channels:
            raise InvalidRequestError(
                f"The model {self.bundle.name} has no control for the fill. Draw a larger or smaller box, or use a "
                "model that was trained with controls."
            )
        return self.bundle.sampling.asked(request.steps, request.solver)

    def change(self, grown: Grown, prepared: PreparedBox) -> TissueChange:
        """Change of the tissue by a grown tumor, on the working patch, no sharper than the scan."""
        change = tissue_change(grown.synthetic_suv, prepared.original_suv, grown.probability, prepared.tissue_suv)
        grain_mm = self.bundle.noise.grain_mm
        if grain_mm == 0:
            return change
        return change.blurred(prepared.noise.lost_sigma_mm(grain_mm) / prepared.patch.grid.spacing_mm[0])

    def grain(self, prepared: PreparedBox, seed: int) -> Grain | None:
        """Returns the function that draws noise like that of the scan, for the uptake that the tumor adds.

        None if the bundle adds none; then the noise of the scan is not measured either.

        Args:
            prepared: box and scan.
            seed: seed of the tumor's noise.
        """
        share = self.bundle.noise.share
        return None if share == 0 else lambda shape: share * prepared.noise.draw(shape, seed)

    def fit_mask(self, prepared: PreparedBox) -> FitMask | None:
        """Returns the function that fits M' to the uptake that it marks."""

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
        noise, targets = noise_seed(seed, prepared.box), prepared.targets(request)
        first = told(self.bundle, targets, noise, prepared.tissue_suv, prepared.box)
        if targets.fill is None:
            rule: FillRule = SpeckRule(self.bundle.fill.draw(noise), self.bundle.tuning)
        else:
            rule = FillSearch(targets.fill, self.bundle.tuning.most_edge)
        return _Growing(seed, noise, first, rule, dict(prepared.seconds))

    def _tumor(
        self,
        prepared: PreparedBox,
        request: TumorRequest,
        sampling: Sampling,
        growing: _Growing,
        sampled: Sampled,
        notices: tuple[str, ...],
        zoom: float | None = None,
    ) -> Tumor:
        """Decodes one sampled tumor and pastes it on the scan; without a zoom, with the one that the fill needs."""
        seconds = growing.seconds
        seconds["steps"] = seconds.get("steps", 0.0) + sampled.seconds
        grown, more_notices = self.engine.decode(sampled, prepared.encoded, seconds)
        with timed(seconds, "paste"):
            change = self.change(grown, prepared)
            targets = prepared.targets(request)
            target = reached_for(self.bundle, targets, growing.told)
            grain = self.grain(prepared, growing.noise)
            fit_mask = self.fit_mask(prepared)
            if request.mask == "reader":
                fit_mask = drawn_after(fit_mask, prepared.patch.grid.spacing_mm[0], growing.noise)
            paste_at = partial(
                paste, prepared, change, grown.probability, fit_mask=fit_mask, target=target, grain=grain
            )
            if zoom is None:
                zoom, pasted = fit_zoom(targets.fill, lambda zoom: paste_at(zoom=zoom))
            else:
                pasted = paste_at(zoom=zoom)
        growth = Growth(growing.seed, growing.told, len(growing.tries) + 1, sampled.batch, zoom)
        maker = Maker(self.bundle, self.device, sampling)
        return Tumor(
            prepared, request, growth, pasted, maker, partial(paste_at, zoom=zoom), (*notices, *more_notices), seconds
        )


@dataclass
class _Growing:
    """Work on the tumor of one seed.

    Args:
        seed: seed of the user.
        noise: seed of its noise at the site.
        told: what the model is told next.
        rule: decides whether and how it is grown again.
        seconds: time of each part so far.
        tries: tumors of this seed so far.
    """

    seed: int
    noise: int
    told: TumorControls
    rule: FillRule
    seconds: dict[str, float]
    tries: list[Tumor] = field(default_factory=list)

    def take(self, tumor: Tumor) -> bool:
        """Adds the newest tumor, and returns whether to grow another one."""
        self.tries.append(tumor)
        fill = self.rule.next_told(tumor.pasted.fill, tumor.growth.zoom)
        if fill is not None:
            self.told = replace(self.told, fill=fill)
        return fill is not None

    @property
    def best(self) -> Tumor:
        """The tumor that the rule chooses, with the number of tries in its growth."""
        best = self.tries[self.rule.best]
        return replace(best, growth=replace(best.growth, tries=len(self.tries)))
