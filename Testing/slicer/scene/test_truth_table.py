"""The truth table in the scene: a table node that says what the volumes in the scene hold."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs slicer-core")

import pydicom
import slicer
from scene_cases import aRoi, aVolume, segmentVoxels, voxels

from TumorGenCore.errors import InvalidRequestError
from TumorGenCore.insertion.request import TumorRequest
from TumorGenCore.insertion.truth_columns import COLUMNS, TEXTS
from TumorGenSlicerLib.scene.units import personOfVolume


@pytest.fixture
def inserted(scene, logic, tiny_bundle_folder):
    """Two variants with a tumor in each of two boxes."""
    pet = aVolume(scene)
    rois = [aRoi(scene, name="left"), aRoi(scene, (20, 20, 20), (18, 0, 0), "right")]
    options = {"model": str(tiny_bundle_folder), "device": "cpu", "suvFactor": 1.0}
    return pet, logic.insertTumors(pet, rois, TumorRequest(steps=1), seeds=(3, 4), **options)


def column(table, name: str) -> list:
    array = table.GetTable().GetColumnByName(name)
    return [array.GetValue(n) for n in range(table.GetTable().GetNumberOfRows())]


def test_each_tumor_is_a_row_with_the_values_of_its_volume_and_segment(inserted, logic):
    _, variants = inserted
    table = logic.truthTable()
    assert table.IsA("vtkMRMLTableNode") and slicer.mrmlScene.IsNodePresent(table)
    assert [table.GetColumnName(n) for n in range(table.GetNumberOfColumns())] == list(COLUMNS)
    assert column(table, "lesion") == [1, 2, 1, 2]
    n = 0
    for variant in variants:
        for segment in range(2):
            mask = segmentVoxels(variant.segmentationNode, variant.volumeNode, segment)
            uptake = voxels(variant.volumeNode)[mask]
            assert column(table, "voxels")[n] == mask.sum()
            if mask.any():
                assert column(table, "suv_max")[n] == pytest.approx(uptake.max(), rel=1e-5)
                assert column(table, "suv_mean")[n] == pytest.approx(uptake.mean(), rel=1e-5)
            n += 1
    assert column(table, "statement") == ["Synthetic, not for diagnosis"] * 4
    assert all(math.isnan(value) for value in column(table, "weight_kg")) and column(table, "sex") == [""] * 4
    for name in COLUMNS:
        kind = "vtkStringArray" if name in TEXTS else "vtkDoubleArray"
        assert table.GetTable().GetColumnByName(name).IsA(kind)
        assert table.GetColumnDescription(name) == COLUMNS[name]


def test_a_table_can_have_some_results_and_follows_changes(scene, logic, tiny_bundle_folder):
    pet = aVolume(scene)
    options = {"model": str(tiny_bundle_folder), "device": "cpu", "suvFactor": 1.0}
    first, second = logic.insertTumors(pet, [aRoi(scene)], TumorRequest(steps=1), seeds=(3, 4), **options)
    before = column(logic.truthTable([first]), "voxels")
    logic.changeVariant(first, maskThreshold=0.3)
    after = logic.truthTable([first])
    assert column(after, "voxels") == [segmentVoxels(first.segmentationNode, first.volumeNode).sum()] != before
    assert column(after, "seed") == [str(first.seed)]
    assert after.GetName() == "Truth table 2"
    logic.removeVariant(first)
    logic.removeVariant(second)
    nodes = scene.GetNumberOfNodes()
    with pytest.raises(InvalidRequestError, match="no result"):
        logic.truthTable()
    assert scene.GetNumberOfNodes() == nodes


def test_the_person_comes_from_the_dicom_series_of_the_scan(inserted, logic, tmp_path, monkeypatch):
    pet, variants = inserted
    header = pydicom.Dataset()
    header.PatientAge, header.PatientSex, header.PatientWeight, header.PatientName = "050Y", "M", "80", "DOE^JANE"
    header.file_meta = pydicom.dataset.FileMetaDataset()
    header.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    header.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.128"
    header.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    header.save_as(tmp_path / "1.dcm", enforce_file_format=True)
    database = SimpleNamespace(fileForInstance=lambda _: str(tmp_path / "1.dcm"))
    monkeypatch.setattr(slicer, "dicomDatabase", database, raising=False)
    pet.SetAttribute("DICOM.instanceUIDs", "1.2.3")
    table = logic.truthTable()
    assert column(table, "age_years") == [50.0] * 4 and column(table, "sex") == ["M"] * 4
    texts = " ".join(str(column(table, name)) for name in COLUMNS)
    nodes = [variant.volumeNode for variant in variants]
    attributes = " ".join(str(node.GetAttribute(name)) for node in nodes for name in node.GetAttributeNames())
    assert "DOE" not in texts and column(table, "weight_kg") == [80.0] * 4
    assert not any(word in attributes for word in ("DOE", "050", "80.0", "weight"))
    pet.SetAttribute("DICOM.instanceUIDs", "")
    assert np.isnan(column(logic.truthTable(), "age_years")).all()
    slicer.mrmlScene.RemoveNode(pet)
    assert np.isnan(column(logic.truthTable(), "age_years")).all()
    assert personOfVolume(variants[0].volumeNode).sex is None
