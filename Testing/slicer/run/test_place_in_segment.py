"""Boxes in a segment of a real scene, and lesions in an organ with the headless script."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs slicer-core")

import scene_cases
import SimpleITK as sitk
from small_cases import write_case, write_organs

from TumorGenCore.cli.main import main as command_line
from TumorGenCore.errors import InvalidBoxError, InvalidRequestError
from TumorGenCore.insertion.segment import Segment
from TumorGenCore.lesions.organ_places import APART_MM
from TumorGenSlicerLib.headless.main import main
from TumorGenSlicerLib.scene.geometry import ijkToRas, roiBox
from TumorGenSlicerLib.scene.placings import placedTogether
from TumorGenSlicerLib.scene.result_nodes import newSegment

SIZE = (50, 48, 52)


@pytest.fixture
def volume(scene):
    """A body of SUV 2 in an oblique volume of 200 mm."""
    axes = scene_cases.turn(10, -5, 20) @ np.diag([-4.0, -4.5, 4.0])
    voxels = np.full(SIZE[::-1], 2, np.float32)
    return scene_cases.addVolume(scene, voxels, scene_cases.matrix(axes, -axes @ [24.5, 23.5, 25.5]))


@pytest.fixture
def organs(scene, volume):
    """A segmentation with the segment liver, at low k, and one without voxels."""
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Organs")
    mask = np.ones((24, 40, 40), np.uint8)
    toRas = ijkToRas(volume)
    node.GetSegmentation().AddSegment(newSegment(toRas, Segment(mask, (5, 4, 2)), "liver"))
    node.GetSegmentation().AddSegment(newSegment(toRas, Segment(mask[:2, :2, :2] * 0, (0, 0, 0)), "spleen"))
    return node


def test_boxes_lie_in_the_segment_apart_and_repeat(logic, scene, volume, organs):
    rois = logic.placeInSegment(volume, organs, "liver", 3, seed=2, diameterMm=13, suvFactor=1)
    boxes = [roiBox(roi) for roi in rois]
    inside = scene_cases.segmentVoxels(organs, volume)
    centers = scene_cases.voxelCentersWorld(volume)
    for roi in rois:
        center = np.zeros(3)
        roi.GetCenterWorld(center)
        k, j, i = np.unravel_index(np.argmin(np.linalg.norm(centers - center, axis=-1)), inside.shape)
        assert inside[k, j, i]
        assert roi.GetDisplayNode().GetHandlesInteractive()
    for a, b in itertools.combinations(boxes, 2):
        apart = np.abs(np.subtract(a.center_lps, b.center_lps)) - np.add(a.size_mm, b.size_mm) / 2
        assert apart.max() >= APART_MM - 1e-6
    again = logic.placeInSegment(volume, organs, "liver", 3, seed=2, diameterMm=13, suvFactor=1)
    np.testing.assert_allclose([roiBox(roi).center_lps for roi in again], [box.center_lps for box in boxes])
    assert len({roi.GetName() for roi in [*rois, *again]}) == 6
    assert placedTogether(rois[1]) == rois and placedTogether(again[0]) == again
    scene.RemoveNode(rois[0])
    assert placedTogether(rois[1]) == rois[1:]
    alone = logic.placeDefaultBox(volume, (0, 0, 0))
    assert placedTogether(alone) == [alone]


def test_a_segment_by_its_id_is_the_segment_by_its_name(logic, scene, volume, organs):
    """The name decides sizes and numbers, as for an organ of a label map."""
    ID = organs.GetSegmentation().GetNthSegmentID(0)
    organs.GetSegmentation().GetSegment(ID).SetName("breast")
    byName, byId = (
        logic.placeInSegment(volume, organs, segment, None, seed=5, suvFactor=1) for segment in ("breast", ID)
    )
    assert ID != "breast"
    assert [roiBox(roi).center_lps for roi in byId] == [roiBox(roi).center_lps for roi in byName]
    assert [roi.GetName() for roi in (byName[0], byId[0])] == [
        f"Tumor in breast{more}" for more in ("", f" {len(byName) + 1}")
    ]


@pytest.mark.parametrize(
    ("segment", "count", "error", "words"),
    [
        ("lung", 1, InvalidRequestError, "no segment 'lung'; there are liver"),
        ("spleen", 1, InvalidBoxError, "no voxel"),
        ("liver", 50, InvalidBoxError, "Only .* of 50"),
    ],
)
def test_what_cannot_be_placed_leaves_the_scene_as_it_was(logic, scene, volume, organs, segment, count, error, words):
    before = scene.GetNumberOfNodes()
    with pytest.raises(error, match=words):
        logic.placeInSegment(volume, organs, segment, count, suvFactor=1)
    assert scene.GetNumberOfNodes() == before


def test_the_headless_script_takes_an_organ(scene, tmp_path, tiny_bundle_folder, capsys):
    write_case(tmp_path, "P", None)
    place = ["--in", "lung", "--labels", str(write_organs(tmp_path / "organs.nii.gz")), "--lesions", "2", "--seed", "4"]
    quick = ["--model", str(tiny_bundle_folder), "--device", "cpu", "--steps", "1", "--suv-factor", "1"]
    out = tmp_path / "out"
    assert main(["--input", str(tmp_path / "P_image.nii.gz"), "--output", str(out), *place, *quick]) == 0
    assert "Boxes in lung: 2" in capsys.readouterr().out
    tumors = json.loads((out / "P_image_seed4_image.provenance.json").read_text())["tumors"]
    assert len(tumors) == 2 and all(tumor["box_center_lps"][0] > 0 for tumor in tumors)
    command = ["--input", str(tmp_path / "P_image.nii.gz"), "--output", str(tmp_path / "other")]
    assert main([*command, *place[:2], *quick]) == 2
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("units", ["suv", "scan"])
def test_the_increment_of_several_lesions_is_after_minus_before(scene, tmp_path, tiny_bundle_folder, units):
    """It is also that of the command line, bit for bit, for the same boxes and seed."""
    write_case(tmp_path, "P", None)
    scan, factor = tmp_path / "P_image.nii.gz", 0.5
    place = ["--in", "lung", "--labels", str(write_organs(tmp_path / "organs.nii.gz")), "--lesions", "2", "--seed", "4"]
    quick = ["--model", str(tiny_bundle_folder), "--device", "cpu", "--steps", "1", "--suv-factor", str(factor)]
    wanted = ["--output-increment", str(tmp_path / "increment.nrrd"), "--increment-units", units]
    assert main(["--input", str(scan), "--output", str(tmp_path / "out"), *place, *quick, *wanted]) == 0
    before, after, increment = (
        sitk.ReadImage(path) for path in (scan, tmp_path / "out/P_image_seed4_image.nrrd", tmp_path / "increment.nrrd")
    )
    change = sitk.GetArrayFromImage(after).astype(np.float64) - sitk.GetArrayFromImage(before)
    expected = change if units == "scan" else (change * factor).astype(np.float32)
    found = sitk.GetArrayFromImage(increment)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)
    tumors = json.loads((tmp_path / "out/P_image_seed4_image.provenance.json").read_text())["tumors"]
    for tumor in tumors:  # each of the two
        center = increment.TransformPhysicalPointToIndex(tumor["box_center_lps"])
        i, j, k = (slice(index - 2, index + 3) for index in center)
        assert np.any(found[k, j, i] != 0)
    files = ["--output-image", str(tmp_path / "image.nrrd"), "--output-mask", str(tmp_path / "mask.seg.nrrd")]
    wanted[1] = str(tmp_path / "other.nrrd")
    assert command_line(["insert", str(scan), *place, *quick, *files, *wanted, "--quiet"]) == 0
    np.testing.assert_array_equal(found, sitk.GetArrayFromImage(sitk.ReadImage(tmp_path / "other.nrrd")))
