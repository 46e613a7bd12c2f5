"""Training examples: working patches with a tumor in a box, made from cases by augmentation that suits PET.

There are two kinds. A *real* example shows a tumor where it grew, rotated, mirrored and rescaled. A *transplanted*
example shows a tumor that was shrunk or enlarged, brought back to the scanner's resolution, rescaled in uptake and
placed into healthy tissue of another site or patient. It teaches small sizes and sites that the data lack. An example
depends on (seed, index) only, so a resumed run sees the same examples as an uninterrupted one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from TumorGenCore.errors import TrainingDataError
from TumorGenCore.lesions.avid_part import METABOLIC_SHARE, largest_piece, metabolic_part
from TumorGenCore.method.pseudo_mask import BoxOffsets, expand_box, tight_box
from TumorGenCore.training.data.cases import Case, Lesion
from TumorGenCore.volumes.geometry import Box
from TumorGenCore.volumes.patch import PatchSettings, WorkingPatch

__all__ = ["Example", "ExampleMaker", "ExampleSettings"]

Volume = NDArray[np.float32]
#: Attempts at an example that is clear enough; then any example is accepted.
_TRIES = 12


@dataclass(frozen=True)
class ExampleSettings:
    """What the augmentation may do.

    Args:
        transplant_share: share of transplanted tumors among the examples.
        smallest_mm: smallest tumor extent to aim at, mm.
        least_contrast: donors below this contrast (see ``Lesion``) are not transplanted.
        resolution_mm: full width at half maximum to which shrunk tumors are blurred again, (low, high).
        uptake_median, uptake_spread: log-normal law of the 95th percentile SUV of a transplanted tumor of 1 ml.
        uptake_growth: the median grows with the volume (ml) to this power, because larger tumors are hotter.
        gain_spread: log-normal spread of a factor on the SUV of the whole patch.
        metabolic_share: the tumor is the part of its contour above this share of the 95th percentile; 0 keeps the
            whole contour.
        least_rise: least ratio of the tumor's 95th percentile to the median in the rest of the box. Fainter examples
            are drawn again, because a reader would see no tumor in them.
        least_suv: least 95th percentile in the tumor, for the same reason.
        least_scale: least scale of real examples; below it the anatomy around the tumor would be unnaturally small.
        warp: donors are stretched and bent by about this share of their extent, so that no shape repeats.
        host_exponent: how often a case provides healthy tissue grows with its volume to this power. 0 treats all cases
            alike; 1 is proportional to the volume.
        cubic: resample scans by cubic B-splines; otherwise linearly, which blurs edges when voxels are large.
    """

    transplant_share: float = 0.6
    smallest_mm: float = 13.0
    least_contrast: float = 0.75
    resolution_mm: tuple[float, float] = (5.0, 7.5)
    uptake_median: float = 7.0
    uptake_spread: float = 0.5
    uptake_growth: float = 0.12
    gain_spread: float = 0.2
    metabolic_share: float = METABOLIC_SHARE
    least_rise: float = 1.6
    least_suv: float = 2.0
    least_scale: float = 0.45
    warp: float = 0.12
    host_exponent: float = 0.75
    cubic: bool = False


@dataclass(frozen=True)
class Example:
    """One training example.

    Args:
        patch: the working patch and its box.
        suv: SUV with the tumor, (k, j, i).
        mask: the tumor, 0/1, same shape.
        transplanted: whether the tumor was transplanted.
    """

    patch: WorkingPatch
    suv: Volume
    mask: Volume
    transplanted: bool


class ExampleMaker:
    """Makes examples from cases.

    Args:
        cases: training (or validation) cases.
        patch_settings: spacing and context of the working patch.
        offsets: box offsets of BA-PMG.
        settings: augmentation.
        seed: decides an example together with its index.

    Raises:
        TrainingDataError: no case has a tumor.
    """

    def __init__(
        self,
        cases: Sequence[Case],
        patch_settings: PatchSettings,
        offsets: BoxOffsets,
        settings: ExampleSettings,
        seed: int,
    ) -> None:
        self.cases = cases
        self.patch_settings = patch_settings
        self.offsets = offsets
        self.settings = settings
        self.seed = seed
        self._lesions = [(case, lesion) for case in cases for lesion in case.lesions]
        if not self._lesions:
            raise TrainingDataError("No case has a tumor mask; add *_mask.nii.gz beside the images.")
        # A contour that does not follow the uptake teaches masks that disagree with the image, so it is used rarely.
        weights = np.array([np.clip((lesion.contrast - 0.5) / 0.4, 0.03, 1.0) for _, lesion in self._lesions])
        # One patient with eleven tumors must not count as eleven patients.
        weights /= np.sqrt([len(case.lesions) for case, _ in self._lesions])
        self._weights = weights / weights.sum()
        self._donors = self._weights * [lesion.contrast >= settings.least_contrast for _, lesion in self._lesions]
        self._donors = self._donors / self._donors.sum() if self._donors.sum() > 0 else self._weights
        self._hosts = [case for case in cases if len(case.healthy_lps) > 0]
        self._host_weights = _share([len(case.healthy_lps) for case in self._hosts], settings.host_exponent)
        self._body_weights = _share([len(case.body_lps) for case in cases], settings.host_exponent)

    def example(self, index: int, size: int) -> Example:
        """Makes example ``index`` with a cubic patch.

        Args:
            index: decides the example together with seed and size.
            size: voxels along each axis.
        """
        rng = np.random.default_rng([self.seed, 1, size, index])
        transplant = bool(self._hosts) and rng.random() < self.settings.transplant_share
        for _ in range(_TRIES):
            example = self._transplanted(rng, size) if transplant else self._real(rng, size)
            if example is not None:
                return example
        # The tumors are few and faint, so any example is accepted.
        lenient = replace(self.settings, least_rise=0.0, least_suv=0.0, least_scale=0.0)
        example = ExampleMaker(self.cases, self.patch_settings, self.offsets, lenient, self.seed)._real(rng, size)
        assert example is not None
        return example

    def texture(self, index: int, size: int) -> Volume:
        """Makes a patch for the VAE: half of these patches show any tissue, half are examples.

        Args:
            index: decides the patch together with the seed.
            size: voxels along each axis.

        Returns:
            SUV, (k, j, i).
        """
        rng = np.random.default_rng([self.seed, 2, index])
        if rng.random() < 0.5:
            return self.example(index, size).suv
        case = self.cases[rng.choice(len(self.cases), p=self._body_weights)]
        patch = self._anywhere(rng, case.body_lps, size)
        return self._gain(rng) * self._uptake(patch, case)

    def scene(self, index: int, size: int) -> tuple[Volume, Volume]:
        """Makes a patch for a segmenter: six in ten are examples, the others show healthy tissue.

        Args:
            index: decides the patch together with the seed.
            size: voxels along each axis.

        Returns:
            SUV and mask, 0/1, both (k, j, i).
        """
        rng = np.random.default_rng([self.seed, 4, index])
        if not self._hosts or rng.random() < 0.6:
            example = self.example(index, size)
            return example.suv, example.mask
        case = self._hosts[rng.choice(len(self._hosts), p=self._host_weights)]
        patch = self._anywhere(rng, case.healthy_lps, size)
        suv = self._gain(rng) * self._uptake(patch, case)
        return suv, self._tumor(suv, patch.sample(case.mask) > 0.5).astype(np.float32)

    def _uptake(self, patch: WorkingPatch, case: Case) -> Volume:
        """Samples the scan on the patch, SUV (k, j, i), without the negative values of a spline beside hot voxels."""
        if not self.settings.cubic:
            return patch.sample(case.image)
        return np.maximum(patch.sample(case.image, sitk.sitkBSpline3), np.float32(0))

    def _anywhere(self, rng: np.random.Generator, points_lps: NDArray, size: int) -> WorkingPatch:
        center = points_lps[rng.integers(len(points_lps))]
        spacing = self.patch_settings.spacing_mm * rng.uniform(0.7, 1.3)
        box = _box(center, (10.0, 10.0, 10.0), _random_axes(rng))
        return WorkingPatch.of_size(box, (size, size, size), spacing)

    def _real(self, rng: np.random.Generator, size: int) -> Example | None:
        case, lesion = self._lesions[rng.choice(len(self._lesions), p=self._weights)]
        axes = _random_axes(rng)
        extent = np.asarray(case.image.GetSize()) * case.image.GetSpacing()
        # If shrunk further, most of a patch from a cropped scan would repeat the scan's edge.
        least_scale = size * self.patch_settings.spacing_mm / (1.3 * float(np.median(extent)))
        box, scale = self._box_around(rng, case, lesion, axes, size, least_scale)
        if scale < self.settings.least_scale:
            return None
        patch = WorkingPatch.of_size(box, (size,) * 3, self.patch_settings.spacing_mm / scale)
        suv = self._gain(rng) * self._uptake(patch, case)
        inside = patch.box_coverage() > 0
        mask = self._tumor(suv, (patch.sample(case.mask) > 0.5) & inside)
        if not self._stands_out(suv, mask, inside):
            return None
        return Example(patch, self._restore_resolution(rng, suv, scale), mask.astype(np.float32), False)

    def _transplanted(self, rng: np.random.Generator, size: int) -> Example | None:
        case, lesion = self._lesions[rng.choice(len(self._lesions), p=self._donors)]
        axes = _random_axes(rng)
        donor_box, scale = self._box_around(rng, case, lesion, axes, size, 0.0)
        donor_patch = WorkingPatch.of_size(donor_box, (size,) * 3, self.patch_settings.spacing_mm / scale)
        donor, contour = _warped(
            rng, self._uptake(donor_patch, case), donor_patch.sample(case.mask), self.settings.warp * size / 4
        )
        mask = self._tumor(donor, largest_piece((contour > 0.5) & (donor_patch.box_coverage() > 0)))
        donor = self._restore_resolution(rng, donor, scale)
        host_case = self._hosts[rng.choice(len(self._hosts), p=self._host_weights)]
        center = host_case.healthy_lps[rng.integers(len(host_case.healthy_lps))]
        zoom = rng.uniform(0.85, 1.2)
        edges = np.asarray(donor_box.size_mm) * scale * zoom
        box = _box(center, (edges[0], edges[1], edges[2]), _random_axes(rng))
        patch = WorkingPatch.of_size(box, (size,) * 3, self.patch_settings.spacing_mm * zoom)
        host = self._gain(rng) * self._uptake(patch, host_case)
        if not mask.any() or (host[mask] > 0.2).mean() < 0.85:
            return None
        suv = self._grow_into(rng, host, donor, mask, patch.grid.spacing_mm[0])
        # The blur carries uptake a little beyond the donor's edge, so the mask may grow with it.
        inside = patch.box_coverage() > 0
        mask = self._tumor(suv, ndimage.binary_dilation(mask) & inside)
        if not self._stands_out(suv, mask, inside):
            return None
        return Example(patch, suv, mask.astype(np.float32), True)

    def _tumor(self, suv: Volume, contour: NDArray[np.bool_]) -> NDArray[np.bool_]:
        share = self.settings.metabolic_share
        return metabolic_part(suv, contour, share) if share > 0 else contour

    def _stands_out(self, suv: Volume, mask: NDArray[np.bool_], inside: NDArray[np.bool_]) -> bool:
        rest = inside & ~mask
        if not mask.any() or not rest.any():
            return False
        least = max(self.settings.least_suv, self.settings.least_rise * float(np.median(suv[rest])))
        return bool(np.percentile(suv[mask], 95) > least)

    def _grow_into(
        self, rng: np.random.Generator, host: Volume, donor: Volume, mask: NDArray[np.bool_], spacing_mm: float
    ) -> Volume:
        """Blends the donor's uptake into the host with a soft edge, at a drawn level that stands out from the host."""
        median = self.settings.uptake_median * (mask.sum() * spacing_mm**3 / 1000) ** self.settings.uptake_growth
        level = median * np.exp(rng.normal() * self.settings.uptake_spread)
        level = max(level, rng.uniform(1.6, 2.5) * float(np.percentile(host[mask], 90)))
        gain = level / max(float(np.percentile(donor[mask], 95)), 0.5)
        texture = ndimage.gaussian_filter(rng.normal(size=host.shape), 1.0)
        donor = donor * gain * (1 + rng.uniform(0, 0.08) * texture / texture.std())
        sigma = rng.uniform(*self.settings.resolution_mm) / 2.355 / self.patch_settings.spacing_mm
        weight = ndimage.gaussian_filter(mask.astype(np.float32), sigma)
        # The blur lowers the uptake of a small tumor. A scanner does the same, so only a part of the loss is restored.
        reached = float(np.percentile((host * (1 - weight) + donor * weight)[mask], 95))
        donor = donor * np.clip(level / max(reached, 0.1), 1.0, 2.5)
        return np.maximum(host * (1 - weight) + donor * weight, 0).astype(np.float32)

    def _box_around(
        self, rng: np.random.Generator, case: Case, lesion: Lesion, axes: NDArray, size: int, least_scale: float
    ) -> tuple[Box, float]:
        """Returns a BA-PMG box (native mm), and the scale that fits box and context into ``size`` voxels."""
        extent_mm = size * self.patch_settings.spacing_mm
        room_mm = extent_mm - 2 * self.patch_settings.context_mm
        tight = tight_box(lesion.points_lps, axes, float(np.mean(case.image.GetSpacing())))
        longest = max(tight.size_mm)
        low = max(self.settings.smallest_mm, 0.12 * longest, 0.25 * room_mm)
        high = max(min(room_mm - 2 * self.offsets.least_mm, 1.3 * longest), 1.05 * low)
        scale = max(np.exp(rng.uniform(np.log(low), np.log(high))) / longest, least_scale)
        # The offsets are drawn at the apparent scale, at which D_i is the patch.
        offsets = BoxOffsets(self.offsets.alpha, self.offsets.least_mm / scale, self.offsets.least_alpha)
        box = expand_box(tight, (extent_mm / scale,) * 3, offsets, rng)
        return box, min(scale, room_mm / max(box.size_mm))

    def _restore_resolution(self, rng: np.random.Generator, suv: Volume, scale: float) -> Volume:
        """Blurs a shrunk image back to the resolution of a scanner, because shrinking sharpens."""
        target = rng.uniform(*self.settings.resolution_mm)
        missing = target**2 - (target * scale) ** 2
        if missing <= 0:
            return suv
        return ndimage.gaussian_filter(suv, np.sqrt(missing) / 2.355 / self.patch_settings.spacing_mm)

    def _gain(self, rng: np.random.Generator) -> np.float32:
        return np.float32(np.exp(rng.normal() * self.settings.gain_spread))


def _warped(rng: np.random.Generator, suv: Volume, contour: Volume, bend_voxels: float) -> tuple[Volume, Volume]:
    """Returns scan and contour, stretched along each axis and smoothly bent by about ``bend_voxels``."""
    shape = np.asarray(suv.shape)
    bend = np.stack([ndimage.zoom(rng.normal(size=(4, 4, 4)), shape / 4, order=3, mode="nearest") for _ in range(3)])
    center = (shape - 1).reshape(3, 1, 1, 1) / 2
    stretch = np.exp(rng.normal(size=3) * 0.12).reshape(3, 1, 1, 1)
    where = center + (np.indices(suv.shape) - center) * stretch + bend * bend_voxels / 2
    return tuple(ndimage.map_coordinates(part, where, order=1, mode="mirror") for part in (suv, contour))  # type: ignore[return-value]


def _random_axes(rng: np.random.Generator) -> NDArray[np.float64]:
    """Draws box axes: mostly upright with a small tilt, else any rotation; mirrored and permuted at random."""
    if rng.random() < 0.6:
        rotation = Rotation.from_rotvec(rng.normal(size=3) * 0.15).as_matrix()
        order = np.eye(3)[:, [1, 0, 2] if rng.random() < 0.3 else [0, 1, 2]]
    else:
        rotation = Rotation.random(rng=rng).as_matrix()
        order = np.eye(3)
    return rotation @ order * rng.choice([-1.0, 1.0], size=3)


def _box(center: NDArray, size_mm: tuple[float, float, float], axes: NDArray) -> Box:
    rows = tuple(tuple(float(v) for v in row) for row in axes)
    return Box((float(center[0]), float(center[1]), float(center[2])), size_mm, rows)  # type: ignore[arg-type]


def _share(counts: Sequence[int], exponent: float) -> NDArray[np.float64]:
    """Returns weights between equal and proportional: a whole-body scan counts more than a crop, but not too much."""
    weights = np.asarray(counts, dtype=np.float64) ** exponent
    return weights / weights.sum() if len(weights) else weights
