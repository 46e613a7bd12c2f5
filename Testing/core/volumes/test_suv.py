"""The SUV factor from DICOM tags, and the warnings if units are guessed."""

from __future__ import annotations

import warnings

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom import Dataset

from TumorGenCore.errors import UnsupportedVolumeError, with_remedy
from TumorGenCore.volumes.suv import PetUnits, UnknownUnitsWarning, units_from_dicom, units_of_image

HALF_LIFE_S = 6588.0


def pet_slice(**tags) -> Dataset:
    """Returns a header with 70 kg and 350 MBq, injected 60 min before the scan; ``tags`` replaces, None removes."""
    injection = Dataset()
    injection.RadionuclideTotalDose = 350e6
    injection.RadionuclideHalfLife = HALF_LIFE_S
    injection.RadiopharmaceuticalStartTime = "120000"
    header = Dataset()
    header.Units = "BQML"
    header.CorrectedImage = ["DECY", "ATTN", "SCAT"]
    header.DecayCorrection = "START"
    header.PatientWeight = 70
    header.SeriesDate = header.AcquisitionDate = "20200102"
    header.SeriesTime = header.AcquisitionTime = "130000"
    header.RadiopharmaceuticalInformationSequence = [injection]
    for keyword, value in tags.items():
        target = injection if keyword.startswith("Radio") and not keyword.endswith("Sequence") else header
        if value is None:
            delattr(target, keyword)
        else:
            setattr(target, keyword, value)
    return header


def factor_after(minutes: float) -> float:
    return 70_000.0 / (350e6 * 2 ** (-minutes * 60 / HALF_LIFE_S))


def test_factor_equals_the_one_in_the_series_own_real_world_value_mapping(shared_data):
    objects = [
        pydicom.dcmread(path, stop_before_pixels=True) for path in (shared_data / "dicom" / "CCTH-A01").glob("*.dcm")
    ]
    (mapping,) = [item for item in objects if item.Modality == "RWV"]
    slices = [item for item in objects if item.Modality == "PT"]
    (theirs,) = [
        item.RealWorldValueSlope
        for referenced in mapping.ReferencedImageRealWorldValueMappingSequence
        for item in referenced.RealWorldValueMappingSequence
        if item.LUTLabel == "{SUVbw}g/ml"
    ]

    units = units_from_dicom(slices)

    assert (units.name, units.source) == ("BQML", "dicom tags")
    assert units.suv_factor == pytest.approx(theirs, rel=2e-6)  # the reference has six digits


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        pytest.param({}, factor_after(60), id="start-of-scan"),
        pytest.param({"DecayCorrection": "ADMIN"}, factor_after(0), id="corrected-to-injection"),
        pytest.param(
            {"DecayCorrection": "NONE", "CorrectedImage": ["ATTN"], "AcquisitionTime": "131000"},
            factor_after(70),
            id="not-corrected",
        ),
        pytest.param({"SeriesTime": "150000"}, factor_after(60), id="series-time-of-post-processing"),
        pytest.param({"AcquisitionTime": "131500"}, factor_after(60), id="series-time-before-acquisition"),
        pytest.param({"SeriesTime": "13:00:00.00"}, factor_after(60), id="time-with-colons"),
        pytest.param({"RadiopharmaceuticalStartTime": "125930.50"}, factor_after(29.5 / 60), id="fraction-of-second"),
        pytest.param(
            {"RadiopharmaceuticalStartTime": "233000", "SeriesTime": "003000", "AcquisitionTime": "003000"},
            factor_after(60),
            id="past-midnight-without-date",
        ),
        pytest.param(
            {"RadiopharmaceuticalStartDateTime": "20200102123000.00", "RadiopharmaceuticalStartTime": None},
            factor_after(30),
            id="start-datetime",
        ),
        pytest.param(
            {
                "RadiopharmaceuticalStartDateTime": "20200101233000",
                "SeriesTime": "003000",
                "AcquisitionTime": "003000",
            },
            factor_after(60),
            id="past-midnight-with-date",
        ),
        pytest.param({"RadiopharmaceuticalStartDateTime": "19990314123000"}, factor_after(30), id="date-shifted-apart"),
        pytest.param(
            {"RadiopharmaceuticalStartDateTime": "20200102110000+0000"}, factor_after(60), id="offset-from-utc"
        ),
        pytest.param({"Units": "GML", "SUVType": "BW"}, 1.0, id="already-suv"),
        pytest.param({"Units": "GML"}, 1.0, id="already-suv-without-type"),
    ],
)
def test_factor_follows_the_tags(tags, expected):
    assert units_from_dicom([pet_slice(**tags)]).suv_factor == pytest.approx(expected, rel=1e-12)


def test_scan_start_is_the_earliest_bed_position_whatever_the_order():
    slices = [pet_slice(SeriesTime="150000", AcquisitionTime=time) for time in ("131000", "130000", "132000")]
    assert units_from_dicom(slices).suv_factor == pytest.approx(factor_after(60))


def test_ge_private_scan_time_wins_over_acquisition_time():
    header = pet_slice(SeriesTime="150000")
    header.private_block(0x0009, "GEMS_PETD_01", create=True).add_new(0x0D, "DT", "20200102124500.00")
    assert units_from_dicom([header]).suv_factor == pytest.approx(factor_after(45))


@pytest.mark.parametrize(
    ("element", "value", "expected"),
    [(0x00, 0.0005, 0.0005), (0x09, 2.0, 2.0 * factor_after(60))],
    ids=["to-suv", "to-activity"],
)
def test_philips_counts_use_the_private_factor(element, value, expected):
    header = pet_slice(Units="CNTS")
    header.private_block(0x7053, "Philips PET Private Group", create=True).add_new(element, "DS", str(value))
    units = units_from_dicom([header])
    assert units.name == "CNTS"
    assert units.suv_factor == pytest.approx(expected)


def test_philips_factor_is_read_where_its_type_is_unknown():
    header = pet_slice(Units="CNTS")
    header.add_new((0x7053, 0x1000), "UN", b"0.0005 ")
    assert units_from_dicom([header]).suv_factor == 0.0005


@pytest.mark.parametrize(
    ("tags", "named"),
    [
        ({"PatientWeight": None}, "PatientWeight"),
        ({"PatientWeight": 0}, "PatientWeight"),
        ({"PatientWeight": 70_000}, "PatientWeight"),
        ({"RadiopharmaceuticalInformationSequence": None}, "RadiopharmaceuticalInformationSequence"),
        ({"RadiopharmaceuticalInformationSequence": []}, "RadiopharmaceuticalInformationSequence"),
        ({"RadionuclideTotalDose": None}, "RadionuclideTotalDose"),
        ({"RadionuclideTotalDose": 350}, "RadionuclideTotalDose"),
        ({"RadionuclideHalfLife": None}, "RadionuclideHalfLife"),
        ({"RadionuclideHalfLife": 109.8}, "RadionuclideHalfLife"),
        ({"RadiopharmaceuticalStartTime": None}, "RadiopharmaceuticalStartTime"),
        ({"RadiopharmaceuticalStartTime": "2500"}, "RadiopharmaceuticalStartTime"),
        ({"RadiopharmaceuticalStartTime": "133000"}, "RadiopharmaceuticalStartTime"),
        ({"SeriesTime": None}, "SeriesTime"),
        ({"SeriesDate": None}, "SeriesDate"),
        ({"AcquisitionTime": None}, "AcquisitionTime"),
        ({"DecayCorrection": None}, "DecayCorrection"),
        ({"DecayCorrection": "LATER"}, "DecayCorrection"),
        ({"DecayCorrection": "NONE"}, "DecayCorrection"),
        ({"CorrectedImage": None}, "CorrectedImage"),
        ({"CorrectedImage": ["DECY", "SCAT"]}, "CorrectedImage"),
        ({"CorrectedImage": "ATTN"}, "CorrectedImage"),
        ({"Units": None}, "Units"),
        ({"Units": "CM2ML"}, "CM2ML"),
        ({"Units": "CNTS"}, "7053,1000"),
        ({"Units": "GML", "SUVType": "LBM"}, "LBM"),
    ],
)
def test_missing_or_odd_tag_is_named_with_the_way_out(tags, named):
    with pytest.raises(UnsupportedVolumeError) as caught:
        units_from_dicom([pet_slice(**tags)])
    assert named in str(caught.value)
    assert with_remedy(caught.value, "It is there.").endswith(
        "Give the factor from voxel values to SUV yourself. It is there."
    )


def test_no_single_factor_for_uncorrected_bed_positions():
    slices = [
        pet_slice(DecayCorrection="NONE", CorrectedImage=["ATTN"], AcquisitionTime=time)
        for time in ("130000", "130500")
    ]
    with pytest.raises(UnsupportedVolumeError, match="2 values of AcquisitionTime"):
        units_from_dicom(slices)


def test_given_factor_overrules_the_tags_but_keeps_the_units_name():
    assert units_from_dicom([pet_slice(PatientWeight=None)], 0.25) == PetUnits("BQML", 0.25, "given")


@pytest.mark.parametrize("factor", [0.0, -1.0, float("nan"), float("inf")])
def test_factor_must_be_positive(factor):
    with pytest.raises(UnsupportedVolumeError, match="must be a positive number"):
        PetUnits("unknown", factor, "given")


def volume(highest: float) -> sitk.Image:
    return sitk.GetImageFromArray(np.linspace(0, highest, 1000, dtype=np.float32).reshape(10, 10, 10))


def test_values_without_units_are_taken_as_suv_with_one_warning():
    with pytest.warns(UnknownUnitsWarning, match="taken as SUV") as caught:
        assert units_of_image(volume(12.0)) == PetUnits("SUV", 1.0, "taken as SUV")
    assert len(caught) == 1


def test_given_factor_that_fits_does_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert units_of_image(volume(40_000.0), 0.00025) == PetUnits("unknown", 0.00025, "given")


@pytest.mark.parametrize(("highest", "factor"), [(40_000.0, 1.0), (12.0, 0.00025)], ids=["too-hot", "too-cold"])
def test_values_that_cannot_be_suv_warn_and_name_the_factor(highest, factor):
    with pytest.warns(UnknownUnitsWarning, match="do not look like SUV.*Check the factor"):
        units_of_image(volume(highest), factor)
