"""Slice and 3D views without a window: Slicer's slice logic and displayable managers on VTK's off-screen view."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray
from vtk.util.numpy_support import vtk_to_numpy

__all__ = ["SliceView", "ThreeDView"]


class _View:
    """A render window with the displayable managers of one view node."""

    def __init__(self, factory: Any, managers: list[str], node: Any, application: Any, size: tuple[int, int]) -> None:
        self.node = node
        # Without it, displayable managers do nothing for the view.
        node.SetInteractionNode(application.GetInteractionNode())
        self.renderer = vtk.vtkRenderer()
        self.window = vtk.vtkRenderWindow()
        self.window.SetOffScreenRendering(1)
        self.window.SetSize(*size)
        self.window.AddRenderer(self.renderer)
        # Markups handle the mouse through an interactor, and complain without one.
        self.interactor = vtk.vtkGenericRenderWindowInteractor()
        self.interactor.SetRenderWindow(self.window)
        factory.SetMRMLApplicationLogic(application)
        for name in managers:
            if not factory.IsDisplayableManagerRegistered(name):
                factory.RegisterDisplayableManager(name)
        self.group = slicer.vtkMRMLDisplayableManagerGroup()
        self.group.Initialize(factory, self.renderer)
        self.group.SetMRMLDisplayableNode(node)

    def close(self) -> None:
        """Stops following the scene."""
        self.group.SetMRMLDisplayableNode(None)
        self.window.Finalize()

    def grab(self) -> NDArray[np.uint8]:
        """Returns the picture, (rows, columns, RGB), top row first."""
        self.window.Render()
        grabber = vtk.vtkWindowToImageFilter()
        grabber.SetInput(self.window)
        grabber.ReadFrontBufferOff()
        grabber.Update()
        image = grabber.GetOutput()
        columns, rows, _ = image.GetDimensions()
        return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(rows, columns, 3)[::-1]


class SliceView(_View):
    """One slice view with image, box and mask.

    Args:
        orientation: ``Axial``, ``Sagittal`` or ``Coronal``.
        name: name of a view of the scene, such as ``Red``.
        application: the application logic.
        size: size of the picture, columns and rows.
    """

    _MANAGERS = ("vtkMRMLMarkupsDisplayableManager", "vtkMRMLSegmentationsDisplayableManager2D")

    def __init__(self, orientation: str, name: str, application: Any, size: tuple[int, int] = (360, 360)) -> None:
        self.logic = slicer.vtkMRMLSliceLogic()
        self.logic.SetMRMLApplicationLogic(application)
        self.logic.SetMRMLScene(slicer.mrmlScene)
        node = slicer.mrmlScene.GetSingletonNode(name, "vtkMRMLSliceNode")
        self.logic.SetSliceNode(node)
        node.SetOrientation(orientation)
        node.SetDimensions(*size, 1)
        node.SetMappedInLayout(1)
        factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
        super().__init__(factory, list(self._MANAGERS), node, application, size)
        self.mapper = vtk.vtkImageMapper()
        self.mapper.SetColorWindow(255)
        self.mapper.SetColorLevel(127.5)
        actor = vtk.vtkActor2D()
        actor.SetMapper(self.mapper)
        actor.GetProperty().SetDisplayLocationToBackground()
        self.renderer.AddViewProp(actor)
        self.text = vtk.vtkTextActor()
        self.text.SetDisplayPosition(8, size[1] - 22)
        self.text.GetTextProperty().SetFontSize(14)
        self.text.GetTextProperty().SetColor(0.1, 0.2, 0.5)
        self.renderer.AddViewProp(self.text)
        # Slicer's style passes the mouse to the displayable managers; it needs a plain style of VTK below it.
        self.interactor.SetInteractorStyle(vtk.vtkInteractorStyleUser())
        self.style = slicer.vtkMRMLSliceViewInteractorStyle()
        self.style.SetDisplayableManagers(self.group)
        self.style.SetSliceLogic(self.logic)
        self.style.SetInteractor(self.interactor)

    def look_at(self, volume: Any, center_ras: Any, field_mm: float) -> None:
        """Shows a volume around a point, ``field_mm`` wide."""
        self.logic.GetSliceCompositeNode().SetBackgroundVolumeID(volume.GetID())
        self.window.Render()  # The changes that a new volume causes must come before those below.
        columns, rows, _ = self.node.GetDimensions()
        self.node.SetFieldOfView(field_mm, field_mm * rows / columns, 1.0)
        self.node.JumpSliceByCentering(*center_ras)
        self.node.UpdateMatrices()
        self.mapper.SetInputConnection(self.logic.GetImageDataConnection())

    def caption(self, text: str) -> None:
        """Writes a text in the upper left corner."""
        self.text.SetInput(text)

    def click(self, column: int, row: int, button: str = "Left") -> None:
        """Moves the mouse there, counted from the lower left, and presses and releases a button."""
        for event in ("MouseMoveEvent", f"{button}ButtonPressEvent", f"{button}ButtonReleaseEvent"):
            self.interactor.SetEventInformation(column, row, 0, 0, "\0", 0, None)
            self.interactor.InvokeEvent(event)


class ThreeDView(_View):
    """The 3D view with box and mask."""

    _MANAGERS = ("vtkMRMLMarkupsDisplayableManager", "vtkMRMLSegmentationsDisplayableManager3D")

    def __init__(self, application: Any, size: tuple[int, int] = (360, 360)) -> None:
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLViewNode", "View")
        factory = slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance()
        super().__init__(factory, list(self._MANAGERS), node, application, size)
        self.renderer.SetBackground(0.76, 0.78, 0.93)

    def look_at(self, center_ras: Any, field_mm: float) -> None:
        """Looks from the front and a little from above, ``field_mm`` wide."""
        camera = self.renderer.GetActiveCamera()
        camera.SetFocalPoint(*center_ras)
        camera.SetPosition(*(np.asarray(center_ras) + field_mm * np.array([0.9, 1.6, 0.9])))
        camera.SetViewUp(0, 0, 1)
        self.renderer.ResetCameraClippingRange()
