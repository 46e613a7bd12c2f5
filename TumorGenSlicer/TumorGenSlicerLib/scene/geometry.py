"""Geometry of volumes and ROI boxes of a scene, in world coordinates (LPS) for the core.

World coordinates are what Slicer shows: a node's own coordinates (RAS) after its parent transforms, which must be
linear.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import SimpleITK as sitk
import slicer
import vtk
from numpy.typing import NDArray
from vtk.util.numpy_support import get_vtk_array_type, vtk_to_numpy

from TumorGenCore.errors import InvalidBoxError, TumorGenError, UnsupportedVolumeError
from TumorGenCore.volumes.geometry import Box, Grid, ras_to_lps

__all__ = [
    "addBoxNode",
    "addVolumeNode",
    "boxInRas",
    "gridInWorld",
    "ijkToRas",
    "roiBox",
    "volumeAxesRas",
    "volumeGrid",
    "volumeImage",
    "voxelArray",
]

#: Largest cosine between two axes of a box. It is not 0, because transforms from files carry rounding errors.
_MAX_SHEAR = 1e-4
#: A direction matrix with a smaller determinant counts as flat, as in the core.
_MIN_DETERMINANT = 1e-3


def volumeGrid(volumeNode: Any) -> Grid:
    """Voxel grid of a scalar volume node in the world, LPS mm; the spacing includes the scale of its transforms.

    Raises:
        UnsupportedVolumeError: not a scalar volume with voxels, a non-linear transform, or a singular geometry.
    """
    shape = voxelArray(volumeNode).shape
    return gridInWorld(volumeNode, ijkToRas(volumeNode), shape)


def gridInWorld(node: Any, toNode: NDArray[np.float64], shape: tuple[int, ...]) -> Grid:
    """Voxel grid of a node in the world, LPS mm; the spacing includes the scale of its transforms.

    Args:
        node: node with the transforms.
        toNode: 4x4 matrix from indices to the node's own RAS mm.
        shape: number of voxels, (k, j, i).

    Raises:
        UnsupportedVolumeError: a non-linear transform, or a singular geometry.
    """
    matrix = _toWorld(node, UnsupportedVolumeError) @ toNode
    if not np.all(np.isfinite(matrix)):
        raise UnsupportedVolumeError("The volume's geometry or transform contains NaN or Inf; correct it.")
    columns = ras_to_lps(matrix[:3, :3].T).T
    spacing = np.linalg.norm(columns, axis=0)
    if spacing.min() <= 0 or abs(np.linalg.det(columns / spacing)) < _MIN_DETERMINANT:
        raise UnsupportedVolumeError(
            "The volume is flat: its geometry or its transform is singular. Correct its spacing, axes or transform."
        )
    k, j, i = shape
    direction = columns / spacing
    return Grid((i, j, k), _triple(spacing), _triple(ras_to_lps(matrix[:3, 3])), _rows(direction))


def volumeImage(volumeNode: Any) -> sitk.Image:
    """Copies the voxels of a volume node into an image in the world (LPS), with the node's pixel type.

    Raises:
        UnsupportedVolumeError: as ``volumeGrid``.
    """
    return volumeGrid(volumeNode).image_from_array(voxelArray(volumeNode))


def voxelArray(volumeNode: Any) -> NDArray:
    """Voxels of a volume node, (k, j, i), as a view of its memory.

    Raises:
        UnsupportedVolumeError: not a scalar volume, a label map, or no voxels.
    """
    if volumeNode is None or not volumeNode.IsA("vtkMRMLScalarVolumeNode"):
        raise UnsupportedVolumeError("This is not a scalar volume; choose a PET volume.")
    if volumeNode.IsA("vtkMRMLLabelMapVolumeNode"):
        raise UnsupportedVolumeError("The volume is a label map; choose a PET volume.")
    image = volumeNode.GetImageData()
    scalars = image.GetPointData().GetScalars() if image is not None else None
    if scalars is None or scalars.GetNumberOfTuples() == 0:
        raise UnsupportedVolumeError("The volume has no voxels; load its image first.")
    if scalars.GetNumberOfComponents() != 1:
        raise UnsupportedVolumeError(
            f"The volume has {scalars.GetNumberOfComponents()} values per voxel; TumorGen needs one. "
            "Extract one component first."
        )
    return vtk_to_numpy(scalars).reshape(image.GetDimensions()[::-1])


def ijkToRas(volumeNode: Any) -> NDArray[np.float64]:
    """4x4 matrix from a volume's indices to its own RAS mm, without its transforms."""
    matrix = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def volumeAxesRas(volumeNode: Any) -> NDArray[np.float64]:
    """3x3 matrix whose orthonormal columns are nearest to the directions of i, j, k in the world, RAS."""
    return _nearestRotation(ras_to_lps(np.asarray(volumeGrid(volumeNode).direction).T).T)


def roiBox(roiNode: Any) -> Box:
    """Box of a markups ROI node in the world, LPS; its size includes the scale of its transforms.

    Raises:
        InvalidBoxError: not a box ROI, not placed yet, inside out, a non-linear transform, or one that shears it.
    """
    if roiNode is None or not roiNode.IsA("vtkMRMLMarkupsROINode"):
        raise InvalidBoxError("This is not an ROI box; place an ROI of the Markups module.")
    if roiNode.GetROIType() not in (roiNode.ROITypeBox, roiNode.ROITypeBoundingBox):
        raise InvalidBoxError(f"The ROI has the type {roiNode.GetROITypeAsString(roiNode.GetROIType())}, not Box.")
    if roiNode.GetInsideOut():
        raise InvalidBoxError("The box is inside out; turn 'Inside out' off in the Markups module.")
    if min(roiNode.GetSize()) <= 0:
        raise InvalidBoxError("The box has no size yet; finish placing it, or draw it larger.")
    toNode = slicer.util.arrayFromVTKMatrix(roiNode.GetObjectToNodeMatrix())
    matrix = _toWorld(roiNode, InvalidBoxError) @ toNode
    scale = np.linalg.norm(matrix[:3, :3], axis=0)
    if not np.all(np.isfinite(matrix)) or scale.min() <= 0:
        raise InvalidBoxError("The box's transform is singular or not finite; correct it or remove it from the box.")
    axes = matrix[:3, :3] / scale
    if np.abs(axes.T @ axes - np.eye(3)).max() > _MAX_SHEAR:
        raise InvalidBoxError("The transform of the box shears it, so it is no longer a box; remove the shear.")
    return Box.from_ras(matrix[:3, 3], np.asarray(roiNode.GetSize()) * scale, _nearestRotation(axes))


def boxInRas(box: Box) -> tuple[NDArray[np.float64], Sequence[float], NDArray[np.float64]]:
    """Center (RAS mm), edges (mm) and axes (columns, RAS) of a box; the inverse of ``Box.from_ras``."""
    return ras_to_lps(box.center_lps), box.size_mm, ras_to_lps(np.asarray(box.axes).T).T


def addBoxNode(
    scene: Any, name: str, centerRas: Sequence[float] | NDArray, sizeMm: Sequence[float], axesRas: NDArray[np.float64]
) -> Any:
    """Adds an ROI node: a box in the world, RAS mm; the columns of ``axesRas`` are its axes."""
    matrix = np.eye(4)
    matrix[:3, :3] = axesRas
    matrix[:3, 3] = centerRas
    roiNode = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", name)
    roiNode.CreateDefaultDisplayNodes()
    roiNode.SetSize(*(float(edge) for edge in sizeMm))
    roiNode.SetAndObserveObjectToNodeMatrix(slicer.util.vtkMatrixFromArray(matrix))
    return roiNode


def addVolumeNode(scene: Any, name: str, image: sitk.Image) -> Any:
    """Adds a scalar volume node with a 3D scalar image (LPS), in the pixel type of the image."""
    voxels = sitk.GetArrayViewFromImage(image)
    data = vtk.vtkImageData()
    data.SetDimensions(image.GetSize())
    data.AllocateScalars(get_vtk_array_type(voxels.dtype), 1)
    vtk_to_numpy(data.GetPointData().GetScalars()).reshape(voxels.shape)[:] = voxels
    lpsToRas = np.diag([-1.0, -1.0, 1.0, 1.0])
    matrix = lpsToRas @ Grid.from_image(image).index_to_lps_matrix
    volumeNode = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    volumeNode.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(matrix))
    volumeNode.SetAndObserveImageData(data)
    return volumeNode


def _toWorld(node: Any, error: type[TumorGenError]) -> NDArray[np.float64]:
    """4x4 matrix from a node's own RAS to that of the world."""
    transformNode = node.GetParentTransformNode()
    if transformNode is None:
        return np.eye(4)
    if not transformNode.IsTransformToWorldLinear():
        what = "box" if error is InvalidBoxError else "volume"
        raise error(
            f"The {what} is under a non-linear transform, which bends it; harden it on a resampled volume or remove it."
        )
    matrix = vtk.vtkMatrix4x4()
    transformNode.GetMatrixTransformToWorld(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def _nearestRotation(axes: NDArray[np.float64]) -> NDArray[np.float64]:
    """The orthonormal matrix nearest to ``axes``; it may mirror."""
    left, _, right = np.linalg.svd(axes)
    return left @ right


def _triple(values: NDArray) -> tuple[float, float, float]:
    a, b, c = (float(value) for value in values)
    return (a, b, c)


def _rows(matrix: NDArray) -> tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]:
    return (_triple(matrix[0]), _triple(matrix[1]), _triple(matrix[2]))
