"""Facts about a person are read where all slices agree, and nothing else of the person is."""

from __future__ import annotations

from dataclasses import astuple

import pydicom
import pytest
from dicom_slices import write_slice

from TumorGenCore.errors import UnsupportedVolumeError
from TumorGenCore.volumes.person import Person, read_person


def injection(dose: str) -> pydicom.Dataset:
    item = pydicom.Dataset()
    item.RadionuclideTotalDose = dose
    return item


KNOWN = {
    "PatientAge": "063Y",
    "PatientSex": "F",
    "PatientSize": "1.70",
    "PatientWeight": "65",
    "RadiopharmaceuticalInformationSequence": [injection("250000000")],
}


def test_the_facts_of_a_series(series):
    assert read_person(series(**KNOWN)) == Person(63, "F", 1.7, 65, 250)


def test_a_file_and_a_series_without_facts_tell_nothing(series, tmp_path):
    assert read_person(tmp_path / "scan.nrrd") == read_person(series()) == Person()


@pytest.mark.parametrize(("age", "years"), [("089Y", 89), ("090Y", None), ("101Y", None), ("018M", 1.5), ("", None)])
def test_ages_above_89_are_not_taken(series, age, years):
    assert read_person(series(**{**KNOWN, "PatientAge": age})).age_years == years


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        ("PatientSize", "170"),  # cm
        ("PatientWeight", "65000"),  # g
        ("PatientSex", "X"),
        ("RadiopharmaceuticalInformationSequence", [injection("250")]),  # MBq
        ("RadiopharmaceuticalInformationSequence", [injection("250000000"), injection("1000000")]),
    ],
)
def test_what_cannot_be_is_not_taken_and_costs_no_other_fact(series, tag, value):
    assert astuple(read_person(series(**{**KNOWN, tag: value}))).count(None) == 1


def test_slices_that_differ_tell_nothing(series):
    folder = series(**KNOWN)
    write_slice(folder / "5.dcm", 16.0, 5, 1.0, "1.2.3.4", **{**KNOWN, "PatientWeight": "66"})
    assert read_person(folder) == Person(63, "F", 1.7, None, 250)


def test_a_folder_without_a_series_is_an_error(tmp_path):
    with pytest.raises(UnsupportedVolumeError, match="no DICOM PET"):
        read_person(tmp_path)
