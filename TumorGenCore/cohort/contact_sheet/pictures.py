"""The two pictures of a lesion: three planes through its center side by side, and the outline of its mask in them.

The outline is a file of its own, so that the page can hide it. All pictures have one size and one scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import numpy as np
import SimpleITK as sitk
from matplotlib.figure import Figure
from matplotlib.image import imsave
from numpy.typing import NDArray

from TumorGenCore.insertion.planes import PLANE_NAMES, Plane
from TumorGenCore.volumes.geometry import Box

__all__ = ["EDGE_MM", "GAP_PIXELS", "outline_svg", "planes_png", "planes_through"]

#: Edge of each plane, mm; a pixel is 1 mm.
EDGE_MM = 120
#: Line between two planes.
GAP_PIXELS = 2
_OUTLINE = "#e0241b"


def planes_through(center_lps: NDArray[np.float64], image: sitk.Image) -> list[Plane]:
    """Returns axial, coronal and sagittal planes of ``EDGE_MM`` around a point (LPS mm)."""
    x, y, z = center_lps.tolist()
    view = Box((x, y, z), (EDGE_MM, EDGE_MM, EDGE_MM))
    return [Plane.through(center_lps, name, view, image, margin_mm=0.0) for name in PLANE_NAMES]


def planes_png(planes: Sequence[Plane], image: sitk.Image, suv_window: float) -> bytes:
    """Returns the planes side by side as PNG, in inverted gray.

    Args:
        planes: from ``planes_through``.
        image: the scan with the lesion, SUV.
        suv_window: SUV that is black; 0 is white.
    """
    parts: list[NDArray] = []
    for plane in planes:
        picture = plane.sample(image)
        parts += [picture, np.full((len(picture), GAP_PIXELS), suv_window / 4)]
    file = BytesIO()
    imsave(file, np.concatenate(parts[:-1], axis=1), cmap="gray_r", vmin=0, vmax=suv_window, format="png")
    return file.getvalue()


def outline_svg(planes: Sequence[Plane], mask: sitk.Image) -> bytes:
    """Returns the outlines of a mask in the planes as SVG, which lies over the PNG.

    Args:
        planes: from ``planes_through``.
        mask: above 0 in the lesions.
    """
    axes = Figure().subplots()
    lines: list[str] = []
    for n, plane in enumerate(planes):
        picture = plane.sample(mask)
        if not picture.max() > 0:
            continue
        outlines = axes.contour(picture, levels=[picture.max() / 2]).allsegs[0]
        shift = np.array([n * (EDGE_MM + GAP_PIXELS), 0]) + 0.5  # pixel centers lie half a pixel from the edge
        for outline in outlines:
            points = " ".join(f"{x:.1f},{y:.1f}" for x, y in outline + shift)
            lines.append(f'<polyline points="{points}"/>')
    width = len(planes) * (EDGE_MM + GAP_PIXELS) - GAP_PIXELS
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {EDGE_MM}" width="{width}" height="{EDGE_MM}" '
        f'fill="none" stroke="{_OUTLINE}" stroke-width="1.2">{"".join(lines)}</svg>\n'
    ).encode()
