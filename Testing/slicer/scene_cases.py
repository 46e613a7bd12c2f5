"""Nodes for tests, and independent answers about them from VTK and from the nodes' own methods.

Nothing here uses the formulas of the code under test.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import slicer.util
import vtk
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy


def matrix(linear: NDArray | None = None, shift: Any = (0, 0, 0)) -> NDArray[np.float64]:
    """4x4 from a 3x3 and a translation."""
    result = np.eye(4)
    result[:3, :3] = np.eye(3) if linear is None else linear
    result[:3, 3] = shift
    return result


def turn(*degrees: float) -> NDArray[np.float64]:
    """3x3 rotation about x, y, z."""
    return Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()


def addVolume(
    scene: Any,
    voxels: NDArray,
    ijkToRas: NDArray,
    name: str = "PET",
    className: str = "vtkMRMLScalarVolumeNode",
) -> Any:
    return slicer.util.addVolumeFromArray(voxels, ijkToRas, name, className)


def noise(rng: np.random.Generator, sizeIjk: tuple[int, int, int], dtype: Any = np.float32) -> NDArray:
    """Random voxels (k, j, i): 0 to 5, integers 0 to 5000."""
    top = 5000 if np.issubdtype(dtype, np.integer) else 5
    return (rng.random(sizeIjk[::-1]) * top).astype(dtype)


def aVolume(scene: Any, dtype: Any = np.float32, name: str = "PET") -> Any:
    """16 x 18 x 14 oblique voxels of noise around (30, -20, 10) RAS."""
    voxels = noise(np.random.default_rng(0), (16, 18, 14), dtype)
    axes = turn(10, -5, 20) @ np.diag([-4.0, -4.5, 5.0])
    center = np.array([30.0, -20.0, 10.0])
    return addVolume(scene, voxels, matrix(axes, center - axes @ [7.5, 8.5, 6.5]), name)


def addRoi(scene: Any, center: Any, size: Any, axes: NDArray | None = None, name: str = "R") -> Any:
    """A box ROI from its center (RAS mm), edges (mm) and axes (columns)."""
    roi = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", name)
    roi.CreateDefaultDisplayNodes()
    roi.SetSize(*(float(edge) for edge in size))
    roi.SetAndObserveObjectToNodeMatrix(slicer.util.vtkMatrixFromArray(matrix(axes, center)))
    return roi


def aRoi(scene: Any, size: Any = (34, 30, 38), shift: Any = (0, 0, 0), name: str = "R") -> Any:
    """A rotated box inside ``aVolume``."""
    return addRoi(scene, np.array([30.0, -20.0, 10.0]) + shift, size, turn(25, 10, -15), name)


def transformed(scene: Any, node: Any, toParent: NDArray) -> Any:
    """Puts a node under a new linear transform; returns the transform node."""
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "T")
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(toParent))
    node.SetAndObserveTransformNodeID(transform.GetID())
    return transform


def bent(scene: Any, node: Any) -> Any:
    """Puts a node under a thin-plate spline; returns the transform node."""
    source, target = vtk.vtkPoints(), vtk.vtkPoints()
    for n, corner in enumerate(np.ndindex(2, 2, 2)):
        point = np.array(corner) * 100.0
        source.InsertNextPoint(point)
        target.InsertNextPoint(point + (7 if n % 3 == 0 else -4))
    spline = vtk.vtkThinPlateSplineTransform()
    spline.SetSourceLandmarks(source)
    spline.SetTargetLandmarks(target)
    spline.SetBasisToR()
    transform = scene.AddNewNodeByClass("vtkMRMLTransformNode", "Bent")
    transform.SetAndObserveTransformToParent(spline)
    node.SetAndObserveTransformNodeID(transform.GetID())
    return transform


def voxelCentersWorld(volume: Any) -> NDArray[np.float64]:
    """Centers of all voxels in the world (RAS), (k, j, i, 3): corners from VTK's transforms, the rest interpolated."""
    toWorld = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(volume.GetParentTransformNode(), None, toWorld)
    toRas = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(toRas)
    first, *ends = (
        np.array(toWorld.TransformPoint(toRas.MultiplyPoint((*corner, 1))[:3]))
        for corner in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1))
    )
    i, j, k = (end - first for end in ends)
    z, y, x = np.indices(volume.GetImageData().GetDimensions()[::-1])[..., None]
    return first + x * i + y * j + z * k


def depthInRoi(roi: Any, points: NDArray) -> NDArray[np.float64]:
    """Distance to the nearest of the ROI's own six planes, mm, positive inside; for unscaled ROIs."""
    planes = vtk.vtkPlanes()
    roi.GetPlanesWorld(planes)
    values = vtk.vtkDoubleArray()
    planes.EvaluateFunction(numpy_to_vtk(np.ascontiguousarray(points.reshape(-1, 3))), values)
    return -vtk_to_numpy(values).reshape(points.shape[:-1])


def voxels(volume: Any) -> NDArray:
    return slicer.util.arrayFromVolume(volume)


def bits(array: NDArray) -> NDArray:
    """The array as unsigned integers, so that equal means bit for bit equal."""
    return np.ascontiguousarray(array).view(f"u{array.dtype.itemsize}")


def segmentVoxels(segmentation: Any, volume: Any, n: int = 0) -> NDArray[np.bool_]:
    """A segment on a volume's grid (k, j, i), exported by Slicer's own Segmentations logic."""
    segmentId = segmentation.GetSegmentation().GetNthSegmentID(n)
    return slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, segmentId, volume) > 0


def sceneState(scene: Any) -> dict[str, int]:
    """ID and modification time of every node."""
    return {node.GetID(): node.GetMTime() for node in scene.GetNodes()}
