"""The RT Structure Set of a study: outlines of the tumors on the slices of its PET series.

For planning systems and viewers that show no segmentation. PS3.3 A.19.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from TumorGenCore.dicom_study.identity import Identity, stamp_equipment
from TumorGenCore.dicom_study.outlines import outlines
from TumorGenCore.dicom_study.pet_header import decimal_text, new_object
from TumorGenCore.volumes.dicom_seg import SERIES_DESCRIPTION

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["structure_set", "tumor_names"]

_STORAGE = "1.2.840.10008.5.1.4.1.1.481.3"
#: Class of the study that RTReferencedStudySequence names; retired, but the sequence demands one.
_STUDY_CLASS = "1.2.840.10008.3.1.2.3.1"
_COLORS = (["255", "0", "0"], ["255", "160", "0"], ["255", "0", "255"], ["0", "160", "255"])


def tumor_names(masks: Sequence[sitk.Image]) -> list[str]:
    """Returns the names of the tumors in segmentation and structure set."""
    return [f"synthetic tumor {number}" for number in range(1, len(masks) + 1)]


def structure_set(
    masks: Sequence[sitk.Image], headers: Sequence[Dataset], identity: Identity, provenance: Mapping[str, Any]
) -> Dataset:
    """Returns the structure set of the masks, one region of interest (ROI) each.

    Args:
        masks: masks on the grid of the slices, not empty.
        headers: headers of the new PET series.
        identity: identity of the study.
        provenance: record of the result.
    """
    first = headers[0]
    made = new_object(_STORAGE, identity.uid("structure set"))
    identity.stamp(made, first.StudyDate, first.StudyTime)
    identity.stamp_creation(made)
    stamp_equipment(made, provenance)
    made.PatientSex = first.PatientSex
    made.Modality, made.SeriesInstanceUID = "RTSTRUCT", identity.uid("structure set series")
    made.SeriesNumber, made.InstanceNumber, made.SeriesDescription = 3, 1, SERIES_DESCRIPTION
    made.OperatorsName = made.PositionReferenceIndicator = ""
    made.FrameOfReferenceUID = first.FrameOfReferenceUID
    made.StructureSetLabel, made.StructureSetName = "SYNTHETIC", SERIES_DESCRIPTION
    made.StructureSetDate, made.StructureSetTime = made.InstanceCreationDate, made.InstanceCreationTime
    made.ReferencedFrameOfReferenceSequence = [_referenced_frame(headers)]
    made.StructureSetROISequence, made.ROIContourSequence, made.RTROIObservationsSequence = [], [], []
    for number, (mask, name) in enumerate(zip(masks, tumor_names(masks), strict=True), start=1):
        made.StructureSetROISequence.append(
            _item(
                ROINumber=number,
                ReferencedFrameOfReferenceUID=first.FrameOfReferenceUID,
                ROIName=name,
                ROIGenerationAlgorithm="AUTOMATIC",
            )
        )
        made.ROIContourSequence.append(
            _item(
                ReferencedROINumber=number,
                ROIDisplayColor=_COLORS[(number - 1) % len(_COLORS)],
                ContourSequence=list(_contours(mask, headers)),
            )
        )
        made.RTROIObservationsSequence.append(
            _item(ObservationNumber=number, ReferencedROINumber=number, RTROIInterpretedType="GTV", ROIInterpreter="")
        )
    made.ApprovalStatus = "UNAPPROVED"
    return made


def _contours(mask: sitk.Image, headers: Sequence[Dataset]) -> Iterator[Dataset]:
    voxels = sitk.GetArrayViewFromImage(mask)
    for k in np.flatnonzero(voxels.any(axis=(1, 2))).tolist():
        for polygon in outlines(voxels[k]):
            points = _on_slice(polygon, headers[k])
            yield _item(
                ContourImageSequence=[_image(headers[k])],
                ContourGeometricType="CLOSED_PLANAR",
                NumberOfContourPoints=len(points),
                ContourData=[decimal_text(value) for value in points.ravel()],
            )


def _on_slice(polygon: NDArray[np.float64], header: Dataset) -> NDArray[np.float64]:
    """Returns LPS points in mm, shape (n, 3), of fractional indices i, j in a slice."""
    row, column = np.array(header.ImageOrientationPatient, dtype=float).reshape(2, 3)
    down, across = (float(edge) for edge in header.PixelSpacing)
    origin = np.array(header.ImagePositionPatient, dtype=float)
    return origin + polygon[:, :1] * across * row + polygon[:, 1:] * down * column


def _referenced_frame(headers: Sequence[Dataset]) -> Dataset:
    series = _item(
        SeriesInstanceUID=headers[0].SeriesInstanceUID,
        ContourImageSequence=[_image(header) for header in headers],
    )
    study = _item(
        ReferencedSOPClassUID=_STUDY_CLASS,
        ReferencedSOPInstanceUID=headers[0].StudyInstanceUID,
        RTReferencedSeriesSequence=[series],
    )
    return _item(FrameOfReferenceUID=headers[0].FrameOfReferenceUID, RTReferencedStudySequence=[study])


def _image(header: Dataset) -> Dataset:
    return _item(ReferencedSOPClassUID=header.SOPClassUID, ReferencedSOPInstanceUID=header.SOPInstanceUID)


def _item(**elements: Any) -> Dataset:
    from pydicom import Dataset

    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return item
