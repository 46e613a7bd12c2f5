"""A DICOM PET series is sorted and rescaled slice by slice; an incomplete or mixed series is refused."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_slices import write_slice
from volume_files import rejects

from TumorGenCore.errors import UnsupportedVolumeError
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


def test_frames_in_one_place_are_refused(tmp_path):
    for n, height in enumerate((0.0, 4.0, 8.0) * 2):
        write_slice(tmp_path / f"{n}.dcm", height, 5, 0.5, "1.2.3")
    rejects(tmp_path, "3 slices", "dynamic or gated")


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


def test_enhanced_pet_is_refused(series):
    rejects(series(SOPClassUID="1.2.840.10008.5.1.4.1.1.130"), "Enhanced PET")


def test_truncated_slice_is_refused(series):
    folder = series()
    path = sorted(folder.glob("*.dcm"))[1]
    path.write_bytes(path.read_bytes()[:-10])
    rejects(folder, "cannot be read")


def test_real_series_in_suv_equals_the_independent_nifti_version(shared_data):
    reference = sitk.ReadImage(str(shared_data / "whole_body" / "CCTH-A01_image.nii.gz"))
    volume = read_volume(shared_data / "dicom" / "CCTH-A01")
    np.testing.assert_allclose(
        Grid.from_image(volume.image).index_to_lps_matrix, Grid.from_image(reference).index_to_lps_matrix, atol=1e-5
    )
    suv = sitk.GetArrayFromImage(volume.image).astype(np.float64) * volume.units.suv_factor
    # The reference is rounded to 0.001.
    np.testing.assert_allclose(suv, sitk.GetArrayViewFromImage(reference), rtol=2e-6, atol=5.01e-4)
