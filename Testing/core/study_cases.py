"""A made DICOM PET series whose header is full of a person, a result in it, and readers of a study."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import SimpleITK as sitk
from dicom_slices import write_slice
from pydicom.uid import generate_uid

from TumorGenCore.volumes.volume import PetVolume

SIZE = (14, 12, 9)  # i, j, k
STUDY, FRAME = "1.2.840.4711.1", "1.2.840.4711.2"

#: Texts that must stay behind, each in a tag of its own. Dates and UIDs are canaries too.
CANARIES = {
    "PatientName": "CANARY01^JANE", "PatientID": "CANARY02", "OtherPatientNames": "CANARY03^NEE",
    "PatientBirthDate": "19510203", "PatientAddress": "CANARY04 STREET", "PatientComments": "CANARY05 COMMENT",
    "AccessionNumber": "CANARY06", "StudyID": "CANARY07", "StudyDescription": "CANARY08 STUDY",
    "SeriesDescription": "CANARY09 SERIES", "ReferringPhysicianName": "CANARY10^GREGORY",
    "OperatorsName": "CANARY11^OPERATOR", "InstitutionName": "CANARY12 HOSPITAL", "StationName": "CANARY13",
    "ProtocolName": "CANARY14 PROTOCOL", "Manufacturer": "CANARY15 WORKS", "DeviceSerialNumber": "CANARY16",
    "ReconstructionMethod": "CANARY17", "AttenuationCorrectionMethod": "CANARY18", "ImageComments": "CANARY19",
    "BodyPartExamined": "CANARY20", "CountsSource": "CANARY21", "PositionReferenceIndicator": "CANARY22",
    "StudyInstanceUID": STUDY, "FrameOfReferenceUID": FRAME,
    "StudyDate": "20200102", "SeriesDate": "20200102", "AcquisitionDate": "20200103", "ContentDate": "20200104",
    "PatientAge": "093Y",
}  # fmt: skip
#: What stands in nested sequences and private tags.
NESTED = ("CANARY30", "CANARY31", "CANARY32", "CANARY33", "CANARY34", "CANARY35", "20200102113000")


def injection() -> pydicom.Dataset:
    """An injection 90 minutes before the scan, with texts of the hospital."""
    item = pydicom.Dataset()
    item.RadionuclideTotalDose, item.RadionuclideHalfLife = "350000000", "6588"
    item.RadiopharmaceuticalStartTime, item.RadiopharmaceuticalStartDateTime = "113000", NESTED[-1]
    item.Radiopharmaceutical = "FDG CANARY30"
    code = pydicom.Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "C-111A1", "SRT", "CANARY31 18F"
    item.RadionuclideCodeSequence = [code]
    return item


def some_real_slices(shared_data: Path, folder: Path) -> Path:
    """Copies a fifth of a real series, from two bed positions, into a folder."""
    folder.mkdir()
    for path in (shared_data / "dicom" / "CCTH-A01").glob("1-1[0-4]*.dcm"):
        shutil.copy(path, folder)
    return folder


def write_series(folder: Path, axes: np.ndarray | None = None, size: tuple[int, int, int] = SIZE, **tags: Any) -> Path:
    """Writes axial slices of 4 mm voxels in Bq/mL, 5 mm apart, each with a slope of its own and all canaries."""
    folder.mkdir(parents=True, exist_ok=True)
    axes = np.eye(3) if axes is None else axes
    rng = np.random.default_rng(1)
    series = generate_uid()
    order = pydicom.Dataset()
    order.ScheduledProcedureStepDescription = "CANARY32 STEP"
    lying = pydicom.Dataset()
    lying.CodeValue, lying.CodingSchemeDesignator, lying.CodeMeaning = "F-10450", "SRT", "CANARY33"
    for k in range(size[2]):
        path = folder / f"{k * 5 % size[2]}.dcm"
        where = axes[:, 2] * 5.0 * k + [-12.0, -30.0, 400.0]
        pixels = rng.integers(0, 30000, size[1::-1], dtype=np.int16)
        pixels[0, 0] = 32767
        header = {
            **CANARIES, "Units": "BQML", "DecayCorrection": "START", "PatientWeight": "70", "PatientSize": "1.8",
            "PatientSex": "F", "SeriesTime": "130000", "AcquisitionTime": f"13{k:02}00", "StudyTime": "125900",
            "AcquisitionDate": "20200102", "RadiopharmaceuticalInformationSequence": [injection()],
            "DecayFactor": "1.1", "SliceThickness": "5", "InstanceNumber": k + 1, "NumberOfSlices": size[2],
            "SeriesType": ["WHOLE BODY", "IMAGE"], "FrameReferenceTime": "0", "ActualFrameDuration": "60000",
            "RequestAttributesSequence": [order], "PatientOrientationCodeSequence": [lying],
            "Columns": size[0], "Rows": size[1], "PixelSpacing": ["4", "4"],
            "ImageOrientationPatient": [f"{v:.9f}" for v in axes[:, :2].T.ravel()],
            "ImagePositionPatient": [f"{v:.6f}" for v in where], "PixelData": pixels.tobytes(),
            "RescaleSlope": f"{0.5 + 0.1 * k:.6f}", **tags,
        }  # fmt: skip
        write_slice(path, 0, 0, 1.0, series, **header)
        made = pydicom.dcmread(path)
        block = made.private_block(0x0011, "CANARY34 WORKS", create=True)
        block.add_new(0x01, "LO", "CANARY35")
        made.save_as(path)
    return folder


def a_result(volume: PetVolume, *masks: np.ndarray) -> tuple[sitk.Image, list[sitk.Image]]:
    """The volume with 1.5 times its maximum in the masks, and the masks as images."""
    values = sitk.GetArrayFromImage(volume.image)
    for mask in masks:
        values[mask > 0] = 1.5 * values.max()

    def on_grid(array: np.ndarray) -> sitk.Image:
        image = sitk.GetImageFromArray(array)
        image.CopyInformation(volume.image)
        return image

    return on_grid(values), [on_grid(mask) for mask in masks]


def a_lump(shape_kji: tuple[int, ...]) -> np.ndarray:
    """A solid lump without symmetry in three slices in the middle."""
    k, j, i = (n // 2 for n in shape_kji)
    mask = np.zeros(shape_kji, dtype=np.uint8)
    mask[k - 1 : k + 2, j - 2 : j + 2, i - 3 : i + 2] = 1
    mask[k + 1, j - 2, i - 3 : i] = 0
    return mask


def record(volume: PetVolume) -> dict[str, Any]:
    """The part of a provenance that a study reads."""
    return {
        "synthetic": True, "tumors": [{"seed": 7}], "request": {"steps": 10},
        "bundle_name": "tiny", "bundle_version": "0.1", "bundle_hash": "ab" * 32,
        "suv_factor": volume.units.suv_factor, "suv_factor_source": volume.units.source,
        "input_units": volume.units.name,
    }  # fmt: skip


def headers_of(folder: Path) -> list[pydicom.Dataset]:
    """Headers of the files of a folder, by name."""
    return [pydicom.dcmread(path) for path in sorted(folder.glob("*.dcm"))]
