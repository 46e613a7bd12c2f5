"""FDG-PET scans of bodies that are made from label maps, each with its own person, pose and scanner."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from TumorGenCore.phantom.anatomy import Anatomy
from TumorGenCore.phantom.anatomy_body import paint_anatomy
from TumorGenCore.phantom.anatomy_canvas import AnatomyCanvas
from TumorGenCore.phantom.person import Individual
from TumorGenCore.phantom.scanner import Scan, scan
from TumorGenCore.volumes.geometry import Grid

__all__ = ["scan_anatomy"]

#: Ranges from which a scan is drawn: voxel edge in the slice and between slices (mm), resolution (mm), noise.
_EDGE_MM, _SLICE_MM, _FWHM_MM, _NOISE = (2.0, 5.5), (2.0, 5.0), (4.5, 8.0), (0.6, 1.8)
#: Smallest voxel, mm^3; finer grids would only make large files.
_SMALLEST_VOXEL_MM3 = 20.0
#: Greatest uptake of the lungs relative to muscle; small lungs in a wide chest would not show otherwise.
_LUNG_TO_MUSCLE = 0.62
#: Greatest change of width, depth and height.
_SCALE = 0.08
#: The field of view: half-width, and the air in front, behind and above, mm; below, it ends at mid-thigh.
_HALF_WIDTH_MM, _AIR_MM, _MID_THIGH_MM = 330.0, 24.0, -176.0


def scan_anatomy(anatomy: Anatomy, seed: int = 0, spacing_mm: Sequence[float] | None = None) -> Scan:
    """Makes the FDG-PET scan of a healthy adult from a label map, from mid-thigh to vertex.

    Args:
        anatomy: the label map.
        seed: chooses the person (size, uptake), the pose, the scanner (voxels, resolution, noise) and the noise.
        spacing_mm: voxel spacing along i, j, k; None lets the seed choose it, 2 to 5.5 mm.

    Returns:
        SUV, non-negative, identity direction, in the steps of 16-bit files, and the organs of the voxels. LPS: z = 0
        at the symphysis.
    """
    rng = np.random.default_rng([seed, *anatomy.labels.shape])
    girth, depth, height = (float(1 + _SCALE * value) for value in rng.uniform(-1, 1, 3))
    person = dataclasses.replace(Individual.draw(rng), girth=girth, depth=depth, height=height)
    person.suv["lung"] = min(person.suv["lung"], _LUNG_TO_MUSCLE * person.suv["muscle"])
    drawn = _draw_spacing(rng)
    fwhm_mm, noise = float(rng.uniform(*_FWHM_MM)), float(rng.uniform(*_NOISE))
    bounds = _bounds(anatomy, person)
    grid = _grid(bounds, drawn if spacing_mm is None else np.asarray(spacing_mm, dtype=np.float64))
    canvas = AnatomyCanvas(grid, person, rng, anatomy, bounds)
    paint_anatomy(canvas, rng)
    made = scan(canvas, grid, rng, fwhm_mm, noise)
    return Scan(grid.image_from_array(_stored(sitk.GetArrayViewFromImage(made.image))), made.organs)


def _draw_spacing(rng: np.random.Generator) -> NDArray[np.float64]:
    while True:
        edge, gap = rng.uniform(*_EDGE_MM), rng.uniform(*_SLICE_MM)
        if edge * edge * gap >= _SMALLEST_VOXEL_MM3:
            return np.array([edge, edge, gap])


def _bounds(anatomy: Anatomy, person: Individual) -> NDArray[np.float64]:
    """Lower and upper corner of the body in the field of view, LPS mm."""
    scale = np.array([person.girth, person.depth, person.height])
    size = anatomy.spacing_mm * np.array(anatomy.labels.shape[::-1])
    low, high = -anatomy.landmarks.origin * scale, (size - anatomy.landmarks.origin) * scale
    low[2] = _MID_THIGH_MM * person.height
    low[0], high[0] = max(low[0], -_HALF_WIDTH_MM), min(high[0], _HALF_WIDTH_MM)
    return np.stack([low, high])


def _grid(bounds: NDArray, spacing: NDArray) -> Grid:
    low, high = bounds[0] - [_AIR_MM, _AIR_MM, 0.0], bounds[1] + _AIR_MM
    size = [int(n) for n in np.ceil((high - low) / spacing)]
    a, b, c = (float(value) for value in spacing)
    x, y, z = (float(value) for value in low + spacing / 2)
    return Grid((size[0], size[1], size[2]), (a, b, c), (x, y, z))


def _stored(image: NDArray) -> NDArray[np.float32]:
    """Rounds to the steps of a 16-bit file with one scale, as scanners write it."""
    step = np.float32(image.max() / 32767)
    return (np.round(image / step) * step).astype(np.float32)
