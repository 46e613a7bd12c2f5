"""NIfTI files that contradict themselves or leave something out: read by the right form with a warning, or refused."""

from __future__ import annotations

import gzip
import time

import numpy as np
import pytest
from odd_files import RAS, TO_LPS, VOXELS, nifti, read
from volume_files import rejects

NAN, INF = float("nan"), float("inf")
MIRRORED = np.diag([-1.0, 1, 1, 1]) @ RAS
ANGLE = np.deg2rad(20)
TURN, SHIFT = np.eye(4), np.eye(4)
TURN[:2, :2] = [[np.cos(ANGLE), -np.sin(ANGLE)], [np.sin(ANGLE), np.cos(ANGLE)]]
SHIFT[2, 3] = 5.0
PIXDIM, VOX_OFFSET, SLOPE, INTERCEPT, QFORM_CODE, SFORM_CODE, SROW_Y = 76, 108, 112, 116, 252, 254, 296
DATATYPE, BITPIX, DIM = 70, 72, 40


@pytest.mark.parametrize("codes", [(1, 1), (2, 2), (1, 2)])
def test_mirrored_forms_are_read_by_the_sform_with_a_warning_that_names_both(tmp_path, codes):
    path = nifti(tmp_path / "a.nii", qform=(MIRRORED, codes[0]), sform=(RAS, codes[1]))
    voxels, lps, (warning,) = read(path)
    np.testing.assert_array_equal(voxels, VOXELS)
    np.testing.assert_allclose(lps, TO_LPS @ RAS, atol=1e-4)
    assert "[-22.0, 18.0, -100.0]" in warning and "[22.0, 18.0, -100.0]" in warning and "sform was taken" in warning


@pytest.mark.parametrize("move", [TURN, SHIFT])
def test_forms_with_one_code_and_two_places_are_read_by_the_sform_with_a_warning(tmp_path, move):
    _, lps, (warning,) = read(nifti(tmp_path / "a.nii", qform=(move @ RAS, 1)))
    np.testing.assert_allclose(lps, TO_LPS @ RAS, atol=1e-4)
    assert "contradicts itself" in warning and "sform was taken" in warning


@pytest.mark.parametrize("pixdim", [1.0, 4.2, 40.0])
@pytest.mark.parametrize("qform_code", [0, 1])
def test_pixdim_that_disagrees_with_the_sform_is_not_taken(tmp_path, pixdim, qform_code):
    path = nifti(tmp_path / "a.nii", qform=(RAS, qform_code), patches=[(PIXDIM + 4, "<f", pixdim)])
    _, lps, (warning,) = read(path)
    np.testing.assert_allclose(lps, TO_LPS @ RAS, atol=1e-4)
    assert "4 x 4 x 3 mm by the sform" in warning and f"{pixdim:g} x 4 x 3 mm by pixdim" in warning


def test_no_orientation_is_said(tmp_path):
    _, lps, (warning,) = read(nifti(tmp_path / "a.nii", qform=(RAS, 0), sform=(RAS, 0)))
    np.testing.assert_allclose(lps, np.diag([4, 4, 3, 1]))
    assert "does not say where it lies" in warning and "0, 0, 0" in warning


def test_sheared_sform_gives_way_to_the_qform_with_a_warning_or_is_refused(tmp_path):
    sheared = RAS.copy()
    sheared[0, 1] = 1.0
    _, lps, (warning,) = read(nifti(tmp_path / "a.nii", sform=(sheared, 2)))
    np.testing.assert_allclose(lps, TO_LPS @ RAS, atol=1e-4)
    assert "sheared" in warning and "qform was taken" in warning
    rejects(nifti(tmp_path / "b.nii", qform=(RAS, 0), sform=(sheared, 2)), "sheared", "Resample")


def test_slope_of_zero_leaves_the_values_as_stored(tmp_path):
    stored = VOXELS.astype(np.int16)
    path = nifti(tmp_path / "a.nii", stored, patches=[(SLOPE, "<f", 0.0), (INTERCEPT, "<f", 5.0)])
    voxels, _, warned = read(path)
    np.testing.assert_array_equal(voxels, stored)
    assert not warned


def test_offset_of_zero_is_the_end_of_the_header(tmp_path):
    voxels, _, (warning,) = read(nifti(tmp_path / "a.nii", patches=[(VOX_OFFSET, "<f", 0.0)]))
    np.testing.assert_array_equal(voxels, VOXELS)
    assert "vox_offset" in warning and "352" in warning


@pytest.mark.parametrize(
    ("patch", "words"),
    [
        ((PIXDIM + 4, "<f", -4.0), ("pixdim", "-4.0", "positive")),
        ((PIXDIM + 12, "<f", INF), ("pixdim", "inf", "positive")),
        ((SROW_Y, "<f", INF), ("sform", "Inf")),  # ITK never returns from this one
        ((SROW_Y + 16, "<f", INF), ("sform", "Inf")),
        ((SROW_Y, "<f", NAN), ("sform", "NaN")),
        ((SFORM_CODE, "<h", 17), ("sform_code 17",)),
        ((QFORM_CODE, "<h", -1), ("qform_code -1",)),
        ((INTERCEPT, "<f", NAN), ("scl_inter", "nan")),
        ((VOX_OFFSET, "<f", 100.0), ("vox_offset", "100")),
        ((VOX_OFFSET, "<f", NAN), ("vox_offset", "nan")),
        ((VOX_OFFSET, "<f", 1e12), ("skip", "0 to 67108864")),
        ((BITPIX, "<h", 16), ("bitpix says 16", "has 32")),
        ((DATATYPE, "<h", 4), ("bitpix says 32", "has 16")),
        ((DATATYPE, "<h", 128), ("datatype 128", "one real number per voxel")),
        ((DIM, "<h", 9), ("impossible dimensions",)),
        ((DIM + 2, "<h", -5), ("impossible dimensions",)),
        ((DIM + 2, "<h", 32000), ("cannot hold",)),
        ((344, "<i", 0), ("mark",)),
        ((256, "<f", 3.0), ("quaternion", "no rotation")),
    ],
)
def test_broken_headers_are_refused_by_name(tmp_path, patch, words):
    rejects(nifti(tmp_path / "a.nii", patches=[patch]), *words)


def test_header_that_claims_more_than_16_gib_is_refused_at_once(tmp_path):
    patches = [(DIM + 2 * n, "<h", 32000) for n in (1, 2, 3)]
    path = nifti(tmp_path / "a.nii", patches=patches)
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(path.read_bytes()))
    start = time.perf_counter()
    rejects(path, "32000", "at most 16 GiB")
    rejects(tmp_path / "a.nii.gz", "32000", "at most 16 GiB")
    assert time.perf_counter() - start < 1


def test_data_that_go_on_are_warned_about_or_refused(tmp_path):
    path = nifti(tmp_path / "a.nii", patches=[(DIM + 6, "<h", 2)])
    voxels, _, (warning,) = read(path)
    np.testing.assert_array_equal(voxels, VOXELS[:, :, :2])
    assert "240 bytes" in warning and "160" in warning
    (tmp_path / "bomb.nii.gz").write_bytes(gzip.compress(path.read_bytes() + bytes(70 << 20), 1))
    rejects(tmp_path / "bomb.nii.gz", "64 MiB")


@pytest.mark.parametrize("end", [b"\t", b"n"])
def test_a_mark_that_is_damaged_at_its_end_is_refused(tmp_path, end):
    path = nifti(tmp_path / "a.nii")
    content = path.read_bytes()
    path.write_bytes(content[:347] + end + content[348:])
    rejects(path, "lacks the mark")


@pytest.mark.parametrize("qfac", [-INF, -2.0, NAN])
def test_a_qfac_that_does_not_tell_left_from_right_is_refused_if_the_qform_counts(tmp_path, qfac):
    patches = [(PIXDIM, "<f", qfac)]
    rejects(nifti(tmp_path / "a.nii", sform=(RAS, 0), patches=patches), f"{qfac:g}", "left from right")
    _, lps, _ = read(nifti(tmp_path / "b.nii", qform=(RAS, 0), patches=patches))
    np.testing.assert_allclose(lps, TO_LPS @ RAS, atol=1e-4)
