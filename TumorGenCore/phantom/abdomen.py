"""Abdomen and pelvis: liver, spleen, stomach, bowel, kidneys and the organs below them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from TumorGenCore.phantom.canvas import Canvas
from TumorGenCore.phantom.chest import diaphragm
from TumorGenCore.phantom.shapes import Rows, Shape, both, ellipsoid, rotation, tube

__all__ = [
    "paint_abdomen",
    "paint_bowel",
    "paint_gluteal_muscles",
    "paint_kidneys",
    "paint_pancreas_and_stomach",
    "paint_pelvis",
    "paint_psoas_and_vessels",
    "paint_small_bowel",
    "paint_spleen",
    "paint_urine",
]


def paint_abdomen(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paints vessels, bowel, liver, spleen and kidneys; ``rng`` chooses the bowel's course and the places of urine."""
    paint_psoas_and_vessels(canvas)
    paint_bowel(canvas, rng)
    paint_pancreas_and_stomach(canvas)
    paint_spleen(canvas)
    _paint_liver(canvas)
    paint_kidneys(canvas, rng)


def paint_psoas_and_vessels(canvas: Canvas) -> None:
    """Paints the psoas muscles, aorta, vena cava and the vessels of the legs."""
    for psoas in both([(34, 44, 260), (46, 38, 180), (62, 20, 110), (84, -8, 40)]):
        canvas.paint(tube(psoas, [12, 20, 22, 14]), "muscle")
    canvas.paint(tube([(10, 34, 345), (8, 16, 260), (6, 6, 160)], [11, 10, 9]), "blood", rough_mm=0.5)
    canvas.paint(tube([(-22, 10, 340), (-18, 12, 260), (-14, 10, 160)], [12, 11, 10]), "blood", rough_mm=0.5)
    for iliac in both([(5, 8, 158), (34, 22, 105), (66, -14, 40), (82, -44, -10), (70, -22, -90), (66, 14, -200)]):
        canvas.paint(tube(iliac, [9, 8, 7, 6, 5, 5]), "blood", rough_mm=0.4)


def paint_pancreas_and_stomach(canvas: Canvas) -> None:
    """Paints pancreas and stomach."""
    pancreas = tube([(-30, -22, 238), (0, -28, 256), (40, -2, 275), (78, 28, 290)], [14, 10, 10, 9])
    canvas.paint(pancreas, "pancreas", texture=0.15)
    stomach = tube([(56, 10, 352), (70, -4, 330), (66, -28, 290), (38, -50, 262), (0, -44, 258)], [26, 30, 26, 19, 12])
    canvas.paint(stomach, "stomach", texture=0.25, rough_mm=3)
    canvas.paint(stomach.grow(-9), 0.9, rough_mm=5, opacity=0.7, soft_mm=4)


def paint_spleen(canvas: Canvas) -> None:
    """Paints the spleen."""
    spleen = ellipsoid((101, 46, 322), (27, 52, 56), (28, 0, -28)).minus(ellipsoid((62, 18, 305), (30, 36, 44)), 8)
    canvas.paint(spleen.within(diaphragm(1).grow(3)), "spleen")


def _paint_liver(canvas: Canvas) -> None:
    right = ellipsoid((-70, 2, 300), (76, 84, 94)).join(ellipsoid((-92, 8, 252), (42, 54, 58), (0, 10, 0)), 20)
    left = ellipsoid((8, -42, 345), (72, 42, 34), (0, 14, 12))
    hollow = ellipsoid((-14, 22, 225), (62, 66, 78), (0, -24, 0)).join(ellipsoid((46, 30, 300), (46, 60, 60)), 16)
    liver = right.within(diaphragm(-1).join(ellipsoid((-70, 0, 240), (82, 82, 100)), 20)).join(left, 18)
    canvas.paint(liver.minus(hollow, 18), "liver", rough_mm=2, texture=0.035)
    canvas.paint(ellipsoid((-44, -52, 256), (15, 17, 28), (-25, 10, 0)), 0.8)  # gallbladder
    canvas.paint(tube([(-12, -6, 268), (-32, -4, 300), (-62, 0, 312)], [8, 7, 4]), "blood", opacity=0.7)


def paint_kidneys(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paints kidneys and the urine in them and in the ureters; ``rng`` chooses the places of urine."""
    for side in (1.0, -1.0):
        middle = np.array([side * 66.0, 46.0, 238.0 if side > 0 else 224.0])
        tilt = _kidney_tilt(side)
        kidney = ellipsoid(middle, (27, 25, 55), tilt)
        sinus = _sinus(middle, side)
        canvas.paint(kidney.minus(sinus, 8), "kidney", rough_mm=1.5, texture=0.15)
        canvas.paint(sinus.within(kidney), 1.6)
        paint_urine(canvas, middle, side, rng)


def _kidney_tilt(side: float) -> tuple[float, float, float]:
    return -10.0, -side * 12.0, side * 25.0


def _sinus(middle: NDArray, side: float) -> Shape:
    tilt = _kidney_tilt(side)
    return ellipsoid(middle + rotation(tilt) @ [-side * 21, -5, 0], (19, 14, 27), tilt)


def paint_urine(canvas: Canvas, middle: NDArray, side: float, rng: np.random.Generator) -> None:
    """Paints urine in a kidney and its ureter.

    Args:
        canvas: the canvas.
        middle: center of the kidney, mm.
        side: 1 for the left kidney, -1 for the right one.
        rng: chooses the places of urine.
    """
    tilt = _kidney_tilt(side)
    turn = rotation(tilt)
    for height in (-36, -20, -3, 14, 30, 40):
        for depth in (-8, 8)[: rng.integers(1, 3)]:
            calyx = middle + turn @ [
                -side * rng.uniform(-3, 7),
                depth + rng.uniform(-3, 3),
                height + rng.uniform(-4, 4),
            ]
            uptake = canvas.person.suv["urine"] * float(rng.uniform(0.1, 1.25))
            canvas.paint(ellipsoid(calyx, rng.uniform(3.5, 6.5, 3)), uptake, rough_mm=0.5)
    pelvis = middle + turn @ [-side * 19, -6, -4]
    canvas.paint(ellipsoid(pelvis, (6, 6, 12), tilt), canvas.person.suv["urine"] * float(rng.uniform(0.3, 1.1)))
    _paint_ureter(canvas, pelvis, side, rng)


def _paint_ureter(canvas: Canvas, pelvis: NDArray, side: float, rng: np.random.Generator) -> None:
    """Paints urine in short stretches of the ureter only, as peristalsis leaves it."""
    way = np.array(
        [pelvis - [0, 0, 10], [side * 40, 22, 170], [side * 38, 14, 120], [side * 52, 20, 65], [side * 22, 4, 22]]
    )
    for t in rng.uniform(0, 0.95, 4):
        stretch = np.array([t, t + rng.uniform(0.02, 0.06)]) * (len(way) - 1)
        points = np.stack([np.interp(stretch, np.arange(len(way)), way[:, n]) for n in range(3)], axis=1)
        canvas.paint(tube(points, 2.2), canvas.person.suv["urine"] * float(rng.uniform(0.2, 0.6)), rough_mm=0.0)


def paint_bowel(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paints colon and small bowel; ``rng`` chooses their course and uptake."""
    _paint_colon(canvas, rng)
    paint_small_bowel(canvas, rng)


def _paint_colon(canvas: Canvas, rng: np.random.Generator) -> None:
    colon = [
        (-78, 0, 95), (-86, 8, 140), (-84, 10, 190), (-78, -28, 205), (-40, -58, 182), (0, -64, 170), (45, -58, 190),
        (82, -20, 235), (94, 14, 250), (94, 18, 190), (90, 12, 130), (72, 6, 92), (40, -12, 80),
        (12, 16, 92), (2, 46, 72),
    ]  # fmt: skip
    _paint_gut(canvas, rng, colon, radius=17.0, tissue="bowel")


def paint_small_bowel(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paints loops of small bowel; ``rng`` chooses their course and uptake."""
    for _ in range(4):
        turns = 13
        drift = np.cumsum(rng.standard_normal((turns, 3)) * [38, 20, 30], axis=0)
        loops = np.tanh((drift - drift.mean(axis=0)) / [70, 40, 60]) * [74, 38, 66] + [0, -34, 138]
        _paint_gut(canvas, rng, loops, radius=12.0, tissue="bowel")


def _paint_gut(canvas: Canvas, rng: np.random.Generator, way: Rows, radius: float, tissue: str) -> None:
    """Paints a tube with low uptake inside and a wall whose uptake varies along the tube."""
    knots = np.asarray(way, dtype=np.float64)
    fine = np.linspace(0, len(knots) - 1, 4 * len(knots) - 3)
    path = np.stack(
        [ndimage.gaussian_filter1d(np.interp(fine, np.arange(len(knots)), c), 1.2) for c in knots.T], axis=1
    )
    uptake = np.exp(0.45 * ndimage.gaussian_filter1d(rng.standard_normal(len(path)), 2.0) * 2.4)
    bore = radius * (1 + 0.15 * ndimage.gaussian_filter1d(rng.standard_normal(len(path)), 1.0) * 1.8)
    for n in range(len(path) - 1):
        wall = tube(path[n : n + 2], bore[n : n + 2])
        canvas.paint(
            wall, canvas.person.suv[tissue] * float(uptake[n]), rough_mm=2.5, texture=0.35, opacity=0.85, soft_mm=3
        )
    for n in range(len(path) - 1):
        canvas.paint(tube(path[n : n + 2], bore[n : n + 2] - 6), 0.8, rough_mm=4, opacity=0.5, soft_mm=5)


def paint_pelvis(canvas: Canvas) -> None:
    """Paints rectum, prostate, gluteal muscles and bladder."""
    _paint_rectum_and_prostate(canvas)
    paint_gluteal_muscles(canvas)
    bladder = ellipsoid((0, -18, 26), (37, 28, 22), (-12, 0, 0)).join(ellipsoid((5, -14, 36), (24, 22, 18)), 12)
    canvas.paint(bladder.grow(3), 1.0)
    canvas.paint(bladder, "bladder", rough_mm=2.5, texture=0.02)


def _paint_rectum_and_prostate(canvas: Canvas) -> None:
    rectum = tube([(2, 52, 66), (0, 62, 30), (0, 48, -18), (0, 56, -62)], [16, 18, 13, 10])
    canvas.paint(rectum, "rectum", texture=0.2)
    canvas.paint(rectum.grow(-9), 0.8)
    canvas.paint(ellipsoid((0, -6, -18), (23, 18, 19)), "prostate")
    canvas.paint(tube([(0, -6, -8), (0, -8, -34), (0, -40, -62)], [3, 3, 3]), 3.0, rough_mm=0.3)


def paint_gluteal_muscles(canvas: Canvas) -> None:
    """Paints the gluteal muscles."""
    for gluteus in both([(50, 80, 100), (80, 86, 30), (100, 68, -40)]):
        canvas.paint(tube(gluteus, [20, 30, 20]), "muscle", rough_mm=4, texture=0.1)
