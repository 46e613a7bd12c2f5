"""Pictures of panel and views for the README: ``python Testing/panel/make_screenshots.py [FOLDER]``.

The panel runs on the stand-in of Qt's and Slicer's widgets, so it looks a little different in the application. Slicer's
own code draws image, box and mask.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import numpy as np
from matplotlib.image import imsave

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
_ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(_ROOT / part) for part in ("", "TumorGenSlicer", "Testing/slicer", "Testing/panel")]

#: In the right lung of the phantom, RAS.
CENTER = (78.0, -20.0, 465.0)
VIEWS = (("Axial", "Red"), ("Coronal", "Green"), ("Sagittal", "Yellow"))
#: Width of Slicer's module panel when it opens, and height of the panel that fits on a screen; pixels.
PANEL_SIZE = (420, 660)
VIEW_SIZE = (340, 340)
#: Width of a slice view, mm.
FIELD_MM = 260.0


def main(folder: Path) -> None:
    """Makes ``panel.png`` (ready, running, with results), ``segments.png`` and ``slice_views.png``."""
    import slicer_stand_in
    from slicer_boot import boot

    application = boot()
    app = slicer_stand_in.install(application)
    from open_panel import add_slice_views, open_panel

    from TumorGenSlicerLib.scene.sample_data import addPhantom

    add_slice_views()
    panel = open_panel()
    phantom = addPhantom()
    panel.parameterNode.inputVolume = phantom
    panel.parameterNode.variants = 3
    panel.parameterNode.seed = 1
    panel.onBoxPlaced(CENTER)
    window = panel.parent.window
    window.resize(*PANEL_SIZE)
    window.show()
    states = [grab(app, window)]
    panel.ui.applyButton.click()
    while panel.runMonitor.isActive:
        app.processEvents()
        if len(states) == 1 and panel.ui.progressBar.value >= 8:
            app.processEvents()
            states.append(grab(app, window))
        time.sleep(0.01)
    states.append(grab(app, window))
    folder.mkdir(parents=True, exist_ok=True)
    imsave(folder / "panel.png", np.concatenate(states, axis=1))
    save_views(application, phantom, panel.logic.results[0], folder / "slice_views.png")
    imsave(folder / "segments.png", segments(app, panel, phantom))
    panel.cleanup()


def segments(app: object, panel: object, phantom: object) -> np.ndarray:
    """The upper part of the panel with a ratio to the liver and three boxes in it."""
    from PySide6.QtCore import QPoint

    from TumorGenSlicerLib.panel.parameters import Uptake

    add_organs(phantom)
    ui, parameters = panel.ui, panel.parameterNode
    ui.inSegmentButton.checked = True
    parameters.uptake, parameters.uptakeRatio = Uptake.REFERENCE, 3.0
    for choice in (ui.placeSegmentComboBox, ui.referenceSegmentComboBox):
        choice.setCurrentIndex(choice.findText("liver"))
    ui.placeCountSpinBox.value = 3
    ui.placeInSegmentButton.click()
    panel.parent.window.resize(PANEL_SIZE[0], PANEL_SIZE[1] + 160)
    picture = grab(app, panel.parent.window)
    return picture[: ui.applyButton.mapTo(panel.parent.window, QPoint(0, ui.applyButton.height)).y() + 4]


def add_organs(phantom: object) -> None:
    """Adds a segmentation with three organs of the phantom."""
    import SimpleITK as sitk
    import slicer

    from TumorGenCore.insertion.segment import Segment
    from TumorGenCore.phantom.organ_labels import organ_labels
    from TumorGenCore.phantom.phantom import scan_phantom
    from TumorGenSlicerLib.scene.geometry import ijkToRas
    from TumorGenSlicerLib.scene.result_nodes import newSegment

    labels = sitk.GetArrayFromImage(organ_labels(scan_phantom()))
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Organs")
    for name, number in (("spleen", 1), ("liver", 5), ("aorta", 52)):
        mask = Segment((labels == number).astype(np.uint8), (0, 0, 0))
        node.GetSegmentation().AddSegment(newSegment(ijkToRas(phantom), mask, name))


def grab(app: object, window: object) -> np.ndarray:
    """A picture of the window, (rows, columns, RGB), with a line at its right."""
    from PySide6.QtGui import QImage

    for _ in range(5):
        app.processEvents()
    image = window.grab().toImage().convertToFormat(QImage.Format_RGB888)
    picture = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    picture = picture[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()
    picture[:, -1] = 160
    return picture


def save_views(application: object, before: object, variant: object, path: Path) -> None:
    """Before and after in three slice views, and the 3D view."""
    import slicer
    from views import SliceView, ThreeDView

    box = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLMarkupsROINode").GetDisplayNode()
    box.SetFillVisibility(False)  # In this bare view the filling would hide the uptake.
    box.SetHandlesInteractive(False)
    box.SetGlyphScale(0.5)
    variant.segmentationNode.GetDisplayNode().SetVisibility2DFill(False)
    slices = [SliceView(orientation, name, application, VIEW_SIZE) for orientation, name in VIEWS]
    rows = []
    for caption, volume in (("before", before), ("after", variant.volumeNode)):
        variant.segmentationNode.SetDisplayVisibility(caption == "after")
        for view, (orientation, _) in zip(slices, VIEWS, strict=True):
            view.caption(f"{orientation}, {caption}")
            view.look_at(volume, CENTER, FIELD_MM)
        rows.append(np.concatenate([view.grab() for view in slices], axis=1))
    box.SetFillVisibility(True)
    three_d = ThreeDView(application, (VIEW_SIZE[0], 2 * VIEW_SIZE[1]))
    three_d.look_at(CENTER, 120.0)
    imsave(path, np.concatenate([np.concatenate(rows), three_d.grab()], axis=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else _ROOT / "Resources" / "Screenshots")
