"""The work of the headless script with slicer-core: its files, its exit status and its refusals."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

pytest.importorskip("slicer", reason="needs slicer-core")

from TumorGenCore.console.report import Report
from TumorGenCore.errors import VolumeWarning
from TumorGenCore.volumes.geometry import Box, Grid
from TumorGenCore.volumes.markups import write_box
from TumorGenCore.volumes.read import read_volume
from TumorGenCore.volumes.write import write_volume
from TumorGenSlicerLib.headless import insert
from TumorGenSlicerLib.headless import self_test as headless_self_test
from TumorGenSlicerLib.headless.main import main
from TumorGenSlicerLib.run import self_test
from TumorGenSlicerLib.run.worker import sharedWorker

SCRIPT = Path(__file__).resolve().parents[3] / "TumorGenSlicer" / "Scripts" / "insert_tumor.py"


@pytest.fixture
def pet(tmp_path: Path) -> Path:
    """A small oblique scan around the origin."""
    rng = np.random.default_rng(0)
    turn = np.radians(20)
    image = sitk.GetImageFromArray((rng.random((14, 16, 15)) * 4).astype(np.float32))
    image.SetSpacing((4.0, 4.5, 5.0))
    image.SetDirection((np.cos(turn), -np.sin(turn), 0, np.sin(turn), np.cos(turn), 0, 0, 0, 1))
    middle = np.array(image.TransformContinuousIndexToPhysicalPoint((7, 7.5, 6.5)))
    image.SetOrigin((np.array([-12.0, 8.0, 5.0]) - middle).tolist())
    write_volume(image, tmp_path / "scan.nrrd")
    return tmp_path / "scan.nrrd"


@pytest.fixture
def run(scene, pet, tiny_bundle_folder, tmp_path, capsys):
    """Runs the script's main; returns status, stdout, stderr."""

    def run(*arguments, box="12,-8,5,30,30,34", output=tmp_path / "out"):
        where = ["--box", box] if box else []
        quick = ["--model", str(tiny_bundle_folder), "--device", "cpu", "--steps", "1"]
        status = main(["--input", str(pet), *where, "--output", str(output), *quick, *arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.fixture
def report_file(tmp_path):
    """The file of ``--json``."""
    return tmp_path / "report.json"


@pytest.fixture
def as_json(report_file):
    """The arguments that ask for the JSON object."""
    return ["--json", str(report_file)]


def assertOnlyTheBoxChanged(before: sitk.Image, folder: Path, name: str, box: Box) -> None:
    image = sitk.ReadImage(str(folder / f"{name}_image.nrrd"))
    mask = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / f"{name}_mask.seg.nrrd"))) > 0
    for get in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
        np.testing.assert_allclose(getattr(image, get)(), getattr(before, get)(), atol=1e-6)
    grid = Grid.from_image(before)
    k, j, i = np.indices(grid.size_ijk[::-1])
    inside = box.contains(grid.index_to_lps(np.stack([i, j, k], axis=-1)))
    old, new = sitk.GetArrayFromImage(before), sitk.GetArrayFromImage(image)
    assert old.dtype == new.dtype
    np.testing.assert_array_equal(old[~inside], new[~inside])
    assert (old != new)[inside].any()
    assert not mask[~inside].any()


def test_variants_are_written_with_mask_and_provenance(run, pet, tmp_path):
    status, out, err = run("--variants", "2", "--seed", "7", "--least-quality", "0")
    assert status == 0, err
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == sorted(
        f"scan_seed{seed}_{kind}"
        for seed in (7, 8)
        for kind in ("image.nrrd", "mask.seg.nrrd", "image.provenance.json", "mask.provenance.json")
    )
    assert "seed 8" in out
    assert "taken as SUV" in err
    box = Box.from_ras((12, -8, 5), (30, 30, 34))
    for seed in (7, 8):
        assertOnlyTheBoxChanged(read_volume(pet, 1).image, tmp_path / "out", f"scan_seed{seed}", box)
    provenance = json.loads((tmp_path / "out" / "scan_seed8_image.provenance.json").read_text())
    (tumor,) = provenance["tumors"]
    assert tumor["seed"] == 8
    np.testing.assert_allclose(tumor["box_center_lps"], (-12, 8, 5))
    assert not re.search(r"scan(_|\.nrrd)", json.dumps(provenance))


def test_warnings_come_before_the_work_and_go_into_the_provenance_without_the_name_of_the_file(
    run, pet, tmp_path, monkeypatch
):
    text = pet.read_bytes().replace(b"space origin", b"#space origin")
    pet.write_bytes(text)
    read = "does not say where it lies"
    target = "The target SUVmax 0.1 is not above the tissue around the box (median SUV 2."
    said: list[str] = []
    progress, warn = Report.progress, Report.warn
    monkeypatch.setattr(Report, "warn", lambda self, line: said.append(line) or warn(self, line))
    monkeypatch.setattr(Report, "progress", lambda self, *told: said.append("progress") or progress(self, *told))
    status, _, err = run("--suv-max", "0.1", box="-15,-41,32,30,30,34")
    assert status == 0, err
    before = said[: said.index("progress")]
    assert [words in line for words, line in zip((read, "taken as SUV", target), before, strict=True)] == [True] * 3
    assert all(err.count(words) == 1 for words in (read, "taken as SUV", target))
    warnings = json.loads((tmp_path / "out" / "scan_seed0_image.provenance.json").read_text())["warnings"]
    assert warnings[:3] == before and before[0].startswith(f"The file {read}")


def test_poor_variants_are_drawn_again_and_each_says_how_good_it_is(run, as_json, report_file):
    """The untrained networks reach no quality of 1, so every redraw is used up."""
    status, _, err = run("--variants", "2", "--least-quality", "1", *as_json, "--suv-factor", "1")
    assert status == 0, err
    report = json.loads(report_file.read_text())
    totals = [variant["quality"]["total"] for variant in report["variants"]]
    assert totals == sorted(totals, reverse=True)
    assert any("4 poor tumors were replaced" in line for line in report["warnings"])
    status, out, err = run("--seed", "9", "--suv-factor", "1")
    assert "seed 9" in out and "Poor quality, 0." in out
    assert "poor" not in err


def test_the_tumor_is_as_hot_as_asked(run, as_json, report_file):
    status, _, err = run("--suv-factor", "1", "--suv-max", "9", *as_json)
    assert status == 0, err
    assert json.loads(report_file.read_text())["variants"][0]["suv_max"] == pytest.approx(9, rel=0.05)
    status, _, err = run("--suv-mean", "-1")
    assert status == 2
    assert "SUVmean is -1" in err


def test_a_box_that_begins_with_a_minus_and_the_lps_frame(run, as_json, report_file):
    status, _, err = run("--frame", "lps", *as_json, box="-12,8,5,30,30,34")
    assert status == 0, err
    report = json.loads(report_file.read_text())
    (variant,) = report["variants"]
    provenance = json.loads(Path(variant["files"][2]).read_text())
    np.testing.assert_allclose(provenance["tumors"][0]["box_center_lps"], (-12, 8, 5))
    assert {"volume_ml", "suv_max", "suv_mean", "suv_peak", "mtv_ml", "tlg"} <= set(variant)
    assert all(Path(path).is_file() for path in variant["files"])


def test_a_rotated_roi_file_is_where_slicer_drew_it(run, pet, tmp_path):
    turn = np.radians(30)
    axes = ((np.cos(turn), -np.sin(turn), 0.0), (np.sin(turn), np.cos(turn), 0.0), (0.0, 0.0, 1.0))
    box = Box((-10.0, 9.0, 4.0), (30.0, 20.0, 26.0), axes)
    write_box(box, tmp_path / "roi.mrk.json")
    status, _, err = run("--roi", str(tmp_path / "roi.mrk.json"), "--suv-factor", "1", box=None)
    assert status == 0, err
    assert "taken as SUV" not in err
    assertOnlyTheBoxChanged(read_volume(pet, 1).image, tmp_path / "out", "scan_seed0", box)


def test_the_pixel_type_of_the_file_is_kept(run, pet, tmp_path):
    image = sitk.Cast(sitk.ReadImage(str(pet)) * 1000, sitk.sitkInt16)
    write_volume(image, pet)
    assert run("--suv-factor", "0.001")[0] == 0
    assertOnlyTheBoxChanged(image, tmp_path / "out", "scan_seed0", Box.from_ras((12, -8, 5), (30, 30, 34)))


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--device", "abacus"], "abacus"),
        (["--model", "no-such-bundle"], "no-such-bundle"),
        (["--suv-factor", "-1"], "positive"),
    ],
)
def test_failures_are_one_clear_line_and_leave_nothing(run, tmp_path, arguments, line):
    before = sorted(tmp_path.rglob("*"))
    status, out, err = run("--quiet", *arguments)
    assert status == 1
    assert out == ""
    *warnings, last = err.splitlines()
    assert line in last
    assert all(warning.startswith("Warning: ") and "taken as SUV" in warning for warning in warnings)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_box_outside_the_scan_and_a_missing_file_fail(run, pet, as_json, report_file):
    assert "outside the volume" in run(box="900,0,0,30,30,30")[2]
    assert "six numbers" in run(box="1,2,3")[2]
    status, _, err = run(*as_json, box="900,0,0,30,30,30")
    assert status == 1
    assert json.loads(report_file.read_text())["error"] in err
    assert "outside" in err
    pet.unlink()
    assert "no file" in run()[2]


def test_what_cannot_be_written_is_refused_before_the_work(run, pet, tmp_path, monkeypatch):
    monkeypatch.setattr(insert, "read_volume", None)
    assert "is the input" in run(output=pet)[2]
    (tmp_path / "file").write_text("")
    assert "is a file" in run(output=tmp_path / "file" / "below")[2]
    assert "cannot be used" in run(output=tmp_path / "new" / ("n" * 256))[2]
    if sys.platform == "linux":
        assert "You may not write" in run(output=Path("/proc/self/out"))[2]


def test_a_write_that_fails_leaves_no_file_behind(run, tmp_path, monkeypatch):
    write = insert.write_segmentation
    calls = []

    def failing(*arguments, **keywords):
        calls.append(1)
        if len(calls) == 2:
            raise OSError("no space left")
        write(*arguments, **keywords)

    monkeypatch.setattr(insert, "write_segmentation", failing)
    status, _, err = run("--variants", "3", output=tmp_path / "a" / "b")
    assert status == 1
    assert "no space left" in err
    assert not (tmp_path / "a").exists()


def test_a_bug_ends_with_a_line_and_not_with_an_open_slicer(run, monkeypatch, as_json, report_file):
    def surprise(*_):
        raise ValueError("odd")

    monkeypatch.setattr(insert, "tumorMask", surprise)
    status, _, err = run("--suv-factor", "1")
    assert status == 1
    assert "This is a bug in TumorGen (ValueError: odd)." in err
    assert "Traceback" not in err
    status, _, err = run("--suv-factor", "1", "--debug", *as_json)
    assert status == 1
    assert "bug in TumorGen" in json.loads(report_file.read_text())["error"]
    assert "Traceback" in err and "surprise" in err


def test_a_user_s_error_has_a_traceback_with_debug_only(run):
    assert "Traceback" not in run(box="1,2,3")[2]
    assert "Traceback" in run("--debug", box="1,2,3")[2]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--steps", "0"],
        ["--seed", "-1"],
        ["--variants", "x"],
        ["--roi", "r"],
        ["--fill", "1"],
        ["--least-quality", "2"],
        ["--seed", str(2**63 - 1), "--variants", "2"],
    ],
)
def test_wrong_usage_is_status_2(run, arguments):
    if arguments:
        status, _, err = run(*arguments)
    else:
        status, err = main([]), "usage"
    assert status == 2
    assert "usage" in err


@pytest.mark.usefixtures("hierarchy")
@pytest.mark.parametrize("arguments", [[], ["--device", "abacus"]])
def test_the_scene_is_as_before_so_that_the_console_can_run_many_scans(run, scene, arguments):
    mine = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "scan")
    before = [node.GetID() for node in scene.GetNodes() if not node.GetSingletonTag()]
    assert run("--suv-factor", "1", "--variants", "2", *arguments)[0] == (1 if arguments else 0)
    assert [node.GetID() for node in scene.GetNodes() if not node.GetSingletonTag()] == before
    assert scene.IsNodePresent(mine)


def test_the_json_object_replaces_its_file_and_the_lines_are_printed_as_well(run, as_json, report_file):
    report_file.write_text("of an earlier run")
    status, out, _ = run("--suv-factor", "1", *as_json)
    assert status == 0
    report = json.loads(report_file.read_text())
    assert out.count(f"seed {report['variants'][0]['seed']}") == 1
    assert set(report) == {"seconds", "variants", "warnings"}


@pytest.mark.parametrize("name", ["scan.nrrd", "link.nrrd", "box.mrk.json", "folder"])
def test_a_json_file_that_is_needed_for_something_else_is_wrong_usage_and_stays(run, pet, tmp_path, name):
    write_box(Box.from_ras((12, -8, 5), (30, 30, 34)), tmp_path / "box.mrk.json")
    (tmp_path / "link.nrrd").symlink_to(pet)
    (tmp_path / "folder").mkdir()
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    status, _, err = run("--roi", str(tmp_path / "box.mrk.json"), "--json", str(tmp_path / name), box=None)
    assert status == 2
    assert "--json" in err
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before
    assert not (tmp_path / "out").exists()


def test_a_json_file_without_a_folder_is_refused_before_the_work(run, tmp_path, monkeypatch):
    monkeypatch.setattr(insert, "read_volume", None)
    status, _, err = run("--json", str(tmp_path / "missing" / "report.json"))
    assert status == 1
    assert "There is no folder" in err
    assert not (tmp_path / "out").exists()


def test_without_a_terminal_the_progress_is_at_most_a_line_for_each_tenth(run):
    _, out, err = run("--suv-factor", "1", "--steps", "40")
    shown = [line for line in out.splitlines() if re.search(r", \d+ of \d+ steps$", line)]
    done = [int(re.search(r"(\d+) of", line)[1]) for line in shown]
    assert 3 <= len(shown) <= 11
    assert done == sorted(set(done))
    assert "\r" not in out + err
    assert run("--suv-factor", "1", "--quiet")[1] == ""


@pytest.mark.usefixtures("interrupts_raise")
def test_an_interrupt_stops_the_run_and_writes_nothing(run, tmp_path):
    def interrupt():
        deadline = time.monotonic() + 120
        while not sharedWorker().isBusy and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    status, _, err = run("--steps", "10000")
    thread.join()
    assert status == 130
    assert "Interrupted" in err
    assert not (tmp_path / "out").exists()
    assert not sharedWorker().isBusy


@pytest.mark.usefixtures("interrupts_raise")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("with_other_file", [False, True])
def test_an_interrupt_while_writing_leaves_nothing_and_is_not_hidden(
    run, tmp_path, at_rename, number, status, with_other_file
):
    """Another program's file keeps the new folder from being removed, which was reported in place of the stop."""
    other = tmp_path / "out" / "other.txt"
    at_rename += [
        lambda: with_other_file and other.write_text("of another program"),
        lambda: os.kill(os.getpid(), number),
    ]
    ended, _, err = run("--variants", "2", "--least-quality", "0")
    assert ended == status
    assert "Interrupted" in err
    left = {path.name for path in tmp_path.rglob("*")} - {"scan.nrrd"}
    assert left == ({"out", "other.txt"} if with_other_file else set())


def test_an_interrupt_that_python_loses_stops_the_run(run, lose_interrupt, tmp_path, monkeypatch):
    addBoxNode = insert.addBoxNode

    def interrupted(*arguments):
        lose_interrupt()
        return addBoxNode(*arguments)

    monkeypatch.setattr(insert, "addBoxNode", interrupted)
    status, _, err = run("--steps", "10000")
    assert status == 130
    assert "Interrupted" in err
    assert not (tmp_path / "out").exists()
    assert not sharedWorker().isBusy


def test_a_process_with_the_model_that_ships_on_a_real_scan(request, pet, tmp_path, as_json, report_file):
    """Uses a small scan of noise if the real ones are missing."""
    try:
        source = request.getfixturevalue("shared_data") / "sts" / "STS_005_image.nii.gz"
    except pytest.skip.Exception:
        source = pet
    volume = read_volume(source, 1)
    grid = Grid.from_image(volume.image)
    center = grid.index_to_lps((np.asarray(grid.size_ijk) - 1) / 2)
    numbers = ",".join(f"{value:.2f}" for value in (*center, 25, 25, 25))
    out = tmp_path / "made" / "here"
    where = ["--input", str(source), "--box", numbers, "--frame", "lps", "--output", str(out)]
    run = subprocess.run(
        [sys.executable, str(SCRIPT), *where, "--seed", "3", "--steps", "1", "--device", "cpu", *as_json],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert run.returncode == 0, run.stderr
    (variant,) = json.loads(report_file.read_text())["variants"]
    stem = source.name.split(".")[0]
    box = Box(tuple(round(float(value), 2) for value in center), (25, 25, 25))
    assertOnlyTheBoxChanged(volume.image, out, f"{stem}_seed3", box)
    provenance = json.loads(Path(variant["files"][2]).read_text())
    assert provenance["bundle_name"] == "pet-fdg-v2"
    assert provenance["suv_factor_source"] == "taken as SUV"


def test_a_tumor_in_a_dicom_series_has_the_suv_asked_for_and_the_unit_of_the_series(
    shared_data, run, as_json, report_file, tmp_path
):
    """The expected factor comes from a file in SUV of the same scan."""
    series, box = shared_data / "dicom" / "CCTH-A01", Box.from_ras((0, 0, 318), (40, 40, 40))
    status, _, err = run(
        *("--input", str(series), "--suv-max", "12", "--seed", "3", "--device", "cpu"), *as_json, box="0,0,318,40,40,40"
    )
    assert status == 0, err
    assert "taken as SUV" not in err
    with pytest.warns(VolumeWarning, match="NumberOfSlices says 263"):
        before = read_volume(series).image
    assertOnlyTheBoxChanged(before, tmp_path / "out", "CCTH-A01_seed3", box)
    bodyWeight = sitk.GetArrayFromImage(sitk.ReadImage(str(shared_data / "whole_body" / "CCTH-A01_image.nii.gz")))
    stored = sitk.GetArrayFromImage(before)
    factor = bodyWeight.sum() / stored.sum()
    np.testing.assert_allclose(stored * factor, bodyWeight, rtol=1e-3, atol=0.01)
    image, mask = (
        sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "out" / f"CCTH-A01_seed3_{kind}.nrrd")))
        for kind in ("image", "mask.seg")
    )
    assert (image[mask > 0] * factor).max() == pytest.approx(12, rel=0.05)
    (variant,) = json.loads(report_file.read_text())["variants"]
    assert variant["suv_max"] == pytest.approx((image[mask > 0] * factor).max(), rel=1e-3)


def test_a_slice_of_the_series_is_no_file_for_the_json_object(shared_data, run, tmp_path):
    series = tmp_path / "series"
    series.mkdir()
    source = min((shared_data / "dicom" / "CCTH-A01").glob("*.dcm"))
    (series / "slice.dcm").write_bytes(source.read_bytes())
    status, _, err = run("--input", str(series), "--json", str(series / "slice.dcm"))
    assert status == 2
    assert "needed for something else" in err
    assert (series / "slice.dcm").read_bytes() == source.read_bytes()


@pytest.fixture
def quickSelfTest(monkeypatch, tiny_bundle_folder):
    """A self-test that is over soon."""
    SelfTest = headless_self_test.SelfTest
    quick = {"spacingMm": (10.0, 10.0, 10.0), "steps": 1, "model": str(tiny_bundle_folder)}
    monkeypatch.setattr(headless_self_test, "SelfTest", lambda **options: SelfTest(**quick, **options))


@pytest.mark.usefixtures("scene", "quickSelfTest")
def test_the_self_test_needs_no_scan_and_writes_its_report(tmp_path, capsys):
    path = tmp_path / "new" / "report.md"
    assert main(["--self-test", str(path), "--device", "cpu"]) == 0
    captured = capsys.readouterr()
    assert "passed: full insertion" in captured.out
    assert "0 failed" in captured.out.splitlines()[-1]
    assert "| full insertion | passed |" in path.read_text(encoding="utf-8")


@pytest.mark.usefixtures("scene", "quickSelfTest")
def test_a_self_test_that_fails_is_status_1_with_its_report(tmp_path, capsys, monkeypatch, as_json, report_file):
    monkeypatch.setattr(self_test, "missingPackages", lambda: ["torch"])
    path = tmp_path / "report.md"
    assert main([f"--self-test={path}", *as_json]) == 1
    values = json.loads(report_file.read_text())
    assert "failed at: packages" in values["error"]
    assert values["steps"][1]["status"] == "failed"
    assert "failed: packages" in capsys.readouterr().out
    assert "| packages | **failed** |" in path.read_text(encoding="utf-8")


@pytest.mark.usefixtures("scene")
def test_a_self_test_without_a_file_for_its_report_is_refused(tmp_path, capsys):
    assert main(["--self-test"]) == 2
    assert main(["--self-test", str(tmp_path)]) == 1
    assert "is a folder" in capsys.readouterr().err


def test_truth_table_increment_and_ct_are_written_too(run, pet, tmp_path, as_json, report_file):
    ct, out = tmp_path / "ct.nrrd", tmp_path / "out"
    write_volume(sitk.Cast(sitk.ReadImage(str(pet)) * 100, sitk.sitkInt16), ct)
    asked = ["--truth", str(out / "truth.csv"), "--output-increment", str(out / "inc.nrrd")]
    asked += ["--increment-units", "scan", "--ct", str(ct), "--output-ct", str(tmp_path / "copy.nrrd")]
    status, said, err = run("--suv-factor", "1", "--variants", "2", "--least-quality", "0", *asked, *as_json)
    assert status == 0, err
    before = sitk.GetArrayFromImage(sitk.ReadImage(str(pet)))
    for seed in (0, 1):
        after = sitk.GetArrayFromImage(sitk.ReadImage(str(out / f"scan_seed{seed}_image.nrrd")))
        added = sitk.GetArrayFromImage(sitk.ReadImage(str(out / f"inc-seed{seed}.nrrd")))
        np.testing.assert_array_equal((before + added).astype(before.dtype), after)
    lines = (out / "truth.csv").read_text().splitlines()
    assert len(lines) == 3 and all(f"scan_seed{seed}_image.nrrd" in "".join(lines) for seed in (0, 1))
    assert (tmp_path / "copy.nrrd").read_bytes() == ct.read_bytes()
    assert "CT passed through unchanged" in said
    assert json.loads((out / "scan_seed1_image.provenance.json").read_text())["ct"]["unchanged"] is True
    report = json.loads(report_file.read_text())
    assert report["truth"] == str(out / "truth.csv") and report["ct"]["unchanged"] is True


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["--truth", "{0}/none/truth.csv"], "no folder"),
        (["--truth", "{0}/out/truth.txt"], ".csv or .json"),
        (["--output-increment", "{0}/out/scan_seed0_image.nrrd"], "two outputs"),
        (["--output-increment", "{0}/scan.nrrd"], "is an input"),
        (["--ct", "{0}", "--output-ct", "{0}/out/ct.nrrd"], "--output-dicom"),
    ],
)
def test_truth_outputs_that_cannot_be_are_refused_before_the_work(run, tmp_path, monkeypatch, asked, words):
    monkeypatch.setattr(insert, "read_volume", None)
    status, _, err = run(*(part.format(tmp_path) for part in asked))
    assert status == 1 and words in err
    assert not (tmp_path / "out").exists()
