"""Pictures of an insertion: before and after in planes, all boxes of several lesions, and contact sheets of many cases.

Figures do not use pyplot, so they change no global state and need no display. ``planes`` defines what they show.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from TumorGenCore.insertion.planes import PLANE_NAMES, Plane, PlaneName, focus_of
from TumorGenCore.volumes.geometry import Box
from TumorGenCore.volumes.safe_write import replacing

__all__ = ["MOST_ROWS", "PreviewCase", "save_contact_sheet", "save_preview"]

#: Lesions that get a row of planes in a picture of several lesions.
MOST_ROWS = 6
#: Width of the surroundings shown on each side of the box, as far as the volume reaches, mm.
_MARGIN_MM, _ROW_MARGIN_MM = 70.0, 40.0
#: Highest upper end of the gray scale of a projection, which brain and bladder would set otherwise.
_WHOLE_SUV = 10.0
_NOTE = "Synthetic, not for diagnosis"
_BOX_COLOR = "#1f77b4"
_MASK_COLOR = "#d62728"


@dataclass(frozen=True)
class PreviewCase:
    """One panel of a contact sheet: an image in SUV, the mask of the tumor if there is one, and the box."""

    title: str
    image: sitk.Image
    mask: sitk.Image | None
    box: Box
    plane: PlaneName = "axial"


def save_preview(
    before: sitk.Image,
    after: sitk.Image,
    mask: sitk.Image,
    boxes: Sequence[Box],
    path: str | os.PathLike[str],
    suv_factor: float = 1.0,
    title: str = "",
) -> Path:
    """Writes a PNG of an insertion.

    One box: axial, coronal and sagittal planes through the tumor; first row before, second row after. Several boxes:
    the whole volume as a projection with all boxes, and a row of planes for each of the first ``MOST_ROWS``.

    Args:
        before: the volume without the tumors; 3D, any geometry.
        after: the volume with the tumors.
        mask: the tumors, non-zero inside. If it is empty in a box, the planes go through the center of the box.
        boxes: one for each tumor; the planes show those that they cut.
        path: path of the PNG.
        suv_factor: factor from voxel values to SUV.
        title: title above the picture.

    Raises:
        OSError: the file cannot be written; no partial file is left.
    """
    draw = _one_lesion if len(boxes) == 1 else _lesions
    figure = draw(before, after, mask, boxes, suv_factor)
    more = f"the first {MOST_ROWS} of {len(boxes)} lesions in rows" if len(boxes) > MOST_ROWS else ""
    figure.suptitle(", ".join(filter(None, (title, more))), fontsize=10)
    figure.supxlabel(_NOTE, fontsize=7, color="0.35")
    return _write_png(figure, path)


def _one_lesion(
    before: sitk.Image, after: sitk.Image, mask: sitk.Image, boxes: Sequence[Box], suv_factor: float
) -> Figure:
    (box,) = boxes
    focus = focus_of(mask, box)
    planes = [Plane.through(focus, name, box, before, _MARGIN_MM) for name in PLANE_NAMES]
    rows = [[plane.sample(image) * suv_factor for plane in planes] for image in (before, after)]
    suv_max = _suv_window(*rows[0], *rows[1])

    widths, heights = [p.extent_mm[0] for p in planes], [p.extent_mm[1] for p in planes]
    figure = Figure(figsize=(10.5, 0.9 + 2 * 9.3 * max(heights) / sum(widths)), layout="constrained")
    axes = figure.subplots(2, 3, width_ratios=widths, squeeze=False)
    for row, pictures in enumerate(rows):
        for column, (plane, picture) in enumerate(zip(planes, pictures, strict=True)):
            axis = axes[row, column]
            shown = _draw_picture(plane, axis, picture, suv_max)
            _draw_box(plane, axis, box)
            if row == 1:
                _draw_mask(plane, axis, mask)
            axis.set_title(f"{('before', 'after')[row]}, {plane.name}", fontsize=8)
    figure.colorbar(shown, ax=axes, label="SUV", shrink=0.7, pad=0.01)
    return figure


def _lesions(
    before: sitk.Image, after: sitk.Image, mask: sitk.Image, boxes: Sequence[Box], suv_factor: float
) -> Figure:
    views: tuple[tuple[str, sitk.Image, PlaneName], ...] = (
        ("before", before, "axial"),
        ("after", after, "axial"),
        ("after", after, "coronal"),
    )
    rows = boxes[:MOST_ROWS]
    figure = Figure(figsize=(10, 0.7 + max(4.5, 2.4 * len(rows))), layout="constrained")
    grid = figure.add_gridspec(len(rows), 4, width_ratios=(1.5, 1, 1, 1))
    _draw_whole(figure.add_subplot(grid[:, 0], anchor="N"), after, boxes, suv_factor)
    for number, box in enumerate(rows):
        focus = focus_of(mask, box)
        planes = [Plane.through(focus, name, box, before, _ROW_MARGIN_MM) for _, _, name in views]
        pictures = [plane.sample(image) * suv_factor for plane, (_, image, _) in zip(planes, views, strict=True)]
        suv_max = _suv_window(*pictures)
        for column, (plane, picture) in enumerate(zip(planes, pictures, strict=True)):
            axis = figure.add_subplot(grid[number, 1 + column])
            _draw_picture(plane, axis, picture, suv_max)
            for other in boxes:
                _draw_box(plane, axis, other)
            if column > 0:
                _draw_mask(plane, axis, mask)
            axis.set_title(f"{number + 1}: {views[column][0]}, {plane.name}", fontsize=8)
            axis.set_xlabel(f"SUV 0 to {suv_max:.1f}", fontsize=6, labelpad=1)
    return figure


def _draw_whole(axis: Axes, image: sitk.Image, boxes: Sequence[Box], suv_factor: float) -> None:
    """Draws the coronal projection of an image with the numbered boxes."""
    whole = Plane.over(image, "coronal")
    picture = whole.project(image) * suv_factor
    upper = min(_suv_window(picture), _WHOLE_SUV)
    _draw_picture(whole, axis, picture, upper)
    for number, box in enumerate(boxes, start=1):
        corners = whole.silhouette(box)
        axis.fill(*corners.T, fill=False, edgecolor=_BOX_COLOR, linewidth=0.9)
        axis.annotate(str(number), corners.max(axis=0), fontsize=8, color=_BOX_COLOR, annotation_clip=False)
    axis.set_title("after, highest values, coronal", fontsize=8)
    axis.set_xlabel(f"SUV 0 to {upper:.1f}", fontsize=6, labelpad=1)


def save_contact_sheet(
    cases: Sequence[PreviewCase],
    path: str | os.PathLike[str],
    columns: int = 6,
    suv_max: float | None = None,
    margin_mm: float = 50.0,
) -> Path:
    """Writes a PNG with one plane per case, with the contour of the tumor and the box.

    Args:
        cases: one per panel.
        path: path of the PNG.
        columns: panels per row.
        suv_max: upper end of the gray scale for all panels; None chooses one for each panel and prints it there.
        margin_mm: width of the surroundings shown on each side of the box.

    Raises:
        ValueError: there are no cases.
        OSError: the file cannot be written; no partial file is left.
    """
    if not cases:
        raise ValueError("A contact sheet needs at least one case.")
    columns = min(columns, len(cases))
    count = -(-len(cases) // columns)
    figure = Figure(figsize=(2.2 * columns, 2.45 * count + 0.3), layout="constrained")
    axes = figure.subplots(count, columns, squeeze=False).ravel()
    for axis in axes[len(cases) :]:
        axis.set_axis_off()
    for axis, case in zip(axes, cases, strict=False):
        _draw_case(axis, case, suv_max, margin_mm)
    figure.supxlabel(_NOTE, fontsize=7, color="0.35")
    return _write_png(figure, path)


def _draw_case(axis: Axes, case: PreviewCase, suv_max: float | None, margin_mm: float) -> None:
    focus = np.asarray(case.box.center_lps) if case.mask is None else focus_of(case.mask, case.box)
    plane = Plane.through(focus, case.plane, case.box, case.image, margin_mm)
    picture = plane.sample(case.image)
    upper = _suv_window(picture) if suv_max is None else suv_max
    _draw_picture(plane, axis, picture, upper)
    _draw_box(plane, axis, case.box)
    if case.mask is not None:
        _draw_mask(plane, axis, case.mask)
    axis.set_title(case.title, fontsize=7)
    axis.set_xlabel(f"SUV 0 to {upper:.1f}", fontsize=6, labelpad=1)


def _suv_window(*pictures: NDArray[np.float32]) -> float:
    """Upper end of the gray scale: the 99.9th percentile of all pixels, at least SUV 5."""
    return max(5.0, float(np.percentile(np.concatenate([p.ravel() for p in pictures]), 99.9)))


def _draw_picture(plane: Plane, axis: Axes, picture: NDArray[np.float32], suv_max: float) -> AxesImage:
    """Draws the picture in inverted gray with its orientation letters; returns the mappable."""
    limits = plane.limits_mm
    shown = axis.imshow(picture, cmap="gray_r", vmin=0, vmax=suv_max, extent=limits, interpolation="bilinear")
    axis.set(xticks=[], yticks=[], xlim=limits[:2], ylim=limits[2:])
    places = ((0.02, 0.5), (0.98, 0.5), (0.5, 0.98), (0.5, 0.02))
    sides = (("left", "center"), ("right", "center"), ("center", "top"), ("center", "bottom"))
    for letter, place, (ha, va) in zip(plane.letters, places, sides, strict=True):
        axis.text(*place, letter, ha=ha, va=va, transform=axis.transAxes, fontsize=7, color="0.25")
    return shown


def _draw_box(plane: Plane, axis: Axes, box: Box) -> None:
    """Draws the outline of the box in the plane; nothing if the plane misses the box."""
    outline = plane.outline(box)
    if len(outline) >= 3:
        axis.fill(outline[:, 0], outline[:, 1], fill=False, edgecolor=_BOX_COLOR, linewidth=0.9, linestyle="--")


def _draw_mask(plane: Plane, axis: Axes, mask: sitk.Image) -> None:
    """Draws the contour of the mask; nothing if the plane misses the mask."""
    picture = plane.sample(mask)
    if picture.max() > 0:
        axis.contour(
            picture,
            levels=[picture.max() / 2],
            extent=plane.limits_mm,
            origin="image",
            colors=_MASK_COLOR,
            linewidths=0.9,
        )


def _write_png(figure: Figure, path: str | os.PathLike[str]) -> Path:
    target = Path(path)
    with replacing(target) as temporary:
        FigureCanvasAgg(figure).print_figure(temporary, format="png", dpi=150)
    return target
