"""A result of the scene becomes a DICOM study, with the header of its series if the database has it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

pytest.importorskip("slicer", reason="needs slicer-core")
pytest.importorskip("highdicom", reason="needs highdicom")

import slicer
from scene_cases import addRoi
from study_cases import write_series

from TumorGenCore.volumes.read import read_volume
from TumorGenSlicerLib.headless.main import main
from TumorGenSlicerLib.run import dicom_study
from TumorGenSlicerLib.run.dicom_study import saveDicomStudy
from TumorGenSlicerLib.scene.geometry import addVolumeNode, voxelArray
from TumorGenSlicerLib.scene.result_nodes import tumorMasks

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def series(tmp_path: Path) -> Path:
    return write_series(tmp_path / "series", size=(20, 18, 16))


@pytest.fixture
def loaded(scene, series, monkeypatch):
    """The series as Slicer's DICOM module loads it: an attribute names the instances, the database their files."""
    volume = read_volume(series)
    files = {f"1.2.{n}": str(path) for n, path in enumerate(sorted(series.iterdir()))}
    database = SimpleNamespace(fileForInstance=lambda uid: files.get(uid, ""))
    monkeypatch.setattr(slicer, "dicomDatabase", database, raising=False)
    node = addVolumeNode(scene, "PET", volume.image)
    node.SetAttribute("DICOM.instanceUIDs", " ".join(files))
    return SimpleNamespace(node=node, units=volume.units, files=files)


@pytest.fixture
def variant(scene, logic, tiny, loaded):
    """Tumors in two boxes."""
    rois = [addRoi(scene, center, (24, 24, 24), np.eye(3), "R") for center in ((-10, 10, 440), (-38, -20, 440))]
    (made,) = logic.insertTumors(loaded.node, rois, seeds=[1], **{**tiny, "suvFactor": None})
    return made


def assertSame(pet: Path, suv: np.ndarray) -> None:
    """Every voxel of a series is off by half a step of its slice at most."""
    back = read_volume(pet)
    headers = [pydicom.dcmread(path) for path in sorted(pet.iterdir())]
    steps = np.array([float(header.RescaleSlope) for header in headers]) * back.units.suv_factor
    off = np.abs(sitk.GetArrayFromImage(back.image) * back.units.suv_factor - suv)
    assert (off <= 0.51 * steps[:, None, None]).all()


def suvOf(variant, factor: float) -> np.ndarray:
    return voxelArray(variant.volumeNode).astype(float) * factor


def test_a_scan_of_the_database_lends_its_header(variant, loaded, tmp_path):
    assert saveDicomStudy(variant, loaded.node, tmp_path / "study")
    assert read_volume(tmp_path / "study" / "pet").units == loaded.units
    assertSame(tmp_path / "study" / "pet", suvOf(variant, loaded.units.suv_factor))
    assert pydicom.dcmread(tmp_path / "study" / "pet" / "0001.dcm").PatientWeight == 70
    names = [roi.ROIName for roi in pydicom.dcmread(tmp_path / "study" / "rtstruct.dcm").StructureSetROISequence]
    assert len(names) == sum(mask.any() for mask in tumorMasks(variant)) == 2


@pytest.mark.parametrize("why", ["no database", "moved", "no scan"])
def test_without_its_series_the_header_says_suv_only(variant, loaded, tmp_path, why):
    if why == "no database":
        loaded.files.popitem()
    if why == "moved":
        variant.volumeNode.SetOrigin(0, 0, 0)
    assert not saveDicomStudy(variant, None if why == "no scan" else loaded.node, tmp_path / "study")
    header = pydicom.dcmread(tmp_path / "study" / "pet" / "0001.dcm")
    assert header.Units == "GML" and not header.PatientWeight
    assertSame(tmp_path / "study" / "pet", suvOf(variant, loaded.units.suv_factor))


def test_highdicom_is_asked_for(variant, loaded, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(dicom_study, "ensureDependencies", lambda more: asked.append(more))
    saveDicomStudy(variant, loaded.node, tmp_path / "study")
    assert asked == [("highdicom",)]


def test_the_headless_script_writes_a_study(scene, series, tiny_bundle_folder, tmp_path, capsys):
    quick = ["--model", str(tiny_bundle_folder), "--device", "cpu", "--steps", "1"]
    where = ["--box=-10,10,440,24,24,24", "--input", str(series), "--output", str(tmp_path / "out")]
    assert main([*where, *quick, "--output-dicom", str(tmp_path / "out" / "study")]) == 0
    assert str(tmp_path / "out" / "study") in capsys.readouterr().out
    image = sitk.ReadImage(str(next((tmp_path / "out").glob("*_image.nrrd"))))
    factor = read_volume(series).units.suv_factor
    assertSame(tmp_path / "out" / "study" / "pet", sitk.GetArrayFromImage(image).astype(float) * factor)
    assert main([*where, *quick, "--output-dicom", str(tmp_path / "out")]) == 1
    assert "not empty" in capsys.readouterr().err
