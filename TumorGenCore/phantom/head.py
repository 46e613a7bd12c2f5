"""Head and neck: brain, face, glands and airway."""

from __future__ import annotations

from TumorGenCore.phantom.canvas import Canvas
from TumorGenCore.phantom.shapes import Shape, ellipsoid, tube

__all__ = ["paint_brain", "paint_deep_brain", "paint_face", "paint_head", "paint_throat"]


def paint_head(canvas: Canvas) -> None:
    """Paints brain, skull, neck and face."""
    paint_brain(canvas)
    paint_face(canvas)
    paint_throat(canvas)


def paint_face(canvas: Canvas) -> None:
    """Paints neck and face."""
    _paint_neck_planes(canvas)
    canvas.paint(_airway().shell(6), "mucosa", opacity=0.6)
    canvas.paint(ellipsoid((0, -40, 652), (23, 30, 16)), "tongue", texture=0.15)
    for side in (1, -1):
        canvas.paint(ellipsoid((side * 31, -68, 722), (17, 16, 16)).shell(5), "eye muscle", opacity=0.5)
        canvas.paint(ellipsoid((side * 31, -66, 722), (12, 12, 12)), "eye")
        canvas.paint(ellipsoid((side * 25, -58, 692), (15, 17, 17)), 0.3)  # maxillary sinus
        canvas.paint(ellipsoid((side * 50, 2, 672), (10, 17, 23), (0, 0, side * 15)), "gland", texture=0.12)
        canvas.paint(ellipsoid((side * 30, -22, 634), (9, 14, 12)), "gland", opacity=0.9)
        canvas.paint(ellipsoid((side * 12, -44, 634), (7, 12, 6)), "gland")
        canvas.paint(ellipsoid((side * 15, -10, 656), (6, 8, 12)), "tonsil")
        canvas.paint(tube([(side * 44, -10, 680), (side * 46, -22, 650), (side * 14, -68, 640)], [7, 9, 6]), "skull")
        canvas.paint(ellipsoid((side * 8, -24, 606), (5, 13, 7)), "larynx")
        canvas.paint(ellipsoid((side * 18, -18, 582), (9, 9, 20)), "thyroid")
    canvas.paint(ellipsoid((0, -76, 664), (24, 14, 6)).shell(6), 1.3)  # gums and lips
    canvas.paint(tube([(0, -62, 706), (0, -30, 694)], [9, 10]), "mucosa", texture=0.2, opacity=0.7)


def paint_throat(canvas: Canvas) -> None:
    """Paints the air in the throat."""
    canvas.paint(_airway(), "air", rough_mm=0.2)


def _airway() -> Shape:
    return tube([(0, -6, 690), (0, -4, 660), (0, -14, 620)], [9, 8, 7])


def _paint_neck_planes(canvas: Canvas) -> None:
    """Paints fat between the muscles of face and neck, vessels, and the muscles that chew and turn the head."""
    for side in (1, -1):
        sheath = [(side * x, y, z) for x, y, z in [(30, 0, 695), (32, 2, 650), (30, 2, 600), (28, -2, 560)]]
        canvas.paint(tube(sheath, [9, 12, 12, 13]), "fat", opacity=0.8)
        canvas.paint(tube(sheath, 4.5), "blood", rough_mm=0.4)
        turning = [(side * x, y, z) for x, y, z in [(48, 18, 690), (47, 4, 640), (34, -18, 590), (16, -30, 545)]]
        canvas.paint(tube(turning, [9, 11, 11, 8]), 1.0, texture=0.15)
        canvas.paint(ellipsoid((side * 40, -44, 668), (9, 13, 18)), "fat", opacity=0.8)  # cheek
        canvas.paint(ellipsoid((side * 30, -58, 722), (19, 24, 18)), "fat", opacity=0.8)  # orbit
        canvas.paint(ellipsoid((side * 49, -20, 668), (8, 17, 28)), 1.15, texture=0.15)  # masseter
        canvas.paint(ellipsoid((side * 26, -18, 680), (8, 15, 18)), 1.25, texture=0.15)  # pterygoids
        nape = [(side * 22, 46, 690), (side * 24, 48, 630), (side * 30, 62, 570)]
        canvas.paint(tube(nape, [17, 17, 18]), 0.95, texture=0.2)
    canvas.paint(tube([(0, 62, 690), (0, 62, 600)], [4, 5]), "fat", opacity=0.8)


def paint_brain(canvas: Canvas) -> None:
    """Paints skull and brain."""
    skull = ellipsoid((0, 6, 754), (74, 92, 88))
    canvas.paint(skull.shell(7).cut((0, -0.35, -1), -700), "skull", rough_mm=0.5)
    cerebrum = _cerebrum()
    canvas.paint(cerebrum.grow(2), "ventricle", rough_mm=0.5)
    canvas.paint(cerebrum, "gray matter", rough_mm=0.5, folded_mm=2.0)
    canvas.paint(cerebrum.grow(-11), "white matter", rough_mm=0.0, folded_mm=22.0)
    paint_deep_brain(canvas)


def _cerebrum() -> Shape:
    cerebrum = ellipsoid((0, 6, 768), (66, 84, 66)).cut((0, 0.06, -1), -731, 14)
    for side in (1, -1):
        cerebrum = cerebrum.join(ellipsoid((side * 42, -8, 732), (22, 40, 21), (-10, 0, 0)), 10)
    return cerebrum


def paint_deep_brain(canvas: Canvas) -> None:
    """Paints the brain's fissure, nuclei, ventricles, cerebellum and stem."""
    fissure = ellipsoid((0, 6, 780), (1.5, 90, 70)).minus(ellipsoid((0, 6, 752), (30, 52, 36)), 4)
    canvas.paint(fissure.within(_cerebrum(), -2), "ventricle", rough_mm=0.0)
    for side in (1, -1):
        canvas.paint(ellipsoid((side * 9, 18, 758), (8, 14, 9)), "gray matter")  # thalamus
        canvas.paint(ellipsoid((side * 25, -4, 758), (7, 20, 12), (0, 0, side * 14)), "gray matter")  # putamen
        canvas.paint(tube([(side * 12, -22, 762), (side * 15, -2, 778)], [7, 4]), "gray matter")  # caudate
        horn = [(side * 8, -26, 772), (side * 9, 4, 780), (side * 18, 36, 770), (side * 22, 52, 762)]
        canvas.paint(tube(horn, [4, 4, 5, 3]), "ventricle", rough_mm=0.5)
    cerebellum = ellipsoid((24, 46, 716), (29, 29, 23)).join(ellipsoid((-24, 46, 716), (29, 29, 23)), 12)
    canvas.paint(cerebellum, "cerebellum", rough_mm=0.6, texture=0.08)
    canvas.paint(cerebellum.grow(-9), 6.0, rough_mm=0.5, folded_mm=4.0)
    stem = tube([(0, 16, 745), (0, 12, 722), (0, 20, 690)], [12, 13, 7])
    canvas.paint(stem, "brain stem", rough_mm=0.5)
    canvas.paint(tube([(0, 26, 735), (0, 28, 705)], 3.0), "ventricle", rough_mm=0.0)
