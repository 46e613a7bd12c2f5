"""The bones: spine, ribs, shoulders and pelvis. The inside of the ribs also bounds the organs of the chest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from TumorGenCore.phantom.canvas import Canvas
from TumorGenCore.phantom.shapes import both, ellipsoid, tube

__all__ = ["RIB_CAGE", "paint_skeleton", "paint_trunk_bones"]

#: The inside of the ribs.
RIB_CAGE = (
    (300, 122, 78, 6), (340, 126, 82, 6), (380, 130, 84, 6), (420, 128, 82, 8), (460, 116, 76, 12), (500, 96, 64, 18),
    (535, 70, 48, 24), (565, 46, 34, 28), (590, 26, 20, 28),
)  # fmt: skip
_SPINE = np.array(
    [
        [0, 72, -30], [0, 84, 20], [0, 78, 60], [0, 62, 98], [0, 44, 125], [0, 34, 165], [0, 33, 200], [0, 38, 240],
        [0, 46, 280], [0, 54, 330], [0, 61, 380], [0, 64, 430], [0, 61, 480], [0, 53, 520], [0, 42, 555],
        [0, 31, 585], [0, 21, 615], [0, 16, 645], [0, 16, 690],
    ],
    dtype=np.float64,
)  # fmt: skip


def paint_skeleton(canvas: Canvas) -> None:
    """Paints spine, ribs, shoulders and pelvis."""
    paint_trunk_bones(canvas)
    _paint_arm_bones(canvas)
    _paint_pelvic_bones(canvas)


def paint_trunk_bones(canvas: Canvas) -> None:
    """Paints spine, sacrum, ribs, clavicles and shoulder blades."""
    _paint_spine(canvas)
    _paint_ribs(canvas)
    _paint_shoulders(canvas)


def _spine_at(z: float) -> NDArray[np.float64]:
    """Center of the vertebral body at height z, LPS mm."""
    return np.array([0.0, np.interp(z, _SPINE[:, 2], _SPINE[:, 1]), z])


def _vertebrae() -> list[tuple[float, float, float, float]]:
    """For each vertebra from L5 up to C2: z of the center, height, half-width and half-depth, mm."""
    rows, z = [], 108.0
    for heights, width, depth in (((33.0,) * 5, 24, 17), ((27, 27, 26, 25, 24, 24, 23, 23, 22, 21, 20, 20), 17, 15)):
        for n, height in enumerate(heights):
            rows.append((z + height / 2, height, width - 0.3 * n, depth - 0.2 * n))
            z += height
    rows += [(z + 9 + 17.5 * n, 17.5, 12.0, 9.0) for n in range(6)]
    return rows


def _paint_spine(canvas: Canvas) -> None:
    canvas.paint(tube([_spine_at(z) for z in np.linspace(95, 675, 16)], [20] * 8 + [14] * 8), "disc", rough_mm=0.5)
    back = [_spine_at(z) + np.array([0, 24 if z < 540 else 17, 0]) for z in np.linspace(290, 690, 14)]
    canvas.paint(tube(back, 5.0), "cord", rough_mm=0.3)
    for z, height, width, depth in _vertebrae():
        middle = _spine_at(z)
        tilt = np.degrees(np.arctan2(_spine_at(z - 12)[1] - _spine_at(z + 12)[1], 24.0))
        body = ellipsoid(middle, (width * 1.05, depth * 1.05, height * 0.62), (tilt, 0, 0))
        flat = body.cut((0, 0, 1), z + height / 2 - 3.5, 4).cut((0, 0, -1), -(z - height / 2 + 3.5), 4)
        canvas.paint(flat, "vertebra", rough_mm=0.7, texture=0.08)
        arch = depth + (18.0 if z < 540 else 13.0)
        spinous = tube([middle + np.array([0, arch, -2]), middle + np.array([0, arch + 15, -height / 2 - 3])], 5.0)
        canvas.paint(spinous, "marrow", opacity=0.8)
        for side in (1, -1):
            canvas.paint(ellipsoid(middle + np.array([side * width * 0.8, arch - 7, 0]), (7, 6, 8)), "marrow")
    sacrum = tube([(0, 56, 103), (0, 76, 70), (0, 86, 20)], [25, 21, 9])
    wings = ellipsoid((0, 68, 82), (46, 15, 30), (30, 0, 0))
    canvas.paint(sacrum.join(wings, 10), "marrow", texture=0.1)


def _paint_ribs(canvas: Canvas) -> None:
    for n, z in enumerate(np.linspace(560, 318, 11)):
        row = [np.interp(z - 12, [r[0] for r in RIB_CAGE], [r[c] for r in RIB_CAGE]) for c in (1, 2, 3)]
        width, depth, middle = row[0] + 5, row[1] + 5, row[2]
        turn = np.radians(np.linspace(12, 150 if n < 8 else 120, 11))
        drop = (20 + 6.0 * n) * (1 - np.cos(turn)) / 2
        arc = np.stack([width * np.sin(turn), middle + depth * np.cos(turn), z - drop], axis=1)
        for points in both(arc):
            canvas.paint(tube(points, np.linspace(5.5, 4.5, 11)), "marrow", rough_mm=0.4, opacity=0.85)
    sternum = tube([(0, -58, 512), (0, -76, 460), (0, -86, 385)], [9, 7.5, 6])
    canvas.paint(sternum, "marrow", rough_mm=0.6)


def _paint_shoulders(canvas: Canvas) -> None:
    for clavicle in both([(14, -40, 530), (70, -34, 552), (152, 6, 558)]):
        canvas.paint(tube(clavicle, 5.5), "marrow", opacity=0.7)
    for blade in both([(154, 30, 545), (112, 82, 505), (92, 92, 415)]):
        canvas.paint(tube(blade, [9, 6, 4]), "marrow", opacity=0.7)


def _paint_arm_bones(canvas: Canvas) -> None:
    for side in (1, -1):
        canvas.paint(ellipsoid((side * 176, 20, 522), (25, 25, 26)).shell(6), 0.95)  # capsule and synovium
        canvas.paint(ellipsoid((side * 176, 20, 522), (21, 21, 22)), 0.75)
        arm = [(side * x, y, z) for x, y, z in [(184, 21, 500), (224, 27, 380), (250, 31, 240)]]
        canvas.paint(tube(arm, [12, 9, 11]), 0.4)
        canvas.paint(tube([(side * 252, 28, 230), (side * 263, 16, 150), (side * 266, -8, 20)], [10, 7, 8]), 0.4)


def _paint_pelvic_bones(canvas: Canvas) -> None:
    for side in (1, -1):
        wing = ellipsoid((side * 84, 26, 92), (7, 66, 64), (0, side * 16, side * 33))
        crest = tube([(side * 52, 74, 118), (side * 92, 40, 158), (side * 122, -22, 128)], [8, 6, 6])
        canvas.paint(wing.join(crest, 10), "marrow", texture=0.15)
        socket = tube([(side * 84, 22, 38), (side * 80, 38, -10), (side * 60, 52, -46)], [21, 16, 14])
        pubis = tube([(side * 76, -14, 14), (side * 40, -40, 8), (side * 9, -50, 0)], [11, 8, 10])
        ramus = tube([(side * 58, 44, -48), (side * 34, -6, -38), (side * 10, -46, -14)], [11, 7, 8])
        canvas.paint(socket.join(pubis).join(ramus), "marrow", opacity=0.9)
        head = ellipsoid((side * 92, 10, 10), (24, 24, 24))
        canvas.paint(head.shell(5), 0.9)
        canvas.paint(head.grow(-3), 0.65)
        neck = tube([(side * 98, 12, 6), (side * 128, 22, -18)], [15, 18])
        shaft = tube([(side * 126, 20, -25), (side * 116, 12, -90), (side * 102, 8, -240)], [16, 13, 13])
        canvas.paint(neck, 0.6)
        canvas.paint(shaft, 0.38)
