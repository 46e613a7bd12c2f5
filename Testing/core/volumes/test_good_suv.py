"""Whole series as scanners write them: every hottest voxel is SUV 12.5, computed by hand, and no warning comes.

Unless a case says otherwise: 75 kg, 300 MBq, and one half-life (110 min) from the injection at 10:00 to the scan at
11:50. So 150 MBq are left, and 25,000 Bq/mL are 25,000 * 75,000 g / 150,000,000 Bq = SUV 12.5.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_slices import write_slice
from dicom_syntaxes import native
from pydicom.uid import ImplicitVRLittleEndian

from TumorGenCore.volumes.read import read_volume

DAY, NEXT_DAY = "20200102", "20200103"


def injection(**changes) -> pydicom.Dataset:
    item = pydicom.Dataset()
    item.RadionuclideTotalDose, item.RadionuclideHalfLife = 300e6, 6600
    item.RadiopharmaceuticalStartTime = "100000"
    for keyword, value in changes.items():
        setattr(item, keyword, value)
    return item


def nuclide(value: str, scheme: str, meaning: str) -> list[pydicom.Dataset]:
    code = pydicom.Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return [code]


def scan(maker: str, **changes) -> dict:
    tags = {
        "Manufacturer": maker,
        "Units": "BQML",
        "DecayCorrection": "START",
        "CorrectedImage": ["NORM", "DTIM", "ATTN", "SCAT", "DECY"],
        "PatientWeight": "75",
        "SeriesDate": DAY,
        "SeriesTime": "115000",
        "AcquisitionDate": DAY,
        "AcquisitionTime": "115000",
        "SeriesType": ["WHOLE BODY", "IMAGE"],
        "RadiopharmaceuticalInformationSequence": [injection()],
    }
    return tags | changes


def private(group: int, creator: str, element: int, vr: str, value: str) -> Callable[[pydicom.Dataset], None]:
    def add(header: pydicom.Dataset) -> None:
        header.private_block(group, creator, create=True).add_new(element, vr, value)

    return add


PHILIPS = partial(private, 0x7053, "Philips PET Private Group")
GE = partial(private, 0x0009, "GEMS_PETD_01")
ONLY_DATETIME = injection(RadiopharmaceuticalStartTime=None, RadiopharmaceuticalStartDateTime=f"{DAY}100000.00")
BOTH_TIMES = injection(RadiopharmaceuticalStartDateTime=f"{DAY}100000.000000")
IN_UTC = injection(RadiopharmaceuticalStartDateTime=f"{DAY}090000+0000")
OF_ANOTHER_DAY = injection(RadiopharmaceuticalStartDateTime="19000101100000")
F18 = injection(RadionuclideHalfLife=6600, RadionuclideCodeSequence=nuclide("C-111A1", "SRT", "^18^Fluorine"))
C11 = injection(RadionuclideHalfLife=1224, RadionuclideCodeSequence=nuclide("C-105A1", "SRT", "^11^Carbon"))
#: 110 min are 1.625 half-lives of Ga-68 (4,062 s), so 300 MBq become 97.27 MBq.
GA68 = injection(RadionuclideHalfLife=4062, RadionuclideCodeSequence=nuclide("C-131A3", "SRT", "^68^Gallium"))
#: 26 h are 0.33156 half-lives of Zr-89 (282,312 s), so 75 MBq become 59.60 MBq.
ZR89 = injection(
    RadionuclideHalfLife=282312, RadionuclideTotalDose=75e6, RadiopharmaceuticalStartDateTime=f"{DAY}100000"
)
EVENING = injection(RadiopharmaceuticalStartTime="223000")

SERIES = {
    # Siemens and CPS
    "Siemens": (scan("SIEMENS"), None, 12.5),
    "Siemens, prepared for 40 s": (scan("SIEMENS", AcquisitionTime="115040.093004"), None, 12.5),
    "Siemens, both times of injection": (
        scan("SIEMENS", RadiopharmaceuticalInformationSequence=[BOTH_TIMES]),
        None,
        12.5,
    ),
    "Siemens, F-18 named": (scan("SIEMENS", RadiopharmaceuticalInformationSequence=[F18]), None, 12.5),
    "Siemens, times of six digits": (scan("SIEMENS", SeriesTime="115000.000000"), None, 12.5),
    "CPS, SUV": (
        scan("CPS", Units="GML", RadiopharmaceuticalInformationSequence=None, DecayCorrection="START"),
        None,
        12.5,
    ),
    "CPS, SUV with its type": (scan("CPS", Units="GML", SUVType="BW"), None, 12.5),
    "SUV without weight, dose and times": (
        {"Units": "GML", "CorrectedImage": ["DECY", "ATTN"], "Manufacturer": ""},
        None,
        12.5,
    ),
    # GE
    "GE": (scan("GE MEDICAL SYSTEMS"), None, 12.5),
    "GE, SUV": (scan("GE MEDICAL SYSTEMS", Units="GML"), None, 12.5),
    "GE, post-processed": (
        scan("GE MEDICAL SYSTEMS", SeriesTime="153000", AcquisitionTime="115200"),
        GE(0x0D, "DT", f"{DAY}115000.00"),
        12.5,
    ),
    "GE, post-processed, anonymized": (scan("GE MEDICAL SYSTEMS", SeriesTime="153000"), None, 12.5),
    "GE, post-processed on the next day": (
        scan("GE MEDICAL SYSTEMS", SeriesTime="083000", SeriesDate=NEXT_DAY),
        GE(0x0D, "DT", f"{DAY}115000.00"),
        12.5,
    ),
    "GE, injection as date and time": (
        scan("GE MEDICAL SYSTEMS", RadiopharmaceuticalInformationSequence=[ONLY_DATETIME]),
        None,
        12.5,
    ),
    # Philips
    "Philips, counts to SUV": (scan("Philips", Units="CNTS"), PHILIPS(0x00, "DS", "0.0005"), 12.5),
    "Philips, counts to Bq/mL": (scan("Philips", Units="CNTS"), PHILIPS(0x09, "DS", "1.0"), 12.5),
    "Philips, counts with a SUV factor of 0": (
        scan("Philips", Units="CNTS"),
        lambda header: (PHILIPS(0x00, "DS", "0")(header), PHILIPS(0x09, "DS", "1.0")(header)),
        12.5,
    ),
    "Philips, counts to SUV without dose": (
        scan("Philips", Units="CNTS", RadiopharmaceuticalInformationSequence=None, PatientWeight=None),
        PHILIPS(0x00, "DS", "0.0005"),
        12.5,
    ),
    "Philips, Bq/mL beside its factors": (scan("Philips"), PHILIPS(0x00, "DS", "0.7"), 12.5),
    # Decay and times
    "corrected to the injection": (scan("SIEMENS", DecayCorrection="ADMIN"), None, 6.25),
    "not corrected": (scan("SIEMENS", DecayCorrection="NONE", CorrectedImage=["ATTN"]), None, 12.5),
    "zone of the hospital": (
        scan("SIEMENS", TimezoneOffsetFromUTC="+0100", RadiopharmaceuticalInformationSequence=[IN_UTC]),
        None,
        12.5,
    ),
    "shifted date of the injection": (
        scan("SIEMENS", RadiopharmaceuticalInformationSequence=[OF_ANOTHER_DAY]),
        None,
        12.5,
    ),
    "past midnight": (
        scan(
            "SIEMENS",
            SeriesDate=NEXT_DAY,
            AcquisitionDate=NEXT_DAY,
            SeriesTime="002000",
            AcquisitionTime="002000",
            RadiopharmaceuticalInformationSequence=[EVENING],
        ),
        None,
        12.5,
    ),
    # Other nuclides
    "C-11, one half-life of 1,224 s": (
        scan(
            "SIEMENS",
            SeriesTime="102024",
            AcquisitionTime="102024",
            RadiopharmaceuticalInformationSequence=[C11],
        ),
        None,
        12.5,
    ),
    "Ga-68": (scan("SIEMENS", RadiopharmaceuticalInformationSequence=[GA68]), None, 25_000 * 75_000 / 97.27e6),
    "Zr-89 on the next day": (
        scan(
            "SIEMENS",
            SeriesDate=NEXT_DAY,
            AcquisitionDate=NEXT_DAY,
            SeriesTime="120000",
            AcquisitionTime="120000",
            RadiopharmaceuticalInformationSequence=[ZR89],
        ),
        None,
        25_000 * 75_000 / 59.60e6,
    ),
}


def write_series(folder: Path, tags: dict, add: Callable | None) -> None:
    """Writes four slices with one hot pixel: 25,000 Bq/mL or counts, or SUV 12.5."""
    to_suv = 12.5 / 25_000 if tags["Units"] == "GML" else 1.0
    for n in range(4):
        pixels = np.full((3, 4), 300, dtype=np.int16)
        pixels[1, 2] = 10_000
        path = folder / f"{n}.dcm"
        slope = (2.5 if n == 2 else 1.7) * to_suv
        write_slice(path, 4.0 * n, 0, slope, "1.2.3", PixelData=pixels.tobytes(), **tags)
        if add is not None:
            header = pydicom.dcmread(path)
            add(header)
            header.save_as(path)


def hottest_suv(folder: Path) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        volume = read_volume(folder)
    values = sitk.GetArrayFromImage(volume.image).astype(float) * volume.units.suv_factor
    assert np.unravel_index(values.argmax(), values.shape) == (2, 1, 2)
    return float(values.max())


@pytest.mark.parametrize("name", SERIES)
def test_series_of_a_scanner_has_the_suv_computed_by_hand(tmp_path, name):
    tags, add, suv = SERIES[name]
    write_series(tmp_path, tags, add)
    assert hottest_suv(tmp_path) == pytest.approx(suv, rel=2e-4)
    for path in tmp_path.iterdir():
        native(path, ImplicitVRLittleEndian)  # where private elements have no type
    assert hottest_suv(tmp_path) == pytest.approx(suv, rel=2e-4)


@pytest.mark.parametrize(
    ("maker", "series_time", "references"),
    [
        ("SIEMENS", "115000", (89.5, 269.5, 449.5, 629.5)),  # mean count rate, from the series time
        ("GE MEDICAL SYSTEMS", "115000", (0, 180, 360, 540)),  # start of the bed position
        ("GE MEDICAL SYSTEMS", "153000", (0, 180, 360, 540)),
        ("Philips Medical Systems", "115000", (None, None, None, None)),
    ],
)
def test_whole_body_scan_of_several_bed_positions(tmp_path, maker, series_time, references):
    write_series(tmp_path, scan(maker, SeriesTime=series_time), None)
    for n, reference in enumerate(references):
        header = pydicom.dcmread(tmp_path / f"{n}.dcm")
        header.AcquisitionTime = f"11{50 + 3 * n}00"
        header.ActualFrameDuration = 180_000
        if reference is not None:
            header.FrameReferenceTime = reference * 1000
        header.save_as(tmp_path / f"{n}.dcm")
    assert hottest_suv(tmp_path) == pytest.approx(12.5, rel=1e-6)
