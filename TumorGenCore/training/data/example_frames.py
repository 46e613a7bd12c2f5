"""Boxes and patches of training examples: BA-PMG boxes, the scale at which they fit a patch, turns and shifts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from TumorGenCore.method.pseudo_mask import BoxOffsets, expand_box, tight_box
from TumorGenCore.training.data.cases import Case, Lesion
from TumorGenCore.volumes.geometry import Box
from TumorGenCore.volumes.patch import PatchSettings, WorkingPatch

__all__ = ["ExampleFrames", "box_of", "random_axes"]


@dataclass(frozen=True)
class ExampleFrames:
    """Draws boxes and their cubic patches.

    Args:
        patch: spacing, context and shift of the working patch.
        offsets: box offsets of BA-PMG.
        smallest_mm: smallest tumor extent to aim at, mm.
    """

    patch: PatchSettings
    offsets: BoxOffsets
    smallest_mm: float

    def room_mm(self, size: int) -> float:
        """Longest edge of a box whose context fits into a patch of ``size`` voxels."""
        return size * self.patch.spacing_mm - 2 * self.patch.context_mm

    def shift(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draws how far the patch is moved against its box, in voxels (i, j, k)."""
        most = self.patch.most_shift_mm / self.patch.spacing_mm
        return rng.uniform(-most, most, 3) if most > 0 else np.zeros(3)

    def at(self, box: Box, size: int, scale: float, shift: NDArray) -> WorkingPatch:
        """Returns the patch of a box, at a scale.

        Args:
            box: the box, mm of the scan.
            size: voxels along each axis.
            scale: edges in the example over edges in the scan.
            shift: see ``shift``.
        """
        spacing = self.patch.spacing_mm / scale
        return WorkingPatch.of_size(box, (size,) * 3, spacing, (shift * spacing).tolist())

    def around(
        self, rng: np.random.Generator, case: Case, lesion: Lesion, size: int, least_scale: float = 0.0
    ) -> tuple[Box, float]:
        """Draws a BA-PMG box around a lesion (mm of the scan), and the scale that fits it into ``size`` voxels."""
        room_mm = self.room_mm(size)
        tight = tight_box(lesion.points_lps, random_axes(rng), float(np.mean(case.image.GetSpacing())))
        longest = max(tight.size_mm)
        low = max(self.smallest_mm, 0.12 * longest, 0.25 * room_mm)
        high = max(min(room_mm - 2 * self.offsets.least_mm, 1.3 * longest), 1.05 * low)
        scale = max(np.exp(rng.uniform(np.log(low), np.log(high))) / longest, least_scale)
        return self.expanded(rng, tight, scale, size)

    def expanded(self, rng: np.random.Generator, tight: Box, scale: float, size: int) -> tuple[Box, float]:
        """Draws the BA-PMG box around a tight box, and returns it with the scale, or a smaller one if it must fit."""
        extent_mm = size * self.patch.spacing_mm
        # The offsets are drawn at the apparent scale, at which D_i is the patch.
        offsets = BoxOffsets(self.offsets.alpha, self.offsets.least_mm / scale, self.offsets.least_alpha)
        box = expand_box(tight, (extent_mm / scale,) * 3, offsets, rng)
        return box, min(scale, self.room_mm(size) / max(box.size_mm))

    def anywhere(self, rng: np.random.Generator, points_lps: NDArray, size: int) -> WorkingPatch:
        """Draws a patch around one of some points (n, 3), mm, of about the working spacing."""
        center = points_lps[rng.integers(len(points_lps))]
        spacing = self.patch.spacing_mm * rng.uniform(0.7, 1.3)
        box = box_of(center, (10.0, 10.0, 10.0), random_axes(rng))
        return WorkingPatch.of_size(box, (size, size, size), spacing)


def random_axes(rng: np.random.Generator) -> NDArray[np.float64]:
    """Draws box axes: mostly upright with a small tilt, else any rotation; mirrored and permuted at random."""
    if rng.random() < 0.6:
        rotation = Rotation.from_rotvec(rng.normal(size=3) * 0.15).as_matrix()
        order = np.eye(3)[:, [1, 0, 2] if rng.random() < 0.3 else [0, 1, 2]]
    else:
        rotation = Rotation.random(rng=rng).as_matrix()
        order = np.eye(3)
    return rotation @ order * rng.choice([-1.0, 1.0], size=3)


def box_of(center: NDArray, size_mm: tuple[float, float, float], axes: NDArray) -> Box:
    """Returns a box from arrays: center (3,) and axes (3, 3)."""
    rows = tuple(tuple(float(v) for v in row) for row in axes)
    return Box((float(center[0]), float(center[1]), float(center[2])), size_mm, rows)  # type: ignore[arg-type]
