"""Pictures of an insertion: before and after in three planes, and contact sheets of many cases.

Planes lie along the patient's axes (LPS) whatever the volume's own, in radiological display: the patient's right
on the left of axial and coronal planes, anterior on the left of sagittal ones. Only the neighborhood of the box
is resampled. Figures are built without pyplot, so nothing global is touched and no display is needed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import SimpleITK as sitk
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from TumorGenCore.volumes.geometry import Box, Grid
from TumorGenCore.volumes.safe_write import replacing

__all__ = ["PreviewCase", "save_contact_sheet", "save_preview"]

PlaneName = Literal["axial", "coronal", "sagittal"]

_NOTE = "Synthetic, not for diagnosis"
_BOX_COLOR = "#1f77b4"
_MASK_COLOR = "#d62728"
#: Per plane: the LPS axes shown rightwards and downwards with their signs, and the letters left, right, top, bottom.
_DISPLAY: dict[PlaneName, tuple[tuple[int, int], tuple[int, int], str]] = {
    "axial": ((0, 1), (1, 1), "RLAP"),
    "coronal": ((0, 1), (2, -1), "RLSI"),
    "sagittal": ((1, 1), (2, -1), "APSI"),
}


@dataclass(frozen=True)
class PreviewCase:
    """One panel of a contact sheet: an image in SUV, the tumor's mask if there is one, and the box."""

    title: str
    image: sitk.Image
    mask: sitk.Image | None
    box: Box
    plane: PlaneName = "axial"


def save_preview(
    before: sitk.Image,
    after: sitk.Image,
    mask: sitk.Image,
    box: Box,
    path: str | os.PathLike[str],
    suv_factor: float = 1.0,
    title: str = "",
    margin_mm: float = 70.0,
) -> Path:
    """Write a PNG: rows before and after, columns axial, coronal and sagittal through the tumor.

    Args:
        before: the volume without, ``after`` with the tumor; any geometry.
        mask: the tumor, non-zero inside. When it is empty the planes pass through the center of the box.
        suv_factor: multiplies voxel values into SUV.
        margin_mm: what is shown around the box on each side, as far as the volume reaches.

    Raises:
        OSError: the file cannot be written; no partial file is left.
    """
    focus = _focus(mask, box)
    planes = [_Plane.through(focus, name, box, before, margin_mm) for name in _DISPLAY]
    rows = [[plane.sample(image) * suv_factor for plane in planes] for image in (before, after)]
    suv_max = _suv_window(*rows[0], *rows[1])

    widths, heights = [p.extent_mm[0] for p in planes], [p.extent_mm[1] for p in planes]
    figure = Figure(figsize=(10.5, 0.9 + 2 * 9.3 * max(heights) / sum(widths)), layout="constrained")
    axes = figure.subplots(2, 3, width_ratios=widths, squeeze=False)
    for row, pictures in enumerate(rows):
        for column, (plane, picture) in enumerate(zip(planes, pictures, strict=True)):
            axis = axes[row, column]
            shown = plane.show(axis, picture, suv_max)
            plane.draw_box(axis, box)
            if row == 1:
                plane.draw_mask(axis, mask)
            axis.set_title(f"{('before', 'after')[row]}, {plane.name}", fontsize=8)
    figure.colorbar(shown, ax=axes, label="SUV", shrink=0.7, pad=0.01)
    figure.suptitle(title, fontsize=10)
    figure.supxlabel(_NOTE, fontsize=7, color="0.35")
    return _write_png(figure, path)


def save_contact_sheet(
    cases: Sequence[PreviewCase],
    path: str | os.PathLike[str],
    columns: int = 6,
    suv_max: float | None = None,
    margin_mm: float = 50.0,
) -> Path:
    """Write a PNG with one plane of each case, the tumor's contour and the box on it.

    Args:
        suv_max: upper end of the gray scale for all panels; None chooses and prints one for each.

    Raises:
        ValueError: no cases.
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
    focus = np.asarray(case.box.center_lps) if case.mask is None else _focus(case.mask, case.box)
    plane = _Plane.through(focus, case.plane, case.box, case.image, margin_mm)
    picture = plane.sample(case.image)
    upper = _suv_window(picture) if suv_max is None else suv_max
    plane.show(axis, picture, upper)
    plane.draw_box(axis, case.box)
    if case.mask is not None:
        plane.draw_mask(axis, case.mask)
    axis.set_title(case.title, fontsize=7)
    axis.set_xlabel(f"SUV 0 to {upper:.1f}", fontsize=6, labelpad=1)


def _focus(mask: sitk.Image, box: Box) -> NDArray[np.float64]:
    """Centroid of the mask within the box, LPS mm; the center of the box when there is none."""
    grid = Grid.from_image(mask)
    start, stop = box.index_bounds(grid)
    if np.any(stop <= start):
        return np.asarray(box.center_lps)
    region = tuple(slice(int(a), int(b)) for a, b in zip(start[::-1], stop[::-1], strict=True))
    inside = np.argwhere(sitk.GetArrayViewFromImage(mask)[region] > 0)
    if len(inside) == 0:
        return np.asarray(box.center_lps)
    return grid.index_to_lps(inside.mean(axis=0)[::-1] + start)


def _suv_window(*pictures: NDArray[np.float32]) -> float:
    """Upper end of the gray scale: what all but the hottest pixels need, and never below SUV 5."""
    return max(5.0, float(np.percentile(np.concatenate([p.ravel() for p in pictures]), 99.9)))


@dataclass(frozen=True)
class _Plane:
    """A plane along two patient axes. ``low`` and ``high``: what is shown, LPS mm; equal along the normal."""

    name: PlaneName
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @classmethod
    def through(cls, focus: NDArray, name: PlaneName, box: Box, image: sitk.Image, margin_mm: float) -> _Plane:
        """The plane through ``focus``, showing the box and a margin as far as ``image`` reaches."""
        volume = Grid.from_image(image).corners_lps
        low, high = box.corners_lps.min(axis=0), box.corners_lps.max(axis=0)
        # A box that sticks out of the volume is shown whole.
        low = np.minimum(low, np.maximum(low - margin_mm, volume.min(axis=0)))
        high = np.maximum(high, np.minimum(high + margin_mm, volume.max(axis=0)))
        (right, _), (down, _), _ = _DISPLAY[name]
        normal = 3 - right - down
        low[normal] = high[normal] = focus[normal]
        return cls(name, low, high)

    @property
    def extent_mm(self) -> tuple[float, float]:
        """Width and height shown, mm."""
        (right, _), (down, _), _ = _DISPLAY[self.name]
        extent = self.high - self.low
        return float(extent[right]), float(extent[down])

    def sample(self, image: sitk.Image) -> NDArray[np.float32]:
        """The image on this plane at about 1 mm, shape (rows down, columns right); 0 beyond the volume."""
        (right, right_sign), (down, down_sign), _ = _DISPLAY[self.name]
        columns = np.eye(3)[[right, down]] * [[right_sign], [down_sign]]
        direction = np.stack([*columns, np.cross(*columns)], axis=1)
        size = [max(2, round(extent)) for extent in self.extent_mm]
        spacing = [extent / n for extent, n in zip(self.extent_mm, size, strict=True)]
        # The corner at the top left of the picture, then the center of its first pixel.
        corner = np.where(columns.sum(axis=0) < 0, self.high, self.low)
        origin = corner + columns.T @ (np.asarray(spacing) / 2)
        plane = sitk.Resample(
            image,
            [*size, 1],
            sitk.Transform(3, sitk.sitkIdentity),
            sitk.sitkLinear,
            origin.tolist(),
            [*spacing, 1.0],
            direction.ravel().tolist(),
            0.0,
            sitk.sitkFloat32,
        )
        return sitk.GetArrayFromImage(plane)[0]

    def _limits(self) -> tuple[float, float, float, float]:
        """Coordinates of the left, right, bottom and top of the picture, LPS mm."""
        (right, _), (down, down_sign), _ = _DISPLAY[self.name]
        top, bottom = (self.low[down], self.high[down])[::down_sign]
        return float(self.low[right]), float(self.high[right]), float(bottom), float(top)

    def show(self, axis: Axes, picture: NDArray[np.float32], suv_max: float) -> AxesImage:
        """Draw the picture in inverted gray with its orientation letters; returns the mappable."""
        limits = self._limits()
        shown = axis.imshow(picture, cmap="gray_r", vmin=0, vmax=suv_max, extent=limits, interpolation="bilinear")
        axis.set(xticks=[], yticks=[], xlim=limits[:2], ylim=limits[2:])
        places = ((0.02, 0.5), (0.98, 0.5), (0.5, 0.98), (0.5, 0.02))
        sides = (("left", "center"), ("right", "center"), ("center", "top"), ("center", "bottom"))
        for letter, place, (ha, va) in zip(_DISPLAY[self.name][2], places, sides, strict=True):
            axis.text(*place, letter, ha=ha, va=va, transform=axis.transAxes, fontsize=7, color="0.25")
        return shown

    def draw_box(self, axis: Axes, box: Box) -> None:
        """Outline where the plane cuts the box; nothing where it does not."""
        (right, _), (down, _), _ = _DISPLAY[self.name]
        normal = 3 - right - down
        outline = _cut(box, normal, float(self.low[normal]))[:, [right, down]]
        if len(outline) >= 3:
            axis.fill(outline[:, 0], outline[:, 1], fill=False, edgecolor=_BOX_COLOR, linewidth=0.9, linestyle="--")

    def draw_mask(self, axis: Axes, mask: sitk.Image) -> None:
        """Contour of the mask; nothing where the plane misses it."""
        picture = self.sample(mask)
        if picture.max() > 0:
            axis.contour(
                picture,
                levels=[picture.max() / 2],
                extent=self._limits(),
                origin="image",
                colors=_MASK_COLOR,
                linewidths=0.9,
            )


def _cut(box: Box, normal: int, position: float) -> NDArray[np.float64]:
    """Corners of the convex polygon in which the plane at ``position`` of LPS axis ``normal`` cuts the box, (n, 3)."""
    corners = box.corners_lps
    side = corners[:, normal] - position
    points = []
    for a in range(8):
        for bit in (1, 2, 4):  # the corners at both ends of an edge differ in one bit
            b = a | bit
            if b != a and (side[a] > 0) != (side[b] > 0):
                points.append(corners[a] + side[a] / (side[a] - side[b]) * (corners[b] - corners[a]))
    if not points:
        return np.empty((0, 3))
    found = np.asarray(points)
    u, v = (found - found.mean(axis=0))[:, [n for n in range(3) if n != normal]].T
    return found[np.argsort(np.arctan2(v, u))]


def _write_png(figure: Figure, path: str | os.PathLike[str]) -> Path:
    target = Path(path)
    with replacing(target) as temporary:
        FigureCanvasAgg(figure).print_figure(temporary, format="png", dpi=150)
    return target
