"""The body's outline: skin, fat and muscle, and the tissue around the organs of chest and abdomen."""

from __future__ import annotations

import numpy as np

from TumorGenCore.phantom.canvas import Canvas
from TumorGenCore.phantom.shapes import Array, Shape, ellipsoid, smooth_minimum, stack, tube
from TumorGenCore.phantom.skeleton import RIB_CAGE

__all__ = ["paint_body", "paint_cavities", "paint_layers"]

#: Trunk and neck without arms and legs; each row is z, half-width, half-depth and y of the center, mm.
_TRUNK = (
    (-75, 150, 92, 8), (-30, 172, 106, 10), (0, 178, 110, 10), (50, 174, 110, 11), (100, 164, 104, 9),
    (150, 150, 100, 5), (200, 143, 100, 1), (250, 143, 103, -1), (300, 148, 106, -2), (360, 156, 110, -1),
    (420, 164, 110, 2), (470, 170, 104, 6), (505, 174, 92, 12), (535, 170, 80, 18), (560, 142, 68, 22),
    (580, 106, 62, 22), (600, 78, 60, 19), (620, 62, 60, 14), (650, 59, 60, 9), (680, 58, 60, 6),
)  # fmt: skip
#: The inside of the abdominal wall.
BELLY = (
    (30, 96, 58, 2), (90, 104, 62, -14), (150, 112, 66, -18), (230, 116, 72, -16),
    (300, 120, 80, -6), (355, 112, 78, 2),
)  # fmt: skip


def paint_body(canvas: Canvas) -> None:
    """Paints skin, fat and muscle of the whole body, and sets the canvas's depth below the skin."""
    paint_layers(canvas, _body_distance(canvas))


def paint_layers(canvas: Canvas, distance: Array) -> None:
    """Paints skin, fat and muscle below a skin, and sets the canvas's depth below it.

    Args:
        canvas: the canvas.
        distance: signed distance to the skin, mm, (k, j, i), as large as the canvas.
    """
    canvas.depth_mm = np.maximum(-distance, 0.0)
    suv, edge = canvas.person.suv, canvas.edge_mm
    layers = ((0.0, suv["skin"]), (3.5, suv["fat"]), (_fat_thickness(canvas) + 3.5, suv["muscle"]))
    for depth, value in layers:
        cover = np.clip(0.5 - (distance + depth) / edge, 0.0, 1.0)
        canvas.suv += cover * (np.float32(value) - canvas.suv)
    canvas.mark((slice(None),) * 3, distance < 0, "fat")
    canvas.mark((slice(None),) * 3, cover > 0.5, "muscle")
    # The muscles of face and neck never rest; elsewhere the tone varies over a few centimeters.
    tone = np.interp(canvas.heights, [590, 660, 740], [1.0, 1.5, 1.2]).astype(np.float32).reshape(-1, 1, 1)
    canvas.suv *= tone * (1 + 0.10 * canvas.rough)
    # Planes of fat between the muscles, along the body.
    planes = np.clip(1.2 - np.abs(canvas.texture + 0.5 * canvas.rough) * 5.0, 0.0, 1.0) * 0.45
    canvas.suv -= planes * np.maximum(canvas.suv - np.float32(suv["fat"]), 0.0)
    canvas.suv *= 1 + 0.12 * canvas.texture


def paint_cavities(canvas: Canvas) -> None:
    """Paints the tissue around the organs of chest and abdomen."""
    canvas.paint(stack(RIB_CAGE).cut((0, 0, -1), -330), "mediastinum", texture=0.12)
    canvas.paint(ellipsoid((6, -52, 455), (34, 18, 70)), "visceral fat")
    canvas.paint(stack(BELLY), "visceral fat", texture=0.3)


def _body_distance(canvas: Canvas) -> Array:
    """Signed distance to the skin, mm, (k, j, i). It evaluates each part only where the part can matter."""
    distance = stack(_TRUNK).distance(canvas.points)
    for part, blend_mm in _body_parts():
        window = canvas.window(part, margin_mm=blend_mm + 14.0)
        piece = part.distance(canvas.points_in(window))
        distance[window] = smooth_minimum(distance[window], piece, blend_mm)
    return distance + 2.0 * canvas.rough


def _body_parts() -> list[tuple[Shape, float]]:
    """Head, arms, legs and buttocks, each with the width over which it blends into the body, mm."""
    skull = ellipsoid((0, 6, 752), (76, 97, 95))
    face = ellipsoid((0, -38, 684), (62, 56, 70), (-12, 0, 0))
    jaw = ellipsoid((0, -30, 650), (57, 54, 36), (8, 0, 0))
    nose = ellipsoid((0, -96, 696), (11, 12, 18))
    parts = [(skull.join(face, 30).join(jaw, 20).join(nose, 12), 24.0)]
    for side in (1, -1):
        arm = [(side * x, y, z) for x, y, z in [(154, 20, 528), (190, 20, 503), (226, 26, 380), (252, 30, 235)]]
        forearm = tube([(side * 252, 30, 235), (side * 263, 16, 160), (side * 266, -8, 10)], [37, 38, 24])
        hand = ellipsoid((side * 262, -22, -48), (17, 34, 72), (12, 0, 0))
        leg = tube([(side * 88, 12, -10), (side * 94, 10, -90), (side * 92, 8, -240)], [90, 86, 74])
        parts += [(tube(arm, [46, 50, 43, 36]).join(forearm, 12).join(hand, 16), 20.0), (leg, 22.0)]
        parts.append((ellipsoid((side * 70, 66, 8), (72, 58, 78)), 30.0))
    return parts


def _fat_thickness(canvas: Canvas) -> Array:
    """Thickness of the subcutaneous fat, mm, broadcastable to the canvas: thick on belly and hips, thin on limbs."""
    x, _, z = canvas.points
    trunk = np.interp(
        canvas.heights, [-170, -60, 30, 150, 300, 430, 540, 590, 660, 860], [12, 18, 25, 23, 16, 12, 9, 6, 4, 3]
    )
    beside = np.clip((np.abs(x) - 185) / 30, 0, 1)
    torso = trunk.astype(np.float32).reshape(-1, 1, 1) * np.float32(canvas.person.fat)
    return torso * (1 - beside) + np.where(z > 60, 7.0, 4.5).astype(np.float32) * beside
