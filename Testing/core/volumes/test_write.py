"""Volumes and masks are written completely or not at all, and masks in the form that Slicer reads."""

from __future__ import annotations

import sys
from pathlib import Path

import nrrd
import numpy as np
import pytest
import SimpleITK as sitk
from full_disk import file_size_limit
from volume_files import LEFT_HANDED, SUFFIXES, oblique_image

from TumorGenCore.errors import UnsupportedVolumeError
from TumorGenCore.volumes.geometry import Grid
from TumorGenCore.volumes.read import read_volume
from TumorGenCore.volumes.write import check_writable, estimated_size, write_segmentation, write_volume


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


@pytest.mark.parametrize("noise_slices", [1, 40])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_short_write_is_an_error_and_keeps_the_old_file(tmp_path, suffix, noise_slices):
    """If only the first slice is not zero, a stump that is filled up with zeros has the right voxels."""
    voxels = np.zeros((40, 40, 40), np.float32)
    voxels[:noise_slices] = np.random.default_rng(0).random((noise_slices, 40, 40))
    path = tmp_path / f"case{suffix}"
    path.write_bytes(b"old")
    with file_size_limit(4000), pytest.raises(OSError, match="case"):
        write_volume(sitk.GetImageFromArray(voxels), path)
    assert [(item.name, item.read_bytes()) for item in tmp_path.iterdir()] == [(path.name, b"old")]
    write_volume(sitk.GetImageFromArray(voxels), path)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(path))), voxels)


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".seg.nrrd"])
@pytest.mark.parametrize("kind", [str.upper, str.title])
def test_ending_in_capitals_is_written_in_its_format(tmp_path, suffix, kind):
    path = tmp_path / f"Case{kind(suffix)}"
    check_writable(path)
    write_segmentation(tumor_mask(), path, provenance={"seed": 7})
    assert {item.name for item in tmp_path.iterdir()} == {path.name, "Case.provenance.json"}
    lower = tmp_path / f"lower{suffix}"
    path.rename(lower)
    back = sitk.ReadImage(str(lower))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(back), sitk.GetArrayFromImage(tumor_mask()))
    if suffix == ".seg.nrrd":
        assert back.GetMetaData("Segment0_Name") == "Tumor"


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.float32, np.float64])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_pixel_type_is_written_as_it_is(tmp_path, suffix, dtype):
    image = oblique_image(dtype)
    write_volume(image, tmp_path / f"case{suffix}")
    back = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / f"case{suffix}")))
    assert back.dtype == dtype
    np.testing.assert_array_equal(back, sitk.GetArrayFromImage(image))


def test_name_that_is_too_long_is_refused_and_the_longest_is_written(tmp_path):
    write_volume(oblique_image(), tmp_path / f"{'n' * 250}.nrrd")
    with pytest.raises(OSError, match="Give another one"):
        check_writable(tmp_path / f"{'n' * 251}.nrrd")
    with pytest.raises(OSError, match="Give another one"):
        write_volume(oblique_image(), tmp_path / f"{'m' * 250}.nrrd", {"seed": 7})
    assert len(list(tmp_path.iterdir())) == 1


def test_size_is_estimated_within_a_tenth(tmp_path):
    voxels = np.random.default_rng(0).random((48, 40, 44)).astype(np.float32)
    voxels[:, :, 20:] = 0
    image = sitk.GetImageFromArray(voxels)
    for suffix in SUFFIXES:
        path = tmp_path / f"case{suffix}"
        write_volume(image, path)
        assert estimated_size(image, path) == pytest.approx(path.stat().st_size, rel=0.1)


def test_provenance_that_cannot_be_written_leaves_no_volume(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_volume(oblique_image(), tmp_path / "case.nrrd", {"seed": float("nan")})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("check", [check_writable, lambda path: write_volume(oblique_image(), path)])
def test_path_that_cannot_be_written_is_refused_before_and_while_writing(tmp_path, check):
    with pytest.raises(UnsupportedVolumeError, match="must end in"):
        check(tmp_path / "case.png")
    with pytest.raises(FileNotFoundError, match="Create it first"):
        check(tmp_path / "none" / "case.nrrd")
    (tmp_path / "folder.nrrd").mkdir()
    with pytest.raises(IsADirectoryError, match=r"folder\.nrrd"):
        check(tmp_path / "folder.nrrd")
    if sys.platform == "linux":  # root may write anywhere else, so chmod does not help
        with pytest.raises(PermissionError, match="Choose another"):
            check(Path("/proc/self/case.nrrd"))


@pytest.mark.parametrize("suffix", [".seg.nrrd", *SUFFIXES])
def test_check_of_a_writable_path_passes_and_leaves_nothing(tmp_path, suffix):
    check_writable(tmp_path / f"case{suffix}")
    assert not list(tmp_path.iterdir())


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
