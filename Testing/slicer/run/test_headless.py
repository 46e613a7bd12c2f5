"""The headless script under plain Python with slicer-core: its files, its exit status and its refusals."""

from __future__ import annotations

import importlib.util
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

from TumorGenCore.volumes.geometry import Box, Grid
from TumorGenCore.volumes.markups import write_box
from TumorGenCore.volumes.read import read_volume
from TumorGenCore.volumes.write import write_volume
from TumorGenSlicerLib.run import self_test
from TumorGenSlicerLib.run.worker import sharedWorker

SCRIPT = Path(__file__).resolve().parents[3] / "TumorGenSlicer" / "Scripts" / "insert_tumor.py"


@pytest.fixture(scope="module")
def script():
    """The script as a module, so that most tests need no separate process."""
    spec = importlib.util.spec_from_file_location("insert_tumor", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
def run(script, scene, pet, tiny_bundle_folder, tmp_path, capsys):
    """Runs the script's main; returns status, stdout, stderr."""

    def run(*arguments, box="12,-8,5,30,30,34", output=tmp_path / "out"):
        where = ["--box", box] if box else []
        quick = ["--model", str(tiny_bundle_folder), "--device", "cpu", "--steps", "1"]
        status = script.main(["--input", str(pet), *where, "--output", str(output), *quick, *arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


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


def test_poor_variants_are_drawn_again_and_each_says_how_good_it_is(run):
    """The untrained networks reach no quality of 1, so every redraw is used up."""
    status, out, err = run("--variants", "2", "--least-quality", "1", "--json", "--suv-factor", "1")
    assert status == 0, err
    report = json.loads(out)
    totals = [variant["quality"]["total"] for variant in report["variants"]]
    assert totals == sorted(totals, reverse=True)
    assert any("4 poor tumors were replaced" in line for line in report["warnings"])
    status, out, err = run("--seed", "9", "--suv-factor", "1")
    assert "seed 9" in out and "Poor quality, 0." in out
    assert "poor" not in err


def test_the_tumor_is_as_hot_as_asked(run):
    status, out, err = run("--suv-factor", "1", "--suv-max", "9", "--json")
    assert status == 0, err
    assert json.loads(out)["variants"][0]["suv_max"] == pytest.approx(9, rel=0.05)
    status, _, err = run("--suv-mean", "-1")
    assert status == 2
    assert "SUVmean is -1" in err


def test_a_box_that_begins_with_a_minus_and_the_lps_frame(run, tmp_path):
    status, out, err = run("--frame", "lps", "--json", box="-12,8,5,30,30,34")
    assert status == 0, err
    report = json.loads(out)
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
    status, out, err = run(*arguments)
    assert status == 1
    assert out == ""
    assert line in err
    assert err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_a_box_outside_the_scan_and_a_missing_file_fail(run, pet, tmp_path):
    assert "outside the volume" in run(box="900,0,0,30,30,30")[2]
    assert "six numbers" in run(box="1,2,3")[2]
    status, out, _ = run("--json", box="900,0,0,30,30,30")
    assert status == 1
    assert "outside" in json.loads(out)["error"]
    pet.unlink()
    assert "no file" in run()[2]


def test_what_cannot_be_written_is_refused_before_the_work(run, script, pet, tmp_path, monkeypatch):
    monkeypatch.setattr(script, "read_volume", None)
    assert "is the input" in run(output=pet)[2]
    (tmp_path / "file").write_text("")
    assert "is a file" in run(output=tmp_path / "file" / "below")[2]
    assert "cannot be used" in run(output=tmp_path / "new" / ("n" * 256))[2]
    if sys.platform == "linux":
        assert "You may not write" in run(output=Path("/proc/self/out"))[2]


def test_a_write_that_fails_leaves_no_file_behind(run, script, tmp_path, monkeypatch):
    write = script.write_segmentation
    calls = []

    def failing(*arguments, **keywords):
        calls.append(1)
        if len(calls) == 2:
            raise OSError("no space left")
        write(*arguments, **keywords)

    monkeypatch.setattr(script, "write_segmentation", failing)
    status, _, err = run("--variants", "3", output=tmp_path / "a" / "b")
    assert status == 1
    assert "no space left" in err
    assert not (tmp_path / "a").exists()


def test_a_bug_ends_with_a_line_and_not_with_an_open_slicer(run, script, monkeypatch):
    def surprise(*_):
        raise ValueError("odd")

    monkeypatch.setattr(script, "tumorMask", surprise)
    status, _, err = run("--suv-factor", "1")
    assert status == 1
    assert "This is a bug in TumorGen (ValueError: odd)." in err
    assert "Traceback" not in err
    status, out, err = run("--suv-factor", "1", "--debug", "--json")
    assert status == 1
    assert "bug in TumorGen" in json.loads(out)["error"]
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
def test_wrong_usage_is_status_2(script, run, arguments):
    if arguments:
        status, _, err = run(*arguments)
    else:
        status, err = script.main([]), "usage"
    assert status == 2
    assert "usage" in err


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


def test_an_interrupt_that_python_loses_stops_the_run(run, script, lose_interrupt, tmp_path, monkeypatch):
    addBoxNode = script.addBoxNode

    def interrupted(*arguments):
        lose_interrupt()
        return addBoxNode(*arguments)

    monkeypatch.setattr(script, "addBoxNode", interrupted)
    status, _, err = run("--steps", "10000")
    assert status == 130
    assert "Interrupted" in err
    assert not (tmp_path / "out").exists()
    assert not sharedWorker().isBusy


def test_under_slicer_the_application_is_told_to_exit(pet, tmp_path):
    """As in Slicer: its text runs as ``__main__``, and the application closes only on request."""
    code = (
        "import slicer, slicer.util, sys\n"
        "slicer.mrmlScene = slicer.vtkMRMLScene()\n"
        "slicer.app = object()\n"
        "slicer.util.exit = lambda status: print('exit', status)\n"
        f"path = {str(SCRIPT)!r}\n"
        "sys.argv = [path, '--input', 'missing.nrrd', '--box', '-1,0,0,30,30,30', '--output', 'out']\n"
        "exec(open(path, encoding='ascii').read(), {'__name__': '__main__', '__file__': path})\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == ["exit", "1"]
    assert "no file" in run.stderr


def test_a_process_with_the_model_that_ships_on_a_real_scan(request, pet, tmp_path):
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
        [sys.executable, str(SCRIPT), *where, "--seed", "3", "--steps", "1", "--device", "cpu", "--json"],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert run.returncode == 0, run.stderr
    (variant,) = json.loads(run.stdout)["variants"]
    stem = source.name.split(".")[0]
    box = Box(tuple(round(float(value), 2) for value in center), (25, 25, 25))
    assertOnlyTheBoxChanged(volume.image, out, f"{stem}_seed3", box)
    provenance = json.loads(Path(variant["files"][2]).read_text())
    assert provenance["bundle_name"] == "pet-fdg-v2"
    assert provenance["suv_factor_source"] == "taken as SUV"


@pytest.fixture
def quickSelfTest(script, monkeypatch, tiny_bundle_folder):
    """A self-test that is over soon."""
    SelfTest = script.SelfTest
    quick = {"spacingMm": (10.0, 10.0, 10.0), "steps": 1, "model": str(tiny_bundle_folder)}
    monkeypatch.setattr(script, "SelfTest", lambda **options: SelfTest(**quick, **options))


@pytest.mark.usefixtures("scene", "quickSelfTest")
def test_the_self_test_needs_no_scan_and_writes_its_report(script, tmp_path, capsys):
    path = tmp_path / "new" / "report.md"
    assert script.main(["--self-test", str(path), "--device", "cpu"]) == 0
    captured = capsys.readouterr()
    assert "passed: full insertion" in captured.out
    assert "0 failed" in captured.out.splitlines()[-1]
    assert "| full insertion | passed |" in path.read_text(encoding="utf-8")


@pytest.mark.usefixtures("scene", "quickSelfTest")
def test_a_self_test_that_fails_is_status_1_with_its_report(script, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(self_test, "missingPackages", lambda: ["torch"])
    path = tmp_path / "report.md"
    assert script.main([f"--self-test={path}", "--json"]) == 1
    values = json.loads(capsys.readouterr().out)
    assert "failed at: packages" in values["error"]
    assert values["steps"][1]["status"] == "failed"
    assert "| packages | **failed** |" in path.read_text(encoding="utf-8")


@pytest.mark.usefixtures("scene")
def test_a_self_test_without_a_file_for_its_report_is_refused(script, tmp_path, capsys):
    assert script.main(["--self-test"]) == 2
    assert script.main(["--self-test", str(tmp_path)]) == 1
    assert "is a folder" in capsys.readouterr().err
