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
                "RadiopharmaceuticalStartTime": "233000",
                "SeriesTime": "003000",
                "AcquisitionTime": "003000",
            },
            factor_after(60),
            id="past-midnight-with-date",
        ),
        pytest.param(
            {"RadiopharmaceuticalStartDateTime": "19990314123000", "RadiopharmaceuticalStartTime": "123000"},
            factor_after(30),
            id="date-shifted-apart",
        ),
        pytest.param(
            {
                "RadiopharmaceuticalStartDateTime": "20200102060000-0500",
                "RadiopharmaceuticalStartTime": None,
                "TimezoneOffsetFromUTC": "+0100",
            },
            factor_after(60),
            id="offset-only-in-another-zone",
        ),
        pytest.param(
            {"RadiopharmaceuticalStartDateTime": "20200102110000+0000"}, factor_after(60), id="offset-from-utc"
        ),
        pytest.param({"Units": "GML", "SUVType": "BW"}, 1.0, id="already-suv"),
        pytest.param({"Units": "GML"}, 1.0, id="already-suv-without-type"),
    ],
)
def test_factor_follows_the_tags(tags, expected):
    units = units_from_dicom([pet_slice(**tags)])
    assert units.suv_factor == pytest.approx(expected, rel=1e-12)
    assert not units.remarks


def test_scan_start_is_the_earliest_bed_position_whatever_the_order():
    slices = [pet_slice(SeriesTime="150000", AcquisitionTime=time) for time in ("131000", "130000", "132000")]
    assert units_from_dicom(slices).suv_factor == pytest.approx(factor_after(60))


@pytest.mark.parametrize("others", [[], ["GEMS_IDEN_01"], ["GEMS_IDEN_01", "OTHER"]], ids=len)
def test_ge_private_scan_time_wins_over_acquisition_time_in_any_block(others):
    header = pet_slice(SeriesTime="150000")
    for creator in others:
        header.private_block(0x0009, creator, create=True).add_new(0x0D, "DT", "20200102120500.00")
    header.private_block(0x0009, "GEMS_PETD_01", create=True).add_new(0x0D, "DT", "20200102124500.00")
    assert units_from_dicom([header]).suv_factor == pytest.approx(factor_after(45))


def test_the_same_element_of_another_creator_is_not_ges_scan_time():
    header = pet_slice(SeriesTime="150000")
    header.private_block(0x0009, "OTHER", create=True).add_new(0x0D, "DT", "20200102124500.00")
    assert units_from_dicom([header]).suv_factor == pytest.approx(factor_after(60))


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


def test_philips_factor_is_read_in_another_block_and_where_its_type_is_unknown():
    header = pet_slice(Units="CNTS")
    header.private_block(0x7053, "OTHER", create=True).add_new(0x00, "DS", "0.002")
    header.private_block(0x7053, "Philips PET Private Group", create=True).add_new(0x00, "UN", b"0.0005 ")
    units = units_from_dicom([header])
    assert units.suv_factor == 0.0005
    assert not units.remarks


def test_philips_factor_without_a_creator_is_read_with_a_remark():
    header = pet_slice(Units="CNTS")
    header.add_new((0x7053, 0x1000), "UN", b"0.0005 ")
    units = units_from_dicom([header])
    assert units.suv_factor == 0.0005
    assert "(7053,1000)" in units.remarks[0] and "no creator" in units.remarks[0]


def test_factor_of_another_creator_is_not_philips():
    header = pet_slice(Units="CNTS")
    header.private_block(0x7053, "OTHER", create=True).add_new(0x00, "DS", "0.002")
    refuses([header], "7053,1000", "missing")


@pytest.mark.parametrize("values", [("0.0005", "0.0006"), ("0,0005", "0,0005")], ids=["mixed", "comma"])
def test_philips_factors_that_differ_or_are_no_numbers_are_refused(values):
    slices = [pet_slice(Units="CNTS") for _ in values]
    for header, value in zip(slices, values, strict=True):
        header.private_block(0x7053, "Philips PET Private Group", create=True).add_new(0x00, "UN", value.encode())
    refuses(slices, "7053,1000")


# Times that contradict each other


def refuses(slices, *words):
    with pytest.raises(UnsupportedVolumeError) as caught:
        units_from_dicom(slices)
    assert all(word in str(caught.value) for word in words), str(caught.value)


@pytest.mark.parametrize(
    ("start_datetime", "start_time", "minutes"),
    [
        ("20200102000000", "120000", 60),  # only the date is left
        ("20200102040000", "120000", 60),  # another time zone
        ("20200102123000", "130500", 30),  # StartTime after the scan cannot be right
        ("19990314000000", "120000", 60),
    ],
)
def test_injection_times_that_disagree_are_named_and_the_plausible_time_of_day_is_taken(
    start_datetime, start_time, minutes
):
    tags = {"RadiopharmaceuticalStartDateTime": start_datetime, "RadiopharmaceuticalStartTime": start_time}
    units = units_from_dicom([pet_slice(**tags)])
    assert units.suv_factor == pytest.approx(factor_after(minutes), rel=1e-12)
    (remark,) = units.remarks
    assert "RadiopharmaceuticalStartTime" in remark and "RadiopharmaceuticalStartDateTime" in remark
    assert f"takes {minutes} min" in remark


def test_injection_times_that_disagree_and_cannot_be_right_are_refused():
    tags = {"RadiopharmaceuticalStartDateTime": "20200102140000", "RadiopharmaceuticalStartTime": "133000"}
    refuses([pet_slice(**tags)], "disagree", "Neither")


@pytest.mark.parametrize(
    "tags",
    [
        {"RadiopharmaceuticalStartTime": "130500"},
        {"RadiopharmaceuticalStartTime": None, "RadiopharmaceuticalStartDateTime": "20200102130500"},
        {
            "RadiopharmaceuticalStartTime": None,
            "RadiopharmaceuticalStartDateTime": "20200102130500",
            "RadionuclideHalfLife": 282240,
        },
    ],
    ids=["time", "datetime", "long-lived"],
)
def test_an_injection_after_the_scan_is_named_as_such(tags):
    refuses([pet_slice(**tags)], "5 min after the start of the scan", "must come before")


def test_a_datetime_with_an_offset_needs_the_zone_of_the_series():
    tags = {"RadiopharmaceuticalStartTime": None, "RadiopharmaceuticalStartDateTime": "20200102120000+0100"}
    refuses([pet_slice(**tags)], "offset", "UTC", "TimezoneOffsetFromUTC")


def test_long_lived_nuclide_needs_the_day_of_the_injection():
    days = {"SeriesDate": "20200105", "AcquisitionDate": "20200105", "RadionuclideHalfLife": 282240}
    refuses([pet_slice(**days)], "78 h", "day of the injection")
    units = units_from_dicom([pet_slice(**days, RadiopharmaceuticalStartDateTime="20200102120000")])
    assert units.suv_factor == pytest.approx(200e-6 * 2 ** ((3 * 24 + 1) * 3600 / 282240))
    assert not units.remarks
    copper = units_from_dicom([pet_slice(RadionuclideHalfLife=45721)])
    assert copper.suv_factor == pytest.approx(200e-6 * 2 ** (3600 / 45721))
    assert "does not tell the day" in copper.remarks[0] and "60 min" in copper.remarks[0]


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 1, 0, 2)])
def test_bed_positions_past_midnight_with_an_unchanged_date(order):
    times = ["235000", "235500", "000000", "000500"]
    slices = [
        pet_slice(RadiopharmaceuticalStartTime="225000", SeriesTime="235000", AcquisitionTime=times[n]) for n in order
    ]
    units = units_from_dicom(slices)
    assert units.suv_factor == pytest.approx(factor_after(60))
    for header in slices:
        header.SeriesTime = "235900"  # of post-processing
    assert units_from_dicom(slices).suv_factor == pytest.approx(factor_after(60))


def mean_count_time(duration_s: float) -> float:
    """Time within a frame at which the activity equals its mean, by summing over small steps."""
    steps = (np.arange(100_000) + 0.5) * duration_s / 100_000
    mean = np.mean(2.0 ** (-steps / HALF_LIFE_S))
    return float(-HALF_LIFE_S * np.log2(mean))


@pytest.mark.parametrize("series_time", ["170000", "131500", "120000"], ids=["later", "between", "earlier"])
@pytest.mark.parametrize("maker", ["SIEMENS", "GE MEDICAL SYSTEMS"])
def test_frame_reference_time_tells_the_start_if_the_series_time_was_changed(series_time, maker):
    offset = mean_count_time(180) if maker == "SIEMENS" else 0.0
    slices = [
        pet_slice(
            Manufacturer=maker,
            SeriesTime=series_time,
            AcquisitionTime=f"13{30 + 3 * bed}00",
            ActualFrameDuration="180000",
            FrameReferenceTime=f"{(1800 + 180 * bed + offset) * 1000:.3f}",
        )
        for bed in range(3)
    ]
    units = units_from_dicom(slices)
    assert units.suv_factor == pytest.approx(factor_after(60), rel=1e-5)
    (remark,) = units.remarks
    assert "SeriesTime" in remark and "FrameReferenceTime" in remark and "30 min before" in remark


@pytest.mark.parametrize(
    ("series_time", "references", "minutes"),
    [
        ("130000", ("1890000", "2070000"), 60),  # they agree: the first bed positions were left out
        ("125800", ("0", "180000"), 58),  # the scanner prepared for two minutes
        ("133000", ("0", "180000"), 90),
        ("131000", ("5490000", "5670000"), 70),  # measured from the injection
        ("170000", ("0", "0"), 90),  # no information: the same in all bed positions
        ("170000", ("90000", "90000"), 90),
    ],
)
def test_frame_reference_time_that_agrees_or_tells_nothing_changes_nothing(series_time, references, minutes):
    starts = ("133000", "133300") if minutes != 58 else ("130000", "130300")
    slices = [
        pet_slice(
            SeriesTime=series_time, AcquisitionTime=start, FrameReferenceTime=reference, ActualFrameDuration="180000"
        )
        for start, reference in zip(starts, references, strict=True)
    ]
    units = units_from_dicom(slices)
    assert units.suv_factor == pytest.approx(factor_after(minutes), rel=1e-9)
    assert not units.remarks


def test_half_life_of_another_nuclide_is_refused_by_name():
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "C-111A1", "SRT", "^18^Fluorine"
    header = pet_slice(RadionuclideHalfLife=1223)
    header.RadiopharmaceuticalInformationSequence[0].RadionuclideCodeSequence = [code]
    refuses([header], "1223 s", "F-18", "6586")
    header.RadiopharmaceuticalInformationSequence[0].RadionuclideHalfLife = 6500  # rounded by another program
    assert units_from_dicom([header]).suv_factor == pytest.approx(200e-6 * 2 ** (3600 / 6500))


# Slices that differ


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("Units", "GML"),
        ("SUVType", "LBM"),
        ("DecayCorrection", "ADMIN"),
        ("CorrectedImage", ["DECY", "SCAT"]),
        ("PatientWeight", 71),
        ("RadionuclideTotalDose", 351e6),
        ("RadionuclideHalfLife", 6600.0),
        ("RadiopharmaceuticalStartTime", "120100"),
        ("RadiopharmaceuticalStartDateTime", "20200102120000"),
        ("SeriesTime", "130100"),
        ("SeriesDate", "20200103"),
    ],
)
def test_slices_that_differ_in_a_tag_of_the_factor_are_refused_by_its_name(keyword, value):
    refuses([pet_slice(), pet_slice(), pet_slice(**{keyword: value})], keyword, "differs between the slices")


def test_the_same_number_in_other_digits_and_more_corrections_do_not_differ():
    slices = [pet_slice(), pet_slice(PatientWeight="70.000", CorrectedImage=["ATTN", "DECY", "NORM"])]
    assert units_from_dicom(slices).suv_factor == pytest.approx(factor_after(60))


def test_a_given_factor_does_not_fit_mixed_units():
    with pytest.raises(UnsupportedVolumeError, match="Units differs"):
        units_from_dicom([pet_slice(), pet_slice(Units="GML")], 0.5)


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
