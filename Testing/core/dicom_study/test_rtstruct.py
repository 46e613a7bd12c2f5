"""Readers of an RTSTRUCT get the mask back: rt-utils, and plain polygon filling on any grid."""

from __future__ import annotations

import re
import warnings
from types import SimpleNamespace

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_slices import RIGHT_HANDED
from matplotlib.path import Path as Polygon
from study_cases import a_result, headers_of, record, write_series

from TumorGenCore import write_dicom_study
from TumorGenCore.dicom_study.outlines import outlines
from TumorGenCore.volumes.read import read_volume

#: rt-utils 1.2.7 reads square slices only, and takes the two edges of a voxel for each other.
SIZES = {"axial": (14, 14, 9), "oblique": (14, 12, 9)}


def masks(kind: str) -> dict[str, np.ndarray]:
    """Solid, hollow (two holes, one of them in a row with the other) and of two pieces, one of which has a hole."""
    solid = np.zeros(SIZES[kind][::-1], dtype=np.uint8)
    solid[3:6, 2:9, 3:11] = 1
    solid[4, 2, 3:6] = 0
    hollow = solid.copy()
    hollow[3:6, 4:6, 5] = 0
    hollow[4, 4:7, 7:9] = 0
    pieces = np.zeros_like(solid)
    pieces[2:4, 1:5, 1:5], pieces[2:7, 6:11, 7:12], pieces[5, 8, 9] = 1, 1, 0
    pieces[3, 5, 5] = 1  # touches both at a corner only
    return {"solid": solid, "hollow": hollow, "pieces": pieces}


@pytest.fixture(params=["axial", "oblique"], scope="module")
def study(request, tmp_path_factory):
    """A study with the three masks as tumors; the oblique one has voxels of three edges."""
    folder = tmp_path_factory.mktemp(request.param)
    turned = {"axes": RIGHT_HANDED, "PixelSpacing": ["3", "4.5"]} if request.param == "oblique" else {}
    series = write_series(folder / "series", size=SIZES[request.param], **turned)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        volume = read_volume(series)
    image, found = a_result(volume, *masks(request.param).values())
    write_dicom_study(folder / "study", image, found, record(volume), series)
    return SimpleNamespace(folder=folder / "study", masks=masks(request.param), kind=request.param)


def test_filled_polygons_are_the_masks(study):
    """Reads points back through the grid of the volume, and fills voxels whose centers lie in an odd number of them."""
    made, grid = pydicom.dcmread(study.folder / "rtstruct.dcm"), read_volume(study.folder / "pet").image
    i, j = np.meshgrid(*(np.arange(n) for n in grid.GetSize()[:2]))
    slices = {header.SOPInstanceUID: header.InstanceNumber - 1 for header in headers_of(study.folder / "pet")}
    for contours, mask in zip(made.ROIContourSequence, study.masks.values(), strict=True):
        filled = np.zeros(mask.shape, dtype=bool)
        for contour in contours.ContourSequence:
            assert contour.NumberOfContourPoints * 3 == len(contour.ContourData)
            points = np.reshape(contour.ContourData, (-1, 3)).astype(float)
            index = np.array([grid.TransformPhysicalPointToContinuousIndex(point) for point in points.tolist()])
            (where,) = contour.ContourImageSequence
            k = slices[where.ReferencedSOPInstanceUID]
            np.testing.assert_allclose(index[:, 2], k, atol=1e-4)
            inside = Polygon(index[:, :2]).contains_points(np.column_stack([i.ravel(), j.ravel()]))
            filled[k] ^= inside.reshape(i.shape)
        assert np.array_equal(filled, mask)


def test_rt_utils_reads_the_masks(study):
    rt_utils = pytest.importorskip("rt_utils", reason="needs rt-utils")
    if study.kind == "oblique":
        pytest.skip("rt-utils 1.2.7 takes the two edges of a voxel for each other.")
    read = rt_utils.RTStructBuilder.create_from(str(study.folder / "pet"), str(study.folder / "rtstruct.dcm"))
    assert read.get_roi_names() == ["synthetic tumor 1", "synthetic tumor 2", "synthetic tumor 3"]
    for number, mask in enumerate(study.masks.values(), start=1):
        found = np.moveaxis(read.get_roi_mask_by_name(f"synthetic tumor {number}"), -1, 0)
        assert np.array_equal(found, mask)  # Dice 1.0


def test_it_says_what_planning_systems_ask_for(study):
    made = pydicom.dcmread(study.folder / "rtstruct.dcm")
    for keyword in ("AccessionNumber", "ReferringPhysicianName", "OperatorsName", "PositionReferenceIndicator"):
        assert keyword in made and not made[keyword].value
    assert (made.Modality, made.ApprovalStatus, made.SyntheticData) == ("RTSTRUCT", "UNAPPROVED", "YES")
    pet = headers_of(study.folder / "pet")
    frame = pet[0].FrameOfReferenceUID
    (referenced,) = made.ReferencedFrameOfReferenceSequence
    (series,) = referenced.RTReferencedStudySequence[0].RTReferencedSeriesSequence
    assert made.FrameOfReferenceUID == referenced.FrameOfReferenceUID == frame
    assert series.SeriesInstanceUID == pet[0].SeriesInstanceUID
    assert {item.ReferencedSOPInstanceUID for item in series.ContourImageSequence} == {h.SOPInstanceUID for h in pet}
    for roi, seen in zip(made.StructureSetROISequence, made.RTROIObservationsSequence, strict=True):
        assert roi.ReferencedFrameOfReferenceUID == frame and roi.ROIGenerationAlgorithm == "AUTOMATIC"
        assert seen.ReferencedROINumber == roi.ROINumber and seen.RTROIInterpretedType == "GTV"


def test_numbers_fit_into_sixteen_characters(study):
    for element in pydicom.dcmread(study.folder / "rtstruct.dcm").iterall():
        if element.VR == "DS" and element.value:
            assert all(len(str(number)) <= 16 for number in np.atleast_1d(np.array(element.value, dtype=object)))


def test_outlines_of_any_mask_fill_it_again():
    rng = np.random.default_rng(3)
    for _ in range(200):
        mask = rng.random(rng.integers(1, 12, 2)) < rng.uniform(0.2, 0.95)
        centers = np.argwhere(np.ones_like(mask))[:, ::-1]
        filled = np.zeros(mask.size, dtype=int)
        for polygon in outlines(mask):
            filled += Polygon(polygon).contains_points(centers)
            assert np.abs(polygon % 1 - 0.5).min() > 0.01  # not on the edge, where readers differ
        assert np.array_equal(filled.reshape(mask.shape), mask)


def test_slices_of_an_image_without_a_dicom_series_are_found_too(tmp_path):
    image = sitk.Image([6, 5, 4], sitk.sitkFloat32) + 1.0
    mask = sitk.Image([6, 5, 4], sitk.sitkUInt8)
    mask[2, 3, 1] = 1
    provenance = {
        "bundle_name": "tiny", "bundle_version": "1", "bundle_hash": "ab", "tumors": [{"seed": 1}],
        "request": {"steps": 1}, "suv_factor": 1.0,
    }  # fmt: skip
    write_dicom_study(tmp_path / "study", image, mask, provenance)
    made = pydicom.dcmread(tmp_path / "study" / "rtstruct.dcm")
    (contour,) = made.ROIContourSequence[0].ContourSequence
    points = np.reshape(contour.ContourData, (-1, 3)).astype(float)
    assert len(points) == 4 and np.allclose(points.mean(axis=0), (2, 3, 1))
    assert all(re.fullmatch(r"-?\d+(\.\d{1,6})?", str(value)) for value in contour.ContourData)
