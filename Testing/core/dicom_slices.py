"""Writes slices of a DICOM PET series like a scanner; also an oblique direction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

PET_STORAGE = "1.2.840.10008.5.1.4.1.1.128"


def rotation(x: float, y: float, z: float) -> np.ndarray:
    """Rotation about x, then y, then z; degrees."""
    transform = sitk.Euler3DTransform()
    transform.SetRotation(*np.radians([x, y, z]))
    return np.reshape(transform.GetMatrix(), (3, 3))


RIGHT_HANDED = rotation(12, -25, 40)


def write_slice(path: Path, height: float, stored: int, slope: float, series: str, **tags) -> None:
    """Writes one 4x3 PET slice in GML; ``tags`` replaces values of the header."""
    header = pydicom.Dataset()
    header.SOPClassUID = PET_STORAGE
    header.SOPInstanceUID = generate_uid()
    header.SeriesInstanceUID = series
    header.Modality = "PT"
    header.PatientName = "DOE^JANE"
    header.Units = "GML"
    header.CorrectedImage = ["ATTN", "DECY"]
    header.Rows, header.Columns = 3, 4
    header.PixelSpacing = [2.5, 2.0]
    header.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    header.ImagePositionPatient = [-10.0, 20.0, height]
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = 16, 16, 15, 1
    header.RescaleSlope, header.RescaleIntercept = slope, 0
    header.PixelData = np.full((3, 4), stored, dtype=np.int16).tobytes()
    for keyword, value in tags.items():
        setattr(header, keyword, value)
    header.file_meta = FileMetaDataset()
    header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.save_as(path, enforce_file_format=True)


def disagreeing_clocks() -> dict[str, Any]:
    """Tags of a slice in Bq/mL, with two times of the injection: 60 min before the scan, or 9 h."""
    injection = pydicom.Dataset()
    injection.RadionuclideTotalDose, injection.RadionuclideHalfLife = "350000000", "6588"
    injection.RadiopharmaceuticalStartTime, injection.RadiopharmaceuticalStartDateTime = "120000", "20200102040000"
    return {
        "Units": "BQML",
        "DecayCorrection": "START",
        "PatientWeight": "70",
        "SeriesDate": "20200102",
        "AcquisitionDate": "20200102",
        "SeriesTime": "130000",
        "AcquisitionTime": "130000",
        "RadiopharmaceuticalInformationSequence": [injection],
        "RescaleSlope": "1000",
    }
