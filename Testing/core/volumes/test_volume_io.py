"""Volumes, masks and boxes survive their files; what cannot be used is refused by name."""

from __future__ import annotations

import gzip
import json
import struct
import time
import warnings
from pathlib import Path

import nibabel
import nrrd
import numpy as np
import pytest
import SimpleITK as sitk
from dicom_slices import RIGHT_HANDED, rotation, write_slice

from TumorGenCore.errors import InvalidBoxError, UnsupportedVolumeError
from TumorGenCore.volumes import volume_io
from TumorGenCore.volumes.geometry import Box, Grid
from TumorGenCore.volumes.suv import UnknownUnitsWarning
from TumorGenCore.volumes.volume_io import (
    check_volume,
    check_writable,
    parse_box,
    provenance_path,
    read_box,
    read_volume,
    write_box,
    write_provenance,
    write_segmentation,
    write_volume,
)

SUFFIXES = (".nrrd", ".mha", ".nii", ".nii.gz")


LEFT_HANDED = RIGHT_HANDED @ np.diag([1, 1, -1])


def oblique_image(dtype: type = np.float32, direction: np.ndarray = RIGHT_HANDED) -> sitk.Image:
    generator = np.random.default_rng(5)
    if np.issubdtype(dtype, np.floating):
        values = generator.random((7, 6, 5)).astype(dtype) * 20
    else:
        values = generator.integers(0, np.iinfo(dtype).max, (7, 6, 5), endpoint=True).astype(dtype)
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((1.25, 2.7, 4.1))
    image.SetOrigin((-123.456, 78.9, 1012.3))
    image.SetDirection(direction.ravel().tolist())
    return image


@pytest.fixture
def quiet_units():
    """For tests of other things than the warning about units."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnknownUnitsWarning)
        yield


def rejects(path: Path, *words: str) -> None:
    """Reading must fail with an error that has all the words."""
    with pytest.raises(UnsupportedVolumeError) as caught:
        read_volume(path)
    for word in words:
        assert word in str(caught.value)


# Volumes


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
    # NIfTI holds its matrix in 32 bits: 6e-8 of an origin of 1 m.
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
    assert image.GetMetaData("0010|0010") == "DOE^JANE"  # the caller's image is not touched


def test_missing_file_and_unknown_suffix_are_refused(tmp_path):
    rejects(tmp_path / "nothing.nrrd", "nothing.nrrd", "check the path")
    (tmp_path / "slice.dcm").write_bytes(b"x")
    rejects(tmp_path / "slice.dcm", "slice.dcm", "folder of the series")


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.98])
@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_truncated_file_is_refused(tmp_path, suffix, compressed, share):
    path = tmp_path / f"case{suffix}"
    sitk.WriteImage(oblique_image(), str(path), useCompression=compressed)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    rejects(path, f"case{suffix}", "export it again" if share > 0.4 else "")


@pytest.mark.parametrize("suffix", [".nrrd", ".mha", ".nii.gz"])
def test_flipped_bits_in_compressed_data_are_refused(tmp_path, quiet_units, suffix):
    path = tmp_path / f"case{suffix}"
    sitk.WriteImage(oblique_image(), str(path), useCompression=True)
    content = path.read_bytes()
    for place in range(len(content) - 300, len(content), 20):
        damaged = bytearray(content)
        damaged[place] ^= 0x55
        path.write_bytes(damaged)
        rejects(path, "damaged")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_foreign_content_is_refused(tmp_path, suffix):
    path = tmp_path / f"case{suffix}"
    path.write_bytes(b"<html>not found</html>" * 100)
    rejects(path, f"case{suffix}")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nan_and_inf_are_refused_with_their_place(tmp_path, dtype, value):
    image = oblique_image(dtype)
    image.SetPixel(4, 5, 6, value)
    with pytest.raises(UnsupportedVolumeError, match=r"1 voxels are NaN or Inf, the first at ijk \(4, 5, 6\)"):
        check_volume(image)
    for suffix in (".nrrd", ".mha", ".nii", ".nii.gz"):
        sitk.WriteImage(image, str(tmp_path / f"case{suffix}"))
        rejects(tmp_path / f"case{suffix}", "NaN or Inf")


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nan_in_the_last_voxel_of_a_nifti_file_is_refused(tmp_path, suffix):
    image = sitk.Image(3, 3, 3, sitk.sitkFloat32)  # An odd count of four-byte voxels.
    image.SetPixel(2, 2, 2, float("nan"))
    sitk.WriteImage(image, str(tmp_path / f"case{suffix}"))
    rejects(tmp_path / f"case{suffix}", "NaN or Inf")


def test_large_finite_values_pass_though_their_sum_overflows():
    image = sitk.GetImageFromArray(np.full((3, 3, 3), 3e38, dtype=np.float32))
    assert check_volume(image).size_ijk == (3, 3, 3)


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(sitk.Image([4, 4, 4], sitk.sitkVectorUInt8, 3), id="rgb"),
        pytest.param(sitk.Image([4, 4, 4], sitk.sitkVectorFloat32, 3), id="vector"),
        pytest.param(sitk.Image([4, 4, 4], sitk.sitkComplexFloat32), id="complex"),
        pytest.param(sitk.Image([4, 4, 4], sitk.sitkLabelUInt8), id="label-map"),
        pytest.param(sitk.Image([4, 4], sitk.sitkFloat32), id="2d"),
        pytest.param(sitk.Image([4, 4, 4, 2], sitk.sitkFloat32), id="4d"),
    ],
)
def test_what_is_not_a_3d_scalar_volume_is_refused(image):
    with pytest.raises(UnsupportedVolumeError, match="Extract one"):
        check_volume(image)


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


@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf")])
@pytest.mark.parametrize("compressed", [True, False])
def test_nifti_spacing_that_itk_would_correct_is_refused(tmp_path, value, compressed):
    sitk.WriteImage(oblique_image(), str(tmp_path / "case.nii"))
    content = bytearray((tmp_path / "case.nii").read_bytes())
    struct.pack_into("<f", content, 76 + 4 * 2, value)  # pixdim[2]
    path = tmp_path / ("case.nii.gz" if compressed else "case.nii")
    path.write_bytes(gzip.compress(bytes(content)) if compressed else bytes(content))
    rejects(path, "spacing", str(value))


@pytest.mark.parametrize("order", ["<", ">"])
def test_nifti_of_either_byte_order_is_understood(tmp_path, quiet_units, order):
    values = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
    header = nibabel.Nifti1Header(endianness=order)
    header.set_data_dtype(np.float32)
    path = tmp_path / "case.nii"
    nibabel.save(nibabel.Nifti1Image(values, np.diag([2.0, 3.0, 4.0, 1.0]), header), path)
    assert np.array_equal(sitk.GetArrayFromImage(read_volume(path).image), values.T)
    path.write_bytes(path.read_bytes()[:-4])
    rejects(path, "truncated: 588 of 592 bytes")


def test_nifti_2_is_refused_by_name(tmp_path):
    nibabel.save(nibabel.Nifti2Image(np.zeros((3, 4, 5), np.float32), np.eye(4)), tmp_path / "case.nii")
    rejects(tmp_path / "case.nii", "NIfTI-2", "convert")


@pytest.mark.parametrize(
    ("directions", "word"),
    [
        (b"(1,0,0) (0,0,0) (0,0,1)", "Zero-valued spacing"),
        (b"(1,0,0) (1,0,0) (0,0,1)", "determinant is 0"),
        (b"(1,0,0) (nan,nan,nan) (0,0,1)", "space directions"),
        (b"(1,0,0) none (0,0,1)", "space directions"),
    ],
)
def test_nrrd_with_broken_directions_is_refused(tmp_path, directions, word):
    path = tmp_path / "case.nrrd"
    sitk.WriteImage(sitk.Image([4, 4, 4], sitk.sitkFloat32), str(path))
    content = path.read_bytes()
    assert b"(1,0,0) (0,1,0) (0,0,1)" in content
    path.write_bytes(content.replace(b"(1,0,0) (0,1,0) (0,0,1)", directions))
    rejects(path, word, "orrect")


@pytest.mark.parametrize(
    ("field", "broken"),
    [
        (b"ElementSpacing = 1 1 1", b"ElementSpacing = 1 0 1"),
        (b"ElementSpacing = 1 1 1", b"ElementSpacing = 1 nan 1"),
        (b"TransformMatrix = 1 0 0 0 1 0", b"TransformMatrix = 1 0 0 1 0 0"),
    ],
)
def test_metaimage_with_broken_geometry_is_refused(tmp_path, field, broken):
    path = tmp_path / "case.mha"
    sitk.WriteImage(sitk.Image([4, 4, 4], sitk.sitkFloat32), str(path))
    content = path.read_bytes()
    assert field in content
    path.write_bytes(content.replace(field, broken))
    rejects(path, "orrect")


def test_check_of_a_whole_body_volume_is_quick():
    image = sitk.Image([168, 168, 545], sitk.sitkFloat32)
    check_volume(image)
    durations = []
    for _ in range(3):
        start = time.perf_counter()
        check_volume(image)
        durations.append(time.perf_counter() - start)
    assert min(durations) < 0.1


# Writing


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, suffix):
    path = tmp_path / f"case{suffix}"
    path.write_bytes(b"old")

    def fail(image, name, **kwargs):
        Path(name).write_bytes(b"half")
        raise RuntimeError("disk full")

    monkeypatch.setattr(sitk, "WriteImage", fail)
    with pytest.raises(OSError, match="disk full"):
        write_volume(oblique_image(), path, {"seed": 7})
    assert [(item.name, item.read_bytes()) for item in tmp_path.iterdir()] == [(path.name, b"old")]


def test_provenance_that_cannot_be_written_leaves_no_volume(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_volume(oblique_image(), tmp_path / "case.nrrd", {"seed": float("nan")})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("check", [check_writable, lambda path: write_volume(oblique_image(), path)])
def test_path_that_cannot_be_written_is_refused_before_and_while_writing(tmp_path, monkeypatch, check):
    with pytest.raises(UnsupportedVolumeError, match="must end in"):
        check(tmp_path / "case.png")
    with pytest.raises(FileNotFoundError, match="create it first"):
        check(tmp_path / "none" / "case.nrrd")
    (tmp_path / "folder.nrrd").mkdir()
    with pytest.raises(IsADirectoryError, match=r"folder\.nrrd"):
        check(tmp_path / "folder.nrrd")
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root may write anywhere, so chmod would not do
    with pytest.raises(PermissionError, match="choose another"):
        check(tmp_path / "case.nrrd")


@pytest.mark.parametrize("suffix", [".seg.nrrd", *SUFFIXES])
def test_check_of_a_writable_path_passes_and_leaves_nothing(tmp_path, suffix):
    check_writable(tmp_path / f"case{suffix}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_provenance_lies_beside_every_format(tmp_path, suffix):
    record = {"seed": 7, "synthetic": True, "statement": "Synthetic, not for diagnosis", "box_center_lps": [1.0, -2.5]}
    write_volume(oblique_image(), tmp_path / f"case{suffix}", record)
    assert {item.name for item in tmp_path.iterdir()} == {f"case{suffix}", "case.provenance.json"}
    assert json.loads((tmp_path / "case.provenance.json").read_text()) == record


def test_nrrd_header_carries_provenance(tmp_path):
    record = {"seed": 7, "synthetic": True, "statement": "Synthetic, not for diagnosis", "box_center_lps": [1.0, -2.5]}
    write_volume(oblique_image(), tmp_path / "case.nrrd", record)
    header = nrrd.read_header(str(tmp_path / "case.nrrd"))
    assert header["TumorGen_seed"] == "7"
    assert header["TumorGen_synthetic"] == "true"
    assert header["TumorGen_statement"] == "Synthetic, not for diagnosis"
    assert json.loads(header["TumorGen_box_center_lps"]) == [1.0, -2.5]


def test_image_and_segmentation_of_one_case_share_its_provenance_file():
    names = {provenance_path(f"out/case.v1{suffix}").name for suffix in (".nrrd", ".seg.nrrd", ".nii.gz", ".mha")}
    assert names == {"case.v1.provenance.json"}


def test_write_provenance_returns_where_it_wrote(tmp_path):
    assert write_provenance({"seed": 1}, tmp_path / "a.nii.gz") == tmp_path / "a.provenance.json"


# Segmentations


def tumor_mask() -> sitk.Image:
    mask = sitk.Cast(oblique_image(np.float32, LEFT_HANDED) > 15, sitk.sitkUInt8)
    assert 0 < sitk.GetArrayViewFromImage(mask).sum() < 210
    return mask


@pytest.mark.parametrize("suffix", [".seg.nrrd", *SUFFIXES])
def test_mask_round_trips(tmp_path, quiet_units, suffix):
    mask = tumor_mask()
    path = tmp_path / f"case{suffix}"
    write_segmentation(mask, path, provenance={"seed": 7})
    back = read_volume(path, suv_factor=1.0).image
    assert back.GetPixelID() == sitk.sitkUInt8
    assert np.array_equal(sitk.GetArrayFromImage(back), sitk.GetArrayFromImage(mask))
    np.testing.assert_allclose(
        Grid.from_image(back).index_to_lps_matrix, Grid.from_image(mask).index_to_lps_matrix, rtol=1e-6, atol=2e-6
    )
    assert {item.name for item in tmp_path.iterdir()} == {path.name, "case.provenance.json"}


def test_seg_nrrd_has_the_keys_that_slicer_reads(tmp_path):
    path = tmp_path / "case.seg.nrrd"
    write_segmentation(tumor_mask(), path, name="Synthetic tumor", provenance={"seed": 7})
    header = nrrd.read_header(str(path))
    assert header["space"] == "left-posterior-superior"
    assert header["kinds"] == ["domain"] * 3
    assert header["encoding"] == "gzip"
    assert header["type"] in ("uint8", "unsigned char")
    assert header["Segment0_Name"] == "Synthetic tumor"
    assert header["Segment0_ID"]
    assert header["Segment0_LabelValue"] == "1"
    assert header["Segment0_Layer"] == "0"
    assert header["Segment0_Extent"] == "0 4 0 5 0 6"
    assert len([float(part) for part in header["Segment0_Color"].split()]) == 3
    assert "~SCT^49755003^Morphologically Altered Structure~SCT^4147007^Mass~" in header["Segment0_Tags"]
    assert header["Segmentation_MasterRepresentation"] == "Binary labelmap"
    assert header["Segmentation_ContainedRepresentationNames"] == "Binary labelmap|"
    assert header["Segmentation_ReferenceImageExtentOffset"] == "0 0 0"
    assert header["TumorGen_seed"] == "7"


def test_mask_of_another_kind_is_refused(tmp_path):
    with pytest.raises(UnsupportedVolumeError, match="must be uint8"):
        write_segmentation(oblique_image(), tmp_path / "case.seg.nrrd")
    with pytest.raises(UnsupportedVolumeError, match="value 3"):
        write_segmentation(tumor_mask() * 3, tmp_path / "case.seg.nrrd")
    assert not list(tmp_path.iterdir())


# DICOM


@pytest.fixture
def series(tmp_path):
    """Writes a series of slices 4 mm apart, in files whose names do not follow the heights."""

    def write(heights=(8.0, 0.0, 4.0, 12.0), uid="1.2.3.4", **tags) -> Path:
        for height in heights:
            name = f"{uid}-{(int(height) * 7) % 10}.dcm"
            write_slice(tmp_path / name, height, 5, 1.0 if height == 0.0 else 0.25, uid, **tags)
        return tmp_path

    return write


def test_dicom_slices_are_sorted_and_each_rescaled_by_its_own_slope(series):
    volume = read_volume(series())
    values = sitk.GetArrayFromImage(volume.image)
    # The first slice has the slope 1: a reader that took its integer type for all would make 1.25 a 1.
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
    assert "2 PET series, of 4 and 2 slices" in str(caught.value)
    assert not any(word in str(caught.value) for word in ("1.2.3", "DOE"))


@pytest.mark.parametrize(
    ("heights", "word"),
    [
        ((0.0, 4.0, 12.0, 16.0), "missing or unevenly spaced"),
        ((0.0, 4.0, 8.0, 13.0), "missing or unevenly spaced"),
        ((0.0,), "one slice only"),
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
    # The reference was rounded to 0.001.
    np.testing.assert_allclose(suv, sitk.GetArrayViewFromImage(reference), rtol=2e-6, atol=5.01e-4)


# Boxes


def markups(tmp_path: Path, *items: dict) -> Path:
    path = tmp_path / "roi.mrk.json"
    path.write_text(json.dumps({"@schema": "markups-schema-v1.0.3.json#", "markups": list(items)}))
    return path


def roi(**changes) -> dict:
    """As Slicer 5.12 writes an ROI turned by 20 degrees about R and then 30 about S, at RAS (10, 20, 30)."""
    axes_ras = rotation(0, 0, 30) @ rotation(20, 0, 0)
    axes_lps = np.diag([-1, -1, 1]) @ axes_ras
    item = {
        "type": "ROI",
        "coordinateSystem": "LPS",
        "coordinateUnits": "mm",
        "roiType": "Box",
        "center": [-10.0, -20.0, 30.0],
        "orientation": axes_lps.ravel().tolist(),
        "size": [30.0, 40.0, 50.0],
        "insideOut": False,
    }
    if changes.get("coordinateSystem") == "RAS":
        item |= {"center": [10.0, 20.0, 30.0], "orientation": axes_ras.ravel().tolist()}
    return {key: value for key, value in (item | changes).items() if value is not None}


@pytest.mark.parametrize("system", ["LPS", "RAS"])
@pytest.mark.parametrize("kind", ["Box", "BoundingBox", None])
def test_roi_is_read_alike_in_both_coordinate_systems(tmp_path, system, kind):
    box = read_box(markups(tmp_path, roi(coordinateSystem=system, roiType=kind)))
    assert box.center_lps == (-10.0, -20.0, 30.0)
    assert box.size_mm == (30.0, 40.0, 50.0)
    # The first row and column as Slicer itself wrote them.
    np.testing.assert_allclose(np.asarray(box.axes)[0], [-0.8660254, 0.4698463, -0.1710101], atol=1e-6)
    np.testing.assert_allclose(np.asarray(box.axes)[:, 0], [-0.8660254, -0.5, 0.0], atol=1e-6)


def test_written_box_reads_back(tmp_path):
    axes = RIGHT_HANDED
    box = Box((1.5, -2.5, 300.25), (10.0, 20.0, 30.0), axes)
    write_box(box, tmp_path / "roi.mrk.json", name="Liver")
    assert read_box(tmp_path / "roi.mrk.json") == box
    assert [item.name for item in tmp_path.iterdir()] == ["roi.mrk.json"]


@pytest.mark.parametrize(
    ("items", "word"),
    [
        ([], "0 markups"),
        ([roi(), roi()], "2 markups"),
        ([roi(type="Fiducial")], "Fiducial"),
        ([roi(type="Plane")], "Plane"),
        ([roi(roiType="Sphere")], "Sphere"),
        ([roi(insideOut=True)], "inside out"),
        ([roi(coordinateUnits="um")], "um"),
        ([roi(coordinateSystem="IJK")], "ijk"),
        ([roi(center=None)], "'center'"),
        ([roi(size=None, roiType="BoundingBox")], "'size'"),
        ([roi(orientation=[1.0, 0.0, 0.0])], "'orientation'"),
        ([roi(center=[0.0, "x", 0.0])], "'center'"),
        ([roi(size=[10.0, 0.0, 10.0])], "must be positive"),
        ([roi(orientation=[2.0, 0, 0, 0, 1, 0, 0, 0, 1])], "not orthonormal"),
        ([roi(center=[float("nan"), 0.0, 0.0])], "not finite"),
        (["text"], "no list of markups"),
    ],
)
def test_markups_that_are_not_one_roi_are_refused(tmp_path, items, word):
    with pytest.raises(InvalidBoxError, match=word):
        read_box(markups(tmp_path, *items))


@pytest.mark.parametrize("content", [b"", b"[1, 2]", b"{}", b"\xff\xfe", b"#DisplayableTags"])
def test_file_that_is_no_markups_is_refused(tmp_path, content):
    path = tmp_path / "roi.mrk.json"
    path.write_bytes(content)
    with pytest.raises(InvalidBoxError, match=r"roi\.mrk\.json"):
        read_box(path)


def test_missing_roi_file_is_refused(tmp_path):
    with pytest.raises(InvalidBoxError, match="check the path"):
        read_box(tmp_path / "none.mrk.json")


def test_box_text_is_ras_unless_said_otherwise():
    assert parse_box("10, -20,30,1,2,3").center_lps == (-10.0, 20.0, 30.0)
    assert parse_box("10,-20,30,1,2,3", frame="lps").center_lps == (10.0, -20.0, 30.0)
    assert parse_box("0,0,0,1,2,3").size_mm == (1.0, 2.0, 3.0)


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,4,5,6,7", "a,b,c,d,e,f", "1,2,3,4,5,", "1;2;3;4;5;6"])
def test_box_text_must_be_six_numbers(text):
    with pytest.raises(InvalidBoxError, match="CX,CY,CZ,SX,SY,SZ"):
        parse_box(text)


@pytest.mark.parametrize("text", ["0,0,0,1,2,0", "0,0,0,1,2,-3", "nan,0,0,1,2,3", "0,0,0,1,2,inf"])
def test_box_text_must_make_a_box(text):
    with pytest.raises(InvalidBoxError):
        parse_box(text)


def test_public_names_exist():
    assert all(hasattr(volume_io, name) for name in volume_io.__all__)
