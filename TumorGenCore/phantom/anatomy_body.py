"""Paints a body from a label map: the labels' organs, and what they lack from the phantom's shapes."""

from __future__ import annotations

import numpy as np

from TumorGenCore.phantom.abdomen import (
    paint_bowel,
    paint_gluteal_muscles,
    paint_kidneys,
    paint_pancreas_and_stomach,
    paint_pelvis,
    paint_psoas_and_vessels,
    paint_small_bowel,
    paint_spleen,
    paint_urine,
)
from TumorGenCore.phantom.anatomy_canvas import AnatomyCanvas
from TumorGenCore.phantom.body import paint_cavities, paint_layers
from TumorGenCore.phantom.chest import paint_airways, paint_heart, paint_lungs, paint_vessels
from TumorGenCore.phantom.head import paint_brain, paint_deep_brain, paint_face, paint_throat
from TumorGenCore.phantom.shapes import Array, stack
from TumorGenCore.phantom.skeleton import RIB_CAGE, paint_trunk_bones

__all__ = ["paint_anatomy"]


def paint_anatomy(canvas: AnatomyCanvas, rng: np.random.Generator) -> None:
    """Paints the whole body; ``rng`` chooses the bowel's course and the places of urine."""
    skin = canvas.anatomy.skin().at(canvas.places)
    paint_layers(canvas, skin + 1.5 * canvas.rough)
    _paint_breast_fat(canvas)
    paint_cavities(canvas)
    if canvas.anatomy.has("skeleton"):
        _paint_around_skeleton(canvas, rng)
    else:
        _paint_around_organs(canvas, rng)
    canvas.suv *= np.clip(1 - skin / canvas.edge_mm, 0, 1)
    canvas.organs[skin > 0] = 0


def _paint_breast_fat(canvas: AnatomyCanvas) -> None:
    """Paints fat in front of the muscles of the chest, where there is more than they need."""
    cage = stack(RIB_CAGE)
    window = canvas.window(cage.grow(60))
    _, y, z = canvas.points_in(window)
    front = np.maximum(y + 45, np.abs(z - 405) - 85)
    canvas.cover(window, np.maximum(front, 20 - cage.distance(canvas.points_in(window))), 0.36, texture=0.25)


def _paint_around_skeleton(canvas: AnatomyCanvas, rng: np.random.Generator) -> None:
    """Paints a body that has skeleton, lungs, liver and brain."""
    paint_psoas_and_vessels(canvas)
    paint_bowel(canvas, rng)
    paint_pancreas_and_stomach(canvas)
    paint_spleen(canvas)
    paint_kidneys(canvas, rng)
    paint_pelvis(canvas)
    paint_vessels(canvas)
    paint_heart(canvas)
    canvas.cover_solid(canvas.anatomy.solid("liver"), "liver", texture=0.035)
    canvas.cover_solid(canvas.anatomy.solid("lungs"), "lung", texture=0.16)
    paint_face(canvas)
    brain = canvas.anatomy.solid("brain")
    canvas.cover_solid(brain, "gray matter", rough_mm=0.5, folded_mm=2.0)
    canvas.cover_solid(brain, "white matter", rough_mm=0.0, grow_mm=-11, folded_mm=22.0)
    paint_deep_brain(canvas)
    _paint_bones(canvas)
    canvas.cover_solid(canvas.anatomy.solid("air"), "air", rough_mm=0.2)
    canvas.cover_solid(canvas.anatomy.solid("bronchi"), "air", rough_mm=0.2, opacity=0.7)


def _paint_bones(canvas: AnatomyCanvas) -> None:
    """Paints the skeleton: red marrow in the trunk, most in the spine; little in skull, arms and legs."""
    bones = canvas.anatomy.solid("skeleton")
    window = canvas.solid_window(bones)
    distance = bones.at(canvas.places_in(window))
    x, y, z = canvas.points_in(window)
    suv = canvas.person.suv
    spine = np.clip((32 - np.abs(x)) / 8, 0, 1) * np.clip((y + 10) / 10, 0, 1) * np.clip((z - 80) / 20, 0, 1)
    uptake = suv["marrow"] + spine * (suv["vertebra"] - suv["marrow"])
    uptake += np.clip((z - 640) / 30, 0, 1) * (1 - spine * (z < 700)) * (suv["skull"] - uptake)
    limb = np.maximum(np.clip((np.abs(x) - 165) / 20, 0, 1), np.clip((-z - 5) / 40, 0, 1) * (np.abs(x) > 66))
    uptake += limb * (0.42 - uptake)
    canvas.cover(window, distance, uptake, rough_mm=0.4, texture=0.08)
    trunk = (distance < 0) & (limb < 0.5) & (z < 640)
    canvas.mark(window, trunk, "marrow")
    canvas.mark(window, trunk & (spine > 0.5), "vertebra")


def _paint_around_organs(canvas: AnatomyCanvas, rng: np.random.Generator) -> None:
    """Paints a body that has the organs of heart, abdomen and pelvis, but no lungs, spine, ribs or brain."""
    anatomy = canvas.anatomy
    paint_trunk_bones(canvas)
    canvas.cover_solid(anatomy.solid("pelvis", filled=True), "marrow", rough_mm=0.4, texture=0.15)
    paint_lungs(canvas)
    paint_vessels(canvas)
    canvas.cover_solid(anatomy.solid("heart", filled=True), "blood", texture=0.08)
    paint_heart(canvas)
    paint_airways(canvas)
    paint_psoas_and_vessels(canvas)
    _paint_gut(canvas, rng)
    paint_pancreas_and_stomach(canvas)
    canvas.cover_solid(anatomy.solid("pancreas"), "pancreas", texture=0.15)
    canvas.cover_solid(anatomy.solid("spleen"), "spleen")
    for side, kidney in ((1.0, anatomy.solid("kidney_left")), (-1.0, anatomy.solid("kidney_right"))):
        canvas.cover_solid(kidney, "kidney", texture=0.15)
        paint_urine(canvas, canvas.phantom_point(kidney.center), side, rng)
    canvas.cover_solid(anatomy.solid("liver", filled=True), "liver", texture=0.035)
    canvas.cover_solid(anatomy.solid("gallbladder", filled=True), 0.8)
    paint_gluteal_muscles(canvas)
    for organ, tissue in (("uterus", "prostate"), ("prostate", "prostate")):
        if anatomy.has(organ):
            canvas.cover_solid(anatomy.solid(organ, filled=True), tissue)
    bladder = anatomy.solid("bladder", filled=True)
    canvas.cover_solid(bladder, 1.0, grow_mm=3)
    canvas.cover_solid(bladder, "bladder", texture=0.02)
    paint_face(canvas)
    paint_throat(canvas)
    paint_brain(canvas)


def _paint_gut(canvas: AnatomyCanvas, rng: np.random.Generator) -> None:
    """Paints small and large bowel, whose uptake varies along them, with less inside."""
    paint_small_bowel(canvas, rng)
    for organ in ("small_intestine", "large_intestine"):
        bowel = canvas.anatomy.solid(organ, filled=True)
        window = canvas.solid_window(bowel)
        distance = bowel.at(canvas.places_in(window))
        uptake: Array = canvas.person.suv["bowel"] * np.exp(0.4 * canvas.rough[window])
        canvas.cover(window, distance, uptake, texture=0.3, soft_mm=3)
        canvas.mark(window, distance < 0, "bowel")
        canvas.cover(window, distance + 6, 0.8, rough_mm=3, opacity=0.5, soft_mm=5)
