"""Tumors to place into other tissue: real ones, stretched and bent, and shapes of a library with drawn uptake."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from TumorGenCore.errors import TrainingDataError
from TumorGenCore.lesions.avid_part import largest_piece, metabolic_part
from TumorGenCore.method.pseudo_mask import tight_box
from TumorGenCore.training.data.cases import Case, Lesion
from TumorGenCore.training.data.example_frames import ExampleFrames, box_of, random_axes
from TumorGenCore.training.data.example_settings import ExampleSettings
from TumorGenCore.training.data.shape_library import Shape
from TumorGenCore.training.data.uptake_patterns import carried_pattern, drawn_pattern
from TumorGenCore.volumes.patch import WorkingPatch

__all__ = ["Donor", "Donors"]

Volume = NDArray[np.float32]
#: Log-normal spread of the scale of shapes.
_SHAPE_SPREAD = 0.15
#: How often shapes of a set are used; 1 for a set that is not named. Nodules are contours in CT, not uptake.
_KIND_WEIGHTS = {"lidc_nodules": 0.4}


@dataclass(frozen=True)
class Donor:
    """A tumor on a patch.

    Args:
        suv: its uptake, of any level, (k, j, i).
        mask: its voxels, same shape; may be empty.
        edges_mm: edges of its box along i, j, k of the patch.
    """

    suv: Volume
    mask: NDArray[np.bool_]
    edges_mm: NDArray[np.float64]


class Donors:
    """The lesions of some cases and the shapes of a library.

    Args:
        cases: cases with tumors.
        frames: draws boxes and patches.
        settings: augmentation.
        shapes: the shapes.

    Raises:
        TrainingDataError: no case has a tumor.
    """

    def __init__(
        self, cases: Sequence[Case], frames: ExampleFrames, settings: ExampleSettings, shapes: Sequence[Shape]
    ) -> None:
        self.frames, self.settings, self.shapes = frames, settings, shapes
        self.lesions = [(case, lesion) for case in cases for lesion in case.lesions]
        if not self.lesions:
            raise TrainingDataError("No case has a tumor mask; add *_mask.nii.gz beside the images.")
        # A contour that does not follow the uptake teaches masks that disagree with the image, so it is used rarely.
        weights = np.array([np.clip((lesion.contrast - 0.5) / 0.4, 0.03, 1.0) for _, lesion in self.lesions])
        # One patient with eleven tumors must not count as eleven patients.
        weights /= np.sqrt([len(case.lesions) for case, _ in self.lesions])
        self._weights = weights / weights.sum()
        clear = self._weights * [lesion.contrast >= settings.least_contrast for _, lesion in self.lesions]
        self._clear_weights = clear / clear.sum() if clear.sum() > 0 else self._weights
        self._shapes_of: dict[int, tuple[list[Shape], NDArray[np.float64]]] = {}

    def any_lesion(self, rng: np.random.Generator) -> tuple[Case, Lesion]:
        """Draws a lesion, unclear ones rarely."""
        return self.lesions[rng.choice(len(self.lesions), p=self._weights)]

    def clear_lesion(self, rng: np.random.Generator) -> tuple[Case, Lesion]:
        """Draws a lesion of enough contrast to be placed elsewhere."""
        return self.lesions[rng.choice(len(self.lesions), p=self._clear_weights)]

    def transplanted(self, rng: np.random.Generator, size: int, shift: NDArray) -> Donor:
        """Draws a lesion, stretched and bent.

        Args:
            rng: source of the draws.
            size: voxels along each axis of the patch.
            shift: shift of the patch, see ``ExampleFrames.shift``.
        """
        case, lesion = self.clear_lesion(rng)
        box, scale = self.frames.around(rng, case, lesion, size)
        patch = self.frames.at(box, size, scale, shift)
        bend = self.settings.warp * size / 4
        suv, contour = _warped(rng, bend, self.uptake(patch, case), patch.sample(case.mask))
        mask = self.tumor(suv, largest_piece((contour > 0.5) & (patch.box_coverage() > 0)))
        return Donor(self.restored(rng, suv, scale), mask, np.asarray(box.size_mm) * scale)

    def shaped(self, rng: np.random.Generator, size: int, shift: NDArray) -> Donor:
        """Draws a shape of the library, with the uptake of a lesion or a drawn pattern; see ``transplanted``."""
        shapes, weights = self._shapes_for(size)
        shape = shapes[rng.choice(len(shapes), p=weights)]
        tight = tight_box(shape.points_lps, random_axes(rng), float(np.mean(shape.spacing_mm)))
        scale = min(math.exp(rng.normal() * _SHAPE_SPREAD), self.frames.room_mm(size) / max(tight.size_mm))
        box, scale = self.frames.expanded(rng, tight, scale, size)
        patch = self.frames.at(box, size, scale, shift)
        (soft,) = _warped(rng, self.settings.warp * size / 8, shape.on(patch.grid))
        # The threshold keeps the volume, which smoothing would shrink.
        count = int(shape.volume_ml * 1000 / np.prod(patch.grid.spacing_mm))
        threshold = max(np.partition(soft.ravel(), -count)[-count], 0.1) if 0 < count < soft.size else 0.5
        mask = largest_piece((soft >= threshold) & (patch.box_coverage() > 0))
        if rng.random() < self.settings.carried_share:
            suv = self._carried(rng, mask, size)
        else:
            suv = drawn_pattern(rng, mask, self.frames.patch.spacing_mm) if mask.any() else soft
        return Donor(suv, mask, np.asarray(box.size_mm) * scale)

    def uptake(self, patch: WorkingPatch, case: Case) -> Volume:
        """Samples a scan on a patch, SUV (k, j, i), without the negative values of a spline beside hot voxels."""
        if not self.settings.cubic:
            return patch.sample(case.image)
        return np.maximum(patch.sample(case.image, sitk.sitkBSpline3), np.float32(0))

    def tumor(self, suv: Volume, contour: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Returns the part of a contour that the mask of an example marks, (k, j, i)."""
        share = self.settings.metabolic_share
        return metabolic_part(suv, contour, share) if share > 0 else contour

    def restored(self, rng: np.random.Generator, suv: Volume, scale: float) -> Volume:
        """Blurs a shrunk image back to the resolution of a scanner, because shrinking sharpens."""
        target = rng.uniform(*self.settings.resolution_mm)
        missing = target**2 - (target * scale) ** 2
        if missing <= 0:
            return suv
        return ndimage.gaussian_filter(suv, np.sqrt(missing) / 2.355 / self.frames.patch.spacing_mm)

    def _carried(self, rng: np.random.Generator, mask: NDArray[np.bool_], size: int) -> Volume:
        """Returns the uptake of a lesion at the place of ``mask``, of about its size, carried on outside."""
        case, lesion = self.clear_lesion(rng)
        spacing = self.frames.patch.spacing_mm
        where = np.argwhere(mask) if mask.any() else np.full((1, 3), (size - 1) / 2)
        wanted_mm = float(np.ptp(where, axis=0).max() + 1) * spacing
        scale = wanted_mm / float(np.ptp(lesion.points_lps, axis=0).max()) * rng.uniform(0.8, 1.3)
        box = box_of(lesion.points_lps.mean(axis=0), (10.0, 10.0, 10.0), random_axes(rng))
        shift = (size - 1) / 2 - where.mean(axis=0)[::-1]  # The middle of the lesion comes to that of the mask.
        patch = self.frames.at(box, size, scale, shift)
        suv = self.uptake(patch, case)
        tumor = self.tumor(suv, largest_piece(patch.sample(case.mask) > 0.5))
        return carried_pattern(suv, tumor) if tumor.any() else drawn_pattern(rng, mask, spacing)

    def _shapes_for(self, size: int) -> tuple[list[Shape], NDArray[np.float64]]:
        """Returns the shapes whose own size suits a patch, and how often each is used."""
        if size not in self._shapes_of:
            room_mm = self.frames.room_mm(size)
            fitting = [s for s in self.shapes if 0.25 * room_mm <= s.longest_mm <= 1.1 * room_mm]
            fitting = fitting or list(self.shapes)
            of_patient = Counter((shape.kind, shape.patient) for shape in fitting)
            # One patient with many tumors must not count as many patients, nor one set as all of them.
            weights = np.array(
                [_KIND_WEIGHTS.get(s.kind, 1.0) / math.sqrt(of_patient[s.kind, s.patient]) for s in fitting]
            )
            self._shapes_of[size] = fitting, weights / weights.sum()
        return self._shapes_of[size]


def _warped(rng: np.random.Generator, bend_voxels: float, *parts: Volume) -> list[Volume]:
    """Returns volumes of one shape, stretched along each axis and smoothly bent by about ``bend_voxels``."""
    shape = np.asarray(parts[0].shape)
    bend = np.stack([ndimage.zoom(rng.normal(size=(4, 4, 4)), shape / 4, order=3, mode="nearest") for _ in range(3)])
    center = (shape - 1).reshape(3, 1, 1, 1) / 2
    stretch = np.exp(rng.normal(size=3) * 0.12).reshape(3, 1, 1, 1)
    where = center + (np.indices(parts[0].shape) - center) * stretch + bend * bend_voxels / 2
    return [ndimage.map_coordinates(part, where, order=1, mode="mirror") for part in parts]
