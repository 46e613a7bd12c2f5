"""Boxes are read from Slicer ROI files and from six numbers; other input is refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from dicom_slices import RIGHT_HANDED, rotation

from TumorGenCore.errors import InvalidBoxError
from TumorGenCore.volumes.geometry import Box
from TumorGenCore.volumes.markups import parse_box, read_box, write_box


def markups(tmp_path: Path, *items: dict) -> Path:
    path = tmp_path / "roi.mrk.json"
    path.write_text(json.dumps({"@schema": "markups-schema-v1.0.3.json#", "markups": list(items)}))
    return path


def roi(**changes) -> dict:
    """Returns an ROI as Slicer 5.12 writes it, turned by 20 degrees about R, then 30 about S, at RAS (10, 20, 30)."""
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
    # First row and column as Slicer itself writes them.
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
        ([roi(coordinateUnits="mm/s")], "coordinateUnits mm/s"),
        ([roi(coordinateUnits="mmHg")], "coordinateUnits mmHg"),
        ([roi(coordinateUnits=5)], "coordinateUnits 5"),
        ([roi(coordinateUnits="")], "coordinateUnits"),
        ([roi(coordinateUnits=[])], "coordinateUnits"),
        ([roi(coordinateUnits={"mm": 1})], "coordinateUnits"),
        ([roi(coordinateUnits=["um", "UCUM", "micrometer"])], "coordinateUnits"),
        ([roi(coordinateSystem=3)], "must be LPS or RAS"),
        ([roi(center=[10**400, 0, 0])], "'center' .* must be 3 numbers of at most 1,000,000"),
        ([roi(size=[10, -(10**400), 10])], "'size'"),
        ([roi(orientation=[10**400, 0, 0, 0, 1, 0, 0, 0, 1])], "'orientation'"),
        ([roi(center=[1e308, 0, 0])], "'center'"),
        ([roi(center=[float("inf"), 0, 0])], "'center'"),
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


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_roi_is_read_in_the_encodings_of_windows_editors(tmp_path, encoding):
    path = markups(tmp_path, roi())
    path.write_text(path.read_text(), encoding=encoding)
    assert read_box(path).center_lps == (-10.0, -20.0, 30.0)


@pytest.mark.parametrize("units", [None, "mm", ["mm", "UCUM", "millimeter"]])
def test_roi_without_units_or_in_mm_is_read_in_mm(tmp_path, units):
    items = [roi() | {"coordinateUnits": units}]
    if units is None:
        items.append({key: value for key, value in items[0].items() if key != "coordinateUnits"})
    for item in items:
        assert read_box(markups(tmp_path, item)).size_mm == (30.0, 40.0, 50.0)


def test_roi_of_whole_numbers_is_read(tmp_path):
    box = read_box(markups(tmp_path, roi(center=[1, 2, 3], size=[30, 40, 50], orientation=[1, 0, 0, 0, 1, 0, 0, 0, 1])))
    assert (box.center_lps, box.size_mm) == ((1.0, 2.0, 3.0), (30.0, 40.0, 50.0))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[1, 2]",
        b"{}",
        b"\xff\xfe",
        b"#DisplayableTags",
        b"[" * 100_000,
        b'{"markups":' * 100_000,
        b"[" + b"9" * 5000 + b"]",
        b" " * (16 * 2**20 + 1),
    ],
    ids=["empty", "list", "object", "bom", "text", "nested", "nested objects", "5000 digits", "over 16 MB"],
)
def test_file_that_is_no_markups_is_refused(tmp_path, content):
    path = tmp_path / "roi.mrk.json"
    path.write_bytes(content)
    with pytest.raises(InvalidBoxError, match=r"roi\.mrk\.json"):
        read_box(path)


def test_missing_roi_file_is_refused(tmp_path):
    with pytest.raises(InvalidBoxError, match="Check the path"):
        read_box(tmp_path / "none.mrk.json")


def test_box_text_is_ras_unless_said_otherwise():
    assert parse_box("10, -20,30,1,2,3").center_lps == (-10.0, 20.0, 30.0)
    assert parse_box("10,-20,30,1,2,3", frame="lps").center_lps == (10.0, -20.0, 30.0)
    assert parse_box("0,0,0,1,2,3").size_mm == (1.0, 2.0, 3.0)


@pytest.mark.parametrize(
    "text", ["", "1,2,3", "1,2,3,4,5,6,7", "a,b,c,d,e,f", "1,2,3,4,5,", "1;2;3;4;5;6", "1_0,2,3,4,5,6"]
)
def test_box_text_must_be_six_numbers(text):
    with pytest.raises(InvalidBoxError, match="CX,CY,CZ,SX,SY,SZ"):
        parse_box(text)


@pytest.mark.parametrize("text", ["0,0,0,1,2,0", "0,0,0,1,2,-3", "nan,0,0,1,2,3", "0,0,0,1,2,inf"])
def test_box_text_must_make_a_box(text):
    with pytest.raises(InvalidBoxError):
        parse_box(text)
