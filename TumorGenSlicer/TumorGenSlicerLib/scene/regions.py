"""Regions of a scene, such as an organ, as voxels of a volume."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import SimpleITK as sitk
import slicer
import vtk
from numpy.typing import NDArray
from vtk.util.numpy_support import vtk_to_numpy

from TumorGenCore.errors import InvalidRequestError, UnsupportedVolumeError
from TumorGenSlicerLib.scene.geometry import gridInWorld, ijkToRas, volumeGrid

__all__ = ["regionName", "regionVoxels"]


def regionVoxels(regionNode: Any, volumeNode: Any, region: str = "") -> NDArray[np.bool_]:
    """Voxels of a region, (k, j, i) on the grid of a volume; the label of the nearest voxel counts.

    Args:
        regionNode: segmentation node or labelmap node.
        volumeNode: scalar volume node.
        region: name or ID of a segment, or number of a label; empty takes all together.

    Raises:
        UnsupportedVolumeError: the node is neither of both, or a geometry cannot be used.
        InvalidRequestError: there is no such region.
    """
    grid = volumeGrid(volumeNode)
    whole = np.zeros(grid.size_ijk[::-1], dtype=bool)
    for inside, toNode in _parts(regionNode, region):
        part = gridInWorld(regionNode, toNode, inside.shape)
        # Only the voxels around the part are resampled, because an organ is small in a whole body.
        corners = grid.lps_to_index(part.corners_lps)
        start = np.clip(np.floor(corners.min(axis=0)), 0, grid.size_ijk).astype(int)
        stop = np.clip(np.ceil(corners.max(axis=0)) + 1, 0, grid.size_ijk).astype(int)
        if np.any(stop <= start):
            continue
        onGrid = sitk.Resample(
            part.image_from_array(inside.astype(np.uint8)),
            grid.region(start, stop - start).empty_image(sitk.sitkUInt8),
            sitk.Transform(),
            sitk.sitkNearestNeighbor,
        )
        block = tuple(slice(a, b) for a, b in zip(start[::-1], stop[::-1], strict=True))
        whole[block] |= sitk.GetArrayViewFromImage(onGrid) > 0
    return whole


def regionName(regionNode: Any, region: str) -> str:
    """Name of a region that is given as ``regionVoxels`` takes it; that of a segment may be given by its ID."""
    if regionNode is None or not regionNode.IsA("vtkMRMLSegmentationNode"):
        return region
    segment = regionNode.GetSegmentation().GetSegment(region)
    return region if segment is None else str(segment.GetName())


def _parts(regionNode: Any, region: str) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.float64]]]:
    """Yields voxels of the region, (k, j, i), each with the 4x4 matrix from their indices to the RAS of the node."""
    if regionNode is not None and regionNode.IsA("vtkMRMLSegmentationNode"):
        yield from _segments(regionNode.GetSegmentation(), region)
    elif regionNode is not None and regionNode.IsA("vtkMRMLLabelMapVolumeNode") and regionNode.GetImageData():
        labels = _labels(regionNode.GetImageData())
        if region and not region.isdecimal():
            raise InvalidRequestError(f"The label {region!r} is no number; give the number of a label.")
        yield (labels == int(region) if region else labels > 0), ijkToRas(regionNode)
    else:
        raise UnsupportedVolumeError("The reference is no segmentation and no label map; choose one of them.")


def _segments(segmentation: Any, wanted: str) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.float64]]]:
    every = [segmentation.GetNthSegmentID(n) for n in range(segmentation.GetNumberOfSegments())]
    names = {ID: segmentation.GetSegment(ID).GetName() for ID in every}
    chosen = [ID for ID, name in names.items() if wanted in ("", ID, name)]
    if not chosen:
        raise InvalidRequestError(f"There is no segment {wanted!r}; there are {', '.join(names.values()) or 'none'}.")
    kind = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    segmentation.CreateRepresentation(kind)
    for ID in chosen:
        segment = segmentation.GetSegment(ID)
        labelmap = segment.GetRepresentation(kind)
        if labelmap is None or min(labelmap.GetDimensions()) < 1:
            continue
        matrix = vtk.vtkMatrix4x4()
        labelmap.GetImageToWorldMatrix(matrix)
        first = np.eye(4)
        first[:3, 3] = labelmap.GetExtent()[::2]
        yield _labels(labelmap) == segment.GetLabelValue(), slicer.util.arrayFromVTKMatrix(matrix) @ first


def _labels(image: Any) -> NDArray:
    return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(image.GetDimensions()[::-1])
