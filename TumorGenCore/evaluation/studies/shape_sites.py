"""Places for the shapes of a library: a box of BA-PMG around a shape, moved into healthy tissue.

The tissue is brought to the voxels of the shape's own scan. So a tumor that grows there and the real shape lie on the
same voxels, and neither mask is resampled.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from TumorGenCore.method.pseudo_mask import BoxOffsets, expand_box, tight_box
from TumorGenCore.phantom.phantom import scan_phantom
from TumorGenCore.training.data.cases import case_files, load_cases, voxels_at
from TumorGenCore.training.data.shape_library import Part, Shape, load_shapes
from TumorGenCore.volumes.geometry import Box, Grid
from TumorGenCore.volumes.patch import PatchSettings, WorkingPatch

__all__ = [
    "KINDS",
    "LEAST_ML",
    "MOST_ML",
    "OFFSETS",
    "Host",
    "ShapeSite",
    "drawn_box",
    "field_shapes",
    "phantom_hosts",
    "scan_hosts",
    "shape_site",
]

#: Sets of shapes of FDG-avid tumors, with the tissues for their boxes.
KINDS = {"fdg_lung_tumours": ("lung", "other tissue"), "fdg_breast_tumours": ("other tissue",)}
#: Smaller shapes have only a handful of voxels; larger ones are often several tumors run together.
LEAST_ML, MOST_ML = 1.0, 150.0
#: Box offsets with which the generator was trained (Resources/Training/pet-fdg-generator.json).
OFFSETS = BoxOffsets(alpha=0.18, least_mm=4.0, least_alpha=0.0)
#: Tissue around the box, mm: as much as a working patch can need.
_AROUND_MM = 50.0
#: Places tried for a box, and the share of the box in its tissue that is enough.
_TRIES, _ENOUGH = 20, 0.9


@dataclass(frozen=True)
class Host:
    """A scan with healthy tissue.

    Args:
        name: name of the scan.
        image: the scan, SUV.
        tissue: voxels of the healthy tissue, (k, j, i).
    """

    name: str
    image: sitk.Image
    tissue: NDArray[np.bool_]


@dataclass(frozen=True)
class ShapeSite:
    """A box around a real shape, in healthy tissue.

    Args:
        shape: the shape.
        host: name of the scan.
        image: tissue around the box on the voxels of the shape's scan, SUV.
        box: the box.
        real: the shape, (k, j, i) on the grid of the image.
    """

    shape: Shape
    host: str
    image: sitk.Image
    box: Box
    real: NDArray[np.bool_]


def field_shapes(folder: Path, part: Part) -> dict[str, list[Shape]]:
    """Reads the shapes of FDG-avid tumors of 1 to 150 ml, by set (``KINDS``); a set may be empty.

    Args:
        folder: folder of the library.
        part: see ``load_shapes``.

    Raises:
        TrainingDataError: there is no library, or it cannot be read.
    """
    shapes = [shape for shape in load_shapes(folder, part, LEAST_ML) if shape.volume_ml <= MOST_ML]
    return {kind: [shape for shape in shapes if shape.kind == kind] for kind in KINDS}


def phantom_hosts(seed: int, *groups: Sequence[str]) -> list[Host]:
    """Makes a digital phantom and returns it once for each group of tissues.

    Args:
        seed: seed of the phantom.
        groups: names of ``canvas.TISSUES`` that tumors shall lie in.
    """
    scan = scan_phantom(seed)
    return [Host(f"phantom {seed}", scan.image, scan.where(group)) for group in groups]


def scan_hosts(data: Path, without: Sequence[str], most: int) -> Iterator[Host]:
    """Yields scans of patients with a tumor mask, because only there healthy tissue is known.

    Args:
        data: folder to search, with its subfolders.
        without: names of cases that are left alone.
        most: most scans, spread over the names.
    """
    names = sorted(set(case_files(data)) - set(without))
    step = max(1, -(-len(names) // most))
    for name in names[step // 2 :: step]:
        (case,) = load_cases(data, [name])
        if case.lesions and len(case.healthy_lps):
            yield Host(name, case.image, voxels_at(case.healthy_lps, Grid.from_image(case.image)))


def drawn_box(shape: Shape, patch: PatchSettings, rng: np.random.Generator) -> Box:
    """Draws a box around a shape as BA-PMG does in training (``OFFSETS``), in the space of ``Shape.on``.

    Args:
        shape: the shape.
        patch: settings of the working patch. D_i is the edge of the patch that holds the shape and its context.
        rng: source of the offsets.
    """
    tight = tight_box(shape.points_lps, np.eye(3), float(np.mean(shape.spacing_mm)))
    held = WorkingPatch.around(expand_box(tight, (0.0,) * 3, OFFSETS, rng), patch).grid
    extent_mm = max(held.size_ijk) * held.spacing_mm[0]
    return expand_box(tight, (extent_mm,) * 3, OFFSETS, rng)


def shape_site(shape: Shape, box: Box, host: Host, rng: np.random.Generator) -> ShapeSite:
    """Moves a shape and its box into healthy tissue: to the first place that suits, or the best of twenty.

    Args:
        shape: the shape.
        box: from ``drawn_box``.
        host: scan with healthy tissue.
        rng: source of the place.
    """
    shift = _place(box, host, rng) - np.asarray(box.center_lps)
    spacing = np.asarray(shape.spacing_mm)
    first = np.floor((box.corners_lps.min(axis=0) - _AROUND_MM) / spacing).astype(int)
    stop = np.ceil((box.corners_lps.max(axis=0) + _AROUND_MM) / spacing).astype(int)
    i, j, k = (stop - first).tolist()
    x, y, z = (first * spacing + shift).tolist()
    grid = Grid((i, j, k), shape.spacing_mm, (x, y, z))
    image = sitk.Resample(
        host.image, grid.empty_image(), sitk.Transform(), sitk.sitkLinear, 0.0, sitk.sitkFloat32, True
    )
    real = np.zeros(grid.size_ijk[::-1], dtype=bool)
    start = -first[::-1]
    real[tuple(slice(a, a + n) for a, n in zip(start, shape.mask.shape, strict=True))] = shape.mask
    x, y, z = (np.asarray(box.center_lps) + shift).tolist()
    return ShapeSite(shape, host.name, image, Box((x, y, z), box.size_mm, box.axes), real)


def _place(box: Box, host: Host, rng: np.random.Generator) -> NDArray[np.float64]:
    """Returns a center for a box, LPS mm."""
    grid = Grid.from_image(host.image)
    places = np.flatnonzero(host.tissue)
    best, most = np.zeros(3), -1.0
    for _ in range(_TRIES):
        kji = np.unravel_index(rng.choice(places), host.tissue.shape)
        x, y, z = grid.index_to_lps(np.array(kji[::-1]) + rng.uniform(-0.5, 0.5, 3)).tolist()
        inside, region = Box((x, y, z), box.size_mm, box.axes).voxels(grid)
        # Also the part of the box beyond the scan lies outside the tissue.
        share = host.tissue[region][inside].sum() * float(np.prod(grid.spacing_mm)) / 1000 / box.volume_ml
        if share > most:
            best, most = np.array([x, y, z]), share
        if share > _ENOUGH:
            break
    return best
