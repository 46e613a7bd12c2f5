"""Damaged files are refused, and files with header values that ITK would replace."""

from __future__ import annotations

import gzip
import struct

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from volume_files import SUFFIXES, oblique_image, rejects


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.98])
@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_truncated_file_is_refused(tmp_path, suffix, compressed, share):
    path = tmp_path / f"case{suffix}"
    sitk.WriteImage(oblique_image(), str(path), useCompression=compressed)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    rejects(path, f"case{suffix}", "xport it again" if share > 0.4 else "")


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


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nan_in_the_last_voxel_of_a_nifti_file_is_refused(tmp_path, suffix):
    image = sitk.Image(3, 3, 3, sitk.sitkFloat32)  # An odd count of four-byte voxels.
    image.SetPixel(2, 2, 2, float("nan"))
    sitk.WriteImage(image, str(tmp_path / f"case{suffix}"))
    rejects(tmp_path / f"case{suffix}", "NaN or Inf")


@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf")])
@pytest.mark.parametrize("compressed", [True, False])
def test_nifti_spacing_that_itk_would_correct_is_refused(tmp_path, value, compressed):
    sitk.WriteImage(oblique_image(), str(tmp_path / "case.nii"))
    content = bytearray((tmp_path / "case.nii").read_bytes())
    struct.pack_into("<f", content, 76 + 4 * 2, value)  # pixdim[2]
    path = tmp_path / ("case.nii.gz" if compressed else "case.nii")
    path.write_bytes(gzip.compress(bytes(content)) if compressed else bytes(content))
    rejects(path, "spacing", str(value))


def test_nifti_2_is_refused_by_name(tmp_path):
    nibabel.save(nibabel.Nifti2Image(np.zeros((3, 4, 5), np.float32), np.eye(4)), tmp_path / "case.nii")
    rejects(tmp_path / "case.nii", "NIfTI-2", "Convert")


@pytest.mark.parametrize(
    ("directions", "word"),
    [
        (b"(1,0,0) (0,0,0) (0,0,1)", "do not give three axes"),
        (b"(1,0,0) (1,0,0) (0,0,1)", "three different unit vectors"),
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
