"""Training examples: a working patch with a tumour in a box, made from cases by augmentation that respects PET.

Two kinds. *Real*: a tumour where it grew, rotated, mirrored, rescaled. *Transplanted*: a tumour shrunk or grown,
brought back to the scanner's resolution, its uptake rescaled, and grown into healthy tissue of another site or patient;
it teaches the small sizes and the sites that the data lack. Every example depends on (seed, index) only, so a run that
is resumed sees the same examples as one that was not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from TumorGenCore.errors import TrainingDataError
from TumorGenCore.geometry import Box
from TumorGenCore.patch import PatchSettings, WorkingPatch
from TumorGenCore.pseudo_mask import BoxOffsets, expand_box, tight_box
from TumorGenCore.training.data import Case, Lesion

__all__ = ["Example", "ExampleMaker", "ExampleSettings"]

Volume = NDArray[np.float32]


@dataclass(frozen=True)
class ExampleSettings:
    """What the augmentation may do.

    Args:
        transplant_share: share of transplanted tumours among the examples.
        smallest_mm: smallest tumour extent aimed at.
        least_contrast: donors below this contrast (see ``Lesion``) are not transplanted.
        resolution_mm: full width at half maximum to which shrunk tumours are blurred again, (low, high).
        uptake_median, uptake_spread: log-normal law of the transplanted tumour's 95th percentile SUV.
        gain_spread: log-normal spread of a whole patch's SUV.
        metabolic_share: a transplanted tumour is its contour's part above this share of the 95th percentile (0.41 is
            the usual threshold of metabolic volume).
        real_metabolic_share: the same for tumours shown where they grew; 0 keeps the whole contour.
        host_exponent: a case gives healthy tissue in proportion to its volume to this power: 0 all cases alike, 1 a
            whole body as often as its volume says.
    """

    transplant_share: float = 0.6
    smallest_mm: float = 13.0
    least_contrast: float = 0.75
    resolution_mm: tuple[float, float] = (5.0, 7.5)
    uptake_median: float = 6.5
    uptake_spread: float = 0.55
    gain_spread: float = 0.2
    metabolic_share: float = 0.41
    real_metabolic_share: float = 0.3
    host_exponent: float = 0.75


@dataclass(frozen=True)
class Example:
    """One lesson.

    Args:
        patch: the working patch and its box.
        suv: (k, j, i) with the tumour.
        mask: (k, j, i), 0/1.
        transplanted: kind.
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
        offsets: BA-PMG's law.
        settings: augmentation.
        seed: with an index, decides an example.

    Raises:
        TrainingDataError: no case has a tumour.
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
            raise TrainingDataError("No case has a tumour mask; add *_mask.nii.gz beside the images.")
        # A contour that the uptake does not follow teaches masks that disagree with the image: shown seldom.
        weights = np.array([np.clip((lesion.contrast - 0.5) / 0.4, 0.03, 1.0) for _, lesion in self._lesions])
        # One patient with eleven tumours must not count as eleven patients.
        weights /= np.sqrt([len(case.lesions) for case, _ in self._lesions])
        self._weights = weights / weights.sum()
        self._donors = self._weights * [lesion.contrast >= settings.least_contrast for _, lesion in self._lesions]
        self._donors = self._donors / self._donors.sum() if self._donors.sum() > 0 else self._weights
        self._hosts = [case for case in cases if len(case.healthy_lps) > 0]
        self._host_weights = _share([len(case.healthy_lps) for case in self._hosts], settings.host_exponent)
        self._body_weights = _share([len(case.body_lps) for case in cases], settings.host_exponent)

    def example(self, index: int, size: int) -> Example:
        """Example ``index`` with a cubic patch of ``size`` voxels."""
        rng = np.random.default_rng([self.seed, 1, size, index])
        if self._hosts and rng.random() < self.settings.transplant_share:
            return self._transplanted(rng, size)
        return self._real(rng, size)

    def texture(self, index: int, size: int) -> Volume:
        """Patch ``index`` for the VAE, SUV (k, j, i): half any tissue, half an example."""
        rng = np.random.default_rng([self.seed, 2, index])
        if rng.random() < 0.5:
            return self.example(index, size).suv
        case = self.cases[rng.choice(len(self.cases), p=self._body_weights)]
        patch = self._anywhere(rng, case.body_lps, size)
        return self._gain(rng) * patch.sample(case.image)

    def scene(self, index: int, size: int) -> tuple[Volume, Volume]:
        """Patch ``index`` for a segmenter, SUV and mask (k, j, i): six in ten an example, the others healthy tissue."""
        rng = np.random.default_rng([self.seed, 4, index])
        if not self._hosts or rng.random() < 0.6:
            example = self.example(index, size)
            return example.suv, example.mask
        case = self._hosts[rng.choice(len(self._hosts), p=self._host_weights)]
        patch = self._anywhere(rng, case.healthy_lps, size)
        mask = patch.sample(case.mask) > 0.5
        return self._gain(rng) * patch.sample(case.image), mask.astype(np.float32)

    def _anywhere(self, rng: np.random.Generator, points_lps: NDArray, size: int) -> WorkingPatch:
        center = points_lps[rng.integers(len(points_lps))]
        spacing = self.patch_settings.spacing_mm * rng.uniform(0.7, 1.3)
        box = _box(center, (10.0, 10.0, 10.0), _random_axes(rng))
        return WorkingPatch.of_size(box, (size, size, size), spacing)

    def _real(self, rng: np.random.Generator, size: int) -> Example:
        case, lesion = self._lesions[rng.choice(len(self._lesions), p=self._weights)]
        axes = _random_axes(rng)
        extent = np.asarray(case.image.GetSize()) * case.image.GetSpacing()
        # Shrunk further, a cropped scan would be mostly repeated edge.
        least_scale = size * self.patch_settings.spacing_mm / (1.3 * float(np.median(extent)))
        box, scale = self._box_around(rng, case, lesion, axes, size, least_scale)
        patch = WorkingPatch.of_size(box, (size,) * 3, self.patch_settings.spacing_mm / scale)
        suv = self._gain(rng) * patch.sample(case.image)
        mask = _metabolic_part(
            suv, (patch.sample(case.mask) > 0.5) & (patch.box_coverage() > 0), self.settings.real_metabolic_share
        )
        return Example(patch, self._restore_resolution(rng, suv, scale), mask.astype(np.float32), False)

    def _transplanted(self, rng: np.random.Generator, size: int) -> Example:
        for _ in range(8):
            case, lesion = self._lesions[rng.choice(len(self._lesions), p=self._donors)]
            axes = _random_axes(rng)
            donor_box, scale = self._box_around(rng, case, lesion, axes, size, 0.0)
            donor_patch = WorkingPatch.of_size(donor_box, (size,) * 3, self.patch_settings.spacing_mm / scale)
            donor = donor_patch.sample(case.image)
            contour = (donor_patch.sample(case.mask) > 0.5) & (donor_patch.box_coverage() > 0)
            mask = _metabolic_part(donor, contour, self.settings.metabolic_share)
            donor = self._restore_resolution(rng, donor, scale)
            host_case = self._hosts[rng.choice(len(self._hosts), p=self._host_weights)]
            center = host_case.healthy_lps[rng.integers(len(host_case.healthy_lps))]
            zoom = rng.uniform(0.85, 1.2)
            edges = np.asarray(donor_box.size_mm) * scale * zoom
            box = _box(center, (edges[0], edges[1], edges[2]), _random_axes(rng))
            patch = WorkingPatch.of_size(box, (size,) * 3, self.patch_settings.spacing_mm * zoom)
            host = self._gain(rng) * patch.sample(host_case.image)
            if mask.any() and (host[mask] > 0.2).mean() > 0.85:
                suv = self._grow_into(rng, host, donor, mask)
                return Example(patch, suv, mask.astype(np.float32), True)
        return self._real(rng, size)

    def _grow_into(self, rng: np.random.Generator, host: Volume, donor: Volume, mask: NDArray[np.bool_]) -> Volume:
        """The donor's uptake inside a soft-edged mask, at a drawn level that stands out from the host."""
        level = self.settings.uptake_median * np.exp(rng.normal() * self.settings.uptake_spread)
        level = max(level, rng.uniform(1.6, 2.5) * float(np.percentile(host[mask], 90)))
        gain = level / max(float(np.percentile(donor[mask], 95)), 0.5)
        texture = ndimage.gaussian_filter(rng.normal(size=host.shape), 1.0)
        donor = donor * gain * (1 + rng.uniform(0, 0.08) * texture / texture.std())
        sigma = rng.uniform(*self.settings.resolution_mm) / 2.355 / self.patch_settings.spacing_mm
        weight = ndimage.gaussian_filter(mask.astype(np.float32), sigma)
        # A small tumour loses height to the blur; part of the loss is made up, part is what scanners show.
        reached = float(np.percentile((host * (1 - weight) + donor * weight)[mask], 95))
        donor = donor * np.clip(level / max(reached, 0.1), 1.0, 2.5)
        return np.maximum(host * (1 - weight) + donor * weight, 0).astype(np.float32)

    def _box_around(
        self, rng: np.random.Generator, case: Case, lesion: Lesion, axes: NDArray, size: int, least_scale: float
    ) -> tuple[Box, float]:
        """A BA-PMG box (native mm) and the scale at which it fits a patch of ``size`` voxels with its context."""
        extent_mm = size * self.patch_settings.spacing_mm
        room_mm = extent_mm - 2 * self.patch_settings.context_mm
        tight = tight_box(lesion.points_lps, axes, float(np.mean(case.image.GetSpacing())))
        longest = max(tight.size_mm)
        low = max(self.settings.smallest_mm, 0.12 * longest, 0.25 * room_mm)
        high = max(min(room_mm - 2 * self.offsets.least_mm, 1.3 * longest), 1.05 * low)
        scale = max(np.exp(rng.uniform(np.log(low), np.log(high))) / longest, least_scale)
        # The offsets are drawn at the apparent scale, where D_i is the patch.
        offsets = BoxOffsets(self.offsets.alpha, self.offsets.least_mm / scale)
        box = expand_box(tight, (extent_mm / scale,) * 3, offsets, rng)
        return box, min(scale, room_mm / max(box.size_mm))

    def _restore_resolution(self, rng: np.random.Generator, suv: Volume, scale: float) -> Volume:
        """Shrinking sharpens: blur back to a scanner's resolution."""
        target = rng.uniform(*self.settings.resolution_mm)
        missing = target**2 - (target * scale) ** 2
        if missing <= 0:
            return suv
        return ndimage.gaussian_filter(suv, np.sqrt(missing) / 2.355 / self.patch_settings.spacing_mm)

    def _gain(self, rng: np.random.Generator) -> np.float32:
        return np.float32(np.exp(rng.normal() * self.settings.gain_spread))


def _metabolic_part(suv: Volume, mask: NDArray[np.bool_], share: float) -> NDArray[np.bool_]:
    """The part of a contour that takes up tracer, holes (necrosis) kept: contours drawn on MR reach beyond it."""
    if not mask.any():
        return mask
    hot = mask & (suv > share * np.percentile(suv[mask], 95))
    hot = ndimage.binary_fill_holes(ndimage.binary_closing(hot, iterations=2)) & mask
    labels, count = ndimage.label(hot)
    if count == 0:
        return mask
    largest = labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])
    return largest if largest.sum() > 0.25 * mask.sum() else mask


def _random_axes(rng: np.random.Generator) -> NDArray[np.float64]:
    """Box axes: half the time upright with a small tilt, else any rotation; mirrored and permuted at random."""
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
    """Weights between equal and proportional, so that a whole-body scan shows more than a crop but not all."""
    weights = np.asarray(counts, dtype=np.float64) ** exponent
    return weights / weights.sum() if len(weights) else weights
