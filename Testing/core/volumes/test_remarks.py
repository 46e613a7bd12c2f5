"""Warnings of reading become remarks of the volume: the same sentences, without names of files, folders and persons."""

from __future__ import annotations

import gzip
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from dicom_slices import disagreeing_clocks
from odd_files import RAS, metaimage, nifti, nrrd

from TumorGenCore.errors import UnknownUnitsWarning, VolumeWarning
from TumorGenCore.volumes.read import read_volume
from TumorGenCore.volumes.suv import TAKEN_AS_SUV

SHEARED = RAS + np.array([[0, 1.0, 0, 0], [0] * 4, [0] * 4, [0] * 4])
MIRRORED = np.diag([-1.0, 1, 1, 1]) @ RAS

ODD: dict[str, tuple[str, Callable[[Path], Path], str]] = {
    "no form": (".nii", lambda p: nifti(p, qform=(RAS, 0), sform=(RAS, 0)), "does not say where it lies"),
    "two places": (".nii", lambda p: nifti(p, qform=(MIRRORED, 1)), "contradicts itself: the sform"),
    "two sizes": (".nii", lambda p: nifti(p, patches=[(80, "<f", 1.0)]), "1 x 4 x 3 mm by pixdim"),
    "sheared": (".nii", lambda p: nifti(p, sform=(SHEARED, 2)), "has a sform that is sheared or has no volume"),
    "offset": (".nii", lambda p: nifti(p, patches=[(108, "<f", 0.0)]), "start at byte 0"),
    "longer": (".nii", lambda p: nifti(p, patches=[(46, "<h", 2)]), "The first voxels were taken"),
    "nrrd": (".nrrd", lambda p: nrrd(p, space_origin=None), "TumorGen takes"),
    "mha": (".mha", lambda p: metaimage(p, Offset=None), "it has no Offset"),
    "slope": (".mha", lambda p: metaimage(p, ElementToIntensityFunctionSlope="2"), "the slope 2"),
}


def read(path: Path, factor: float | None = 1.0):
    """Returns a volume, and the texts of the warnings that reading gave, those about units last."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        volume = read_volume(path, factor)
    of_units = [str(w.message) for w in caught if issubclass(w.category, UnknownUnitsWarning)]
    return volume, [str(w.message) for w in caught if not issubclass(w.category, UnknownUnitsWarning)], of_units


@pytest.mark.parametrize("kind", ODD)
def test_a_remark_is_the_warning_without_the_name_of_the_file(tmp_path, kind):
    suffix, write, words = ODD[kind]
    folder = tmp_path / "DOE_JANE"
    folder.mkdir()
    volume, (warning,), of_units = read(write(folder / f"Doe^Jane 19500101{suffix}"))
    (remark,) = volume.remarks
    assert words in remark and remark.startswith("The file ") and of_units == []
    assert remark == warning.replace(f"Doe^Jane 19500101{suffix}", "The file")
    assert "jane" not in remark.lower() and "1950" not in remark and str(tmp_path) not in remark
    assert volume.warnings == (remark,)


def test_a_name_that_is_part_of_the_message_is_replaced_in_compressed_files_too(tmp_path):
    path = nifti(tmp_path / "a.nii", qform=(RAS, 0), sform=(RAS, 0))
    packed = tmp_path / "the first.nii.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert read(packed)[0].remarks == read(path)[0].remarks


def test_a_good_file_with_a_factor_has_no_remarks(tmp_path):
    volume, said, of_units = read(nifti(tmp_path / "a.nii"))
    assert volume.warnings == () and said == of_units == []


def test_remarks_about_units_belong_to_the_units_and_a_given_factor_keeps_only_what_still_holds(tmp_path):
    path = nifti(tmp_path / "a.nii", qform=(RAS, 0), sform=(RAS, 0))
    volume, said, of_units = read(path, None)
    assert volume.units.remarks == (TAKEN_AS_SUV,) == tuple(of_units)
    assert volume.warnings == (*volume.remarks, TAKEN_AS_SUV) and len(said) == len(volume.remarks) == 1
    given = read(path, 1.0)[0]
    assert given.units.remarks == () and given.remarks == volume.remarks
    wrong, _, of_units = read(path, 1000.0)
    (remark,) = wrong.units.remarks
    assert "do not look like SUV (factor 1000, given)" in remark and of_units == [remark]


def test_a_remedy_follows_remarks_about_units_only(tmp_path):
    volume = read(nifti(tmp_path / "a.nii", qform=(RAS, 0), sform=(RAS, 0)), None)[0]
    assert volume.units.with_remedy("It is there.").remarks == (f"{TAKEN_AS_SUV} It is there.",)


def test_a_dicom_series_has_the_remarks_of_its_slices_and_of_its_tags(series):
    folder = series(NumberOfSlices=6, PatientName="DOE^JANE", **disagreeing_clocks())
    volume, said, of_units = read(folder, None)
    assert volume.remarks == tuple(said) and "NumberOfSlices says 6" in volume.remarks[0]
    assert volume.units.remarks == tuple(of_units) and "disagree" in volume.units.remarks[0]
    given, said, of_units = read(folder, 2e-4)
    assert given.remarks == tuple(said) == volume.remarks
    assert not any("disagree" in line for line in (*given.warnings, *of_units))
    for line in volume.warnings:
        assert "DOE" not in line and "2020" not in line and folder.name not in line


def test_a_warning_that_is_made_an_error_still_stops_reading(tmp_path):
    path = nifti(tmp_path / "a.nii", qform=(RAS, 0), sform=(RAS, 0))
    with warnings.catch_warnings():
        warnings.simplefilter("error", VolumeWarning)
        with pytest.raises(VolumeWarning, match=r"a\.nii does not say where it lies"):
            read_volume(path, 1.0)
