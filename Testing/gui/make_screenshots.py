"""Pictures of panel and views for the README: ``python Testing/gui/make_screenshots.py [FOLDER]``.

The panel runs on the stand-in of Qt's and Slicer's widgets, so in the application it looks a little different; image,
box and mask are drawn by Slicer's own code.
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
sys.path[:0] = [str(_ROOT / part) for part in ("", "TumorGenSlicer", "Testing/scene", "Testing/gui")]

#: In the right lung of the phantom, RAS.
CENTER = (78.0, -20.0, 465.0)
VIEWS = (("Axial", "Red"), ("Coronal", "Green"), ("Sagittal", "Yellow"))


def main(folder: Path) -> None:
    """Make ``panel.png`` and ``slice_views.png``."""
    import slicer_stand_in
    from slicer_boot import boot

    application = boot()
    app = slicer_stand_in.install(application)
    from open_panel import add_slice_views, open_panel

    from TumorGenSlicerLib.sample_data import addPhantom

    add_slice_views()
    panel = open_panel()
    phantom = addPhantom()
    panel._parameterNode.inputVolume = phantom
    panel._parameterNode.variants = 3
    panel._onBoxPlaced(CENTER)
    window = panel.parent.window
    window.resize(420, 620)
    window.show()
    panel.ui.applyButton.click()
    while panel._runMonitor.isActive:
        app.processEvents()
        time.sleep(0.01)
    app.processEvents()
    window.grab().save(str(folder / "panel.png"))
    save_views(application, phantom, panel.logic.results[0], folder / "slice_views.png")
    panel.cleanup()


def save_views(application: object, before: object, variant: object, path: Path) -> None:
    """Before and after in three slice views, and the 3D view."""
    import slicer
    from views import SliceView, ThreeDView

    box = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLMarkupsROINode").GetDisplayNode()
    box.SetFillVisibility(False)  # In this bare view the filling would hide the uptake.
    box.SetHandlesInteractive(False)
    box.SetGlyphScale(0.5)
    slices = [SliceView(orientation, name, application) for orientation, name in VIEWS]
    rows = []
    for volume, mask in ((before, False), (variant.volumeNode, True)):
        variant.segmentationNode.SetDisplayVisibility(mask)
        variant.segmentationNode.GetDisplayNode().SetVisibility2DFill(False)
        for view in slices:
            view.look_at(volume, CENTER, 160.0)
        rows.append([view.grab() for view in slices])
    box.SetFillVisibility(True)
    three_d = ThreeDView(application)
    three_d.look_at(CENTER, 70.0)
    blank = np.full_like(rows[0][0], 255)
    picture = [np.concatenate([*rows[0], blank], axis=1), np.concatenate([*rows[1], three_d.grab()], axis=1)]
    imsave(path, np.ascontiguousarray(np.concatenate(picture)))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else _ROOT / "Resources" / "Screenshots")
