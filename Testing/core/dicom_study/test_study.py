"""A DICOM study reads back with the same SUV, belongs to nobody, and is there as a whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_slices import RIGHT_HANDED
from study_cases import CANARIES, NESTED, SIZE, a_lump, a_result, headers_of, record, some_real_slices, write_series

from TumorGenCore import write_dicom_study
from TumorGenCore.cli import main
from TumorGenCore.errors import InvalidRequestError, UnsupportedVolumeError
from TumorGenCore.volumes import safe_write
from TumorGenCore.volumes.read import read_volume
from TumorGenCore.volumes.suv import PetUnits, units_of_image
from TumorGenCore.volumes.volume import PetVolume

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def series(tmp_path) -> Path:
    return write_series(tmp_path / "series")


@pytest.fixture(params=["made", "real"])
def any_series(request, tmp_path) -> Path:
    if request.param == "made":
        return write_series(tmp_path / "series", RIGHT_HANDED)
    return some_real_slices(request.getfixturevalue("shared_data"), tmp_path / "series")


def written(folder: Path, series: Path | None, volume: PetVolume | None = None) -> tuple[sitk.Image, PetVolume]:
    """Writes a study of a lump; returns the image and the scan."""
    volume = volume or read_volume(series)
    image, masks = a_result(volume, a_lump(volume.image.GetSize()[::-1]))
    write_dicom_study(folder, image, masks, record(volume), series)
    return image, volume


def suv(image: sitk.Image, units: PetUnits) -> np.ndarray:
    return sitk.GetArrayFromImage(image).astype(np.float64) * units.suv_factor


def half_steps(folder: Path, units: PetUnits, shape: tuple[int, ...]) -> np.ndarray:
    """Half a step of each slice in SUV, and a float32 rounding of its highest value; (k, 1, 1)."""
    slopes = {float(h.ImagePositionPatient @ normal_of(h)): float(h.RescaleSlope) for h in headers_of(folder)}
    steps = np.array([slopes[height] for height in sorted(slopes)]) * units.suv_factor
    assert len(steps) == shape[0]
    return (steps * (0.5 + 32767 * 2.0**-23)).reshape(-1, 1, 1)


def normal_of(header: pydicom.Dataset) -> np.ndarray:
    return np.cross(*np.reshape(header.ImageOrientationPatient, (2, 3)).astype(float))


# SUV


def test_suv_read_back_within_half_a_step_and_unchanged_slices_keep_their_pixels(any_series, tmp_path):
    image, volume = written(tmp_path / "study", any_series)
    back = read_volume(tmp_path / "study" / "pet")
    assert back.units == volume.units and back.units.name == "BQML"
    expected, found = suv(image, volume.units), suv(back.image, back.units)
    assert (np.abs(found - expected) <= half_steps(tmp_path / "study" / "pet", back.units, expected.shape)).all()
    np.testing.assert_allclose(back.image.GetOrigin(), image.GetOrigin(), atol=1e-4)
    np.testing.assert_allclose(back.image.GetDirection(), image.GetDirection(), atol=1e-6)

    def pixels(folder: Path) -> dict[tuple, tuple]:
        slices = [h for h in headers_of(folder) if h.Modality == "PT"]
        return {tuple(h.ImagePositionPatient): (h.PixelData, float(h.RescaleSlope)) for h in slices}

    old, new = pixels(any_series), pixels(tmp_path / "study" / "pet")
    assert old.keys() == new.keys()
    assert sum(old[place] != new[place] for place in old) == 3  # those with tumor


def test_gdcm_reads_the_same_suv(any_series, tmp_path):
    image, volume = written(tmp_path / "study", any_series)
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path / "study" / "pet"))
    read = sitk.ReadImage(names)
    np.testing.assert_allclose(read.GetOrigin(), image.GetOrigin(), atol=1e-3)
    expected = suv(image, volume.units)
    steps = half_steps(tmp_path / "study" / "pet", volume.units, expected.shape)
    assert (np.abs(suv(read, volume.units) - expected) <= steps).all()


def test_a_slice_of_few_steps_gets_finer_ones_and_keeps_its_old_values(tmp_path):
    coarse = {"PixelData": (np.arange(SIZE[0] * SIZE[1]) % 7).astype(np.int16).tobytes(), "RescaleSlope": "5000"}
    series = write_series(tmp_path / "series", **coarse)
    volume = read_volume(series)
    image, masks = a_result(volume, a_lump(volume.image.GetSize()[::-1]))
    image = image * 1.0 + sitk.Cast(masks[0], sitk.sitkFloat32) * 1234.5
    write_dicom_study(tmp_path / "study", image, masks, record(volume), series)
    back = sitk.GetArrayFromImage(read_volume(tmp_path / "study" / "pet").image)
    np.testing.assert_allclose(back, sitk.GetArrayFromImage(image), atol=0.8)
    before = sitk.GetArrayFromImage(volume.image)
    outside = sitk.GetArrayFromImage(masks[0]) == 0
    np.testing.assert_allclose(back[outside], before[outside], rtol=1e-6)


def test_a_factor_of_the_user_and_a_factor_that_needs_a_private_tag_are_written_as_suv(tmp_path):
    series = write_series(tmp_path / "given")
    image, volume = written(tmp_path / "a", series, read_volume(series, suv_factor=0.002))
    # The series time lies after the first slice: only GE's private tag tells the start of the scan.
    series = write_series(tmp_path / "private", SeriesTime="150000")
    for path in series.iterdir():
        header = pydicom.dcmread(path)
        header.private_block(0x0009, "GEMS_PETD_01", create=True).add_new(0x0D, "DT", "20200102124500")
        header.save_as(path)
    other, private = written(tmp_path / "b", series)
    for folder, made, units in ((tmp_path / "a", image, volume.units), (tmp_path / "b", other, private.units)):
        header = headers_of(folder / "pet")[0]
        assert (header.Units, header.SUVType) == ("GML", "BW")
        back = read_volume(folder / "pet")
        assert back.units.suv_factor == 1
        limit = half_steps(folder / "pet", back.units, (SIZE[2],))
        assert (np.abs(suv(back.image, back.units) - suv(made, units)) <= limit).all()


@pytest.mark.parametrize("handed", [1, -1])
def test_a_volume_without_dicom_gets_suv_and_a_header_that_invents_nothing(tmp_path, handed):
    rng = np.random.default_rng(2)
    image = sitk.GetImageFromArray(rng.random(SIZE[::-1], dtype=np.float32) * 2000 - 20)
    image.SetSpacing((3.0, 2.5, 4.0))
    image.SetOrigin((-100.5, 20.25, 1000.0))
    image.SetDirection((RIGHT_HANDED @ np.diag([1, 1, handed])).ravel().tolist())
    made, volume = written(tmp_path / "study", None, PetVolume(image, units_of_image(image, 0.005)))
    back = read_volume(tmp_path / "study" / "pet")
    on_grid = sitk.Resample(back.image, made, sitk.Transform(), sitk.sitkNearestNeighbor, -99.0)
    limit = half_steps(tmp_path / "study" / "pet", back.units, (SIZE[2],)).max()
    assert np.abs(suv(on_grid, back.units) - suv(made, volume.units)).max() <= limit
    header = headers_of(tmp_path / "study" / "pet")[0]
    assert (header.Units, header.SUVType, back.units.suv_factor) == ("GML", "BW", 1)
    for keyword in ("PatientWeight", "PatientSex", "StudyDate", "AcquisitionDate", "PatientBirthDate"):
        assert not header[keyword].value, keyword
    assert "PatientSize" not in header and not header.RadiopharmaceuticalInformationSequence


# The person


def test_twenty_and_more_canaries_stay_behind(series, tmp_path):
    written(tmp_path / "study", series)
    uids = [
        str(header[word].value) for header in headers_of(series) for word in ("SOPInstanceUID", "SeriesInstanceUID")
    ]
    files = [*(tmp_path / "study").rglob("*.dcm"), tmp_path / "study.provenance.json"]
    assert len(files) == SIZE[2] + 3
    canaries = {*CANARIES.values(), *NESTED, *uids, "CANARY"}
    assert len(canaries) > 40
    for file in files:
        content = file.read_bytes()
        assert not [canary for canary in canaries if canary.encode() in content], file.name
        if file.suffix == ".dcm":
            assert not [element for element in pydicom.dcmread(file).iterall() if element.tag.is_private]


def test_dates_move_together_and_times_stay(series, tmp_path):
    written(tmp_path / "study", series)
    first, later = headers_of(tmp_path / "study" / "pet")[:2]
    (item,) = first.RadiopharmaceuticalInformationSequence
    assert item.RadiopharmaceuticalStartDateTime == f"{first.SeriesDate}113000"
    assert first.StudyDate == first.SeriesDate == first.AcquisitionDate < "20190103"
    assert (first.StudyTime, first.SeriesTime, later.AcquisitionTime) == ("125900", "130000", "130100")
    assert item.RadionuclideCodeSequence[0].CodeMeaning == "^18^Fluorine"
    assert (first.PatientWeight, first.PatientSize, first.PatientSex) == (70, 1.8, "F")
    assert "PatientAge" not in first


def test_two_studies_of_one_scan_have_nothing_in_common(series, tmp_path):
    written(tmp_path / "a", series)
    written(tmp_path / "b", series)
    a, b = (headers_of(tmp_path / name / "pet")[0] for name in "ab")
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID", "PatientID"):
        assert a[keyword].value != b[keyword].value
        assert not keyword.endswith("UID") or a[keyword].value.is_valid


# The objects


def test_all_objects_are_one_synthetic_study(series, tmp_path):
    written(tmp_path / "study", series)
    pet = headers_of(tmp_path / "study" / "pet")
    seg, rtstruct = (pydicom.dcmread(tmp_path / "study" / name) for name in ("seg.dcm", "rtstruct.dcm"))
    for keyword in ("StudyInstanceUID", "PatientID", "PatientName", "FrameOfReferenceUID", "StudyDate"):
        assert len({str(made[keyword].value) for made in (*pet, seg, rtstruct)}) == 1, keyword
    assert len({made.SeriesInstanceUID for made in (*pet, seg, rtstruct)}) == 3
    for made in (*pet, seg, rtstruct):
        assert made.SyntheticData == "YES" and "SYNTHETIC" in made.SeriesDescription
        assert made.PatientName.family_name == "SYNTHETIC"
    assert {tuple(header.ImageType) for header in pet} == {("DERIVED", "PRIMARY")}
    assert all("TumorGen" in header.DerivationDescription for header in pet)
    uids = {header.SOPInstanceUID for header in pet}
    assert len(uids) == SIZE[2]
    (referenced,) = seg.ReferencedSeriesSequence
    assert referenced.SeriesInstanceUID == pet[0].SeriesInstanceUID
    assert {item.ReferencedSOPInstanceUID for item in referenced.ReferencedInstanceSequence} == uids


def test_the_segmentation_has_a_segment_for_each_tumor(series, tmp_path):
    volume = read_volume(series)
    lump = a_lump(volume.image.GetSize()[::-1])
    image, masks = a_result(volume, lump, np.roll(lump, (2, 4), axis=(0, 1)) & ~lump & 1)
    write_dicom_study(tmp_path / "study", image, masks, record(volume), series)
    read = highdicom.seg.segread(tmp_path / "study" / "seg.dcm")
    slices = sorted(headers_of(tmp_path / "study" / "pet"), key=lambda header: header.InstanceNumber)
    pixels = read.get_pixels_by_source_instance(
        [header.SOPInstanceUID for header in slices], assert_missing_frames_are_empty=True
    )
    for n, mask in enumerate(masks):
        assert np.array_equal(pixels[..., n], sitk.GetArrayFromImage(mask))
    labels = [segment.SegmentLabel for segment in read.SegmentSequence]
    assert labels == ["synthetic tumor 1", "synthetic tumor 2"]


# All or none


def test_a_failure_leaves_nothing_and_what_is_there_is_not_touched(series, tmp_path, monkeypatch):
    move = Path.replace
    moves = []

    def fail_at_the_fifth(self, target):
        moves.append(target)
        if len(moves) == 5:
            raise OSError("no move")
        return move(self, target)

    monkeypatch.setattr(Path, "replace", fail_at_the_fifth)
    with pytest.raises(OSError, match="no move"):
        written(tmp_path / "new" / "study", series)
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["series"]
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "note.txt").write_text("mine")
    with pytest.raises(InvalidRequestError, match="not empty"):
        written(tmp_path / "full", series)
    assert [path.name for path in (tmp_path / "full").rglob("*")] == ["note.txt"]
    (tmp_path / "empty").mkdir()
    written(tmp_path / "empty", series)
    assert len(list((tmp_path / "empty").rglob("*.dcm"))) == SIZE[2] + 2
    assert not safe_write.temporary_files(tmp_path / "empty" / "pet")


def test_results_that_do_not_fit_are_refused_by_name(series, tmp_path):
    volume = read_volume(series)
    image, masks = a_result(volume, a_lump(volume.image.GetSize()[::-1]))
    for wrong, words in (
        ((image[:, :, 1:], masks), "image of this series"),
        ((image, [masks[0][:, :, 1:]]), "mask of this series"),
        ((image, [masks[0] * 0]), "empty"),
        ((image, []), "no tumor"),
    ):
        with pytest.raises(UnsupportedVolumeError, match=words):
            write_dicom_study(tmp_path / "study", *wrong, record(volume), series)
    assert not (tmp_path / "study").exists()


# The command line


@pytest.fixture
def insert(series, tiny_bundle_folder, tmp_path):
    def run(*options: str) -> int:
        where = ["--frame", "lps", "--box", "14,-8,420,40,36,36", "--steps", "1", "--device", "cpu"]
        outputs = ["--output-image", str(tmp_path / "image.nrrd"), "--output-mask", str(tmp_path / "mask.nrrd")]
        return main(["insert", str(series), *where, "--model", str(tiny_bundle_folder), *outputs, *options])

    return run


def test_insert_writes_a_study_for_each_variant_with_the_voxels_of_its_image(
    insert, series, tiny_bundle_folder, tmp_path, capsys
):
    study = tmp_path / "study"
    assert insert("--variants", "2", "--output-dicom", str(study)) == 0
    assert str(study / "seed1") in capsys.readouterr().out
    for seed in (0, 1):
        back = read_volume(study / f"seed{seed}" / "pet")
        image = sitk.ReadImage(str(tmp_path / f"image-seed{seed}.nrrd"))
        limit = half_steps(study / f"seed{seed}" / "pet", back.units, (SIZE[2],))
        assert (np.abs(suv(back.image, back.units) - suv(image, back.units)) <= limit).all()
        made = json.loads((study / f"seed{seed}.provenance.json").read_text())
        assert made["synthetic"] is True and made["tumors"][0]["seed"] == seed
    record = tmp_path / "image-seed1.provenance.json"
    outputs = ["--output-image", str(tmp_path / "b.nrrd"), "--output-mask", str(tmp_path / "b.seg.nrrd")]
    options = ["--output-dicom", str(tmp_path / "b"), "--model", str(tiny_bundle_folder), "--device", "cpu"]
    assert main(["again", str(record), str(series), *outputs, *options]) == 0
    voxels = [read_volume(folder / "pet").image for folder in (study / "seed1", tmp_path / "b")]
    assert np.array_equal(*map(sitk.GetArrayFromImage, voxels))
    assert headers_of(tmp_path / "b" / "pet")[0].Units == "BQML"


def test_insert_refuses_a_study_before_any_work(insert, series, tmp_path, capsys):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "note.txt").write_text("mine")
    for options, words in (
        (("--output-dicom", str(tmp_path / "full")), "not empty"),
        (("--output-dicom", str(series / "study")), "is an input"),
        (("--output-dicom", str(tmp_path)), "not empty"),
        (("--output-dicom", str(tmp_path / "new"), "--ct", str(series)), "0 CT series"),
        (("--output-dicom", str(tmp_path / "new"), "--ct", str(tmp_path / "full" / "note.txt")), "no folder"),
    ):
        assert insert(*options, "--model", "no-such-bundle") == 1
        error = capsys.readouterr().err
        assert words in error and "no-such-bundle" not in error, options
    assert not (tmp_path / "new").exists()
