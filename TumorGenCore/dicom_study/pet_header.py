"""Headers of the PET slices of a study, without pixels: from those of a DICOM series, or as little as DICOM allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from TumorGenCore.dicom_study.identity import Identity, stamp_equipment
from TumorGenCore.dicom_study.kept_codes import keep_injections, keep_orientation
from TumorGenCore.dicom_study.kept_tags import keep_dates, keep_numbers, keep_terms, keep_times, keep_zone, raw_values
from TumorGenCore.version import software_version
from TumorGenCore.volumes.dicom_seg import SERIES_DESCRIPTION
from TumorGenCore.volumes.geometry import Grid

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["SOURCE_TAGS", "decimal_text", "headers_of_grid", "headers_of_series", "new_object", "shifted_study_date"]

PET_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.128"

_PLANE = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "SliceLocation")
#: Weight, size and sex of the patient tell SUV by body weight and by lean mass.
_NUMBERS = (
    *(*_PLANE, "Rows", "Columns", "PatientWeight", "PatientSize"),
    *("FrameReferenceTime", "ActualFrameDuration", "DecayFactor"),
)
_DATES = ("SeriesDate", "AcquisitionDate")
_TIMES = ("SeriesTime", "AcquisitionTime")
#: Defined terms of PS3.3 C.8.9.
_TERMS = {
    "PatientSex": ("M", "F", "O"),
    "CorrectedImage": (*("DECY", "ATTN", "SCAT", "DTIM", "MOTN", "PMOT", "CLN", "RAN", "RADL", "DCAL", "NORM"),),
    "DecayCorrection": ("NONE", "START", "ADMIN"),
    "CountsSource": ("EMISSION", "TRANSMISSION"),
    "RandomsCorrectionMethod": ("NONE", "DLYD", "SING"),
    "CollimatorType": ("NONE", "RING"),
    "LossyImageCompression": ("00", "01"),
}
#: Tags of the source that ``headers_of_series`` reads.
SOURCE_TAGS: list[Any] = [
    *(*_NUMBERS, *_DATES, *_TIMES, *_TERMS),
    *("Units", "StudyDate", "StudyTime", "TimezoneOffsetFromUTC", "FrameOfReferenceUID", "PatientPosition"),
    *("RadiopharmaceuticalInformationSequence", "PatientOrientationCodeSequence"),
    *("PatientOrientationModifierCodeSequence", "PatientGantryRelationshipCodeSequence"),
]


def headers_of_series(
    slices: Sequence[Dataset], identity: Identity, units: str, provenance: Mapping[str, Any]
) -> list[Dataset]:
    """Returns new headers in place of those of a series, in their order; only what the white list names comes along.

    Args:
        slices: headers of the series with ``SOURCE_TAGS``, sorted.
        identity: identity of the study.
        units: BQML or GML.
        provenance: record of the result.
    """
    headers = []
    for k, source in enumerate(slices):
        header = _new_header(identity, provenance, k, len(slices), units)
        dates = shifted_study_date(source, identity)
        identity.stamp(header, *dates)
        keep_numbers(source, header, _NUMBERS)
        keep_dates(source, header, _DATES, identity.days)
        keep_times(source, header, _TIMES)
        keep_zone(source, header)
        keep_terms(source, header, _TERMS)
        keep_injections(source, header, identity.days)
        keep_orientation(source, header)
        header.FrameOfReferenceUID = identity.frame_uid("".join(raw_values(source, "FrameOfReferenceUID")))
        headers.append(header)
    return headers


def headers_of_grid(grid: Grid, identity: Identity, provenance: Mapping[str, Any]) -> list[Dataset]:
    """Returns headers for a volume in SUV of which nothing else is known: neither weight, dose nor tracer.

    SUV are by their definition corrected for attenuation and for decay since the injection, and the header says so. The
    series needs a date (PS3.3 C.8.9.1 Type 1): that is when the study was made.

    Args:
        grid: grid of the volume, with perpendicular axes.
        identity: identity of the study.
        provenance: record of the result.
    """
    axes, (across, down, thick) = np.array(grid.direction).T, grid.spacing_mm
    headers = []
    for k in range(grid.size_ijk[2]):
        header = _new_header(identity, provenance, k, grid.size_ijk[2], "GML")
        identity.stamp(header)
        header.SeriesDate = identity.created.strftime("%Y%m%d")
        header.SeriesTime = identity.created.strftime("%H%M%S")
        header.CorrectedImage, header.DecayCorrection = ["ATTN", "DECY"], "ADMIN"
        header.DecayFactor = "1"
        header.ImagePositionPatient = [decimal_text(v) for v in grid.index_to_lps((0, 0, k))]
        header.ImageOrientationPatient = [decimal_text(v, 12) for v in axes[:2].ravel()]
        header.PixelSpacing = [decimal_text(down), decimal_text(across)]
        header.SliceThickness = decimal_text(thick)
        header.Columns, header.Rows = grid.size_ijk[:2]
        header.FrameOfReferenceUID = identity.frame_uid("")
        headers.append(header)
    return headers


def decimal_text(value: float, digits: int = 6) -> str:
    """Returns a number as DICOM text (DS), with at most 16 characters."""
    from pydicom.valuerep import format_number_as_ds

    text = f"{value:.{digits}f}".rstrip("0").rstrip(".")
    text = "0" if text == "-0" else text
    return text if len(text) <= 16 else str(format_number_as_ds(value))


def new_object(sop_class: str, uid: str) -> Dataset:
    """Returns an empty object of a class, in explicit VR little endian."""
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import UID, ExplicitVRLittleEndian

    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = UID(sop_class), UID(uid)
    made.file_meta = FileMetaDataset()
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return made


def shifted_study_date(source: Dataset, identity: Identity) -> tuple[str, str]:
    """Returns date and time of the study of a scan, the date moved; empty if nobody knows them."""
    from pydicom import Dataset

    moved = Dataset()
    keep_dates(source, moved, ("StudyDate",), identity.days)
    keep_times(source, moved, ("StudyTime",))
    return str(moved.get("StudyDate", "")), str(moved.get("StudyTime", ""))


def _new_header(identity: Identity, provenance: Mapping[str, Any], k: int, count: int, units: str) -> Dataset:
    """What every slice says, and empty values where PET demands a tag (PS3.3 A.21, C.8.9; type 2)."""
    header = new_object(PET_IMAGE_STORAGE, identity.uid("pet", k))
    stamp_equipment(header, provenance)
    identity.stamp_creation(header)
    header.ImageType = ["DERIVED", "PRIMARY"]
    header.DerivationDescription = f"Synthetic tumor inserted by TumorGen {software_version()}; not for diagnosis"
    header.Modality, header.SeriesInstanceUID = "PT", identity.uid("pet series")
    header.SeriesNumber, header.InstanceNumber, header.ImageIndex = 1, k + 1, k + 1
    header.SeriesDescription = SERIES_DESCRIPTION
    header.PatientSex = header.PatientWeight = header.SliceThickness = header.PositionReferenceIndicator = ""
    header.AcquisitionDate = header.AcquisitionTime = header.CorrectedImage = header.CollimatorType = ""
    header.Laterality = ""
    header.ActualFrameDuration = None
    header.RadiopharmaceuticalInformationSequence = []
    header.PatientOrientationCodeSequence = header.PatientGantryRelationshipCodeSequence = []
    header.SeriesType, header.NumberOfSlices = ["STATIC", "IMAGE"], count
    header.CountsSource, header.FrameReferenceTime = "EMISSION", "0"
    header.Units = units
    if units == "GML":
        header.SUVType = "BW"
    return header
