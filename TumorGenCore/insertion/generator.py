"""TumorGenerator: the whole way from a volume and a rough box to a synthetic image and its mask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Literal

import numpy as np
import SimpleITK as sitk
import torch
from numpy.typing import NDArray

from TumorGenCore.bundle.laws import SPECK_SHARE, SPECK_TRIES
from TumorGenCore.bundle.model_bundle import DEFAULT_BUNDLE, ModelBundle, load_bundle
from TumorGenCore.errors import CancelledError, InvalidBoxError
from TumorGenCore.insertion.box_warnings import box_warnings
from TumorGenCore.insertion.engine import EncodedBox, Engine, Grown, timed
from TumorGenCore.insertion.mask_fitting import fitted
from TumorGenCore.insertion.provenance import Provenance, hash_volume, make_provenance
from TumorGenCore.insertion.uptake_control import TissueChange, UptakeTarget, fit_gain
from TumorGenCore.lesions.quality import QualityScore, score_region
from TumorGenCore.method.controls import TumorControls, search_fill
from TumorGenCore.method.devices import pick_device
from TumorGenCore.method.schedule import Sampling
from TumorGenCore.method.solver_names import Solver
from TumorGenCore.volumes.geometry import Box, Grid
from TumorGenCore.volumes.patch import PatchSettings, WorkingPatch, paste_window
from TumorGenCore.volumes.suv import PetUnits, units_of_image
from TumorGenCore.volumes.volume import PetVolume, check_volume
from TumorGenCore.volumes.voxels import read_region

__all__ = ["InsertionResult", "Paste", "PlacedBox", "PreparedBox", "TumorGenerator", "paste_patch", "place_box"]

#: (steps done, steps in all, what is being done)
OnProgress = Callable[[int, int, str], None]
#: asked between any two parts; True cancels
ShouldCancel = Callable[[], bool]

#: ``change``: the tissue keeps its texture, and changes as D(z) differs from D(z_1). ``replace``: D(z) takes its place.
Paste = Literal["change", "replace"]
#: Depth inside the box's faces at which the change reaches full strength, mm.
TAPER_MM = 6.0
#: Boxes whose centers lie in one cell of this edge (mm, LPS) share their noise.
SITE_MM = 20.0
#: How near a tumor must come to the SUV or the fill asked for, relative.
TARGET_TOLERANCE = 0.05
#: Uptake below which a ratio says nothing, SUV.
FAINT_SUV = 0.05
#: Below it is air, SUV.
LEAST_TISSUE_SUV = 0.2


@dataclass(frozen=True)
class InsertionResult:
    """One synthetic tumor.

    All that takes the longer the larger the volume is, and what only some callers want, is made when it is first asked
    for: image and masks on the whole grid, the input's hash in the provenance, and the quality. The input is kept for
    that as it was when the box was prepared.

    Args:
        seconds: time of each part.
        warnings: what the user should know, in plain words.
    """

    seconds: dict[str, float]
    warnings: tuple[str, ...]
    _marked: _MarkedRegion
    _make_image: Callable[[], sitk.Image]
    _record: Callable[..., Provenance]
    _input_hash: Callable[[], str]
    _score: Callable[[], QualityScore]

    @cached_property
    def image(self) -> sitk.Image:
        """The volume with the tumor: the input's grid, pixel type and units, without its metadata keys."""
        return self._make_image()

    @cached_property
    def mask(self) -> sitk.Image:
        """0/1 uint8 on the image's grid, zero outside the box."""
        return self._marked.on_whole_grid(self._marked.tumor)

    @cached_property
    def mask_probability(self) -> sitk.Image:
        """The soft mask M', float32 on the image's grid, zero outside the box."""
        return self._marked.on_whole_grid(self._marked.probability)

    @cached_property
    def provenance(self) -> Provenance:
        """How it was made; says that it is synthetic."""
        return self._record(input_hash=self._input_hash())

    @cached_property
    def quality(self) -> QualityScore:
        """How good the tumor is, and what is poor about it."""
        return self._score()


@dataclass(frozen=True)
class _MarkedRegion:
    """The masks where they can be other than zero: a region of ``grid``, arrays (k, j, i)."""

    grid: Grid
    start_ijk: list[int]
    tumor: NDArray[np.uint8]
    probability: NDArray[np.float32]

    def on_whole_grid(self, values: NDArray) -> sitk.Image:
        source = sitk.GetImageFromArray(values)
        whole = self.grid.empty_image(source.GetPixelID())
        region = zip(self.start_ijk, source.GetSize(), strict=True)
        whole[tuple(slice(start, start + size) for start, size in region)] = source
        return whole


@dataclass(frozen=True)
class PlacedBox:
    """A checked volume and box, and the working patch around the box."""

    image: sitk.Image
    grid: Grid
    units: PetUnits
    box: Box
    patch: WorkingPatch


@dataclass(frozen=True)
class PreparedBox(PlacedBox):
    """All that does not depend on the seed: made once per box, used for every variant.

    ``tissue_suv``: median of the tissue around the box.
    """

    encoded: EncodedBox
    tissue_suv: float
    input_hash: Callable[[], str]
    warnings: tuple[str, ...]
    seconds: dict[str, float] = field(default_factory=dict)


class TumorGenerator:
    """Inserts tumors with one model bundle on one device.

    Args:
        bundle: the networks.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        paste: how the tumor joins the tissue; ``replace`` is there to be compared with.
        refine: False takes the latent mask as it is, upsampled, in place of VMR's; there to be compared with.
        fit_mask: False leaves M' as it is where its uptake ends elsewhere (``fitted``); there to be compared with.

    Example:
        >>> generator = TumorGenerator.from_pretrained()
        >>> result = generator.insert(image, Box((0, 0, 0), (40, 40, 40)), seed=7)
        >>> result.image, result.mask
    """

    def __init__(
        self,
        bundle: ModelBundle,
        device: str = "auto",
        *,
        paste: Paste = "change",
        refine: bool = True,
        fit_mask: bool = True,
    ) -> None:
        self.bundle = bundle
        self.paste = paste
        self.fit_mask = fit_mask
        self._engine = Engine(bundle, pick_device(device), refine)

    @property
    def device(self) -> torch.device:
        """Where the networks compute."""
        return self._engine.device

    @classmethod
    def from_pretrained(cls, name_or_path: str | Path = DEFAULT_BUNDLE, device: str = "auto") -> TumorGenerator:
        """Load an installed bundle by name, or a bundle folder.

        Raises:
            ModelBundleError: missing, damaged or foreign.
        """
        generator = cls(load_bundle(name_or_path), device)
        if generator.device.type != "cpu":
            generator.warm_up()
        return generator

    def warm_up(self) -> None:
        """Let the networks compute once, on the smallest patch: a device's first calls load and choose its kernels."""
        volume = Grid((16, 16, 16), (4.0, 4.0, 4.0)).image_from_array(np.ones((16, 16, 16), np.float32))
        edge = self.bundle.patch.min_box_mm
        self.insert(volume, Box((30.0, 30.0, 30.0), (edge, edge, edge)), suv_factor=1, steps=1)

    def insert(
        self,
        image: sitk.Image | PetVolume,
        box: Box,
        *,
        seed: int = 0,
        steps: int | None = None,
        solver: Solver | None = None,
        suv_factor: float | None = None,
        target: UptakeTarget | None = None,
        fill: float | None = None,
        on_progress: OnProgress | None = None,
        should_cancel: ShouldCancel | None = None,
    ) -> InsertionResult:
        """Insert one tumor.

        Args:
            image: 3D scalar PET, or a ``PetVolume`` from ``read_volume`` that knows its units.
            box: where, LPS mm; may be rotated and may reach past the volume.
            seed: the same seed gives the same tumor on a given device and thread count, and another one at another
                site (see ``SITE_MM``).
            steps: of the solver; None takes the bundle's own.
            solver: ``euler``, ``heun`` or ``adams``; None takes the bundle's own.
            suv_factor: SUV per unit of the image; None takes the image as SUV.
            target: SUVmax or SUVmean the tumor shall have; None leaves it to the bundle (``control_laws``).
            fill: share of the box's volume that shall be tumor, 0 to 1; None leaves it to the bundle. Up to
                seven tumors (``tumor_controls.FILL_TRIES``) are grown until one is within 5 %; the nearest is taken.
            on_progress: called after each sampling step.
            should_cancel: asked between steps.

        Raises:
            UnsupportedVolumeError, InvalidBoxError: before any work.
            CancelledError: ``should_cancel`` said so.
            ValueError: steps, seed, solver or fill cannot be used; before any work.
        """
        self._checked_sampling((seed,), steps, solver, fill)
        prepared = self.prepare(image, box, suv_factor=suv_factor)
        return self.generate(
            prepared,
            seed=seed,
            steps=steps,
            solver=solver,
            target=target,
            fill=fill,
            on_progress=on_progress,
            should_cancel=should_cancel,
        )

    def prepare(self, image: sitk.Image | PetVolume, box: Box, *, suv_factor: float | None = None) -> PreparedBox:
        """Check volume and box, sample the patch, encode it, decode the original.

        Raises:
            UnsupportedVolumeError, InvalidBoxError
        """
        seconds: dict[str, float] = {}
        with timed(seconds, "check"):
            placed = place_box(image, box, self.bundle.patch, suv_factor)
            volume, patch = placed.image, placed.patch
        with timed(seconds, "sample"):
            suv = patch.sample(volume) * np.float32(placed.units.suv_factor)
            inside, on_latent = patch.box_coverage(), patch.box_coverage(self.bundle.vae.factor)
            warnings = box_warnings(box, placed.grid, suv[inside > 0.5])
        encoded, notices = self._engine.encode(suv, inside, on_latent, seconds)
        return PreparedBox(
            **vars(placed),
            encoded=encoded,
            tissue_suv=_tissue_suv(suv, inside),
            input_hash=cache(partial(hash_volume, volume)),
            warnings=(*warnings, *notices),
            seconds=seconds,
        )

    def generate(
        self,
        prepared: PreparedBox,
        *,
        seed: int = 0,
        steps: int | None = None,
        solver: Solver | None = None,
        target: UptakeTarget | None = None,
        fill: float | None = None,
        on_progress: OnProgress | None = None,
        should_cancel: ShouldCancel | None = None,
    ) -> InsertionResult:
        """One tumor for a prepared box; see ``insert``."""
        (result,) = self.generate_many(
            prepared,
            seeds=(seed,),
            steps=steps,
            solver=solver,
            target=target,
            fill=fill,
            on_progress=on_progress,
            should_cancel=should_cancel,
        )
        return result

    def generate_many(
        self,
        prepared: PreparedBox,
        *,
        seeds: Sequence[int],
        steps: int | None = None,
        solver: Solver | None = None,
        target: UptakeTarget | None = None,
        fill: float | None = None,
        on_progress: OnProgress | None = None,
        should_cancel: ShouldCancel | None = None,
    ) -> list[InsertionResult]:
        """One tumor for each seed, grown in one batch as far as memory allows; for the arguments see ``insert``.

        A seed gives the same tumor alone and among others, to the rounding of the networks' precision: with several
        threads sums are taken in another order. With ``fill`` each tumor is searched for by itself.
        """
        sampling = self._checked_sampling(seeds, steps, solver, fill)
        steps_in_all = sampling.steps * len(seeds)

        def pause(done: int, doing: str) -> None:
            if should_cancel is not None and should_cancel():
                raise CancelledError(f"Cancelled after step {done} of {steps_in_all}; nothing was changed.")
            if on_progress is not None:
                on_progress(done, steps_in_all, doing)

        pause(0, "sampling")
        run = _Run(prepared, sampling, target, fill, self.paste, self.fit_mask, pause)
        tumors = (
            self._grown(run, seeds) if fill is None else [self._searched(run, n, seed) for n, seed in enumerate(seeds)]
        )
        pause(steps_in_all, "pasting")
        results = [self._result(run, seed, tumor) for seed, tumor in zip(seeds, tumors, strict=True)]
        pause(steps_in_all, "done")
        return results

    def _grown(self, run: _Run, seeds: Sequence[int]) -> list[_Tumor]:
        """The tumors of all seeds, in one batch, specks mended; each is said to have taken its share of the time."""
        seconds: dict[str, float] = {}
        grown, notices = self._grow(run, seeds, None, lambda done: run.pause(done, "sampling"), seconds)
        share = {part: taken / len(seeds) for part, taken in seconds.items()}
        tumors = [run.pasted(tumor, notices, {**run.prepared.seconds, **share}) for tumor in grown]
        return [self._mended(run, n, seed, tumors[n]) for n, seed in enumerate(seeds)]

    def _mended(self, run: _Run, number: int, seed: int, tumor: _Tumor) -> _Tumor:
        """The tumor, or where next to nothing grew of what was drawn for it, one that the model is asked more for."""
        drawn = self.bundle.fill.draw(_noise_seed(seed, run.prepared.box))
        if drawn is None:
            return tumor
        for more in SPECK_TRIES:
            if tumor.pasted.fill >= SPECK_SHARE * drawn:
                break
            tumor = self._asked(run, number, seed, more * drawn, tumor.seconds)
        return tumor

    def _searched(self, run: _Run, number: int, seed: int) -> _Tumor:
        """The tumor of one seed that fills the box as far as asked."""
        seconds = dict(run.prepared.seconds)
        grow = partial(self._asked, run, number, seed, seconds=seconds)
        assert run.fill is not None
        return search_fill(grow, lambda tumor: tumor.pasted.fill, run.fill, TARGET_TOLERANCE)

    def _asked(self, run: _Run, number: int, seed: int, fill: float, seconds: dict[str, float]) -> _Tumor:
        """One tumor of a fill that the model is asked for."""
        before = number * run.sampling.steps
        on_step = lambda done: run.pause(before + done, "sampling")  # noqa: E731
        (grown,), notices = self._grow(run, (seed,), fill, on_step, seconds)
        return run.pasted(grown, notices, seconds)

    def _grow(
        self,
        run: _Run,
        seeds: Sequence[int],
        fill: float | None,
        on_step: Callable[[int], None],
        seconds: dict[str, float],
    ) -> tuple[list[Grown], tuple[str, ...]]:
        noise = [_noise_seed(seed, run.prepared.box) for seed in seeds]
        controls = [self._controls(run, fill, each) for each in noise]
        return self._engine.grow(run.prepared.encoded, noise, run.sampling, controls, on_step, seconds)

    def _controls(self, run: _Run, fill: float | None, noise_seed: int) -> TumorControls:
        """What is asked of a tumor: as the user does, or drawn."""
        tissue = run.prepared.tissue_suv
        return TumorControls(
            self.bundle.fill.draw(noise_seed) if fill is None else fill,
            self.bundle.uptake.draw(noise_seed, tissue) if run.target is None else run.target.p95_suv,
        )

    def _result(self, run: _Run, seed: int, tumor: _Tumor) -> InsertionResult:
        prepared, pasted = run.prepared, tumor.pasted
        record = partial(
            make_provenance,
            units=prepared.units,
            box=prepared.box,
            seed=seed,
            sampling=run.sampling,
            bundle_name=self.bundle.name,
            bundle_version=self.bundle.version,
            bundle_hash=self.bundle.weights_hash,
            device=str(self.device),
            created=datetime.now(UTC),
            target=run.target,
            uptake_gain=pasted.gain,
            fill=run.fill,
            paste=self.paste,
            refine=self._engine.refine,
            fit_mask=self.fit_mask,
            restored=self.bundle.resolution.amount,
        )
        quality = partial(
            score_region,
            before=prepared.image,
            after=pasted.values,
            tumor=pasted.marked.tumor,
            start_ijk=pasted.marked.start_ijk,
            box=prepared.box,
            suv_factor=prepared.units.suv_factor,
            lesions=self.bundle.training_lesions,
            # What the user asked for is not judged.
            asked=({"volume_ml"} if run.fill is not None else set())
            | ({"suv_max"} if run.target is not None else set()),
        )
        warnings = tuple(dict.fromkeys((*prepared.warnings, *tumor.notices, *run.shortcomings(pasted))))
        make_image = partial(_with_region, prepared.image, pasted.values, pasted.marked.start_ijk)
        return InsertionResult(tumor.seconds, warnings, pasted.marked, make_image, record, prepared.input_hash, quality)

    def _checked_sampling(
        self, seeds: Sequence[int], steps: int | None, solver: Solver | None, fill: float | None
    ) -> Sampling:
        """How to sample; what cannot be done is refused before any work."""
        sampling = self.bundle.sampling.asked(steps, solver)
        if not len(seeds):
            raise ValueError("There is no seed; give at least one.")
        for seed in seeds:
            if not 0 <= seed < 2**63:
                raise ValueError(f"seed is {seed}; use 0 or a positive number below 2^63.")
        self._check_fill(fill)
        return sampling

    def _check_fill(self, fill: float | None) -> None:
        if fill is None:
            return
        if not 0 < fill < 1:
            raise ValueError(f"fill is {fill}; give the share of the box's volume, more than 0 and less than 1.")
        if not self.bundle.vector_field.control_channels:
            raise ValueError(
                f"The model {self.bundle.name} cannot be asked for a fill; draw a larger or smaller box, or use a "
                "model that was trained with controls."
            )


@dataclass(frozen=True)
class _Run:
    """What all tumors of one call of ``generate_many`` share."""

    prepared: PreparedBox
    sampling: Sampling
    target: UptakeTarget | None
    fill: float | None
    paste: Paste
    fit_mask: bool
    pause: Callable[[int, str], None]

    def pasted(self, grown: Grown, notices: tuple[str, ...], seconds: dict[str, float]) -> _Tumor:
        """A grown tumor on the native region around the box."""
        with timed(seconds, "paste"):
            original = self.prepared.encoded.original_suv[0, 0].cpu().numpy()
            pasted = _paste(
                self.prepared,
                original,
                grown.synthetic_suv,
                grown.probability,
                fit_over=self.prepared.tissue_suv if self.fit_mask else None,
                target=self.target,
                paste=self.paste,
            )
        return _Tumor(pasted, notices, seconds)

    def shortcomings(self, pasted: _Pasted) -> list[str]:
        """What was asked for and is not there, in plain words."""
        found = []
        if not pasted.marked.tumor.any():
            found.append("No tumor grew in this box with this seed; try another seed or a larger box.")
        if self.fill is not None and abs(pasted.fill / self.fill - 1) > TARGET_TOLERANCE:
            found.append(
                f"The tumor fills {100 * pasted.fill:.0f} % of the box and not the {100 * self.fill:.0f} % asked for; "
                "try another seed, or another box."
            )
        if self.target is not None and pasted.missed is not None:
            found.append(
                f"The tumor reaches SUV{self.target.measure} {pasted.missed:.1f} and not the {self.target.suv:.1f} "
                "asked for; try another seed, or a box in other tissue."
            )
        return found


@dataclass(frozen=True)
class _Tumor:
    """A tumor as it was pasted, what the user should know of how it was computed, and the time of each part."""

    pasted: _Pasted
    notices: tuple[str, ...]
    seconds: dict[str, float]


def place_box(
    image: sitk.Image | PetVolume, box: Box, settings: PatchSettings, suv_factor: float | None = None
) -> PlacedBox:
    """Check volume and box, and lay the working patch around the box; no network is needed.

    Raises:
        UnsupportedVolumeError, InvalidBoxError
    """
    source, units, grid = _checked(image, suv_factor)
    patch = WorkingPatch.around(box.canonical(), settings)
    _require_overlap(box, grid)
    # A shallow copy: changes the caller makes to the image later do not reach this box.
    return PlacedBox(sitk.Image(source), grid, units, box, patch)


def paste_patch(
    placed: PlacedBox, original_suv: NDArray, synthetic_suv: NDArray, probability: NDArray
) -> tuple[sitk.Image, sitk.Image]:
    """Image and mask as an insertion gives them, whatever made the patch; only voxels inside the box are changed.

    The mask is the maker's own: it is not fitted to the uptake.

    Args:
        placed: where.
        original_suv: the working patch before, (k, j, i).
        synthetic_suv: with the tumor, (k, j, i).
        probability: of the tumor, (k, j, i); a mask of 0 and 1 will do.
    """
    pasted = _paste(placed, original_suv, synthetic_suv, probability)
    image = _with_region(placed.image, pasted.values, pasted.marked.start_ijk)
    return image, pasted.marked.on_whole_grid(pasted.marked.tumor)


def _tissue_suv(suv: NDArray, inside: NDArray) -> float:
    """Median of what takes up tracer outside the box, on the working patch; 0 where nothing does."""
    tissue = suv[(inside == 0) & (suv > LEAST_TISSUE_SUV)]
    return float(np.median(tissue)) if tissue.size else 0.0


def _noise_seed(seed: int, box: Box) -> int:
    """One seed shall not give the same tumor at every site, nor another one with every millimeter a box is moved."""
    # A third off, so that round coordinates, which most boxes have, do not lie on a cell's face.
    cell = np.floor(np.asarray(box.center_lps) / SITE_MM + 1 / 3).astype(np.int64) % 2**32
    return int(np.random.SeedSequence([seed, *cell.tolist()]).generate_state(1, np.uint64)[0] >> 1)


def _checked(image: sitk.Image | PetVolume, suv_factor: float | None) -> tuple[sitk.Image, PetUnits, Grid]:
    """The volume with its units and grid; a ``PetVolume`` was checked when it was made."""
    if not isinstance(image, PetVolume):
        grid = check_volume(image)
        return image, units_of_image(image, suv_factor), grid
    units = image.units if suv_factor is None else units_of_image(image.image, suv_factor)
    return image.image, units, Grid.from_image(image.image)


def _require_overlap(box: Box, grid: Grid) -> None:
    if not box.holds_voxels(grid):
        raise InvalidBoxError(
            f"The box at {tuple(round(c, 1) for c in box.center_lps)} mm (LPS) holds no voxel of the volume; "
            "move it onto the image. Coordinates given in RAS instead of LPS are a common cause."
        )


@dataclass(frozen=True)
class _Pasted:
    """The voxels of the box's region, the masks there, the uptake's gain, the share of the box that is tumor, and the
    target's measure where missed."""

    values: NDArray
    marked: _MarkedRegion
    gain: float
    fill: float
    missed: float | None


def _paste(
    placed: PlacedBox,
    original_suv: NDArray,
    synthetic_suv: NDArray,
    probability: NDArray,
    *,
    fit_over: float | None = None,
    target: UptakeTarget | None = None,
    paste: Paste = "change",
) -> _Pasted:
    """The patch's change and mask on the native region around the box; only voxels inside the box are changed.

    ``fit_over``: SUV of the tissue over which the mask is fitted to its uptake; None leaves the mask as it is.
    """
    grid, box, patch = placed.grid, placed.box, placed.patch
    on_patch = _change(synthetic_suv, original_suv, paste)
    rise, region = patch.to_native(on_patch.rise, grid)
    kept, _ = patch.to_native(on_patch.kept, grid)
    window = paste_window(box, grid, region, TAPER_MM)
    change = TissueChange(rise * window, 1 + (kept - 1) * window)
    start = [int(s.start) for s in reversed(region)]
    size = [int(s.stop - s.start) for s in reversed(region)]
    native = read_region(placed.image, start, size)
    factor = placed.units.suv_factor
    before = native.astype(np.float64) * factor

    def marked(probability: NDArray) -> tuple[NDArray, NDArray]:
        soft = patch.to_native(probability, grid)[0] * (window > 0)
        # Where the window has faded the change, there is no tumor to mark.
        return soft, (soft > 0.5) & (window >= 0.5)

    if fit_over is not None:
        gain = 1.0 if target is None else fit_gain(before, change, marked(probability)[1], target)
        # By what the voxels show, between them too: cut on coarse voxels, too little of a small tumor would be left.
        shown = grid.region(start, size).image_from_array(change.on(before, gain).astype(np.float32))
        probability = fitted(probability, patch.sample(shown), gain * on_patch.rise, patch.grid.spacing_mm[0], fit_over)
    soft, tumor = marked(probability)
    gain = 1.0 if target is None else fit_gain(before, change, tumor, target)
    changed = change.on(before, gain) / factor
    if np.issubdtype(native.dtype, np.integer):
        limits = np.iinfo(native.dtype)
        changed = np.clip(np.rint(changed), limits.min, limits.max)
    # Only inside is written: a round trip through float64 would change large 64-bit integers outside.
    values = native.copy()
    values[window > 0] = changed[window > 0].astype(native.dtype)
    reached = target.of(values[tumor] * factor) if target is not None and tumor.any() else None
    missed = reached is not None and target is not None and abs(reached / target.suv - 1) > TARGET_TOLERANCE
    return _Pasted(
        values,
        _MarkedRegion(grid, start, tumor.astype(np.uint8), soft.astype(np.float32)),
        gain,
        float(tumor.sum() * np.prod(grid.spacing_mm) / np.prod(box.size_mm)),
        reached if missed else None,
    )


def _change(synthetic_suv: NDArray, original_suv: NDArray, paste: Paste) -> TissueChange:
    """From D(z_1) to D(z), both in SUV, (k, j, i) of the working patch."""
    if paste == "replace":
        return TissueChange(np.maximum(synthetic_suv, 0), np.zeros_like(synthetic_suv))
    return TissueChange(np.maximum(synthetic_suv - original_suv, 0), _share_kept(synthetic_suv, original_suv))


def _share_kept(synthetic_suv: NDArray, original_suv: NDArray) -> NDArray[np.float32]:
    """How much of the tissue's uptake stays where it falls: D(z) / D(z_1), 1 at most."""
    share = (np.maximum(synthetic_suv, 0) + FAINT_SUV) / (np.maximum(original_suv, 0) + FAINT_SUV)
    kept: NDArray[np.float32] = np.minimum(share, 1)
    return kept


def _with_region(image: sitk.Image, values: NDArray, start_ijk: list[int]) -> sitk.Image:
    """A copy of ``image``, made by all processors, with ``values`` (k, j, i) in the place of a region's voxels."""
    source = sitk.GetImageFromArray(values)
    return sitk.Paste(image, source, source.GetSize(), destinationIndex=start_ijk)
