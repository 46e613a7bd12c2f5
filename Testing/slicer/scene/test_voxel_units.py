"""The factor from a volume node's voxels to SUV: its sources, their order, and what is refused."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pydicom
import pytest

pytest.importorskip("slicer", reason="needs slicer-core")

import slicer
from scene_cases import aVolume

from TumorGenCore.errors import UnsupportedVolumeError
from TumorGenCore.volumes.read import read_volume
from TumorGenCore.volumes.suv import TAKEN_AS_SUV, PetUnits
from TumorGenSlicerLib.scene.units import remarksOfVolume, setRemarks, setUnits, unitsOfVolume


def withUnits(volume, code, quantity=None):
    entry = slicer.vtkCodedEntry()
    entry.SetValueSchemeMeaning(code, "UCUM", code)
    volume.SetVoxelValueUnits(entry)
    if quantity:
        kind = slicer.vtkCodedEntry()
        kind.SetValueSchemeMeaning(quantity, "DCM", "quantity")
        volume.SetVoxelValueQuantity(kind)
    return volume


def test_without_any_hint_values_are_taken_as_suv(scene):
    units = unitsOfVolume(aVolume(scene))
    assert units == PetUnits("SUV", 1.0, "taken as SUV")
    assert units.remarks == (TAKEN_AS_SUV,)


def test_a_synthetic_volume_made_of_values_taken_as_suv_is_remarked_again(scene):
    volume = aVolume(scene)
    for key, value in (("suv_factor", "1.0"), ("input_units", "SUV"), ("suv_factor_source", "taken as SUV")):
        volume.SetAttribute(f"TumorGen.{key}", value)  # from the provenance of the result
    assert unitsOfVolume(volume).remarks == (TAKEN_AS_SUV,)


def test_the_caller_is_believed_first(scene):
    volume = withUnits(aVolume(scene), "Bq/ml")
    setUnits(volume, PetUnits("SUV", 1.0, "dicom tags"))
    assert unitsOfVolume(volume, 0.25) == PetUnits("unknown", 0.25, "given")
    for factor in (0, -1, np.nan):
        with pytest.raises(UnsupportedVolumeError, match="factor"):
            unitsOfVolume(volume, factor)


def test_units_noted_before_come_second(scene):
    volume = withUnits(aVolume(scene), "{SUVbw}g/ml")
    units = PetUnits("BQML", 1.2345678901234567e-4, "dicom tags")
    setUnits(volume, units)
    assert unitsOfVolume(volume) == units
    assert unitsOfVolume(volume).remarks == ()


def test_remarks_about_contradicting_tags_are_warnings_and_are_noted(scene):
    volume = aVolume(scene)
    setUnits(volume, PetUnits("BQML", 1e-4, "dicom tags", ("Two times disagree.", "The date is missing.")))
    assert unitsOfVolume(volume).remarks == ("Two times disagree.", "The date is missing.")
    assert unitsOfVolume(volume, 0.5).remarks == ()


def test_remarks_about_the_file_are_noted(scene):
    volume = aVolume(scene)
    assert remarksOfVolume(volume) == ()
    setRemarks(volume, ["The file has no place.", "It is longer than it says."])
    assert remarksOfVolume(volume) == ("The file has no place.", "It is longer than it says.")


@pytest.mark.parametrize("code", ["{SUVbw}g/ml", "g/ml{SUVbw}", "g/ml"])
def test_a_volume_may_state_that_it_is_in_suv(scene, code):
    assert unitsOfVolume(withUnits(aVolume(scene), code)) == PetUnits("SUV", 1.0, "voxel units")
    assert unitsOfVolume(withUnits(aVolume(scene), "", "126400")).source == "voxel units"


@pytest.mark.parametrize("code", ["{SUVlbm}g/ml", "{SUVbsa}cm2/ml", "Bq/ml", "kBq/ml"])
def test_units_that_do_not_lead_to_suv_are_refused_by_name(scene, code):
    with pytest.raises(UnsupportedVolumeError, match=code.lower().strip("{")[:6]):
        unitsOfVolume(withUnits(aVolume(scene), code))


@pytest.fixture
def series(scene, shared_data, monkeypatch):
    """A node as Slicer's DICOM module loads it: an attribute names the instances, the database their files."""
    folder = shared_data / "dicom" / "CCTH-A01"
    headers = {path: pydicom.dcmread(path, specific_tags=["Modality"]) for path in sorted(folder.glob("*.dcm"))}
    slices = [path for path, header in headers.items() if header.Modality == "PT"]
    files = {f"1.2.{n}": str(path) for n, path in enumerate(slices)}
    database = SimpleNamespace(fileForInstance=lambda uid: files.get(uid, ""))
    monkeypatch.setattr(slicer, "dicomDatabase", database, raising=False)
    volume = aVolume(scene)
    volume.SetAttribute("DICOM.instanceUIDs", " ".join(files))
    return SimpleNamespace(volume=volume, folder=folder, files=files)


def test_dicom_tags_are_read_through_the_database(series):
    expected = read_volume(series.folder).units
    assert unitsOfVolume(series.volume) == expected
    assert expected.source == "dicom tags"
    assert unitsOfVolume(withUnits(series.volume, "Bq/ml")) == expected
    quick = unitsOfVolume(series.volume, quick=True)
    assert quick.suv_factor == pytest.approx(expected.suv_factor, rel=0.3)


def test_the_factor_of_the_tags_is_not_applied_to_voxels_that_slicer_has_mapped_to_suv(series):
    expected = unitsOfVolume(series.volume)
    series.volume.SetAttribute("DICOM.RWV.instanceUID", "1.2.3")  # set by Slicer's plug-in for real world values
    assert unitsOfVolume(series.volume) == PetUnits("SUV", 1.0, "taken as SUV")
    assert unitsOfVolume(series.volume).remarks == (TAKEN_AS_SUV,)
    assert unitsOfVolume(withUnits(series.volume, "{SUVbw}g/ml")) == PetUnits("SUV", 1.0, "voxel units")
    assert unitsOfVolume(withUnits(series.volume, "Bq/ml")) == expected  # mapped, but not to SUV


def test_a_series_that_left_the_database_is_as_good_as_none(series):
    series.files.popitem()
    assert unitsOfVolume(series.volume).source == "taken as SUV"


def test_damaged_dicom_files_are_refused(series, tmp_path):
    broken = tmp_path / "broken.dcm"
    broken.write_bytes(b"no DICOM")
    series.files["1.2.0"] = str(broken)
    with pytest.raises(UnsupportedVolumeError, match="cannot be read"):
        unitsOfVolume(series.volume)
