"""A digital FDG body phantom, for demonstrations and sample data without any patient.

Organs are implicit shapes that share one smooth random warp (``shapes``, ``canvas``). They are painted in order
(``body``, ``skeleton``, ``chest``, ``abdomen``, ``head``). Then ``scanner`` adds resolution and noise. Coordinates are
LPS mm: z = 0 at the pubic symphysis, x = 0 in the midline (left positive), y = 0 midway between front and back
(posterior positive). Arrays have the axes (k, j, i).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from TumorGenCore.errors import InvalidBoxError, UnsupportedVolumeError
from TumorGenCore.phantom.abdomen import paint_abdomen, paint_pelvis
from TumorGenCore.phantom.body import paint_body, paint_cavities
from TumorGenCore.phantom.canvas import Canvas
from TumorGenCore.phantom.chest import paint_chest
from TumorGenCore.phantom.head import paint_head
from TumorGenCore.phantom.person import Individual
from TumorGenCore.phantom.scanner import Scan, scan
from TumorGenCore.phantom.skeleton import paint_skeleton
from TumorGenCore.volumes.geometry import Box, Grid, Vector

__all__ = ["PHANTOM_SITES", "make_phantom", "phantom_box", "scan_phantom"]

#: Healthy places for a demonstration: center (LPS mm) and cube edge (mm) of a box, inside the body for every seed.
PHANTOM_SITES: dict[str, tuple[Vector, float]] = {
    "liver": ((-72.0, -5.0, 315.0), 45.0),
    "right lung": ((-78.0, 20.0, 465.0), 45.0),
    "left lung": ((80.0, 25.0, 470.0), 40.0),
    "mediastinum": ((-8.0, 5.0, 495.0), 40.0),
    "neck": ((30.0, 12.0, 622.0), 35.0),
    "right axilla": ((-145.0, 5.0, 490.0), 40.0),
    "lumbar spine": ((0.0, 36.0, 195.0), 40.0),
    "left ilium": ((82.0, 38.0, 100.0), 40.0),
    "left thigh": ((95.0, 8.0, -105.0), 50.0),
}

#: Lower and upper corner of the field of view, LPS mm: mid-thigh to above the vertex.
_FIELD_OF_VIEW = np.array([[-342.0, -342.0, -176.0], [342.0, 342.0, 868.0]])


def phantom_box(site: str = "liver") -> Box:
    """Returns the demonstration box of one of ``PHANTOM_SITES``.

    Raises:
        InvalidBoxError: there is no such site.
    """
    if site not in PHANTOM_SITES:
        raise InvalidBoxError(f"There is no phantom site {site!r}; choose one of {', '.join(PHANTOM_SITES)}.")
    center_lps, edge_mm = PHANTOM_SITES[site]
    return Box(center_lps, (edge_mm, edge_mm, edge_mm))


def make_phantom(
    seed: int = 0,
    spacing_mm: Sequence[float] = (4.07, 4.07, 3.0),
    fwhm_mm: float = 6.0,
    noise: float = 1.0,
) -> sitk.Image:
    """Makes the FDG-PET scan of a healthy adult from mid-thigh to vertex, arms down.

    Args:
        seed: chooses the person (size, outlines, uptake) and the noise.
        spacing_mm: voxel spacing along i, j, k; the field of view stays the same.
        fwhm_mm: resolution of the scanner, full width at half maximum of a Gaussian.
        noise: strength of the reconstruction noise; 1 is that of a common clinical scan, 0 is none.

    Returns:
        SUV, float32, non-negative, identity direction; 168 x 168 x 348 voxels at the default spacing.

    Raises:
        UnsupportedVolumeError: the spacing is not three values of 0.5 to 20 mm.
    """
    return scan_phantom(seed, spacing_mm, fwhm_mm, noise).image


def scan_phantom(
    seed: int = 0,
    spacing_mm: Sequence[float] = (4.07, 4.07, 3.0),
    fwhm_mm: float = 6.0,
    noise: float = 1.0,
) -> Scan:
    """Makes the same scan as ``make_phantom``, with the organs of its voxels; see there."""
    spacing = np.asarray(spacing_mm, dtype=np.float64)
    if spacing.shape != (3,) or not np.all((spacing >= 0.5) & (spacing <= 20)):
        raise UnsupportedVolumeError(f"The phantom's spacing is {spacing_mm}; it must be three values of 0.5 to 20 mm.")
    size = np.round((_FIELD_OF_VIEW[1] - _FIELD_OF_VIEW[0]) / spacing).astype(int)
    origin = _FIELD_OF_VIEW.mean(axis=0) - (size - 1) / 2 * spacing
    grid = Grid((int(size[0]), int(size[1]), int(size[2])), _vector(spacing), _vector(origin))

    rng = np.random.default_rng(seed)
    person = Individual.draw(rng)
    canvas = Canvas(grid, person, rng)
    paint_body(canvas)
    paint_cavities(canvas)
    paint_skeleton(canvas)
    paint_chest(canvas)
    paint_abdomen(canvas, rng)
    paint_pelvis(canvas)
    paint_head(canvas)
    return scan(canvas, grid, rng, fwhm_mm, noise)


def _vector(values: NDArray) -> Vector:
    return (float(values[0]), float(values[1]), float(values[2]))
