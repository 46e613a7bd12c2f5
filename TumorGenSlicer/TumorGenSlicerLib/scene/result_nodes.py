"""Adds the nodes of a result: synthetic volume, segmentation and soft mask; all of them or none."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk
import slicer
import vtk
from numpy.typing import NDArray
from vtk.util.numpy_support import vtk_to_numpy

from TumorGenCore.errors import InvalidRequestError
from TumorGenCore.insertion.segment import Segment
from TumorGenCore.insertion.summary import VariantSummary
from TumorGenCore.lesions.measures import LesionMeasures
from TumorGenCore.lesions.quality import QualityScore
from TumorGenCore.volumes.write import MASS_COLOR, MASS_TERMINOLOGY
from TumorGenSlicerLib.scene.geometry import ijkToRas, voxelArray

if TYPE_CHECKING:
    from TumorGenCore.insertion import variants
    from TumorGenCore.insertion.tumor import Tumor

__all__ = [
    "InputSnapshot",
    "Variant",
    "addVariant",
    "allOrNothing",
    "changeVariant",
    "copyDisplay",
    "newSegment",
    "removeNodes",
    "setVoxels",
    "storedProvenance",
    "tumorMask",
    "tumorMasks",
    "uniqueName",
]

#: Display if the input has none: the usual colors of nuclear medicine, SUV 0 to 6.
_PET_COLORS = ("vtkMRMLPETProceduralColorNodePET-DICOM", "vtkMRMLColorTableNodeInvertedGrey")
_PET_WINDOW_SUV = 6.0
_ATTRIBUTE = "TumorGen."


@dataclass(eq=False)
class Variant:
    """One synthetic volume in the scene.

    Args:
        volumeNode: the scan with its tumors.
        segmentationNode: one segment per box.
        softMaskNode: tumor probability, 0 to 1; None if the user did not ask for it.
        summary: its facts; the nodes also carry its provenance, as attributes ``TumorGen.<key>``.
        warnings: warnings in plain words.
        tumor: its tumor as it was grown, to change its uptake or mask; None if it has several, or a later run began.
        truth: what is known about each tumor, see ``truth_table``.
        inputId: ID of the node of the scan, which may be gone.
    """

    volumeNode: Any
    segmentationNode: Any
    softMaskNode: Any | None
    summary: VariantSummary
    warnings: tuple[str, ...]
    tumor: Tumor | None = None
    truth: tuple[dict[str, Any], ...] = ()
    inputId: str = ""

    @property
    def seed(self) -> int:
        """Seed of this variant."""
        return self.summary.seed

    @property
    def measures(self) -> LesionMeasures:
        """SUV measures of all its tumors together."""
        return self.summary.measures

    @property
    def quality(self) -> QualityScore:
        """Quality of its poorest tumor."""
        return self.summary.quality

    @property
    def provenance(self) -> dict[str, Any]:
        """How the variant was made."""
        return self.summary.provenance

    @property
    def nodes(self) -> list[Any]:
        """The nodes, in the order they were added."""
        return [node for node in (self.volumeNode, self.segmentationNode, self.softMaskNode) if node is not None]


@dataclass(frozen=True)
class InputSnapshot:
    """What results take over from the input at the start of the run; a sequence may show another volume at its end."""

    volumeNode: Any
    name: str
    ijkToRas: NDArray[np.float64]
    scalarType: int
    roiNodes: tuple[Any, ...] = ()

    @classmethod
    def of(cls, volumeNode: Any, roiNodes: Sequence[Any] = ()) -> InputSnapshot:
        """Takes a snapshot of the input.

        Args:
            volumeNode: volume of the run.
            roiNodes: boxes of the run.
        """
        scalarType = volumeNode.GetImageData().GetPointData().GetScalars().GetDataType()
        name = volumeNode.GetName() or "PET"
        return cls(volumeNode, name, ijkToRas(volumeNode), scalarType, tuple(roiNodes))

    @property
    def segmentNames(self) -> list[str]:
        """One name per box: "Tumor", or the names of the boxes if there are several."""
        nodes = self.roiNodes
        return ["Tumor"] if len(nodes) == 1 else [node.GetName() or "Tumor" for node in nodes]


def addVariant(scene: Any, source: InputSnapshot, made: variants.Variant, softMask: bool) -> Variant:
    """Adds the nodes of one result beside the input, all or none; main thread only.

    Args:
        scene: scene of the nodes.
        source: the input at the start of the run.
        made: the result.
        softMask: whether to add the soft mask.
    """
    with allOrNothing(scene):
        volumeNode = _addVolume(scene, source, made)
        segmentationNode = _addSegmentation(scene, source, volumeNode, made)
        softMaskNode = None
        if softMask:
            softMaskNode = _addSoftMask(scene, source, volumeNode, sitk.GetArrayViewFromImage(made.mask_probability))
        # A copy, which does not keep the whole volumes that the tumor has computed.
        tumor = replace(made.tumors[0]) if len(made.tumors) == 1 else None
        nodes = (volumeNode, segmentationNode, softMaskNode)
        inputId = source.volumeNode.GetID() or ""
        variant = Variant(*nodes, made.summary, made.warnings, tumor, made.truth, inputId)
        for node in variant.nodes:
            _setProvenance(node, made.provenance)
            _placeBeside(scene, source.volumeNode, node)
    return variant


def changeVariant(variant: Variant, made: variants.Variant) -> None:
    """Shows a variant with its one tumor changed: writes the voxels and the mask around its box, and the provenance.

    Args:
        variant: a variant in the scene.
        made: the same variant with its tumor changed.

    Raises:
        InvalidRequestError: the user has added or removed segments, or changed the size of the volume.
    """
    shown = variant.segmentationNode.GetSegmentation()
    size = made.tumors[0].prepared.grid.size_ijk
    if shown.GetNumberOfSegments() != 1 or variant.volumeNode.GetImageData().GetDimensions() != tuple(size):
        raise InvalidRequestError("The volume or the mask was edited since the run; make the tumor again.")
    (segment,) = made.segments
    pasted, summary = made.tumors[0].pasted, made.summary
    remarks = [line for line in variant.warnings if line not in variant.summary.warnings]  # about the whole run
    for node, values in ((variant.volumeNode, pasted.voxels), (variant.softMaskNode, pasted.probability)):
        if node is not None:
            voxelArray(node)[segment.region] = values
            slicer.util.arrayFromVolumeModified(node)
    labelmap = _labelmap(ijkToRas(variant.volumeNode), segment)
    with slicer.util.NodeModify(variant.segmentationNode):
        shown.GetNthSegment(0).AddRepresentation(_binaryLabelmap(), labelmap)
        variant.segmentationNode.RemoveClosedSurfaceRepresentation()
        variant.segmentationNode.CreateClosedSurfaceRepresentation()
    for node in variant.nodes:
        _setProvenance(node, summary.provenance)
    variant.summary, variant.tumor, variant.truth = summary, replace(made.tumors[0]), made.truth
    variant.warnings = (*made.warnings, *remarks)


@contextmanager
def allOrNothing(scene: Any) -> Iterator[None]:
    """Removes every node that the block added to the scene if the block fails."""
    before = {node.GetID() for node in scene.GetNodes()}
    try:
        yield
    except BaseException:
        for node in reversed([node for node in scene.GetNodes() if node.GetID() not in before]):
            scene.RemoveNode(node)
        raise


def removeNodes(scene: Any, nodes: Sequence[Any]) -> None:
    """Removes nodes with their display and storage nodes; skips nodes that are no longer in the scene."""
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
    nothing = np.zeros(voxelArray(variant.volumeNode).shape, dtype=np.uint8)
    return functools.reduce(np.bitwise_or, tumorMasks(variant), nothing)


def tumorMasks(variant: Variant) -> list[NDArray[np.uint8]]:
    """Each tumor of a variant on its volume's grid, (k, j, i), 0 or 1; a tumor that a later one replaced is empty."""
    shape = voxelArray(variant.volumeNode).shape
    segmentation = variant.segmentationNode.GetSegmentation()
    name = _binaryLabelmap()
    masks = []
    for n in range(segmentation.GetNumberOfSegments()):
        mask = np.zeros(shape, dtype=np.uint8)
        segment = segmentation.GetNthSegment(n)
        labelmap = segment.GetRepresentation(name)
        i, _, j, _, k, _ = labelmap.GetExtent()
        x, y, z = labelmap.GetDimensions()
        if min(x, y, z) > 0:
            labels = vtk_to_numpy(labelmap.GetPointData().GetScalars()).reshape(z, y, x)
            mask[k : k + z, j : j + y, i : i + x] = labels == segment.GetLabelValue()
        masks.append(mask)
    return masks


def uniqueName(scene: Any, name: str) -> str:
    """``name``, with a number behind it if a node of the scene has that name already."""
    taken = {node.GetName() for node in scene.GetNodes()}
    number = 2
    unique = name
    while unique in taken:
        unique = f"{name} {number}"
        number += 1
    return unique


def _addVolume(scene: Any, source: InputSnapshot, made: variants.Variant) -> Any:
    name = uniqueName(scene, f"{source.name} + tumor (seed {made.seed})")
    # A new node, not a clone: a clone would carry the DICOM identity of the scan, and a sequence's proxy role.
    node = _newVolume(scene, source, name)
    copyDisplay(scene, source.volumeNode, node, float(made.provenance["suv_factor"]))
    node.SetVoxelValueQuantity(_copyOf(source.volumeNode.GetVoxelValueQuantity()))
    node.SetVoxelValueUnits(_copyOf(source.volumeNode.GetVoxelValueUnits()))
    setVoxels(node, sitk.GetArrayViewFromImage(made.image), source.scalarType)
    return node


def _addSoftMask(scene: Any, source: InputSnapshot, volumeNode: Any, softMask: NDArray[np.float32]) -> Any:
    node = _newVolume(scene, source, uniqueName(scene, f"{volumeNode.GetName()} soft mask"))
    node.GetDisplayNode().SetWindowLevel(1.0, 0.5)
    setVoxels(node, softMask, vtk.VTK_FLOAT)
    return node


def _newVolume(scene: Any, source: InputSnapshot, name: str) -> Any:
    """Adds a volume node with the geometry of the input, but still without voxels.

    Its display comes before them and without automatic levels: their histogram of a whole body takes a second.
    """
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(source.ijkToRas))
    node.SetAndObserveTransformNodeID(source.volumeNode.GetTransformNodeID())
    node.CreateDefaultDisplayNodes()
    node.GetDisplayNode().AutoWindowLevelOff()
    node.GetDisplayNode().SetAutoThreshold(False)
    return node


def setVoxels(node: Any, voxels: NDArray, scalarType: int) -> None:
    """Gives a volume node a copy of voxels (k, j, i) as its image, in a VTK scalar type."""
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
    """Copies the display of the input, to compare before and after by eye; the tumor must not change the window."""
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


def _addSegmentation(scene: Any, source: InputSnapshot, volumeNode: Any, made: variants.Variant) -> Any:
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", uniqueName(scene, f"{volumeNode.GetName()} mask"))
    node.CreateDefaultDisplayNodes()
    node.SetAndObserveTransformNodeID(source.volumeNode.GetTransformNodeID())
    node.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
    segmentation = node.GetSegmentation()
    for segment, name in zip(made.segments, source.segmentNames, strict=True):
        segmentation.AddSegment(newSegment(source.ijkToRas, segment, name))
    rule = slicer.vtkBinaryLabelmapToClosedSurfaceConversionRule
    segmentation.SetConversionParameter(rule.GetSmoothingFactorParameterName(), "0.5")
    node.CreateClosedSurfaceRepresentation()
    return node


def newSegment(ijkToRas: NDArray[np.float64], made: Segment, name: str) -> Any:
    """Makes a segment with its own crop of the volume's grid, which avoids a whole-body label map."""
    segment = slicer.vtkSegment()
    segment.SetName(name)
    segment.SetColor(*(float(part) for part in MASS_COLOR.split()))
    segment.SetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), MASS_TERMINOLOGY)
    segment.AddRepresentation(_binaryLabelmap(), _labelmap(ijkToRas, made))
    return segment


def _binaryLabelmap() -> str:
    """Slicer's name of the representation as voxels."""
    name: str = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    return name


def _labelmap(ijkToRas: NDArray[np.float64], made: Segment) -> Any:
    k, j, i = made.mask.shape
    x, y, z = made.start_ijk
    labelmap = slicer.vtkOrientedImageData()
    labelmap.SetExtent(x, x + i - 1, y, y + j - 1, z, z + k - 1)
    labelmap.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
    vtk_to_numpy(labelmap.GetPointData().GetScalars()).reshape(made.mask.shape)[:] = made.mask
    labelmap.SetGeometryFromImageToWorldMatrix(slicer.util.vtkMatrixFromArray(ijkToRas))
    return labelmap


def _setProvenance(node: Any, provenance: Mapping[str, Any]) -> None:
    for key, value in provenance.items():
        node.SetAttribute(_ATTRIBUTE + key, value if isinstance(value, str) else json.dumps(value))


def storedProvenance(node: Any) -> dict[str, Any]:
    """Reads the record that a node of a result carries; the inverse of how it is stored, also in saved scenes.

    A text that is a JSON value too, such as the version 2, comes back as that value. The record is empty, or has no
    ``tumors``, if the node is not that of a result.
    """
    names = [name for name in node.GetAttributeNames() if name.startswith(_ATTRIBUTE)]
    return {name.removeprefix(_ATTRIBUTE): _value(node.GetAttribute(name)) for name in names}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _placeBeside(scene: Any, inputNode: Any, node: Any) -> None:
    """Moves a node into the input's study. Slicer's Qt plug-ins make the items, so plain Python has none."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    if hierarchy is None:
        return
    inputItem, item = hierarchy.GetItemByDataNode(inputNode), hierarchy.GetItemByDataNode(node)
    if inputItem and item:
        hierarchy.SetItemParent(item, hierarchy.GetItemParent(inputItem))
