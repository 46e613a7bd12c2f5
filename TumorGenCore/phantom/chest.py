"""The chest: lungs, heart, great vessels and airways."""

from __future__ import annotations

import numpy as np

from TumorGenCore.phantom.canvas import Canvas
from TumorGenCore.phantom.shapes import Shape, both, ellipsoid, rotation, stack, tube
from TumorGenCore.phantom.skeleton import RIB_CAGE

__all__ = ["diaphragm", "paint_airways", "paint_chest", "paint_heart", "paint_lungs", "paint_vessels"]


def paint_chest(canvas: Canvas) -> None:
    """Paints lungs, great vessels, heart and airways."""
    paint_lungs(canvas)
    paint_vessels(canvas)
    paint_heart(canvas)
    paint_airways(canvas)


def paint_airways(canvas: Canvas) -> None:
    """Paints trachea and main bronchi."""
    trachea = tube([(0, -14, 620), (0, 2, 570), (2, 20, 520), (2, 26, 488)], [7.5, 8, 8, 8])
    canvas.paint(trachea, "air", rough_mm=0.2)
    for bronchus in both([(2, 26, 490), (26, 32, 466), (46, 34, 452)]):
        canvas.paint(tube(bronchus, [7, 6, 5]), "air", rough_mm=0.2)


def diaphragm(side: float) -> Shape:
    """Dome below a lung: ``side`` -1 is the right one, over the liver; +1 is the left one, over the spleen."""
    if side < 0:
        return ellipsoid((-70, -2, 288), (84, 92, 106))
    return ellipsoid((76, 4, 282), (76, 84, 96))


def paint_lungs(canvas: Canvas) -> None:
    """Paints both lungs with the vessels in them."""
    for side in (1, -1):
        _paint_lung(canvas, side)


def _paint_lung(canvas: Canvas, side: float) -> None:
    lung = ellipsoid((side * 72, 12, 410), (72, 96, 180), (4, -side * 4, 0)).within(stack(RIB_CAGE), 1.0, 8)
    lung = lung.cut((0, 0, -1), -322, 20).minus(diaphragm(side), 8)
    middle = ellipsoid((4, 4, 440), (38, 62, 150)).join(ellipsoid((0, 58, 430), (30, 34, 200)), 14)
    canvas.paint(lung.minus(middle, 10).minus(_heart_outline(), 8), "lung", texture=0.16)
    hilum = np.array([side * 34.0, 30.0, 455.0])
    for end in ((92, 10, 520), (105, 40, 470), (95, -25, 445), (100, 62, 420), (88, 45, 380), (70, 70, 500)):
        tip = np.array([side * end[0], end[1], end[2]])
        canvas.paint(tube([hilum, (hilum + tip) / 2 + [0, 0, 6], tip], [6, 3, 1]), 0.85, opacity=0.7)


def _heart_outline() -> Shape:
    return ellipsoid((28, -28, 405), (58, 46, 48), (0, 0, -25)).join(ellipsoid((2, -22, 428), (36, 34, 42)), 14)


def paint_vessels(canvas: Canvas) -> None:
    """Paints the great vessels and the gullet."""
    arch = [(-10, -18, 450), (-10, -20, 490), (2, 0, 515), (18, 30, 512), (22, 44, 480), (20, 42, 420), (10, 34, 340)]
    canvas.paint(tube(arch, [16, 15, 14, 13, 13, 12, 11]), "blood", rough_mm=0.6)
    canvas.paint(tube([(-24, -8, 540), (-26, -4, 480), (-24, -2, 430)], [8, 9, 10]), "blood", rough_mm=0.6)
    trunk = [(14, -32, 450), (14, -12, 474), (34, 22, 468), (50, 34, 458)]
    canvas.paint(tube(trunk, [14, 13, 10, 7]), "blood", rough_mm=0.6)
    canvas.paint(tube([(10, -10, 470), (-28, 16, 464), (-52, 30, 452)], [11, 10, 7]), "blood", rough_mm=0.6)
    for carotid in both([(8, -4, 520), (24, -4, 560)]):
        canvas.paint(tube(carotid, [6, 5]), "blood", rough_mm=0.3)
    for subclavian in both([(12, 0, 525), (60, -2, 548), (120, 8, 530)]):
        canvas.paint(tube(subclavian, [6, 5, 4]), "blood", rough_mm=0.3)
    gullet = [(2, 10, 600), (4, 30, 540), (8, 42, 480), (8, 40, 420), (14, 20, 360)]
    canvas.paint(tube(gullet, 6.0), "oesophagus", opacity=0.7)


def paint_heart(canvas: Canvas) -> None:
    """Paints the heart: blood, and the muscle of both ventricles."""
    canvas.paint(_heart_outline(), "blood", texture=0.08)
    tilt = (-30.0, 0.0, -55.0)
    axis = rotation(tilt) @ np.array([0.0, -1.0, 0.0])  # base to apex: left, forward, down
    middle = np.array([46.0, -34.0, 402.0])
    outer = ellipsoid(middle, (31, 48, 31), tilt)
    chamber = ellipsoid(middle - 7 * axis, (19.5, 42, 19.5), tilt)
    base = float(-axis @ (middle - 20 * axis))
    wall = outer.minus(chamber, 3).cut(-axis, base, 5)  # open at the valves, shaped like a horseshoe
    canvas.paint(outer, "blood", texture=0.05)
    canvas.paint(wall, "myocardium", rough_mm=1.2, texture=0.14)
    right = ellipsoid((20, -48, 398), (34, 26, 36), (0, 0, -30)).shell(4).minus(outer, 2)
    canvas.paint(right, "myocardium", opacity=0.22)
