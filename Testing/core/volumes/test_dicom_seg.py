"""DICOM Segmentation keeps voxels and geometry, refers to the source, and holds no name of a person."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_slices import RIGHT_HANDED, write_slice
from pydicom.uid import generate_uid

from TumorGenCore.cli import main
from TumorGenCore.errors import UnsupportedVolumeError
from TumorGenCore.volumes.dicom_seg import check_dicom_seg, write_dicom_seg
from TumorGenCore.volumes.read import read_volume
from TumorGenCore.volumes.write import MASS_TERMINOLOGY

PROVENANCE = {
    "tumors": [{"seed": 7}],
    "request": {"steps": 10},
    "bundle_name": "tiny", "bundle_version": "0.1", "bundle_hash": "ab" * 32,
              "synthetic": True}  # fmt: skip
IDENTITY = {
    "PatientName": "DOE^JANE",
    "PatientID": "MRN-4711",
    "PatientBirthDate": "19510203",
    "PatientSex": "F",
    "PatientAge": "069Y",
    "PatientComments": "COMMENT-OF-HERS",
    "AccessionNumber": "ACC-0815",
    "StudyID": "STUDY-9",
    "StudyDate": "20200102",
    "StudyTime": "101112",
    "StudyDescription": "WHOLE BODY OF JANE",
    "ReferringPhysicianName": "HOUSE^GREGORY",
    "InstitutionName": "PRINCETON PLAINSBORO",
    "StationName": "STATION-3",
    "DeviceSerialNumber": "SN-123456",
    "ProtocolName": "PROTOCOL-X",
}
SIZE = (12, 9, 8)  # i, j, k


def make_series(folder: Path, **tags) -> Path:
    """Writes oblique slices of 3 x 2 mm, 4 mm apart; the file names are not in the order of their positions."""
    folder.mkdir(parents=True, exist_ok=True)
    uids = {"StudyInstanceUID": generate_uid(), "FrameOfReferenceUID": generate_uid()}
    series = generate_uid()
    for k in range(SIZE[2]):
        where = RIGHT_HANDED[:, 2] * 4.0 * k + [12.0, -30.0, 400.0]
        geometry = {
            "Columns": SIZE[0],
            "Rows": SIZE[1],
            "PixelSpacing": [3.0, 2.0],
            "ImageOrientationPatient": [f"{v:.9f}" for v in RIGHT_HANDED[:, :2].T.ravel()],
            "ImagePositionPatient": [f"{v:.9f}" for v in where],
            "PixelData": np.full(SIZE[::-1][1:], 50 + k, dtype=np.int16).tobytes(),
        }
        write_slice(folder / f"{(k * 3) % 8}.dcm", 0, 0, 0.1, series, **geometry, **uids, **IDENTITY, **tags)
    return folder


def some_mask(folder: Path) -> sitk.Image:
    """Returns a lump without symmetry, with a hole, in a few middle slices, on the grid of the series."""
    image = read_volume(folder).image
    k, j, i = (np.asarray(image.GetSize())[::-1] // 2).tolist()
    values = np.zeros(image.GetSize()[::-1], dtype=np.uint8)
    values[k - 1 : k + 3, j - 3 : j + 2, i - 4 : i + 1] = 1
    values[k, j, i - 1] = 0
    values[k + 2, j - 3, i - 4 : i - 1] = 0
    mask = sitk.GetImageFromArray(values)
    mask.CopyInformation(image)
    return mask


@pytest.fixture
def series(tmp_path) -> Path:
    return make_series(tmp_path / "series")


@pytest.fixture(params=["made", "real"])
def any_series(request, tmp_path) -> Path:
    if request.param == "made":
        return make_series(tmp_path / "series")
    return request.getfixturevalue("shared_data") / "dicom" / "CCTH-A01"


def by_hand(path: Path, mask: sitk.Image) -> np.ndarray:
    """Puts every marked voxel of a segmentation where the geometry of its frame says, on the grid of the mask."""
    dataset = pydicom.dcmread(path)
    shared = dataset.SharedFunctionalGroupsSequence[0]
    row, column = np.reshape(shared.PlaneOrientationSequence[0].ImageOrientationPatient, (2, 3)).astype(float)
    down, across = (float(v) for v in shared.PixelMeasuresSequence[0].PixelSpacing)
    found = np.zeros(mask.GetSize()[::-1], dtype=np.uint8)
    frames = dataset.pixel_array.reshape(-1, dataset.Rows, dataset.Columns)
    for pixels, groups in zip(frames, dataset.PerFrameFunctionalGroupsSequence, strict=True):
        start = np.array(groups.PlanePositionSequence[0].ImagePositionPatient, dtype=float)
        for j, i in np.argwhere(pixels):
            point = start + row * across * float(i) + column * down * float(j)
            index = np.array(mask.TransformPhysicalPointToContinuousIndex(point.tolist()))
            assert np.abs(index - np.rint(index)).max() < 0.1  # slice distances of the real series differ by 2.5 %
            found[tuple(np.rint(index).astype(int)[::-1])] += 1
    return found


def test_round_trip_keeps_geometry_and_voxels(any_series, tmp_path):
    mask = some_mask(any_series)
    path = tmp_path / "mask.dcm"
    write_dicom_seg(mask, any_series, path, PROVENANCE)
    expected = sitk.GetArrayFromImage(mask)
    assert np.array_equal(by_hand(path, mask), expected)

    read = highdicom.seg.segread(path)
    assert read.segmentation_type.value == "BINARY" and read.number_of_segments == 1
    slices = [pydicom.dcmread(file, stop_before_pixels=True) for file in any_series.glob("*.dcm")]
    slices = [header for header in slices if header.Modality == "PT"]
    slices.sort(key=lambda s: np.cross(*np.reshape(s.ImageOrientationPatient, (2, 3))) @ s.ImagePositionPatient)
    pixels = read.get_pixels_by_source_instance(
        [header.SOPInstanceUID for header in slices], assert_missing_frames_are_empty=True
    )
    assert np.array_equal(pixels[..., 0], expected)
    volume = read.get_volume(rtol=0.05)
    k = np.flatnonzero(expected.any(axis=(1, 2)))[::-1]  # highdicom sorts slices in the other direction
    assert np.array_equal(volume.array.reshape(len(k), *expected.shape[1:]), expected[k])
    np.testing.assert_allclose(volume.position, mask.TransformIndexToPhysicalPoint((0, 0, int(k[0]))), atol=0.1)
    np.testing.assert_allclose(volume.spacing, np.array(mask.GetSpacing())[[2, 1, 0]], rtol=0.01)


def test_the_object_says_what_it_is_and_what_it_refers_to(series, tmp_path):
    path = tmp_path / "mask.dcm"
    write_dicom_seg(some_mask(series), series, path, PROVENANCE)
    made, source = pydicom.dcmread(path), pydicom.dcmread(series / "0.dcm")
    assert made.SyntheticData == "YES"
    assert "SYNTHETIC" in made.SeriesDescription and "not for diagnosis" in made.SeriesDescription
    (segment,) = made.SegmentSequence
    assert (segment.SegmentLabel, segment.SegmentAlgorithmType) == ("Tumor", "AUTOMATIC")
    (algorithm,) = segment.SegmentationAlgorithmIdentificationSequence
    assert algorithm.AlgorithmName == "TumorGen" and "seed=7" in algorithm.AlgorithmParameters
    for (code,) in (segment.SegmentedPropertyCategoryCodeSequence, segment.SegmentedPropertyTypeCodeSequence):
        assert f"{code.CodingSchemeDesignator}^{code.CodeValue}^{code.CodeMeaning}" in MASS_TERMINOLOGY
    assert made.FrameOfReferenceUID == source.FrameOfReferenceUID
    (referenced,) = made.ReferencedSeriesSequence  # OHIF shows no segmentation without it
    assert referenced.SeriesInstanceUID == source.SeriesInstanceUID
    there = {pydicom.dcmread(file).SOPInstanceUID for file in series.iterdir()}
    assert {item.ReferencedSOPInstanceUID for item in referenced.ReferencedInstanceSequence} == there
    assert json.loads((tmp_path / "mask.provenance.json").read_text())["synthetic"] is True


def test_an_object_that_cannot_be_moved_leaves_no_provenance(series, tmp_path, at_rename):
    mask = some_mask(series)

    def fail() -> None:
        raise OSError("no move")

    at_rename += [lambda: None, fail]
    with pytest.raises(OSError, match="no move"):
        write_dicom_seg(mask, series, tmp_path / "mask.dcm", PROVENANCE)
    assert [path.name for path in tmp_path.iterdir()] == ["series"]
    write_dicom_seg(mask, series, tmp_path / "mask.dcm", PROVENANCE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mask.dcm", "mask.provenance.json", "series"]


def test_it_belongs_to_a_synthetic_patient_and_nothing_that_names_the_real_one_gets_through(series, tmp_path):
    for name in ("a.dcm", "b.dcm"):
        write_dicom_seg(some_mask(series), series, tmp_path / name, PROVENANCE)
    content = (tmp_path / "a.dcm").read_bytes()
    for value in IDENTITY.values():
        if len(value) > 1:
            assert value.encode() not in content, value
    a, b, source = (pydicom.dcmread(path) for path in (tmp_path / "a.dcm", tmp_path / "b.dcm", series / "0.dcm"))
    assert str(a.PatientName).startswith("SYNTHETIC") and a.PatientID.startswith("SYNTHETIC")
    assert not a.PatientBirthDate and not a.PatientSex
    # All masks of a scan are in one study, which is not the study of the scan.
    assert a.StudyInstanceUID == b.StudyInstanceUID != source.StudyInstanceUID
    assert a.PatientID == b.PatientID
    assert a.SOPInstanceUID != b.SOPInstanceUID and a.SeriesInstanceUID != b.SeriesInstanceUID


def test_real_series_identity_stays_behind(shared_data, tmp_path):
    folder = shared_data / "dicom" / "CCTH-A01"
    write_dicom_seg(some_mask(folder), folder, tmp_path / "a.dcm", PROVENANCE)
    content = (tmp_path / "a.dcm").read_bytes()
    source = pydicom.dcmread(next(folder.glob("1-1*.dcm")), stop_before_pixels=True)
    for keyword in ("PatientID", "PatientName", "StudyDate", "AccessionNumber", "StudyDescription", "Manufacturer"):
        value = str(source.get(keyword) or "")
        assert len(value) < 4 or value.encode() not in content, keyword


def refused(mask: sitk.Image, series: Path, path: Path, *words: str) -> None:
    with pytest.raises(UnsupportedVolumeError) as caught:
        write_dicom_seg(mask, series, path, PROVENANCE)
    assert all(word in str(caught.value) for word in words)
    assert not list(path.parent.glob("*mask*"))


def test_masks_that_cannot_be_written_are_refused_by_name(series, tmp_path):
    mask, path = some_mask(series), tmp_path / "mask.dcm"
    refused(mask * 0, series, path, "empty", "another seed")
    refused(mask * 2, series, path, "values up to 2")
    refused(sitk.Cast(mask, sitk.sitkFloat32), series, path, "uint8")
    refused(mask[:, :, 1:], series, path, "this series")
    shifted = sitk.Image(mask)
    shifted.SetOrigin((13.5, -30.0, 400.0))
    refused(shifted, series, path, "1.5 mm", "this series")
    mirrored = sitk.Image(mask)
    mirrored.SetDirection((RIGHT_HANDED @ np.diag([1, -1, 1])).ravel().tolist())
    refused(mirrored, series, path, "this series")


def test_series_without_frame_of_reference_is_refused(tmp_path):
    series = make_series(tmp_path / "series")
    for file in series.iterdir():
        header = pydicom.dcmread(file)
        del header.FrameOfReferenceUID
        header.save_as(file)
    refused(some_mask(series), series, tmp_path / "mask.dcm", "FrameOfReferenceUID", ".seg.nrrd")


@pytest.mark.parametrize("keyword", ["FrameOfReferenceUID", "StudyInstanceUID"])
def test_series_with_two_frames_of_reference_or_studies_is_refused_before_the_work(tmp_path, keyword):
    series = make_series(tmp_path / "series")
    header = pydicom.dcmread(series / "3.dcm")
    setattr(header, keyword, generate_uid())
    header.save_as(series / "3.dcm")
    with pytest.raises(UnsupportedVolumeError, match=f"2 values of {keyword}"):
        check_dicom_seg(tmp_path / "mask.dcm", series)


def test_a_missing_highdicom_is_named_with_what_to_install(series, tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "highdicom" else find(name, *a))
    with pytest.raises(UnsupportedVolumeError, match=r"pip install 'tumorgen\[dicom\]'"):
        check_dicom_seg(tmp_path / "mask.dcm", series)


# The command line


@pytest.fixture
def insert(tiny_bundle_folder, tmp_path):
    def run(scan: Path, *options: str) -> int:
        where = ["--frame", "lps", "--box", "36,66,38,40,40,40", "--steps", "1", "--device", "cpu"]
        outputs = ["--output-image", str(tmp_path / "image.nrrd"), "--output-mask", str(tmp_path / "mask.dcm")]
        return main(["insert", str(scan), *where, "--model", str(tiny_bundle_folder), *outputs, *options])

    return run


def test_insert_writes_dicom_seg_of_a_dicom_series(insert, tmp_path, capsys):
    series = tmp_path / "series"
    series.mkdir()
    uids = {"StudyInstanceUID": generate_uid(), "FrameOfReferenceUID": generate_uid()}
    for n in range(20):
        pixels = np.full((24, 24), 100 + n, dtype=np.int16)
        write_slice(series / f"{n}.dcm", 4.0 * n, 0, 0.02, "1.2.3", Rows=24, Columns=24, PixelSpacing=[4.0, 4.0],
                    PixelData=pixels.tobytes(), **uids)  # fmt: skip
    assert insert(series, "--variants", "2") == 0
    assert insert(series, "--output-mask", str(tmp_path / "mask.nrrd")) == 0
    same = sitk.ReadImage(str(tmp_path / "mask.nrrd"))
    assert np.array_equal(by_hand(tmp_path / "mask-seed0.dcm", same), sitk.GetArrayFromImage(same))
    assert (tmp_path / "mask-seed1.dcm").is_file()
    made = json.loads((tmp_path / "mask-seed0.provenance.json").read_text())
    assert made["synthetic"] is True and made["tumors"][0]["seed"] == 0


def test_insert_in_a_file_refuses_dicom_seg_before_any_work(insert, tiny_cases, tmp_path, capsys):
    assert insert(tiny_cases / "P2_image.nii.gz", "--model", "no-such-bundle") == 1
    error = capsys.readouterr().err
    assert error.startswith("tumorgen: ") and error.count("\n") == 1
    assert "mask.dcm" in error and "DICOM series" in error and "no-such-bundle" not in error
    assert not list(tmp_path.iterdir())


def test_insert_refuses_a_folder_without_a_series_before_any_work(insert, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert insert(tmp_path / "empty", "--model", "no-such-bundle") == 1
    assert "no DICOM PET slices" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["empty"]
