"""Volumes are read from files unchanged; other files are refused by name."""

from __future__ import annotations

import gzip
import warnings

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from dicom_slices import RIGHT_HANDED
from volume_files import LEFT_HANDED, SUFFIXES, oblique_image, rejects

from TumorGenCore.volumes.geometry import Grid
from TumorGenCore.volumes.read import read_volume
from TumorGenCore.volumes.suv import UnknownUnitsWarning
from TumorGenCore.volumes.write import write_volume


@pytest.mark.parametrize("direction", [RIGHT_HANDED, LEFT_HANDED], ids=["right-handed", "left-handed"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16, np.uint16, np.uint8])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_round_trip_keeps_voxels_bit_for_bit_and_geometry(tmp_path, quiet_units, suffix, dtype, direction):
    image = oblique_image(dtype, direction)
    path = tmp_path / f"case{suffix}"
    write_volume(image, path)
    back = read_volume(path).image

    assert back.GetPixelID() == image.GetPixelID()
    assert sitk.GetArrayFromImage(back).tobytes() == sitk.GetArrayFromImage(image).tobytes()
    expected = Grid.from_image(image).index_to_lps_matrix
    # NIfTI stores its matrix in 32 bits: a relative error of 6e-8 for an origin of 1 m.
    tolerance = {"rtol": 1e-6, "atol": 2e-6} if ".nii" in suffix else {"rtol": 0, "atol": 1e-9}
    np.testing.assert_allclose(Grid.from_image(back).index_to_lps_matrix, expected, **tolerance)
    assert not list(tmp_path.glob("*.json"))


def test_detached_headers_are_read(tmp_path, quiet_units):
    image = oblique_image()
    for suffix, compressed in ((".nhdr", True), (".mhd", True), (".nhdr", False), (".mhd", False)):
        path = tmp_path / f"case{suffix}"
        sitk.WriteImage(image, str(path), useCompression=compressed)
        assert np.array_equal(sitk.GetArrayFromImage(read_volume(path).image), sitk.GetArrayFromImage(image))


def test_file_without_units_is_taken_as_suv_with_a_warning_and_given_factor_silences_it(tmp_path):
    path = tmp_path / "case.nrrd"
    write_volume(oblique_image(), path)
    with pytest.warns(UnknownUnitsWarning):
        assert read_volume(path).units.source == "taken as SUV"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_volume(path, suv_factor=2.0).units.suv_factor == 2.0


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_metadata_that_could_name_a_person_are_neither_read_nor_written(tmp_path, quiet_units, suffix):
    image = oblique_image()
    image.SetMetaData("0010|0010", "DOE^JANE")
    image.SetMetaData("ITK_FileNotes", "DOE^JANE")
    for compressed, folder in ((True, tmp_path / "ours"), (False, tmp_path / "foreign")):
        folder.mkdir()
        path = folder / f"case{suffix}"
        if compressed:
            write_volume(image, path)
            content = gzip.decompress(path.read_bytes()) if suffix == ".nii.gz" else path.read_bytes()
            assert b"DOE" not in content
        else:
            sitk.WriteImage(image, str(path))
        assert not read_volume(path).image.GetMetaDataKeys()
    assert image.GetMetaData("0010|0010") == "DOE^JANE"  # the image of the caller is unchanged


def test_missing_file_and_unknown_suffix_are_refused(tmp_path):
    rejects(tmp_path / "nothing.nrrd", "nothing.nrrd", "Check the path")
    (tmp_path / "slice.dcm").write_bytes(b"x")
    rejects(tmp_path / "slice.dcm", "slice.dcm", "folder of the series")


@pytest.mark.parametrize("suffix", [".nrrd", ".nii.gz", ".mha"])
def test_rgb_and_4d_files_are_refused(tmp_path, suffix):
    sitk.WriteImage(sitk.Image([4, 4, 4], sitk.sitkVectorUInt8, 3), str(tmp_path / f"rgb{suffix}"))
    rejects(tmp_path / f"rgb{suffix}", "one real number per voxel")
    sitk.WriteImage(sitk.Image([4, 4, 4, 2], sitk.sitkFloat32), str(tmp_path / f"dynamic{suffix}"))
    rejects(tmp_path / f"dynamic{suffix}", "4 dimensions")


@pytest.mark.parametrize("suffix", [".nrrd", ".nii.gz", ".mha"])
def test_4d_file_with_one_frame_is_that_frame(tmp_path, quiet_units, suffix):
    image = oblique_image()
    sitk.WriteImage(sitk.JoinSeries([image]), str(tmp_path / f"case{suffix}"))
    back = read_volume(tmp_path / f"case{suffix}").image
    assert np.array_equal(sitk.GetArrayFromImage(back), sitk.GetArrayFromImage(image))
    np.testing.assert_allclose(
        Grid.from_image(back).index_to_lps_matrix, Grid.from_image(image).index_to_lps_matrix, rtol=1e-6, atol=2e-6
    )


@pytest.mark.parametrize("order", ["<", ">"])
def test_nifti_of_either_byte_order_is_understood(tmp_path, quiet_units, order):
    values = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
    header = nibabel.Nifti1Header(endianness=order)
    header.set_data_dtype(np.float32)
    path = tmp_path / "case.nii"
    nibabel.save(nibabel.Nifti1Image(values, np.diag([2.0, 3.0, 4.0, 1.0]), header), path)
    assert np.array_equal(sitk.GetArrayFromImage(read_volume(path).image), values.T)
    path.write_bytes(path.read_bytes()[:-4])
    rejects(path, "truncated: it has 236 of 240 bytes")
