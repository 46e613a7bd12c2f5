"""Training examples: working patches with a tumor in a box, made from cases by augmentation that suits PET.

There are three kinds. A *real* example shows a tumor where it grew, rotated, mirrored and rescaled. A *transplanted*
example shows a tumor that was shrunk or enlarged, brought back to the scanner's resolution, rescaled in uptake and
placed into healthy tissue of another site or patient. It teaches small sizes and sites that the data lack. A *shaped*
example is transplanted too, but its shape comes from a library (``shape_library``) and its uptake from another tumor or
a drawn pattern. An example depends on (seed, index) only, so a resumed run sees the same examples as an uninterrupted
one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from TumorGenCore.method.pseudo_mask import BoxOffsets
from TumorGenCore.training.data.cases import Case
from TumorGenCore.training.data.donors import Donors
from TumorGenCore.training.data.example_frames import ExampleFrames, box_of, random_axes
from TumorGenCore.training.data.example_settings import ExampleSettings
from TumorGenCore.training.data.shape_library import Shape
from TumorGenCore.volumes.patch import PatchSettings, WorkingPatch

__all__ = ["Example", "ExampleMaker"]

Volume = NDArray[np.float32]
#: Attempts at an example that is clear enough; then any example is accepted.
_TRIES = 12
#: Largest part of the uptake that is drawn texture.
_MOST_TEXTURE = 0.08


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
        patch_settings: spacing, context and shift of the working patch.
        offsets: box offsets of BA-PMG.
        settings: augmentation.
        seed: decides an example together with its index.
        shapes: shapes for shaped examples.

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
        shapes: Sequence[Shape] = (),
    ) -> None:
        self.cases = cases
        self.shapes = shapes
        self.patch_settings = patch_settings
        self.offsets = offsets
        self.settings = settings
        self.seed = seed
        self._frames = ExampleFrames(patch_settings, offsets, settings.smallest_mm)
        self._donors = Donors(cases, self._frames, settings, shapes)
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
        patch = self._frames.anywhere(rng, case.body_lps, size)
        return self._gain(rng) * self._donors.uptake(patch, case)

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
        patch = self._frames.anywhere(rng, case.healthy_lps, size)
        suv = self._gain(rng) * self._donors.uptake(patch, case)
        return suv, self._donors.tumor(suv, patch.sample(case.mask) > 0.5).astype(np.float32)

    def _real(self, rng: np.random.Generator, size: int) -> Example | None:
        case, lesion = self._donors.any_lesion(rng)
        extent = np.asarray(case.image.GetSize()) * case.image.GetSpacing()
        # If shrunk further, most of a patch from a cropped scan would repeat the scan's edge.
        least_scale = size * self.patch_settings.spacing_mm / (1.3 * float(np.median(extent)))
        box, scale = self._frames.around(rng, case, lesion, size, least_scale)
        if scale < self.settings.least_scale:
            return None
        patch = self._frames.at(box, size, scale, self._frames.shift(rng))
        suv = self._gain(rng) * self._donors.uptake(patch, case)
        inside = patch.box_coverage() > 0
        mask = self._donors.tumor(suv, (patch.sample(case.mask) > 0.5) & inside)
        if not self._stands_out(suv, mask, inside):
            return None
        return Example(patch, self._donors.restored(rng, suv, scale), mask.astype(np.float32), False)

    def _transplanted(self, rng: np.random.Generator, size: int) -> Example | None:
        shift = self._frames.shift(rng)
        shaped = len(self.shapes) > 0 and rng.random() < self.settings.shaped_share
        donor = (self._donors.shaped if shaped else self._donors.transplanted)(rng, size, shift)
        host_case = self._hosts[rng.choice(len(self._hosts), p=self._host_weights)]
        center = host_case.healthy_lps[rng.integers(len(host_case.healthy_lps))]
        zoom = rng.uniform(0.85, 1.2)
        edges = donor.edges_mm * zoom
        box = box_of(center, (edges[0], edges[1], edges[2]), random_axes(rng))
        patch = self._frames.at(box, size, 1 / zoom, shift)
        host = self._gain(rng) * self._donors.uptake(patch, host_case)
        if not donor.mask.any() or (host[donor.mask] > 0.2).mean() < 0.85:
            return None
        suv = self._grow_into(rng, host, donor.suv, donor.mask, patch.grid.spacing_mm[0])
        # The blur carries uptake a little beyond the donor's edge, so the mask may grow with it.
        inside = patch.box_coverage() > 0
        mask = self._donors.tumor(suv, ndimage.binary_dilation(donor.mask) & inside)
        if not self._stands_out(suv, mask, inside):
            return None
        return Example(patch, suv, mask.astype(np.float32), True)

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
        donor = donor * gain * (1 + rng.uniform(0, _MOST_TEXTURE) * texture / texture.std())
        sigma = rng.uniform(*self.settings.resolution_mm) / 2.355 / self.patch_settings.spacing_mm
        weight = ndimage.gaussian_filter(mask.astype(np.float32), sigma)
        # The blur lowers the uptake of a small tumor. A scanner does the same, so only a part of the loss is restored.
        reached = float(np.percentile((host * (1 - weight) + donor * weight)[mask], 95))
        donor = donor * np.clip(level / max(reached, 0.1), 1.0, 2.5)
        return np.maximum(host * (1 - weight) + donor * weight, 0).astype(np.float32)

    def _gain(self, rng: np.random.Generator) -> np.float32:
        return np.float32(np.exp(rng.normal() * self.settings.gain_spread))


def _share(counts: Sequence[int], exponent: float) -> NDArray[np.float64]:
    """Returns weights between equal and proportional: a whole-body scan counts more than a crop, but not too much."""
    weights = np.asarray(counts, dtype=np.float64) ** exponent
    return weights / weights.sum() if len(weights) else weights
