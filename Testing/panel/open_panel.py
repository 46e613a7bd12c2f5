"""Opens the panel as Slicer does, on the stand-ins, and adds the slice views."""

from __future__ import annotations

from typing import Any

import qt
import slicer

__all__ = ["add_slice_views", "open_panel"]


def add_slice_views() -> None:
    """Adds the nodes of the red, green and yellow slice view."""
    for name in ("Red", "Green", "Yellow"):
        for kind in ("vtkMRMLSliceNode", "vtkMRMLSliceCompositeNode"):
            node = slicer.mrmlScene.CreateNodeByClass(kind)
            node.UnRegister(None)
            node.SetSingletonTag(name)
            node.SetName(name)
            node.SetLayoutName(name)
            slicer.mrmlScene.AddNode(node)


def open_panel() -> Any:
    """Returns a new panel in its own window, set up and entered."""
    import TumorGenSlicer

    window = qt.QWidget()
    qt.QVBoxLayout(window)
    window.setProperty("isEntered", True)
    widget = TumorGenSlicer.TumorGenSlicerWidget(_Parent(window))
    widget.setup()
    widget.enter()
    return widget


class _Parent:
    """The parent that Slicer passes to a module's widget."""

    def __init__(self, window: Any) -> None:
        self.window, self.isEntered = window, True

    def layout(self) -> Any:
        return self.window.layout()

    def deleteLater(self) -> None:
        self.window.deleteLater()
