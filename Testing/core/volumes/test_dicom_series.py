"""A DICOM PET series is sorted and rescaled slice by slice; an incomplete or mixed series is refused."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_slices import RIGHT_HANDED, disagreeing_clocks, rotation, write_slice
from volume_files import rejects

from TumorGenCore.errors import UnknownUnitsWarning, UnsupportedVolumeError, VolumeWarning
from TumorGenCore.volumes.geometry import Grid
from TumorGenCore.volumes.read import read_volume


def test_dicom_slices_are_sorted_and_each_rescaled_by_its_own_slope(series):
    volume = read_volume(series())
    values = sitk.GetArrayFromImage(volume.image)
    # The first slice has the slope 1: a reader that uses its integer type for all slices changes 1.25 to 1.
    assert values[:, 0, 0].tolist() == [5.0, 1.25, 1.25, 1.25]
    assert volume.image.GetOrigin() == pytest.approx((-10.0, 20.0, 0.0))
    assert volume.image.GetSpacing() == pytest.approx((2.0, 2.5, 4.0))
    assert volume.image.GetSize() == (4, 3, 4)
    assert (volume.units.name, volume.units.suv_factor, volume.units.source) == ("SUV", 1.0, "dicom tags")
    assert not volume.image.GetMetaDataKeys()


def test_given_factor_overrules_dicom(series):
    units = read_volume(series(), suv_factor=2.0).units
    assert (units.name, units.suv_factor, units.source) == ("SUV", 2.0, "given")


def test_other_objects_in_the_folder_are_passed_over(series):
    folder = series()
    write_slice(folder / "mapping.dcm", 0.0, 5, 1.0, "9.9", SOPClassUID="1.2.840.10008.5.1.4.1.1.67", Modality="RWV")
    write_slice(folder / "ct.dcm", 0.0, 5, 1.0, "9.8", SOPClassUID="1.2.840.10008.5.1.4.1.1.2", Modality="CT")
    (folder / "notes.txt").write_text("no DICOM")
    assert read_volume(folder).image.GetSize() == (4, 3, 4)


def test_several_series_are_listed_by_their_slices_without_identifiers(series):
    series(uid="1.2.3.4")
    folder = series(heights=(0.0, 4.0), uid="1.2.3.5")
    with pytest.raises(UnsupportedVolumeError) as caught:
        read_volume(folder)
    assert "2 PET series, with 4 and 2 slices" in str(caught.value)
    assert not any(word in str(caught.value) for word in ("1.2.3", "DOE"))


@pytest.mark.parametrize(
    ("heights", "word"),
    [
        ((0.0, 4.0, 12.0, 16.0), "missing or unevenly spaced"),
        ((0.0, 4.0, 8.0, 13.0), "missing or unevenly spaced"),
        ((0.0,), "only one slice"),
    ],
)
def test_incomplete_series_is_refused(series, heights, word):
    rejects(series(heights), word)


def test_slice_distances_that_differ_by_rounding_pass(tmp_path):
    for n, height in enumerate((0.0, 3.27, 6.54, 9.79, 13.06)):
        write_slice(tmp_path / f"{n}.dcm", height, 5, 0.5, "1.2.3")
    assert read_volume(tmp_path).image.GetSpacing()[2] == pytest.approx(13.06 / 4)


def test_fewer_slices_than_number_of_slices_are_read_with_a_warning(series):
    with pytest.warns(VolumeWarning, match="NumberOfSlices says 6, but the folder holds 4 slices"):
        assert read_volume(series(NumberOfSlices=6)).image.GetSize() == (4, 3, 4)


@pytest.mark.parametrize("number", [None, 2, 4])
@pytest.mark.filterwarnings("error")
def test_number_of_slices_of_the_series_or_of_a_bed_position_is_good(series, number):
    assert read_volume(series(NumberOfSlices=number)).image.GetSize() == (4, 3, 4)


def test_two_frames_of_reference_are_read_with_a_warning(series):
    series(heights=(0.0, 4.0), FrameOfReferenceUID="1.2.3.1")
    with pytest.warns(VolumeWarning, match="2 values of FrameOfReferenceUID"):
        read_volume(series(heights=(8.0, 12.0), FrameOfReferenceUID="1.2.3.2"))


def test_remarks_about_the_factor_are_warnings(series):
    with pytest.warns(UnknownUnitsWarning, match="disagree"):
        units = read_volume(series(**disagreeing_clocks())).units
    assert units.suv_factor == pytest.approx(200e-6 * 2 ** (3600 / 6588))


def test_frames_in_one_place_are_refused(tmp_path):
    for n, height in enumerate((0.0, 4.0, 8.0) * 2):
        write_slice(tmp_path / f"{n}.dcm", height, 5, 0.5, "1.2.3")
    rejects(tmp_path, "3 slices", "dynamic or gated")


@pytest.mark.parametrize(
    "tags",
    [
        lambda frame: {"SeriesType": ["DYNAMIC", "IMAGE"], "AcquisitionTime": f"13{10 * frame:02}00"},
        lambda frame: {"FrameReferenceTime": f"{600000 * frame}"},
        lambda frame: {"SeriesType": ["GATED", "IMAGE"], "TriggerTime": f"{100 * frame}"},
    ],
    ids=["dynamic", "without-a-type", "gated"],
)
def test_frames_half_a_slice_apart_are_refused(tmp_path, tags):
    for n in range(8):
        write_slice(tmp_path / f"{n}.dcm", 2.0 * n, 5, 0.5, "1.2.3", **tags(n % 2))
    rejects(tmp_path, "2 frames", "one frame only")


def test_a_dynamic_series_with_more_slices_than_a_frame_has_is_refused(tmp_path):
    for n in range(8):
        write_slice(tmp_path / f"{n}.dcm", 2.0 * n, 5, 0.5, "1.2.3", SeriesType=["DYNAMIC", "IMAGE"], NumberOfSlices=4)
    rejects(tmp_path, "8 slices", "4", "one frame only")


@pytest.mark.filterwarnings("error")
def test_bed_positions_and_one_frame_of_a_dynamic_scan_are_good(tmp_path):
    beds = (0, 0, 0, 1, 0, 1, 1, 1)  # slices of two bed positions take turns where they overlap
    for n, bed in enumerate(beds):
        write_slice(tmp_path / f"{n}.dcm", 2.0 * n, 5, 0.5, "1.2.3", AcquisitionTime=f"13{10 * bed:02}00")
    assert read_volume(tmp_path).image.GetSize() == (4, 3, 8)
    for n in range(8):
        tags = {"SeriesType": ["DYNAMIC", "IMAGE"], "NumberOfTimeSlices": 2, "FrameReferenceTime": "600000"}
        write_slice(tmp_path / f"{n}.dcm", 2.0 * n, 5, 0.5, "1.2.3", **tags)
    assert read_volume(tmp_path).image.GetSize() == (4, 3, 8)


@pytest.mark.parametrize("digits", [9, 4, 3, 2])
def test_direction_cosines_of_few_digits_keep_every_voxel_in_its_place(tmp_path, digits):
    for n, axes in enumerate((RIGHT_HANDED, rotation(3, 0, 0), rotation(17, 9, -60), rotation(88, 2, 1))):
        folder = tmp_path / str(n)
        folder.mkdir()
        origin = np.array([-10.0, 20.0, 300.0])
        for k in range(60):
            tags = {
                "ImageOrientationPatient": np.round(axes[:, :2].T.ravel(), digits).tolist(),
                "ImagePositionPatient": np.round(origin + 4.0 * k * axes[:, 2], 6).tolist(),
            }
            write_slice(folder / f"{k}.dcm", 0, 5, 0.5, "1.2.3", **tags)
        image = read_volume(folder).image
        for ijk in ((0, 0, 0), (3, 2, 0), (0, 0, 59), (3, 2, 59)):
            right = origin + axes @ (np.array([2.0, 2.5, 4.0]) * ijk)
            assert np.linalg.norm(image.TransformIndexToPhysicalPoint(ijk) - right) < 0.1
        found = np.reshape(image.GetDirection(), (3, 3))
        np.testing.assert_allclose(found.T @ found, np.eye(3), atol=1e-9)
        np.testing.assert_allclose(found, axes, atol=0.01)


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"PixelSpacing": [0, 0]}, ("PixelSpacing", "0 and 0 mm", "positive")),
        ({"PixelSpacing": [2.5, -2.0]}, ("PixelSpacing", "-2 mm")),
        ({"PixelSpacing": None}, ("PixelSpacing",)),
        ({"ImageOrientationPatient": [1, 0, 0, 0.5, 0.8, 0]}, ("ImageOrientationPatient", "perpendicular")),
        ({"ImageOrientationPatient": [0, 0, 0, 0, 0, 0]}, ("ImageOrientationPatient", "length 1")),
        ({"ImageOrientationPatient": [1, 0, 0]}, ("ImageOrientationPatient",)),
        ({"Columns": 0}, ("Columns", "positive")),
    ],
)
def test_impossible_geometry_is_refused_by_name(series, tags, words):
    rejects(series(**tags), *words)


@pytest.mark.parametrize(
    ("tags", "word"),
    [
        ({"ImageOrientationPatient": [0, 1, 0, 1, 0, 0]}, "orientation"),
        ({"PixelSpacing": [2.5, 2.1]}, "pixel spacing"),
        ({"ImagePositionPatient": [-9.0, 20.0, 8.0]}, "sideways"),
        ({"ImagePositionPatient": None}, "geometry"),
    ],
)
def test_slices_that_do_not_form_one_grid_are_refused(series, tags, word):
    folder = series(heights=(0.0, 4.0, 12.0))
    write_slice(folder / "odd.dcm", 8.0, 5, 0.5, "1.2.3.4", **tags)
    rejects(folder, word)


def test_folder_without_pet_says_what_it_has(tmp_path):
    rejects(tmp_path, "no DICOM PET slices", "none")
    write_slice(tmp_path / "ct.dcm", 0.0, 5, 1.0, "9.8", SOPClassUID="1.2.840.10008.5.1.4.1.1.2", Modality="CT")
    rejects(tmp_path, "1 CT")


@pytest.mark.parametrize(
    ("sop_class", "name"),
    [
        ("1.2.840.10008.5.1.4.1.1.130", "holds Enhanced PET"),
        ("1.2.840.10008.5.1.4.1.1.128.1", "Legacy Converted Enhanced PET"),
    ],
)
def test_enhanced_pet_is_refused_by_name(series, sop_class, name):
    rejects(series(SOPClassUID=sop_class), name)


def test_real_series_in_suv_equals_the_independent_nifti_version(shared_data):
    reference = sitk.ReadImage(str(shared_data / "whole_body" / "CCTH-A01_image.nii.gz"))
    with pytest.warns(VolumeWarning, match="NumberOfSlices says 263, but the folder holds 234"):
        volume = read_volume(shared_data / "dicom" / "CCTH-A01")
    np.testing.assert_allclose(
        Grid.from_image(volume.image).index_to_lps_matrix, Grid.from_image(reference).index_to_lps_matrix, atol=1e-5
    )
    suv = sitk.GetArrayFromImage(volume.image).astype(np.float64) * volume.units.suv_factor
    # The reference is rounded to 0.001.
    np.testing.assert_allclose(suv, sitk.GetArrayViewFromImage(reference), rtol=2e-6, atol=5.01e-4)
