"""A digital FDG body phantom: the demo and sample data where no patient's scan may ship.

Organs are implicit shapes (signed distances in mm, negative inside) that share one smooth random warp, painted
in order with antialiased edges; then the scanner's resolution and the noise of an iterative reconstruction.
The body lies in LPS mm with z = 0 at the pubic symphysis, x = 0 in the midline (left positive), y = 0 midway
between front and back (posterior positive). Arrays have the axes (k, j, i).

Mean SUVs follow Wang et al., Standardized uptake value atlas, Mol Imaging Biol 2007;9:83-90.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from TumorGenCore.errors import InvalidBoxError, UnsupportedVolumeError
from TumorGenCore.volumes.geometry import Box, Grid, Vector

__all__ = ["PHANTOM_SITES", "make_phantom", "phantom_box"]

Array = NDArray[np.floating]
Values = Sequence[float] | NDArray
Rows = Sequence[Values] | NDArray
Points = tuple[Array, Array, Array]

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
#: The part of it that the body can reach; nothing is painted beyond.
_BODY_BOUNDS = np.array([[-318.0, -150.0, -176.0], [318.0, 162.0, 868.0]])

_SUV: dict[str, float] = {
    "skin": 0.85, "fat": 0.26, "muscle": 0.62, "visceral fat": 0.42, "marrow": 1.3, "vertebra": 2.0, "disc": 0.65,
    "cord": 1.7, "lung": 0.42, "air": 0.15, "blood": 1.45, "mediastinum": 0.95, "myocardium": 4.6, "liver": 2.15,
    "spleen": 1.85, "stomach": 1.8, "bowel": 1.35, "pancreas": 1.35, "kidney": 2.9, "urine": 11.0, "bladder": 28.0,
    "prostate": 1.4, "gray matter": 11.0, "white matter": 4.8, "ventricle": 1.6, "cerebellum": 8.5, "brain stem": 5.0,
    "gland": 2.3, "tonsil": 4.2, "mucosa": 1.9, "tongue": 1.5, "larynx": 2.1, "thyroid": 1.4, "eye": 0.5,
    "eye muscle": 2.6, "skull": 0.75, "oesophagus": 1.6, "rectum": 1.5,
}  # fmt: skip


def phantom_box(site: str = "liver") -> Box:
    """The demonstration box of one of ``PHANTOM_SITES``.

    Raises:
        InvalidBoxError: no such site.
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
    """A healthy adult's FDG-PET from mid-thigh to vertex, arms down.

    Args:
        seed: chooses the individual (girth, outlines, uptake) and the noise.
        spacing_mm: voxel spacing along i, j, k; the field of view stays the same.
        fwhm_mm: resolution of the scanner, full width at half maximum of a Gaussian.
        noise: strength of the reconstruction noise; 1 is a common clinical scan, 0 none.

    Returns:
        SUV, float32, non-negative, identity direction; 168 x 168 x 348 voxels at the default spacing.

    Raises:
        UnsupportedVolumeError: the spacing is not three values of 0.5 to 20 mm.
    """
    spacing = np.asarray(spacing_mm, dtype=np.float64)
    if spacing.shape != (3,) or not np.all((spacing >= 0.5) & (spacing <= 20)):
        raise UnsupportedVolumeError(f"The phantom's spacing {spacing_mm} must be three values of 0.5 to 20 mm.")
    size = np.round((_FIELD_OF_VIEW[1] - _FIELD_OF_VIEW[0]) / spacing).astype(int)
    origin = _FIELD_OF_VIEW.mean(axis=0) - (size - 1) / 2 * spacing
    grid = Grid((int(size[0]), int(size[1]), int(size[2])), _vector(spacing), _vector(origin))

    rng = np.random.default_rng(seed)
    person = _Individual.draw(rng)
    canvas = _Canvas(grid, person, rng)
    _paint_body(canvas)
    _paint_cavities(canvas)
    _paint_skeleton(canvas)
    _paint_chest(canvas)
    _paint_abdomen(canvas, rng)
    _paint_pelvis(canvas)
    _paint_head(canvas)
    return grid.image_from_array(_scan(canvas, grid, rng, fwhm_mm, noise))


def _vector(values: NDArray) -> Vector:
    return (float(values[0]), float(values[1]), float(values[2]))


# ---------------------------------------------------------------------------------------------------------------
# Implicit shapes


@dataclass(frozen=True)
class _Shape:
    """A solid: its signed distance (mm, first-order, negative inside) and a box (low, high) that holds it."""

    distance: Callable[[Points], Array]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def join(self, other: _Shape, blend_mm: float = 8.0) -> _Shape:
        """The smooth union, rounded over ``blend_mm``."""
        return _Shape(
            lambda p: _smooth_minimum(self.distance(p), other.distance(p), blend_mm),
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
        )

    def minus(self, other: _Shape, blend_mm: float = 6.0) -> _Shape:
        """The smooth difference."""
        return _Shape(lambda p: -_smooth_minimum(-self.distance(p), other.distance(p), blend_mm), self.low, self.high)

    def within(self, other: _Shape, margin_mm: float = 0.0, blend_mm: float = 4.0) -> _Shape:
        """The part at least ``margin_mm`` deep inside ``other``."""
        return _Shape(
            lambda p: -_smooth_minimum(-self.distance(p), -other.distance(p) - margin_mm, blend_mm),
            self.low,
            self.high,
        )

    def cut(self, normal: Sequence[float], offset_mm: float, blend_mm: float = 6.0) -> _Shape:
        """The part on the near side of a plane: normal . p < offset."""
        a, b, c = np.asarray(normal, dtype=np.float64) / np.linalg.norm(normal)

        def distance(p: Points) -> Array:
            return -_smooth_minimum(-self.distance(p), offset_mm - (a * p[0] + b * p[1] + c * p[2]), blend_mm)

        return _Shape(distance, self.low, self.high)

    def grow(self, margin_mm: float) -> _Shape:
        """The same shape with its surface moved outwards (negative: inwards)."""
        return _Shape(lambda p: self.distance(p) - margin_mm, self.low - margin_mm, self.high + margin_mm)

    def shell(self, thickness_mm: float) -> _Shape:
        """The layer of this thickness centered on the surface."""
        half = thickness_mm / 2
        return _Shape(lambda p: np.abs(self.distance(p)) - half, self.low - half, self.high + half)


def _smooth_minimum(a: Array, b: Array, blend_mm: float) -> Array:
    """Polynomial smooth minimum: differs from min(a, b) only where |a - b| < blend."""
    overlap = np.maximum(blend_mm - np.abs(a - b), 0.0)
    return np.minimum(a, b) - overlap * overlap * (0.25 / blend_mm)


def _rotation(tilt_deg: Values) -> NDArray[np.float64]:
    """Rotation about x, then y, then z (degrees)."""
    matrix = np.eye(3)
    for axis, angle in enumerate(np.radians(tilt_deg)):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        turn = np.eye(3)
        turn[u, u] = turn[v, v] = np.cos(angle)
        turn[u, v], turn[v, u] = -np.sin(angle), np.sin(angle)
        matrix = turn @ matrix
    return matrix


def _ellipsoid(center: Values, radii: Values, tilt_deg: Values = (0, 0, 0)) -> _Shape:
    middle, semi = np.asarray(center, dtype=np.float64), np.asarray(radii, dtype=np.float64)
    axes = _rotation(tilt_deg)
    reach = np.sqrt((axes**2) @ semi**2)
    weights = (axes / semi).T.astype(np.float32)

    def distance(p: Points) -> Array:
        x, y, z = (p[n] - np.float32(middle[n]) for n in range(3))
        inner = steep = np.float32(1e-6)
        for row, radius in zip(weights, semi, strict=True):
            square = (row[0] * x + row[1] * y + row[2] * z) ** 2
            inner, steep = inner + square, steep + square / np.float32(radius**2)
        inner = np.sqrt(inner)
        return inner * (inner - 1) / np.sqrt(steep)  # f / |grad f|

    return _Shape(distance, middle - reach, middle + reach)


def _tube(points: Rows, radii: Values | float) -> _Shape:
    """A chain of round cones through ``points``, shape (n, 3), with a radius at each."""
    path = np.asarray(points, dtype=np.float64)
    widths = np.broadcast_to(np.asarray(radii, dtype=np.float64), (len(path),))

    def distance(p: Points) -> Array:
        nearest = None
        for a, b, ra, rb in zip(path[:-1], path[1:], widths[:-1], widths[1:], strict=True):
            piece = _cone_distance(p, a, b - a, ra, rb - ra)
            nearest = piece if nearest is None else _smooth_minimum(nearest, piece, min(ra, rb) / 2)
        return np.asarray(nearest)

    reach = widths.max()
    return _Shape(distance, path.min(axis=0) - reach, path.max(axis=0) + reach)


def _cone_distance(p: Points, start: NDArray, step: NDArray, radius: float, growth: float) -> Array:
    x, y, z = (p[n] - np.float32(start[n]) for n in range(3))
    a, b, c = (np.float32(v) for v in step)
    along = np.clip((a * x + b * y + c * z) / np.float32(step @ step), 0.0, 1.0)
    square = (x - along * a) ** 2 + (y - along * b) ** 2 + (z - along * c) ** 2
    return np.sqrt(square) - (np.float32(radius) + along * np.float32(growth))


def _stack(rows: Rows, power: float = 2.4) -> _Shape:
    """Superelliptic cross-sections along z. Each row: z, half-width, half-depth, y of the center (mm)."""
    table = np.asarray(rows, dtype=np.float64)
    heights = np.arange(table[0, 0], table[-1, 0] + 1.0, 4.0)
    # Smoothed so that the landmarks leave no kinks on the skin.
    profile = [ndimage.gaussian_filter1d(np.interp(heights, table[:, 0], column), 4.0) for column in table.T[1:]]

    def distance(p: Points) -> Array:
        # The warp changes z slowly: one column's height serves for the slice.
        z = p[2][:, :1, :1]
        width, depth, middle = (np.interp(z, heights, values).astype(np.float32) for values in profile)
        u, v = np.abs(p[0]) / width, np.abs(p[1] - middle) / depth
        ratio = np.power(np.power(u, power) + np.power(v, power), np.float32(1 / power))
        side = (ratio - 1) * np.minimum(width, depth)
        end = np.maximum(heights[0] - p[2], p[2] - heights[-1]).astype(np.float32)
        return -_smooth_minimum(-side, -end, 40.0)

    width, depth, middle = table[:, 1].max(), table[:, 2].max(), table[:, 3]
    low = np.array([-width, middle.min() - depth, heights[0]])
    return _Shape(distance, low, np.array([width, middle.max() + depth, heights[-1]]))


def _both(points: Rows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points of the left side (x > 0) and their mirror image on the right."""
    left = np.asarray(points, dtype=np.float64)
    return left, left * [-1.0, 1.0, 1.0]


# ---------------------------------------------------------------------------------------------------------------
# Individual, noise fields, canvas


@dataclass(frozen=True)
class _Individual:
    """What differs between people: girth and height factors, fat thickness factor, mean SUV of each tissue."""

    girth: float
    depth: float
    height: float
    fat: float
    suv: dict[str, float]

    @classmethod
    def draw(cls, rng: np.random.Generator) -> _Individual:
        girth, depth, height = 1 + rng.uniform(-1, 1, 3) * [0.04, 0.05, 0.012]
        suv = {tissue: mean * float(np.exp(0.09 * rng.standard_normal())) for tissue, mean in _SUV.items()}
        # Myocardium, urine and bladder vary far more between people than solid organs do.
        for tissue, spread in {"myocardium": 0.25, "urine": 0.25, "bladder": 0.2}.items():
            suv[tissue] *= float(np.exp(spread * rng.uniform(-1, 1)))
        return cls(float(girth), float(depth), float(height), float(rng.uniform(0.75, 1.35)), suv)


def _spline_rows(positions: NDArray, first: float, step: float, knots: int) -> Array:
    """Cubic B-spline weights, shape (positions, knots), of evenly spaced knots."""
    t = np.abs((positions[:, None] - first) / step - np.arange(knots)[None, :])
    weights = np.where(t < 1, 2 / 3 - t**2 + t**3 / 2, np.where(t < 2, (2 - t) ** 3 / 6, 0.0))
    return weights.astype(np.float32)


def _smooth_noise(rng: np.random.Generator, axes: Sequence[NDArray], knot_mm: float) -> Array:
    """Gaussian noise of unit variance, smooth over about ``knot_mm``, on x, y, z axes (mm); (k, j, i).

    The knots are fixed in space, so that the same seed gives the same body at any voxel spacing.
    """
    extent = _BODY_BOUNDS[1] - _BODY_BOUNDS[0]
    counts = np.ceil(extent / knot_mm).astype(int) + 4
    values = rng.standard_normal(counts[::-1]).astype(np.float32) / 0.33  # 0.33: what the spline leaves of 1
    rows = [_spline_rows(axes[n], _BODY_BOUNDS[0, n] - knot_mm, knot_mm, counts[n]) for n in range(3)]
    values = np.tensordot(rows[2], values, axes=(1, 0))
    values = np.tensordot(values, rows[0], axes=(2, 1))
    return np.matmul(rows[1], np.ascontiguousarray(values))


class _Canvas:
    """The SUV of the body region under construction, and the warped coordinates shapes are evaluated in."""

    def __init__(self, grid: Grid, person: _Individual, rng: np.random.Generator) -> None:
        spacing = np.asarray(grid.spacing_mm)
        start = np.clip(np.floor(grid.lps_to_index(_BODY_BOUNDS[0])) + 1, 0, None).astype(int)
        stop = np.minimum(np.floor(grid.lps_to_index(_BODY_BOUNDS[1])).astype(int) + 1, grid.size_ijk)
        self.region = tuple(slice(int(a), int(b)) for a, b in zip(start[::-1], stop[::-1], strict=True))
        self.axes = [grid.origin_lps[n] + spacing[n] * np.arange(start[n], stop[n]) for n in range(3)]
        self.person = person
        self.edge_mm = float(spacing.mean())

        scale = (person.girth, person.depth, person.height)
        x, y, z = (self._warped(rng, n, scale[n]) for n in range(3))
        self.points: Points = (x, y, z)
        #: Surface roughness shared by all organs, so that neighbors stay fitted to each other; mm.
        self.rough = _smooth_noise(rng, self.axes, 26.0)
        self.texture = _smooth_noise(rng, self.axes, 9.0)
        self.suv = np.zeros(self.rough.shape, dtype=np.float32)
        self.depth_mm = np.zeros_like(self.suv)

    def _warped(self, rng: np.random.Generator, axis: int, scale: float) -> Array:
        shape = [1, 1, 1]
        shape[2 - axis] = -1
        straight = (self.axes[axis] / scale).astype(np.float32).reshape(shape)
        return straight + 2.6 * _smooth_noise(rng, self.axes, 75.0)

    def window(self, shape: _Shape, margin_mm: float = 14.0) -> tuple[slice, ...]:
        """The part of the canvas that can hold a shape, with room for warp, roughness and the soft edge."""
        scale = (self.person.girth, self.person.depth, self.person.height)
        slices = []
        for n in (2, 1, 0):
            low, high = (bound[n] * scale[n] for bound in (shape.low, shape.high))
            ends = np.searchsorted(self.axes[n], [low - margin_mm, high + margin_mm])
            slices.append(slice(int(ends[0]), int(ends[1])))
        return tuple(slices)

    def points_in(self, window: tuple[slice, ...]) -> Points:
        """The warped x, y, z of a part of the canvas, mm."""
        x, y, z = self.points
        return x[window], y[window], z[window]

    def paint(
        self,
        shape: _Shape,
        suv: str | float,
        rough_mm: float = 1.5,
        texture: float = 0.06,
        opacity: float = 1.0,
        soft_mm: float = 0.0,
        folded_mm: float = 0.0,
    ) -> None:
        """Lay tissue over what is there.

        Args:
            suv: name of a tissue, or a value.
            rough_mm: standard deviation of the unevenness of its surface.
            texture: relative standard deviation of the uptake within it.
            opacity: 1 covers what lies below, less lets it shine through.
            soft_mm: width of a gradual edge, beyond the one voxel that antialiasing takes.
            folded_mm: depth of sulci that reach in from the surface.
        """
        window = self.window(shape)
        points = self.points_in(window)
        if points[0].size == 0:
            return
        distance = shape.distance(points) + np.float32(rough_mm) * self.rough[window]
        if folded_mm:
            distance += np.float32(folded_mm) * np.maximum(1 - 1.8 * np.abs(self.texture[window]), 0)
        cover = np.clip(0.5 - distance / (self.edge_mm + soft_mm), 0.0, 1.0) * np.float32(opacity)
        value = self.person.suv[suv] if isinstance(suv, str) else suv
        uptake = np.float32(value) * (1 + np.float32(texture) * self.texture[window])
        self.suv[window] += cover * (np.maximum(uptake, 0) - self.suv[window])


# ---------------------------------------------------------------------------------------------------------------
# Anatomy, from the skin inwards

#: z, half-width, half-depth, y of the center: the trunk and neck without arms and legs.
_TRUNK = (
    (-75, 150, 92, 8), (-30, 172, 106, 10), (0, 178, 110, 10), (50, 174, 110, 11), (100, 164, 104, 9),
    (150, 150, 100, 5), (200, 143, 100, 1), (250, 143, 103, -1), (300, 148, 106, -2), (360, 156, 110, -1),
    (420, 164, 110, 2), (470, 170, 104, 6), (505, 174, 92, 12), (535, 170, 80, 18), (560, 142, 68, 22),
    (580, 106, 62, 22), (600, 78, 60, 19), (620, 62, 60, 14), (650, 59, 60, 9), (680, 58, 60, 6),
)  # fmt: skip
#: The inside of the ribs.
_RIB_CAGE = (
    (300, 122, 78, 6), (340, 126, 82, 6), (380, 130, 84, 6), (420, 128, 82, 8), (460, 116, 76, 12), (500, 96, 64, 18),
    (535, 70, 48, 24), (565, 46, 34, 28), (590, 26, 20, 28),
)  # fmt: skip
#: The inside of the abdominal wall.
_BELLY = (
    (30, 96, 58, 2), (90, 104, 62, -14), (150, 112, 66, -18), (230, 116, 72, -16),
    (300, 120, 80, -6), (355, 112, 78, 2),
)  # fmt: skip
_SPINE = np.array(
    [
        [0, 72, -30], [0, 84, 20], [0, 78, 60], [0, 62, 98], [0, 44, 125], [0, 34, 165], [0, 33, 200], [0, 38, 240],
        [0, 46, 280], [0, 54, 330], [0, 61, 380], [0, 64, 430], [0, 61, 480], [0, 53, 520], [0, 42, 555],
        [0, 31, 585], [0, 21, 615], [0, 16, 645], [0, 16, 690],
    ],
    dtype=np.float64,
)  # fmt: skip


def _spine_at(z: float) -> NDArray[np.float64]:
    """The middle of the vertebral body at a height, LPS mm."""
    return np.array([0.0, np.interp(z, _SPINE[:, 2], _SPINE[:, 1]), z])


def _body_distance(canvas: _Canvas) -> Array:
    """Signed distance to the skin, mm; (k, j, i). Each part is evaluated only where it can matter."""
    distance = _stack(_TRUNK).distance(canvas.points)
    for part, blend_mm in _body_parts():
        window = canvas.window(part, margin_mm=blend_mm + 14.0)
        piece = part.distance(canvas.points_in(window))
        distance[window] = _smooth_minimum(distance[window], piece, blend_mm)
    return distance + 2.0 * canvas.rough


def _body_parts() -> list[tuple[_Shape, float]]:
    """Head, arms and legs, each with the width over which it blends into the body, mm."""
    skull = _ellipsoid((0, 6, 752), (76, 97, 95))
    face = _ellipsoid((0, -38, 684), (62, 56, 70), (-12, 0, 0))
    jaw = _ellipsoid((0, -30, 650), (57, 54, 36), (8, 0, 0))
    nose = _ellipsoid((0, -96, 696), (11, 12, 18))
    parts = [(skull.join(face, 30).join(jaw, 20).join(nose, 12), 24.0)]
    for side in (1, -1):
        arm = [(side * x, y, z) for x, y, z in [(154, 20, 528), (190, 20, 503), (226, 26, 380), (252, 30, 235)]]
        forearm = _tube([(side * 252, 30, 235), (side * 263, 16, 160), (side * 266, -8, 10)], [37, 38, 24])
        hand = _ellipsoid((side * 262, -22, -48), (17, 34, 72), (12, 0, 0))
        leg = _tube([(side * 88, 12, -10), (side * 94, 10, -90), (side * 92, 8, -240)], [90, 86, 74])
        parts += [(_tube(arm, [46, 50, 43, 36]).join(forearm, 12).join(hand, 16), 20.0), (leg, 22.0)]
        parts.append((_ellipsoid((side * 70, 66, 8), (72, 58, 78)), 30.0))
    return parts


def _fat_thickness(canvas: _Canvas) -> Array:
    """Depth of the subcutaneous fat, mm, broadcastable to the canvas: thick on belly and hips, thin on limbs."""
    x, _, z = canvas.points
    trunk = np.interp(
        canvas.axes[2], [-170, -60, 30, 150, 300, 430, 540, 590, 660, 860], [12, 18, 25, 23, 16, 12, 9, 6, 4, 3]
    )
    beside = np.clip((np.abs(x) - 185) / 30, 0, 1)
    torso = trunk.astype(np.float32).reshape(-1, 1, 1) * np.float32(canvas.person.fat)
    return torso * (1 - beside) + np.where(z > 60, 7.0, 4.5).astype(np.float32) * beside


def _paint_body(canvas: _Canvas) -> None:
    distance = _body_distance(canvas)
    canvas.depth_mm = np.maximum(-distance, 0.0)
    suv, edge = canvas.person.suv, canvas.edge_mm
    layers = ((0.0, suv["skin"]), (3.5, suv["fat"]), (_fat_thickness(canvas) + 3.5, suv["muscle"]))
    for depth, value in layers:
        cover = np.clip(0.5 - (distance + depth) / edge, 0.0, 1.0)
        canvas.suv += cover * (np.float32(value) - canvas.suv)
    # The muscles of face and neck never rest; elsewhere tone varies over some centimeters.
    tone = np.interp(canvas.axes[2], [590, 660, 740], [1.0, 1.5, 1.2]).astype(np.float32).reshape(-1, 1, 1)
    canvas.suv *= tone * (1 + 0.10 * canvas.rough)
    # Fat between the muscles, in planes that run up and down the body.
    planes = np.clip(1.2 - np.abs(canvas.texture + 0.5 * canvas.rough) * 5.0, 0.0, 1.0) * 0.45
    canvas.suv -= planes * np.maximum(canvas.suv - np.float32(suv["fat"]), 0.0)
    canvas.suv *= 1 + 0.12 * canvas.texture


def _vertebrae() -> list[tuple[float, float, float, float]]:
    """z of the center, height, half-width, half-depth (mm) of L5 up to C2."""
    rows, z = [], 108.0
    for heights, width, depth in (((33.0,) * 5, 24, 17), ((27, 27, 26, 25, 24, 24, 23, 23, 22, 21, 20, 20), 17, 15)):
        for n, height in enumerate(heights):
            rows.append((z + height / 2, height, width - 0.3 * n, depth - 0.2 * n))
            z += height
    rows += [(z + 9 + 17.5 * n, 17.5, 12.0, 9.0) for n in range(6)]
    return rows


def _paint_cavities(canvas: _Canvas) -> None:
    """What fills chest and belly around the organs."""
    canvas.paint(_stack(_RIB_CAGE).cut((0, 0, -1), -330), "mediastinum", texture=0.12)
    canvas.paint(_ellipsoid((6, -52, 455), (34, 18, 70)), "visceral fat")
    canvas.paint(_stack(_BELLY), "visceral fat", texture=0.3)


def _paint_skeleton(canvas: _Canvas) -> None:
    _paint_spine(canvas)
    _paint_ribs(canvas)
    _paint_shoulders(canvas)
    _paint_pelvic_bones(canvas)


def _paint_spine(canvas: _Canvas) -> None:
    canvas.paint(_tube([_spine_at(z) for z in np.linspace(95, 675, 16)], [20] * 8 + [14] * 8), "disc", rough_mm=0.5)
    back = [_spine_at(z) + np.array([0, 24 if z < 540 else 17, 0]) for z in np.linspace(290, 690, 14)]
    canvas.paint(_tube(back, 5.0), "cord", rough_mm=0.3)
    for z, height, width, depth in _vertebrae():
        middle = _spine_at(z)
        tilt = np.degrees(np.arctan2(_spine_at(z - 12)[1] - _spine_at(z + 12)[1], 24.0))
        body = _ellipsoid(middle, (width * 1.05, depth * 1.05, height * 0.62), (tilt, 0, 0))
        flat = body.cut((0, 0, 1), z + height / 2 - 3.5, 4).cut((0, 0, -1), -(z - height / 2 + 3.5), 4)
        canvas.paint(flat, "vertebra", rough_mm=0.7, texture=0.08)
        arch = depth + (18.0 if z < 540 else 13.0)
        spinous = _tube([middle + np.array([0, arch, -2]), middle + np.array([0, arch + 15, -height / 2 - 3])], 5.0)
        canvas.paint(spinous, "marrow", opacity=0.8)
        for side in (1, -1):
            canvas.paint(_ellipsoid(middle + np.array([side * width * 0.8, arch - 7, 0]), (7, 6, 8)), "marrow")
    sacrum = _tube([(0, 56, 103), (0, 76, 70), (0, 86, 20)], [25, 21, 9])
    wings = _ellipsoid((0, 68, 82), (46, 15, 30), (30, 0, 0))
    canvas.paint(sacrum.join(wings, 10), "marrow", texture=0.1)


def _paint_ribs(canvas: _Canvas) -> None:
    for n, z in enumerate(np.linspace(560, 318, 11)):
        row = [np.interp(z - 12, [r[0] for r in _RIB_CAGE], [r[c] for r in _RIB_CAGE]) for c in (1, 2, 3)]
        width, depth, middle = row[0] + 5, row[1] + 5, row[2]
        turn = np.radians(np.linspace(12, 150 if n < 8 else 120, 11))
        drop = (20 + 6.0 * n) * (1 - np.cos(turn)) / 2
        arc = np.stack([width * np.sin(turn), middle + depth * np.cos(turn), z - drop], axis=1)
        for points in _both(arc):
            canvas.paint(_tube(points, np.linspace(5.5, 4.5, 11)), "marrow", rough_mm=0.4, opacity=0.85)
    sternum = _tube([(0, -58, 512), (0, -76, 460), (0, -86, 385)], [9, 7.5, 6])
    canvas.paint(sternum, "marrow", rough_mm=0.6)


def _paint_shoulders(canvas: _Canvas) -> None:
    for clavicle in _both([(14, -40, 530), (70, -34, 552), (152, 6, 558)]):
        canvas.paint(_tube(clavicle, 5.5), "marrow", opacity=0.7)
    for blade in _both([(154, 30, 545), (112, 82, 505), (92, 92, 415)]):
        canvas.paint(_tube(blade, [9, 6, 4]), "marrow", opacity=0.7)
    for side in (1, -1):
        canvas.paint(_ellipsoid((side * 176, 20, 522), (25, 25, 26)).shell(6), 0.95)  # capsule and synovium
        canvas.paint(_ellipsoid((side * 176, 20, 522), (21, 21, 22)), 0.75)
        arm = [(side * x, y, z) for x, y, z in [(184, 21, 500), (224, 27, 380), (250, 31, 240)]]
        canvas.paint(_tube(arm, [12, 9, 11]), 0.4)
        canvas.paint(_tube([(side * 252, 28, 230), (side * 263, 16, 150), (side * 266, -8, 20)], [10, 7, 8]), 0.4)


def _paint_pelvic_bones(canvas: _Canvas) -> None:
    for side in (1, -1):
        wing = _ellipsoid((side * 84, 26, 92), (7, 66, 64), (0, side * 16, side * 33))
        crest = _tube([(side * 52, 74, 118), (side * 92, 40, 158), (side * 122, -22, 128)], [8, 6, 6])
        canvas.paint(wing.join(crest, 10), "marrow", texture=0.15)
        socket = _tube([(side * 84, 22, 38), (side * 80, 38, -10), (side * 60, 52, -46)], [21, 16, 14])
        pubis = _tube([(side * 76, -14, 14), (side * 40, -40, 8), (side * 9, -50, 0)], [11, 8, 10])
        ramus = _tube([(side * 58, 44, -48), (side * 34, -6, -38), (side * 10, -46, -14)], [11, 7, 8])
        canvas.paint(socket.join(pubis).join(ramus), "marrow", opacity=0.9)
        head = _ellipsoid((side * 92, 10, 10), (24, 24, 24))
        canvas.paint(head.shell(5), 0.9)
        canvas.paint(head.grow(-3), 0.65)
        neck = _tube([(side * 98, 12, 6), (side * 128, 22, -18)], [15, 18])
        shaft = _tube([(side * 126, 20, -25), (side * 116, 12, -90), (side * 102, 8, -240)], [16, 13, 13])
        canvas.paint(neck, 0.6)
        canvas.paint(shaft, 0.38)


def _paint_chest(canvas: _Canvas) -> None:
    for side in (1, -1):
        _paint_lung(canvas, side)
    _paint_vessels(canvas)
    _paint_heart(canvas)
    trachea = _tube([(0, -14, 620), (0, 2, 570), (2, 20, 520), (2, 26, 488)], [7.5, 8, 8, 8])
    canvas.paint(trachea, "air", rough_mm=0.2)
    for bronchus in _both([(2, 26, 490), (26, 32, 466), (46, 34, 452)]):
        canvas.paint(_tube(bronchus, [7, 6, 5]), "air", rough_mm=0.2)


def _diaphragm(side: float) -> _Shape:
    """The dome that liver (right, -1) or stomach and spleen (left, +1) fill; the lung rests on it."""
    if side < 0:
        return _ellipsoid((-70, -2, 288), (84, 92, 106))
    return _ellipsoid((76, 4, 282), (76, 84, 96))


def _paint_lung(canvas: _Canvas, side: float) -> None:
    lung = _ellipsoid((side * 72, 12, 410), (72, 96, 180), (4, -side * 4, 0)).within(_stack(_RIB_CAGE), 1.0, 8)
    lung = lung.cut((0, 0, -1), -322, 20).minus(_diaphragm(side), 8)
    middle = _ellipsoid((4, 4, 440), (38, 62, 150)).join(_ellipsoid((0, 58, 430), (30, 34, 200)), 14)
    canvas.paint(lung.minus(middle, 10).minus(_heart_outline(), 8), "lung", texture=0.16)
    hilum = np.array([side * 34.0, 30.0, 455.0])
    for end in ((92, 10, 520), (105, 40, 470), (95, -25, 445), (100, 62, 420), (88, 45, 380), (70, 70, 500)):
        tip = np.array([side * end[0], end[1], end[2]])
        canvas.paint(_tube([hilum, (hilum + tip) / 2 + [0, 0, 6], tip], [6, 3, 1]), 0.85, opacity=0.7)


def _heart_outline() -> _Shape:
    return _ellipsoid((28, -28, 405), (58, 46, 48), (0, 0, -25)).join(_ellipsoid((2, -22, 428), (36, 34, 42)), 14)


def _paint_vessels(canvas: _Canvas) -> None:
    arch = [(-10, -18, 450), (-10, -20, 490), (2, 0, 515), (18, 30, 512), (22, 44, 480), (20, 42, 420), (10, 34, 340)]
    canvas.paint(_tube(arch, [16, 15, 14, 13, 13, 12, 11]), "blood", rough_mm=0.6)
    canvas.paint(_tube([(-24, -8, 540), (-26, -4, 480), (-24, -2, 430)], [8, 9, 10]), "blood", rough_mm=0.6)
    trunk = [(14, -32, 450), (14, -12, 474), (34, 22, 468), (50, 34, 458)]
    canvas.paint(_tube(trunk, [14, 13, 10, 7]), "blood", rough_mm=0.6)
    canvas.paint(_tube([(10, -10, 470), (-28, 16, 464), (-52, 30, 452)], [11, 10, 7]), "blood", rough_mm=0.6)
    for carotid in _both([(8, -4, 520), (24, -4, 560)]):
        canvas.paint(_tube(carotid, [6, 5]), "blood", rough_mm=0.3)
    for subclavian in _both([(12, 0, 525), (60, -2, 548), (120, 8, 530)]):
        canvas.paint(_tube(subclavian, [6, 5, 4]), "blood", rough_mm=0.3)
    gullet = [(2, 10, 600), (4, 30, 540), (8, 42, 480), (8, 40, 420), (14, 20, 360)]
    canvas.paint(_tube(gullet, 6.0), "oesophagus", opacity=0.7)


def _paint_heart(canvas: _Canvas) -> None:
    canvas.paint(_heart_outline(), "blood", texture=0.08)
    tilt = (-30.0, 0.0, -55.0)
    axis = _rotation(tilt) @ np.array([0.0, -1.0, 0.0])  # base to apex: left, forward, down
    middle = np.array([46.0, -34.0, 402.0])
    outer = _ellipsoid(middle, (31, 48, 31), tilt)
    chamber = _ellipsoid(middle - 7 * axis, (19.5, 42, 19.5), tilt)
    base = float(-axis @ (middle - 20 * axis))
    wall = outer.minus(chamber, 3).cut(-axis, base, 5)  # open at the valves: the horseshoe
    canvas.paint(outer, "blood", texture=0.05)
    canvas.paint(wall, "myocardium", rough_mm=1.2, texture=0.14)
    right = _ellipsoid((20, -48, 398), (34, 26, 36), (0, 0, -30)).shell(4).minus(outer, 2)
    canvas.paint(right, "myocardium", opacity=0.22)


def _paint_abdomen(canvas: _Canvas, rng: np.random.Generator) -> None:
    for psoas in _both([(34, 44, 260), (46, 38, 180), (62, 20, 110), (84, -8, 40)]):
        canvas.paint(_tube(psoas, [12, 20, 22, 14]), "muscle")
    canvas.paint(_tube([(10, 34, 345), (8, 16, 260), (6, 6, 160)], [11, 10, 9]), "blood", rough_mm=0.5)
    canvas.paint(_tube([(-22, 10, 340), (-18, 12, 260), (-14, 10, 160)], [12, 11, 10]), "blood", rough_mm=0.5)
    for iliac in _both([(5, 8, 158), (34, 22, 105), (66, -14, 40), (82, -44, -10), (70, -22, -90), (66, 14, -200)]):
        canvas.paint(_tube(iliac, [9, 8, 7, 6, 5, 5]), "blood", rough_mm=0.4)
    _paint_bowel(canvas, rng)
    _paint_liver_and_spleen(canvas)
    for side in (1.0, -1.0):
        _paint_kidney(canvas, side, rng)


def _paint_liver_and_spleen(canvas: _Canvas) -> None:
    pancreas = _tube([(-30, -22, 238), (0, -28, 256), (40, -2, 275), (78, 28, 290)], [14, 10, 10, 9])
    canvas.paint(pancreas, "pancreas", texture=0.15)
    stomach = _tube([(56, 10, 352), (70, -4, 330), (66, -28, 290), (38, -50, 262), (0, -44, 258)], [26, 30, 26, 19, 12])
    canvas.paint(stomach, "stomach", texture=0.25, rough_mm=3)
    canvas.paint(stomach.grow(-9), 0.9, rough_mm=5, opacity=0.7, soft_mm=4)
    spleen = _ellipsoid((101, 46, 322), (27, 52, 56), (28, 0, -28)).minus(_ellipsoid((62, 18, 305), (30, 36, 44)), 8)
    canvas.paint(spleen.within(_diaphragm(1).grow(3)), "spleen")

    right = _ellipsoid((-70, 2, 300), (76, 84, 94)).join(_ellipsoid((-92, 8, 252), (42, 54, 58), (0, 10, 0)), 20)
    left = _ellipsoid((8, -42, 345), (72, 42, 34), (0, 14, 12))
    hollow = _ellipsoid((-14, 22, 225), (62, 66, 78), (0, -24, 0)).join(_ellipsoid((46, 30, 300), (46, 60, 60)), 16)
    liver = right.within(_diaphragm(-1).join(_ellipsoid((-70, 0, 240), (82, 82, 100)), 20)).join(left, 18)
    canvas.paint(liver.minus(hollow, 18), "liver", rough_mm=2, texture=0.035)
    canvas.paint(_ellipsoid((-44, -52, 256), (15, 17, 28), (-25, 10, 0)), 0.8)  # gallbladder
    canvas.paint(_tube([(-12, -6, 268), (-32, -4, 300), (-62, 0, 312)], [8, 7, 4]), "blood", opacity=0.7)


def _paint_kidney(canvas: _Canvas, side: float, rng: np.random.Generator) -> None:
    middle = np.array([side * 66.0, 46.0, 238.0 if side > 0 else 224.0])
    tilt = (-10.0, -side * 12.0, side * 25.0)
    turn = _rotation(tilt)
    sinus = _ellipsoid(middle + turn @ [-side * 21, -5, 0], (19, 14, 27), tilt)
    kidney = _ellipsoid(middle, (27, 25, 55), tilt)
    canvas.paint(kidney.minus(sinus, 8), "kidney", rough_mm=1.5, texture=0.15)
    canvas.paint(sinus.within(kidney), 1.6)
    for height in (-36, -20, -3, 14, 30, 40):
        for depth in (-8, 8)[: rng.integers(1, 3)]:
            calyx = middle + turn @ [
                -side * rng.uniform(-3, 7),
                depth + rng.uniform(-3, 3),
                height + rng.uniform(-4, 4),
            ]
            uptake = canvas.person.suv["urine"] * float(rng.uniform(0.1, 1.25))
            canvas.paint(_ellipsoid(calyx, rng.uniform(3.5, 6.5, 3)), uptake, rough_mm=0.5)
    pelvis = middle + turn @ [-side * 19, -6, -4]
    canvas.paint(_ellipsoid(pelvis, (6, 6, 12), tilt), canvas.person.suv["urine"] * float(rng.uniform(0.3, 1.1)))
    _paint_ureter(canvas, pelvis, side, rng)


def _paint_ureter(canvas: _Canvas, pelvis: NDArray, side: float, rng: np.random.Generator) -> None:
    """Peristalsis leaves urine in short stretches only."""
    way = np.array(
        [pelvis - [0, 0, 10], [side * 40, 22, 170], [side * 38, 14, 120], [side * 52, 20, 65], [side * 22, 4, 22]]
    )
    for t in rng.uniform(0, 0.95, 4):
        stretch = np.array([t, t + rng.uniform(0.02, 0.06)]) * (len(way) - 1)
        points = np.stack([np.interp(stretch, np.arange(len(way)), way[:, n]) for n in range(3)], axis=1)
        canvas.paint(_tube(points, 2.2), canvas.person.suv["urine"] * float(rng.uniform(0.2, 0.6)), rough_mm=0.0)


def _paint_bowel(canvas: _Canvas, rng: np.random.Generator) -> None:
    colon = [
        (-78, 0, 95), (-86, 8, 140), (-84, 10, 190), (-78, -28, 205), (-40, -58, 182), (0, -64, 170), (45, -58, 190),
        (82, -20, 235), (94, 14, 250), (94, 18, 190), (90, 12, 130), (72, 6, 92), (40, -12, 80),
        (12, 16, 92), (2, 46, 72),
    ]  # fmt: skip
    _paint_gut(canvas, rng, colon, radius=17.0, tissue="bowel")
    for _ in range(4):
        turns = 13
        drift = np.cumsum(rng.standard_normal((turns, 3)) * [38, 20, 30], axis=0)
        loops = np.tanh((drift - drift.mean(axis=0)) / [70, 40, 60]) * [74, 38, 66] + [0, -34, 138]
        _paint_gut(canvas, rng, loops, radius=12.0, tissue="bowel")


def _paint_gut(canvas: _Canvas, rng: np.random.Generator, way: Rows, radius: float, tissue: str) -> None:
    """A tube with a wall whose uptake comes and goes along it, and contents of less uptake."""
    knots = np.asarray(way, dtype=np.float64)
    fine = np.linspace(0, len(knots) - 1, 4 * len(knots) - 3)
    path = np.stack(
        [ndimage.gaussian_filter1d(np.interp(fine, np.arange(len(knots)), c), 1.2) for c in knots.T], axis=1
    )
    uptake = np.exp(0.45 * ndimage.gaussian_filter1d(rng.standard_normal(len(path)), 2.0) * 2.4)
    bore = radius * (1 + 0.15 * ndimage.gaussian_filter1d(rng.standard_normal(len(path)), 1.0) * 1.8)
    for n in range(len(path) - 1):
        wall = _tube(path[n : n + 2], bore[n : n + 2])
        canvas.paint(
            wall, canvas.person.suv[tissue] * float(uptake[n]), rough_mm=2.5, texture=0.35, opacity=0.85, soft_mm=3
        )
    for n in range(len(path) - 1):
        canvas.paint(_tube(path[n : n + 2], bore[n : n + 2] - 6), 0.8, rough_mm=4, opacity=0.5, soft_mm=5)


def _paint_pelvis(canvas: _Canvas) -> None:
    rectum = _tube([(2, 52, 66), (0, 62, 30), (0, 48, -18), (0, 56, -62)], [16, 18, 13, 10])
    canvas.paint(rectum, "rectum", texture=0.2)
    canvas.paint(rectum.grow(-9), 0.8)
    canvas.paint(_ellipsoid((0, -6, -18), (23, 18, 19)), "prostate")
    canvas.paint(_tube([(0, -6, -8), (0, -8, -34), (0, -40, -62)], [3, 3, 3]), 3.0, rough_mm=0.3)
    for gluteus in _both([(50, 80, 100), (80, 86, 30), (100, 68, -40)]):
        canvas.paint(_tube(gluteus, [20, 30, 20]), "muscle", rough_mm=4, texture=0.1)
    bladder = _ellipsoid((0, -18, 26), (37, 28, 22), (-12, 0, 0)).join(_ellipsoid((5, -14, 36), (24, 22, 18)), 12)
    canvas.paint(bladder.grow(3), 1.0)
    canvas.paint(bladder, "bladder", rough_mm=2.5, texture=0.02)


def _paint_head(canvas: _Canvas) -> None:
    _paint_brain(canvas)
    airway = _tube([(0, -6, 690), (0, -4, 660), (0, -14, 620)], [9, 8, 7])
    _paint_neck_planes(canvas)
    canvas.paint(airway.shell(6), "mucosa", opacity=0.6)
    canvas.paint(_ellipsoid((0, -40, 652), (23, 30, 16)), "tongue", texture=0.15)
    for side in (1, -1):
        canvas.paint(_ellipsoid((side * 31, -68, 722), (17, 16, 16)).shell(5), "eye muscle", opacity=0.5)
        canvas.paint(_ellipsoid((side * 31, -66, 722), (12, 12, 12)), "eye")
        canvas.paint(_ellipsoid((side * 25, -58, 692), (15, 17, 17)), 0.3)  # maxillary sinus
        canvas.paint(_ellipsoid((side * 50, 2, 672), (10, 17, 23), (0, 0, side * 15)), "gland", texture=0.12)
        canvas.paint(_ellipsoid((side * 30, -22, 634), (9, 14, 12)), "gland", opacity=0.9)
        canvas.paint(_ellipsoid((side * 12, -44, 634), (7, 12, 6)), "gland")
        canvas.paint(_ellipsoid((side * 15, -10, 656), (6, 8, 12)), "tonsil")
        canvas.paint(_tube([(side * 44, -10, 680), (side * 46, -22, 650), (side * 14, -68, 640)], [7, 9, 6]), "skull")
        canvas.paint(_ellipsoid((side * 8, -24, 606), (5, 13, 7)), "larynx")
        canvas.paint(_ellipsoid((side * 18, -18, 582), (9, 9, 20)), "thyroid")
    canvas.paint(_ellipsoid((0, -76, 664), (24, 14, 6)).shell(6), 1.3)  # gums and lips
    canvas.paint(_tube([(0, -62, 706), (0, -30, 694)], [9, 10]), "mucosa", texture=0.2, opacity=0.7)
    canvas.paint(airway, "air", rough_mm=0.2)


def _paint_neck_planes(canvas: _Canvas) -> None:
    """Fat between the muscles of face and neck, and the muscles that chew and turn the head."""
    for side in (1, -1):
        sheath = [(side * x, y, z) for x, y, z in [(30, 0, 695), (32, 2, 650), (30, 2, 600), (28, -2, 560)]]
        canvas.paint(_tube(sheath, [9, 12, 12, 13]), "fat", opacity=0.8)
        canvas.paint(_tube(sheath, 4.5), "blood", rough_mm=0.4)
        turning = [(side * x, y, z) for x, y, z in [(48, 18, 690), (47, 4, 640), (34, -18, 590), (16, -30, 545)]]
        canvas.paint(_tube(turning, [9, 11, 11, 8]), 1.0, texture=0.15)
        canvas.paint(_ellipsoid((side * 40, -44, 668), (9, 13, 18)), "fat", opacity=0.8)  # cheek
        canvas.paint(_ellipsoid((side * 30, -58, 722), (19, 24, 18)), "fat", opacity=0.8)  # orbit
        canvas.paint(_ellipsoid((side * 49, -20, 668), (8, 17, 28)), 1.15, texture=0.15)  # masseter
        canvas.paint(_ellipsoid((side * 26, -18, 680), (8, 15, 18)), 1.25, texture=0.15)  # pterygoids
        nape = [(side * 22, 46, 690), (side * 24, 48, 630), (side * 30, 62, 570)]
        canvas.paint(_tube(nape, [17, 17, 18]), 0.95, texture=0.2)
    canvas.paint(_tube([(0, 62, 690), (0, 62, 600)], [4, 5]), "fat", opacity=0.8)


def _paint_brain(canvas: _Canvas) -> None:
    skull = _ellipsoid((0, 6, 754), (74, 92, 88))
    canvas.paint(skull.shell(7).cut((0, -0.35, -1), -700), "skull", rough_mm=0.5)
    cerebrum = _ellipsoid((0, 6, 768), (66, 84, 66)).cut((0, 0.06, -1), -731, 14)
    for side in (1, -1):
        cerebrum = cerebrum.join(_ellipsoid((side * 42, -8, 732), (22, 40, 21), (-10, 0, 0)), 10)
    canvas.paint(cerebrum.grow(2), "ventricle", rough_mm=0.5)
    canvas.paint(cerebrum, "gray matter", rough_mm=0.5, folded_mm=2.0)
    canvas.paint(cerebrum.grow(-11), "white matter", rough_mm=0.0, folded_mm=22.0)
    fissure = _ellipsoid((0, 6, 780), (1.5, 90, 70)).minus(_ellipsoid((0, 6, 752), (30, 52, 36)), 4)
    canvas.paint(fissure.within(cerebrum, -2), "ventricle", rough_mm=0.0)
    for side in (1, -1):
        canvas.paint(_ellipsoid((side * 9, 18, 758), (8, 14, 9)), "gray matter")  # thalamus
        canvas.paint(_ellipsoid((side * 25, -4, 758), (7, 20, 12), (0, 0, side * 14)), "gray matter")  # putamen
        canvas.paint(_tube([(side * 12, -22, 762), (side * 15, -2, 778)], [7, 4]), "gray matter")  # caudate
        horn = [(side * 8, -26, 772), (side * 9, 4, 780), (side * 18, 36, 770), (side * 22, 52, 762)]
        canvas.paint(_tube(horn, [4, 4, 5, 3]), "ventricle", rough_mm=0.5)
    cerebellum = _ellipsoid((24, 46, 716), (29, 29, 23)).join(_ellipsoid((-24, 46, 716), (29, 29, 23)), 12)
    canvas.paint(cerebellum, "cerebellum", rough_mm=0.6, texture=0.08)
    canvas.paint(cerebellum.grow(-9), 6.0, rough_mm=0.5, folded_mm=4.0)
    stem = _tube([(0, 16, 745), (0, 12, 722), (0, 20, 690)], [12, 13, 7])
    canvas.paint(stem, "brain stem", rough_mm=0.5)
    canvas.paint(_tube([(0, 26, 735), (0, 28, 705)], 3.0), "ventricle", rough_mm=0.0)


# ---------------------------------------------------------------------------------------------------------------
# The scanner


def _scan(canvas: _Canvas, grid: Grid, rng: np.random.Generator, fwhm_mm: float, noise: float) -> Array:
    """Resolution and noise of the reconstruction on the whole grid.

    Iterative reconstructions have log-normal noise whose deviation follows the local activity (Barrett et al.,
    Phys Med Biol 1994;39:833-846); attenuation makes it grow with depth. The noise is correlated over about the
    reconstruction's post filter.
    """
    spacing_kji = np.asarray(grid.spacing_mm[::-1])
    sigma = fwhm_mm / 2.355 / spacing_kji
    image = np.full(grid.size_ijk[::-1], 0.004, dtype=np.float32)  # scatter and randoms left in air
    image[canvas.region] += canvas.suv
    image = ndimage.gaussian_filter(image, sigma, truncate=3.5)
    if noise <= 0:
        return image

    grain = rng.standard_normal(image.shape, dtype=np.float32)
    grain = ndimage.gaussian_filter(grain, 6.3 / 2.355 / spacing_kji, truncate=3.0)
    grain /= grain.std()
    deviation = np.full(image.shape, 0.6, dtype=np.float32)
    neighborhood = ndimage.gaussian_filter(canvas.suv, 9.0 / 2.355 / spacing_kji, truncate=2.5)
    depth = np.minimum(canvas.depth_mm, 130.0)
    # Relative deviation near 9 % in the liver: falling with activity, rising with the tissue the photons cross.
    inside = 0.13 * (0.75 + 0.006 * depth) * np.power((neighborhood + 0.15) / 2.0, np.float32(-0.3))
    deviation[canvas.region] = np.where(canvas.depth_mm > 0, inside, 0.5 * np.exp(-neighborhood / 0.05) + 0.1)
    deviation *= np.float32(noise)
    return image * np.exp(deviation * grain - deviation**2 / 2)
