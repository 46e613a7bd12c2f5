"""The scene that the headless script works in."""

from __future__ import annotations

from typing import Any

import slicer

__all__ = ["requireScene"]


def requireScene() -> Any:
    """Returns Slicer's scene; plain Python has none, so there it makes one."""
    if getattr(slicer, "mrmlScene", None) is None:
        slicer.mrmlScene = slicer.vtkMRMLScene()
    return slicer.mrmlScene
