"""Sets up Slicer's real scene, module logics and utilities without the application, with slicer-core."""

from __future__ import annotations

import tempfile
from types import SimpleNamespace
from typing import Any

import slicer
import slicer.util
import vtk

__all__ = ["boot"]

#: Module -> class of its logic, in an order in which each finds what it needs.
_MODULES = {
    "volumes": "vtkSlicerVolumesLogic",
    "markups": "vtkSlicerMarkupsLogic",
    "terminologies": "vtkSlicerTerminologiesModuleLogic",
    "segmentations": "vtkSlicerSegmentationsModuleLogic",
    "subjecthierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "sequences": "vtkSlicerSequencesLogic",
    "cropvolume": "vtkSlicerCropVolumeLogic",
}

#: Replaces the application's own folder; removed with the process.
_FOLDER = tempfile.TemporaryDirectory(prefix="tumorgen-scene-")


def boot() -> Any:
    """Sets ``slicer.mrmlScene`` and ``slicer.modules`` once per process; returns the application logic."""
    if getattr(slicer, "mrmlScene", None) is not None:
        return slicer.mrmlScene.applicationLogic
    scene = slicer.vtkMRMLScene()
    scene.AddNode(slicer.vtkMRMLCrosshairNode())
    application = slicer.vtkSlicerApplicationLogic()
    folder = _FOLDER.name
    application.SetHomeDirectory(folder)
    application.SetTemporaryPath(folder)
    application.SetMRMLScene(scene)
    colors = slicer.vtkMRMLColorLogic()
    colors.SetMRMLApplicationLogic(application)
    colors.SetMRMLScene(scene)
    application.SetColorLogic(colors)
    slicer.modules = SimpleNamespace()
    for name, className in _MODULES.items():
        logic = getattr(slicer, className)()
        logic.SetMRMLApplicationLogic(application)
        if name == "terminologies":
            logic.SetModuleShareDirectory(folder)
            vtk.vtkObject.GlobalWarningDisplayOff()  # slicer-core brings no lists of terms.
        logic.SetMRMLScene(scene)
        vtk.vtkObject.GlobalWarningDisplayOn()
        application.SetModuleLogic(name.capitalize(), logic)  # Displayable managers need it.
        setattr(slicer.modules, name, SimpleNamespace(logic=lambda logic=logic: logic))
    remote = slicer.vtkMRMLRemoteIOLogic()  # Reads .mrb files, through a folder of its own.
    remote.SetMRMLApplicationLogic(application)
    remote.GetCacheManager().SetRemoteCacheDirectory(folder)
    remote.SetMRMLScene(scene)
    remote.AddDataIOToScene()
    slicer.mrmlScene = scene
    scene.applicationLogic, scene.remoteIoLogic = application, remote  # Keeps them alive while the scene exists.
    return application
