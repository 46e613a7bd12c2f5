"""The CT of the same examination, with its pixels as they are and the synthetic patient in its header."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from TumorGenCore.dicom_study.identity import Identity
from TumorGenCore.dicom_study.kept_tags import keep_dates, keep_numbers, keep_terms, keep_times, keep_zone
from TumorGenCore.dicom_study.pet_header import new_object, shifted_study_date
from TumorGenCore.errors import InvalidRequestError, UnsupportedVolumeError
from TumorGenCore.volumes.dicom_files import files_of

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["CtSeries"]

_CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
_DESCRIPTION = "CT, unchanged by TumorGen; synthetic patient"

_NUMBERS = (
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "SliceLocation", "Rows"),
    *("Columns", "SamplesPerPixel", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "KVP"),
    *("PixelPaddingValue", "RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth", "AcquisitionNumber"),
)
_DATES, _TIMES = ("SeriesDate", "AcquisitionDate"), ("SeriesTime", "AcquisitionTime")
_POSITIONS = tuple(f"{gantry}{side}" for gantry in ("HF", "FF") for side in ("S", "P", "DL", "DR"))
_TERMS = {
    "PatientSex": ("M", "F", "O"),
    "PatientPosition": _POSITIONS,
    "PhotometricInterpretation": ("MONOCHROME1", "MONOCHROME2"),
    "RescaleType": ("HU", "US", "HU_MOD"),
    "LossyImageCompression": ("00", "01"),
}
#: Values of ImageType that are kept, at their place.
_IMAGE_TYPES = (("ORIGINAL", "DERIVED"), ("PRIMARY", "SECONDARY"), ("AXIAL",))
_UIDS = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")


@dataclass(frozen=True)
class CtSeries:
    """Files of a CT series that belongs to a PET series.

    Args:
        files: paths, sorted by the number of the slice.
    """

    files: tuple[Path, ...]

    @classmethod
    def in_folder(cls, folder: Path, frame: str) -> CtSeries:
        """Finds the CT series of a folder; other files are skipped.

        Args:
            folder: folder with one CT series.
            frame: FrameOfReferenceUID of the PET series.

        Raises:
            UnsupportedVolumeError: there is no CT series or several, or a file is damaged.
            InvalidRequestError: the CT has another frame of reference than the PET.
        """
        series: dict[str, list[tuple[int, Path]]] = defaultdict(list)
        frames = set()
        for path in files_of(folder):
            header = _read(path, [*_UIDS, "InstanceNumber"])
            if header is None or header.get("SOPClassUID") != _CT_IMAGE_STORAGE:
                continue
            frames.add(str(header.get("FrameOfReferenceUID", "")))
            series[str(header.get("SeriesInstanceUID"))].append((int(header.get("InstanceNumber") or 0), path))
        if len(series) != 1:
            raise UnsupportedVolumeError(
                f"{folder} holds {len(series)} CT series. Give the folder of one CT series, with a file for each slice."
            )
        if frames != {frame}:
            raise InvalidRequestError(
                f"The CT in {folder} has another FrameOfReferenceUID than the PET series, so nobody knows where it "
                "lies. Give the CT of the same examination, or no CT."
            )
        ((members,),) = (series.values(),)
        return cls(tuple(path for _, path in sorted(members)))

    def slices(self, identity: Identity) -> Iterator[Dataset]:
        """Yields each slice as a new object with the pixels of the file, compressed as they are.

        Raises:
            UnsupportedVolumeError: a file is damaged or has no pixels.
        """
        for k, path in enumerate(self.files):
            source = _read(path, None)
            if source is None or "PixelData" not in source:
                raise UnsupportedVolumeError(f"{path.name} of the CT series has no pixels. Copy the series again.")
            made = new_object(_CT_IMAGE_STORAGE, identity.uid("ct", k))
            made.file_meta.TransferSyntaxUID = source.file_meta.TransferSyntaxUID
            identity.stamp(made, *shifted_study_date(source, identity))
            made.ImageType = [
                next((word for word in source.get("ImageType", ())[n : n + 1] if word in words), words[0])
                for n, words in enumerate(_IMAGE_TYPES)
            ]
            made.Modality, made.SeriesInstanceUID = "CT", identity.uid("ct series")
            made.SeriesNumber, made.InstanceNumber, made.SeriesDescription = 4, k + 1, _DESCRIPTION
            made.Manufacturer = made.PositionReferenceIndicator = ""
            made.PatientSex = made.KVP = made.AcquisitionNumber = made.SliceThickness = made.PatientPosition = ""
            made.Laterality = ""
            made.SyntheticData = "NO"
            keep_numbers(source, made, _NUMBERS)
            keep_dates(source, made, _DATES, identity.days)
            keep_times(source, made, _TIMES)
            keep_zone(source, made)
            keep_terms(source, made, _TERMS)
            made.FrameOfReferenceUID = identity.frame_uid(str(source.FrameOfReferenceUID))
            made["PixelData"] = source["PixelData"]
            yield made


def _read(path: Path, tags: list[Any] | None) -> Dataset | None:
    """Reads a file with some of its tags, or all; None if it is no DICOM file."""
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    try:
        return dcmread(path, specific_tags=tags)
    except InvalidDicomError:
        return None
    except Exception as error:  # pydicom raises many kinds for damaged files
        raise UnsupportedVolumeError(
            f"{path.name} cannot be read as DICOM ({type(error).__name__}). Copy the series again."
        ) from error
