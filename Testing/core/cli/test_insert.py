"""`tumorgen insert`: its files, its output and its errors."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import struct
import threading
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from command_cases import BOX_RAS, assert_one_line, provenance, voxels
from dicom_slices import write_slice
from full_disk import file_size_limit

from TumorGenCore.cli import main
from TumorGenCore.lesions.quality import PARTS
from TumorGenCore.volumes.geometry import Box
from TumorGenCore.volumes.markups import write_box


def test_insert_writes_all_outputs_and_changes_nothing_outside_the_box(insert, pet, out, capsys):
    soft, preview = out / "soft.nrrd", out / "preview.png"
    assert insert("--output-probability", str(soft), "--preview", str(preview)) == 0
    said = capsys.readouterr().out
    for name in ("case.nrrd", "case.seg.nrrd", "soft.nrrd", "preview.png"):
        assert (out / name).stat().st_size > 100
        assert str(out / name) in said
    assert "not for diagnosis" in said
    changed = voxels(out / "case.nrrd") != voxels(pet)
    assert changed.any()
    grid = sitk.ReadImage(str(pet))
    for k, j, i in np.argwhere(changed | (voxels(out / "case.seg.nrrd") > 0) | (voxels(soft) > 0)):
        x, y, z = grid.TransformIndexToPhysicalPoint((int(i), int(j), int(k)))
        assert abs(x - 25) <= 20 and abs(y + 20) <= 22 and abs(z + 40) <= 24


def test_negative_coordinates_follow_the_option_after_a_space_or_an_equals_sign(insert, out):
    for box in (("--box", BOX_RAS), (f"--box={BOX_RAS}",)):
        assert insert(box=box) == 0
        assert provenance(out / "case.nrrd")["tumors"][0]["box_center_lps"] == [25.0, -20.0, -40.0]
        assert provenance(out / "case.nrrd")["tumors"][0]["box_size_mm"] == [40.0, 44.0, 48.0]


@pytest.mark.parametrize(
    ("frame", "text", "roi"),
    [
        ("ras", BOX_RAS, Box.from_ras((-25, 20, -40), (40, 44, 48), np.eye(3))),
        ("lps", "25,-20,-40,40,44,48", Box((25, -20, -40), (40, 44, 48))),
    ],
)
def test_box_in_either_frame_equals_its_roi_file(insert, out, tmp_path, frame, text, roi):
    write_box(roi, tmp_path / "roi.mrk.json")
    assert insert("--frame", frame, box=("--box", text)) == 0
    made, box = voxels(out / "case.nrrd"), provenance(out / "case.nrrd")["tumors"][0]
    assert box["box_center_lps"] == [25.0, -20.0, -40.0]
    assert insert(box=("--roi", str(tmp_path / "roi.mrk.json"))) == 0
    assert np.array_equal(voxels(out / "case.nrrd"), made)
    assert provenance(out / "case.nrrd")["tumors"][0]["box_axes"] == box["box_axes"]


def test_variants_are_named_by_their_seeds_and_equal_single_runs(insert, out):
    options = ["--seed", "5", "--variants", "2", "--least-quality", "0", "--preview", str(out / "p.png")]
    assert insert(*options) == 0
    names = {path.name for path in out.iterdir()}
    expected = {"case-seed5.nrrd", "case-seed5.seg.nrrd", "case-seed6.nrrd", "case-seed6.seg.nrrd"}
    assert {name for name in names if name.startswith("case") and "provenance" not in name} == expected
    assert {"p-seed5.png", "p-seed6.png"} <= names
    near = {"rtol": 0.02, "atol": 0.02}  # A batch adds in another order.
    assert not np.allclose(voxels(out / "case-seed5.nrrd"), voxels(out / "case-seed6.nrrd"), **near)
    assert provenance(out / "case-seed6.nrrd")["tumors"][0]["seed"] == 6
    assert insert("--seed", "6") == 0
    np.testing.assert_allclose(voxels(out / "case.nrrd"), voxels(out / "case-seed6.nrrd"), **near)


def test_json_is_one_object_with_figures_and_files(insert, out, capsys):
    assert insert("--json", "--variants", "2", "--least-quality", "0") == 0
    said = capsys.readouterr()
    report = json.loads(said.out)
    assert {variant["seed"] for variant in report["variants"]} == {0, 1}
    totals = [variant["quality"]["total"] for variant in report["variants"]]
    assert totals == sorted(totals, reverse=True)
    assert set(report["variants"][0]["quality"]["parts"]) == set(PARTS)
    assert report["redrawn"] == []
    assert all(Path(file).is_file() for variant in report["variants"] for file in variant["files"])
    assert report["seconds"].keys() == {"read", "load model", "insert", "write"}
    assert isinstance(report["warnings"], list)
    assert said.err == ""


def test_poor_variants_are_drawn_again_and_what_was_done_is_said(insert, out, capsys):
    """The untrained networks never reach a quality of 1, so all redraws are used."""
    assert insert("--variants", "2", "--least-quality", "1") == 0
    said = capsys.readouterr()
    assert "4 poor tumors were replaced by new ones: " in said.err
    assert said.err.count("no better tumor was found") == 2
    assert said.out.count("Poor quality, 0.") == 2
    assert "no training lesions" in said.out
    assert len(list(out.glob("case-seed*.nrrd"))) == 4  # two images and two masks
    assert insert("--json", "--seed", "9", "--least-quality", "1") == 0
    report = json.loads(capsys.readouterr().out)
    drawn = {entry["seed"] for entry in report["redrawn"]} | {report["variants"][0]["seed"]}
    assert drawn == {9, 10, 11}
    assert all(entry["quality"]["total"] < 1 for entry in report["redrawn"])


def test_a_single_tumor_is_the_one_of_its_seed(insert, out, capsys):
    assert insert("--json", "--seed", "9") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["redrawn"] == []
    assert report["variants"][0]["seed"] == provenance(out / "case.nrrd")["tumors"][0]["seed"] == 9


def test_quiet_says_nothing_but_warnings(insert, capsys):
    assert insert("--quiet") == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert all(line.startswith("Warning: ") for line in said.err.splitlines())


def test_warnings_go_to_stderr_and_into_the_json(insert, capsys):
    corner = ("--box", "-60,-60,-70,40,40,40")
    assert insert(box=corner) == 0
    assert "Warning: " in capsys.readouterr().err
    assert insert("--json", box=corner) == 0
    assert any("past the volume" in line for line in json.loads(capsys.readouterr().out)["warnings"])


def test_a_warning_of_reading_is_said_once_and_is_in_the_provenance_without_the_name(
    insert, pet, out, tiny_bundle_folder, tmp_path, capsys
):
    odd = tmp_path / "DOE_JANE.nii"
    content = bytearray(gzip.decompress(pet.read_bytes()))
    struct.pack_into("<f", content, 108, 0.0)  # vox_offset
    odd.write_bytes(content)
    words = "says that its voxels start at byte 0 (vox_offset)"
    assert insert(scan=odd) == 0
    said = capsys.readouterr().err
    assert said.count(words) == 1 and f"Warning: DOE_JANE.nii {words}" in said
    warnings = provenance(out / "case.nrrd")["warnings"]
    assert warnings[0].startswith(f"The file {words}") and "DOE" not in json.dumps(warnings)
    record = str(out / "case.provenance.json")
    outputs = ["--output-image", str(tmp_path / "b.nrrd"), "--output-mask", str(tmp_path / "b.seg.nrrd")]
    assert main(["again", record, str(odd), *outputs, "--model", str(tiny_bundle_folder), "--device", "cpu"]) == 0
    assert capsys.readouterr().err.count(words) == 1


def test_folder_with_a_dicom_series_is_read(insert, out, tmp_path, capsys):
    series = tmp_path / "series"
    series.mkdir()
    for n in range(20):
        pixels = np.full((24, 24), 100 + n, dtype=np.int16)
        write_slice(series / f"{n}.dcm", 4.0 * n, 0, 0.02, "1.2.3", Rows=24, Columns=24, PixelSpacing=[4.0, 4.0],
                    PixelData=pixels.tobytes())  # fmt: skip
    # The slices start at (-10, 20) mm LPS.
    assert insert("--json", box=("--box", "36,66,38,40,40,40", "--frame", "lps"), scan=series) == 0
    assert json.loads(capsys.readouterr().out)["variants"][0]["files"]
    image = sitk.ReadImage(str(out / "case.nrrd"))
    assert image.GetSize() == (24, 24, 20)
    assert image.GetOrigin() == pytest.approx((-10, 20, 0))
    assert voxels(out / "case.nrrd")[3, 0, 0] == pytest.approx(0.02 * 103)


@pytest.mark.parametrize(
    ("option", "name", "word"),
    [
        ("--output-image", "case.png", ".nrrd"),
        ("--output-mask", "case.txt", ".nrrd"),
        ("--output-probability", "case", ".nrrd"),
        ("--preview", "case.jpg", ".png"),
        ("--output-image", "missing/case.nrrd", "missing"),
        ("--output-mask", "missing/case.seg.nrrd", "missing"),
        ("--preview", "missing/case.png", "missing"),
        ("--output-probability", "case.seg.nrrd", "two outputs"),
        ("--output-probability", "CASE.nrrd", "two outputs"),  # one file on Windows and macOS
    ],
)
def test_outputs_that_cannot_be_written_are_refused_before_the_scan_is_read(insert, out, capsys, option, name, word):
    # The scan does not exist either; the error is about the output, so the output is checked first.
    assert insert(option, str(out / name), scan=Path("nowhere.nii.gz")) == 1
    error = capsys.readouterr().err
    assert_one_line(error)
    assert word in error and "nowhere" not in error
    assert not list(out.iterdir())


def test_the_scan_is_never_overwritten(insert, pet, tmp_path, capsys):
    copy = tmp_path / "scan.nii.gz"
    shutil.copy(pet, copy)
    assert insert("--output-image", str(tmp_path / "out" / ".." / "scan.nii.gz"), scan=copy) == 1
    assert_one_line(capsys.readouterr().err)
    assert copy.read_bytes() == pet.read_bytes()


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--box", "1,2,3"], "six numbers"),
        (["--box", "a,b,c,d,e,f"], "six numbers"),
        (["--box", "0,0,0,40,0,40"], "positive"),
        (["--box", "0,0,0,40,3,40"], "3.0 mm thin"),
        (["--box", "0,0,0,40,999,40"], "999 mm long"),
        (["--box", "900,0,0,40,40,40"], "no voxel"),
        (["--box", "nan,0,0,40,40,40"], "finite"),
        (["--model", "no-such-bundle"], "no-such-bundle"),
        (["--device", "abacus"], "abacus"),
        (["--suv-factor", "0"], "factor"),
        (["--suv-factor", "nan"], "factor"),
    ],
)
def test_what_cannot_be_done_fails_with_one_clear_line_and_no_output(insert, out, capsys, options, word):
    given = ("--box", BOX_RAS) if options[0] != "--box" else tuple(options)
    assert insert(*([] if options[0] == "--box" else options), box=given) == 1
    said = capsys.readouterr()
    assert_one_line(said.err)
    assert word in said.err
    assert said.out == ""
    assert not list(out.iterdir())


def test_scans_that_cannot_be_used_fail_with_one_clear_line(insert, pet, out, tmp_path, capsys):
    truncated, spoilt = tmp_path / "truncated.nii.gz", tmp_path / "spoilt.nii.gz"
    truncated.write_bytes(pet.read_bytes()[:5000])
    image = sitk.ReadImage(str(pet))
    image[1, 2, 3] = float("nan")
    sitk.WriteImage(image, str(spoilt))
    for scan, word in (
        (tmp_path / "missing.nii.gz", "missing.nii.gz"),
        (tmp_path, "PET series"),
        (truncated, "truncated"),
        (spoilt, "NaN"),
    ):
        assert insert(scan=scan) == 1
        error = capsys.readouterr().err
        assert_one_line(error)
        assert word in error
    assert not list(out.iterdir())


def test_damaged_bundle_fails_with_one_clear_line(insert, tiny_bundle_folder, out, tmp_path, capsys):
    folder = tmp_path / "damaged"
    shutil.copytree(tiny_bundle_folder, folder)
    weights = folder / "models" / "vae.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert insert("--model", str(folder)) == 1
    assert_one_line(capsys.readouterr().err)
    assert not list(out.iterdir())


def test_failure_in_json_is_json_too(insert, capsys):
    assert insert("--json", box=("--box", "900,0,0,40,40,40")) == 1
    said = capsys.readouterr()
    assert "no voxel" in json.loads(said.out)["error"]
    assert said.err == ""


@pytest.mark.usefixtures("interrupts_raise")
def test_interrupt_while_sampling_is_status_130_and_leaves_nothing(insert, out, capsys):
    threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
    assert insert("--steps", "10000") == 130
    assert_one_line(capsys.readouterr().err)
    assert not list(out.iterdir())
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize(
    ("number", "status", "moves_before"), [(signal.SIGINT, 130, 0), (signal.SIGINT, 130, 5), (signal.SIGTERM, 143, 3)]
)
@pytest.mark.usefixtures("interrupts_raise")
def test_interrupt_while_writing_leaves_nothing(insert, out, capsys, at_rename, number, status, moves_before):
    """Two variants of three volumes, with one record each for image and mask and one for the soft mask."""
    at_rename += [lambda: None] * moves_before + [lambda: os.kill(os.getpid(), number)]
    more = ["--output-probability", str(out / "soft.nrrd")]
    assert insert("--variants", "2", "--least-quality", "0", *more) == status
    assert "Interrupted" in capsys.readouterr().err
    assert not list(out.iterdir())


def test_short_write_is_status_1_and_leaves_nothing(insert, out, capsys):
    outputs = ["--output-image", str(out / "case.nii.gz"), "--output-mask", str(out / "mask.nii.gz")]
    with file_size_limit(5000):  # room for the mask and the records
        assert insert(*outputs) == 1
    assert "case.nii.gz was not written completely" in capsys.readouterr().err
    assert not list(out.iterdir())


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_link_to_the_scan_is_no_output(insert, pet, out, tmp_path, capsys, link):
    scan = tmp_path / "scan.nii.gz"
    shutil.copy(pet, scan)
    link(scan, out / "case.nii.gz")
    assert insert("--output-image", str(out / "case.nii.gz"), scan=scan) == 1
    assert "is an input" in capsys.readouterr().err
    assert scan.read_bytes() == pet.read_bytes()


def test_variant_whose_name_is_that_of_the_scan_is_refused_before_the_work(insert, pet, tmp_path, capsys):
    scan = tmp_path / "x-seed1.nii.gz"
    shutil.copy(pet, scan)
    assert insert("--variants", "2", "--output-image", str(tmp_path / "x.nii.gz"), scan=scan) == 1
    assert "is an input" in capsys.readouterr().err
    assert scan.read_bytes() == pet.read_bytes()


def test_redrawn_variant_whose_name_is_that_of_the_scan_replaces_nothing(insert, pet, out, tmp_path, capsys):
    """The seeds of redraws are known only after the work."""
    assert insert("--json", "--least-quality", "1", "--seed", "3", "--variants", "2") == 0
    seeds = [variant["seed"] for variant in json.loads(capsys.readouterr().out)["variants"]]
    scan = tmp_path / f"x-seed{max(seeds)}.nii.gz"
    shutil.copy(pet, scan)
    before = sorted(out.iterdir())
    options = ["--least-quality", "1", "--seed", "3", "--variants", "2", "--output-image", str(tmp_path / "x.nii.gz")]
    assert insert(*options, scan=scan) == 1
    assert "is an input" in capsys.readouterr().err
    assert scan.read_bytes() == pet.read_bytes()
    assert sorted(out.iterdir()) == before


def test_slice_of_the_series_is_no_output(insert, tmp_path, capsys):
    pytest.importorskip("highdicom", reason="needs highdicom")
    series = tmp_path / "series"
    series.mkdir()
    for n in range(3):
        write_slice(
            series / f"{n}.dcm", 4.0 * n, 0, 0.02, "1.2.3", FrameOfReferenceUID="1.2.4", StudyInstanceUID="1.2.5"
        )
    before = (series / "1.dcm").read_bytes()
    assert insert("--output-mask", str(series / "1.dcm"), scan=series) == 1
    assert "is an input" in capsys.readouterr().err
    assert (series / "1.dcm").read_bytes() == before


def test_roi_file_is_no_output(insert, out, capsys):
    roi = out / "case.provenance.json"
    write_box(Box((25, -20, -40), (40, 44, 48)), roi)
    before = roi.read_bytes()
    assert insert(box=("--roi", str(roi))) == 1
    assert "is an input" in capsys.readouterr().err
    assert roi.read_bytes() == before


@pytest.mark.parametrize(("option", "length"), [("--output-image", 245), ("--output-mask", 300), ("--preview", 255)])
def test_name_that_is_too_long_is_refused_before_the_scan_is_read(insert, out, capsys, option, length):
    name = "n" * length + (".png" if option == "--preview" else ".nrrd")
    assert insert(option, str(out / name), scan=Path("nowhere.nii.gz")) == 1
    error = capsys.readouterr().err
    assert_one_line(error)
    assert "cannot be used" in error


def test_endings_in_capitals_are_written(insert, out):
    names = {"--output-image": "O.MHA", "--output-mask": "M.NII.GZ", "--preview": "P.PNG"}
    assert insert(*(text for option, name in names.items() for text in (option, str(out / name)))) == 0
    assert {"O.MHA", "M.NII.GZ", "P.PNG"} <= {path.name for path in out.iterdir()}
    (out / "O.MHA").rename(out / "small.mha")
    assert voxels(out / "small.mha").shape == voxels(next(out.parent.parent.rglob("P2_image.nii.gz"))).shape


def test_interrupt_that_python_loses_is_answered_at_the_next_step(insert, out, interrupted_preparation, capsys):
    assert insert() == 130
    assert_one_line(capsys.readouterr().err)
    assert not list(out.iterdir())
