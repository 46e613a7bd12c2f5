"""New nodes for a result: a synthetic volume, its segmentation and its soft mask, all of them or none."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import SimpleITK as sitk
import slicer
import vtk
from numpy.typing import NDArray
from vtk.util.numpy_support import vtk_to_numpy

from TumorGenCore.lesions.measures import LesionMeasures
from TumorGenCore.lesions.quality import QualityScore
from TumorGenCore.volumes.write import MASS_COLOR, MASS_TERMINOLOGY
from TumorGenSlicerLib.run.insertion import SegmentResult, VariantResult
from TumorGenSlicerLib.scene.geometry import ijkToRas, voxelArray

__all__ = [
    "InputSnapshot",
    "Variant",
    "addVariant",
    "allOrNothing",
    "copyDisplay",
    "newSegment",
    "removeNodes",
    "setVoxels",
    "tumorMask",
    "uniqueName",
]

#: Shown where the input has no display of its own: what nuclear medicine is used to, SUV 0 to 6.
_PET_COLORS = ("vtkMRMLPETProceduralColorNodePET-DICOM", "vtkMRMLColorTableNodeInvertedGrey")
_PET_WINDOW_SUV = 6.0


@dataclass
class Variant:
    """One synthetic volume in the scene.

    Args:
        volumeNode: the scan with its tumors.
        segmentationNode: one segment per box.
        softMaskNode: tumor probability, 0 to 1, if it was asked for.
        seed: of this variant.
        measures: SUV measures of all its tumors together.
        quality: of its poorest tumor.
        warnings: in plain words.
        seconds: it took to compute.
        partSeconds: of the first box, by the core's names of the parts.
        provenance: how it was made; the nodes carry it as attributes ``TumorGen.<key>`` too.
    """

    volumeNode: Any
    segmentationNode: Any
    softMaskNode: Any | None
    seed: int
    measures: LesionMeasures
    quality: QualityScore
    warnings: tuple[str, ...]
    seconds: float
    partSeconds: dict[str, float]
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def nodes(self) -> list[Any]:
        """The nodes, in the order they were added."""
        return [node for node in (self.volumeNode, self.segmentationNode, self.softMaskNode) if node is not None]


@dataclass(frozen=True)
class InputSnapshot:
    """What results take over from the input volume as it was when the run began; a sequence may have moved on since."""

    volumeNode: Any
    name: str
    ijkToRas: NDArray[np.float64]
    scalarType: int

    @classmethod
    def of(cls, volumeNode: Any) -> InputSnapshot:
        scalarType = volumeNode.GetImageData().GetPointData().GetScalars().GetDataType()
        return cls(volumeNode, volumeNode.GetName() or "PET", ijkToRas(volumeNode), scalarType)


def addVariant(scene: Any, source: InputSnapshot, result: VariantResult, segmentNames: Sequence[str]) -> Variant:
    """Add the nodes of one result beside the input; main thread only. Call it within ``allOrNothing``."""
    volumeNode = _addVolume(scene, source, result)
    segmentationNode = _addSegmentation(scene, source, volumeNode, result, segmentNames)
    softMaskNode = None
    if result.softMask is not None:
        softMaskNode = _addSoftMask(scene, source, volumeNode, result.softMask)
    variant = Variant(
        volumeNode=volumeNode,
        segmentationNode=segmentationNode,
        softMaskNode=softMaskNode,
        seed=result.seed,
        measures=result.measures,
        quality=result.quality,
        warnings=result.warnings,
        seconds=result.seconds,
        partSeconds=result.partSeconds,
        provenance=result.provenance,
    )
    for node in variant.nodes:
        _setProvenance(node, result.provenance)
        _placeBeside(scene, source.volumeNode, node)
    return variant


@contextmanager
def allOrNothing(scene: Any) -> Iterator[None]:
    """Take back every node that was added to the scene if the block fails."""
    before = {node.GetID() for node in scene.GetNodes()}
    try:
        yield
    except BaseException:
        for node in reversed([node for node in scene.GetNodes() if node.GetID() not in before]):
            scene.RemoveNode(node)
        raise


def removeNodes(scene: Any, nodes: Sequence[Any]) -> None:
    """Remove nodes with their display and storage nodes; those that are gone already are passed over."""
    for node in nodes:
        if not scene.IsNodePresent(node):
            continue
        own = [node.GetNthDisplayNode(n) for n in range(node.GetNumberOfDisplayNodes())]
        own += [node.GetNthStorageNode(n) for n in range(node.GetNumberOfStorageNodes())]
        scene.RemoveNode(node)
        for part in own:
            if part is not None and scene.IsNodePresent(part):
                scene.RemoveNode(part)


def tumorMask(variant: Variant) -> NDArray[np.uint8]:
    """All tumors of a variant on its volume's grid, (k, j, i), 0 or 1."""
    mask = np.zeros(voxelArray(variant.volumeNode).shape, dtype=np.uint8)
    segmentation = variant.segmentationNode.GetSegmentation()
    name = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    for n in range(segmentation.GetNumberOfSegments()):
        segment = segmentation.GetNthSegment(n)
        labelmap = segment.GetRepresentation(name)
        i, _, j, _, k, _ = labelmap.GetExtent()
        x, y, z = labelmap.GetDimensions()
        if min(x, y, z) > 0:
            labels = vtk_to_numpy(labelmap.GetPointData().GetScalars()).reshape(z, y, x)
            mask[k : k + z, j : j + y, i : i + x] |= labels == segment.GetLabelValue()
    return mask


def uniqueName(scene: Any, name: str) -> str:
    """``name``, with a number behind it where a node of the scene has that name already."""
    taken = {node.GetName() for node in scene.GetNodes()}
    number = 2
    unique = name
    while unique in taken:
        unique = f"{name} {number}"
        number += 1
    return unique


def _addVolume(scene: Any, source: InputSnapshot, result: VariantResult) -> Any:
    name = uniqueName(scene, f"{source.name} + tumor (seed {result.seed})")
    # A new node, not a clone: a clone would carry the DICOM identity of the scan, and a sequence's proxy role.
    node = _newVolume(scene, source, name)
    copyDisplay(scene, source.volumeNode, node, float(result.provenance["suv_factor"]))
    node.SetVoxelValueQuantity(_copyOf(source.volumeNode.GetVoxelValueQuantity()))
    node.SetVoxelValueUnits(_copyOf(source.volumeNode.GetVoxelValueUnits()))
    setVoxels(node, sitk.GetArrayViewFromImage(result.image), source.scalarType)
    return node


def _addSoftMask(scene: Any, source: InputSnapshot, volumeNode: Any, softMask: NDArray[np.float32]) -> Any:
    node = _newVolume(scene, source, uniqueName(scene, f"{volumeNode.GetName()} soft mask"))
    node.GetDisplayNode().SetWindowLevel(1.0, 0.5)
    setVoxels(node, softMask, vtk.VTK_FLOAT)
    return node


def _newVolume(scene: Any, source: InputSnapshot, name: str) -> Any:
    """A volume node where the input is, still without voxels.

    Its display comes first, and without automatic levels: their histogram of a whole body takes a second.
    """
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(source.ijkToRas))
    node.SetAndObserveTransformNodeID(source.volumeNode.GetTransformNodeID())
    node.CreateDefaultDisplayNodes()
    node.GetDisplayNode().AutoWindowLevelOff()
    node.GetDisplayNode().SetAutoThreshold(False)
    return node


def setVoxels(node: Any, voxels: NDArray, scalarType: int) -> None:
    """Give a volume node a copy of voxels (k, j, i) as its image, in a VTK scalar type."""
    image = vtk.vtkImageData()
    image.SetDimensions(voxels.shape[::-1])
    image.AllocateScalars(scalarType, 1)
    vtk_to_numpy(image.GetPointData().GetScalars()).reshape(voxels.shape)[:] = voxels
    node.SetAndObserveImageData(image)


def _copyOf(codedEntry: Any) -> Any:
    if codedEntry is None:
        return None
    copy = slicer.vtkCodedEntry()
    copy.Copy(codedEntry)
    return copy


def copyDisplay(scene: Any, inputNode: Any, node: Any, suvFactor: float) -> None:
    """Shown as the input is, so that before and after compare by eye; the tumor must not move the window."""
    display, original = node.GetDisplayNode(), inputNode.GetDisplayNode()
    if original is None:
        display.SetWindowLevel(_PET_WINDOW_SUV / suvFactor, _PET_WINDOW_SUV / suvFactor / 2)
        known = [color for color in _PET_COLORS if scene.GetNodeByID(color) is not None]
        if known:
            display.SetAndObserveColorNodeID(known[0])
        return
    display.SetWindowLevel(original.GetWindow(), original.GetLevel())
    display.SetAndObserveColorNodeID(original.GetColorNodeID())
    display.SetInterpolate(original.GetInterpolate())
    display.SetThreshold(original.GetLowerThreshold(), original.GetUpperThreshold())
    display.SetApplyThreshold(original.GetApplyThreshold())


def _addSegmentation(
    scene: Any, source: InputSnapshot, volumeNode: Any, result: VariantResult, segmentNames: Sequence[str]
) -> Any:
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", uniqueName(scene, f"{volumeNode.GetName()} mask"))
    node.CreateDefaultDisplayNodes()
    node.SetAndObserveTransformNodeID(source.volumeNode.GetTransformNodeID())
    node.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
    segmentation = node.GetSegmentation()
    for segment, name in zip(result.segments, segmentNames, strict=True):
        segmentation.AddSegment(newSegment(source.ijkToRas, segment, name))
    rule = slicer.vtkBinaryLabelmapToClosedSurfaceConversionRule
    segmentation.SetConversionParameter(rule.GetSmoothingFactorParameterName(), "0.5")
    node.CreateClosedSurfaceRepresentation()
    return node


def newSegment(ijkToRas: NDArray[np.float64], result: SegmentResult, name: str) -> Any:
    """A segment that holds its own crop of the volume's grid, so that no whole-body label map is made."""
    k, j, i = result.mask.shape
    x, y, z = result.startIjk
    labelmap = slicer.vtkOrientedImageData()
    labelmap.SetExtent(x, x + i - 1, y, y + j - 1, z, z + k - 1)
    labelmap.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
    vtk_to_numpy(labelmap.GetPointData().GetScalars()).reshape(result.mask.shape)[:] = result.mask
    labelmap.SetGeometryFromImageToWorldMatrix(slicer.util.vtkMatrixFromArray(ijkToRas))
    segment = slicer.vtkSegment()
    segment.SetName(name)
    segment.SetColor(*(float(part) for part in MASS_COLOR.split()))
    segment.SetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), MASS_TERMINOLOGY)
    segment.AddRepresentation(
        slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName(), labelmap
    )
    return segment


def _setProvenance(node: Any, provenance: Mapping[str, Any]) -> None:
    for key, value in provenance.items():
        node.SetAttribute(f"TumorGen.{key}", value if isinstance(value, str) else json.dumps(value))


def _placeBeside(scene: Any, inputNode: Any, node: Any) -> None:
    """Into the input's study. Items are made by Slicer's Qt plug-ins: without the application there are none."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    if hierarchy is None:
        return
    inputItem, item = hierarchy.GetItemByDataNode(inputNode), hierarchy.GetItemByDataNode(node)
    if inputItem and item:
        hierarchy.SetItemParent(item, hierarchy.GetItemParent(inputItem))
