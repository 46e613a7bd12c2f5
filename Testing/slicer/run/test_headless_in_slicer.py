"""The headless script as Slicer runs it: every way out ends the application, with the status of the guide."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("slicer", reason="needs slicer-core")

from slicer_application import OPTIONS, STILL_RUNNING

from TumorGenCore.phantom.phantom import make_phantom
from TumorGenCore.volumes.write import write_volume

APPLICATION = Path(__file__).resolve().parents[1] / "slicer_application.py"
SCRIPT = Path(__file__).resolve().parents[3] / "TumorGenSlicer" / "Scripts" / "insert_tumor.py"
BOX = "--box=78,-20,465,45,45,45"
#: Hides PyTorch from a process that starts.
NO_TORCH = """
import importlib.metadata, sys
def distribution(name, found=importlib.metadata.distribution):
    if name == "torch":
        raise importlib.metadata.PackageNotFoundError(name)
    return found(name)
importlib.metadata.distribution = distribution
sys.modules["torch"] = None
"""


def command(*arguments: object, script: Path = SCRIPT) -> list[str]:
    """The command line of the guide; arguments before ``script`` are those of the script."""
    slicer = [sys.executable, str(APPLICATION), "--no-splash", "--no-main-window", "--python-script", str(script)]
    return [*slicer, *map(str, arguments)]


def slicer(folder: Path, *arguments: object, script: Path = SCRIPT) -> subprocess.CompletedProcess[str]:
    """Runs the script in the application; what ``sitecustomize`` in the folder does happens before."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(folder), os.environ.get("PYTHONPATH", "")))}
    return subprocess.run(
        command(*arguments, script=script), cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    """A coarse phantom."""
    path = tmp_path_factory.mktemp("scan") / "scan.nii.gz"
    write_volume(make_phantom(0, (8.0, 8.0, 8.0)), path)
    return path


@pytest.fixture
def quick(scan, tiny_bundle_folder):
    """Arguments of a quick run."""
    where = ["--input", scan, BOX, "--suv-factor", "1", "--output", "out"]
    return [*where, "--model", tiny_bundle_folder, "--device", "cpu", "--steps", "20"]


def test_a_run_ends_slicer_with_0_and_needs_no_more_of_its_streams_than_they_have(quick, tmp_path):
    done = slicer(tmp_path, *quick, "--variants", "2", "--json", "report.json")
    assert done.returncode == 0, done.stderr
    variants = json.loads((tmp_path / "report.json").read_text())["variants"]
    assert len(variants) == 2
    assert all((tmp_path / file).is_file() for variant in variants for file in variant["files"])
    assert re.search(r"^.+, \d+ of \d+ steps$", done.stdout, re.MULTILINE)
    assert "Synthetic, not for diagnosis." in done.stdout
    assert done.stderr == "" or done.stderr.startswith("Warning: ")


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--steps", "none"], 2, "invalid int value"),
        (["--input", "damaged.nii.gz"], 1, "damaged.nii.gz"),
    ],
)
def test_what_the_user_gets_wrong_ends_slicer_with_a_line(quick, tmp_path, arguments, status, words):
    (tmp_path / "damaged.nii.gz").write_bytes(b"no image")
    done = slicer(tmp_path, *quick, *arguments)
    assert done.returncode == status, done.stderr
    assert "insert_tumor: " in done.stderr.splitlines()[-1]
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("before", "words"),
    [
        (NO_TORCH, "TumorGen needs PyTorch: install the PyTorch extension"),
        ("import sys; sys.modules['torch'] = None", "torch: installed only in part."),
        ("import sys; sys.modules['TumorGenCore'] = None", "TumorGen could not start (ModuleNotFoundError: "),
        (
            "import TumorGenCore.volumes.read as r; r.read_volume = lambda *_: 1 / 0",
            "bug in TumorGen (ZeroDivisionError: ",
        ),
        ("import TumorGenCore.console.report as r; r.Report = None", "TumorGen could not start (TypeError: "),
    ],
)
def test_a_package_that_is_missing_and_a_bug_end_slicer_with_1(quick, tmp_path, before, words):
    (tmp_path / "sitecustomize.py").write_text(before)
    done = slicer(tmp_path, *quick)
    assert done.returncode == 1, done.stderr
    assert words in done.stderr.splitlines()[-1]
    assert done.stderr.splitlines()[-1].startswith("insert_tumor: ")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_script_without_its_library_ends_slicer_and_debug_shows_where_it_stopped(tmp_path):
    alone = shutil.copy(SCRIPT, tmp_path)
    done = slicer(tmp_path, "--debug", script=alone)
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")
    assert "No module named 'TumorGenSlicerLib'" in done.stderr.splitlines()[-1]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (getattr(signal, "SIGHUP", None), 129)]
)
def test_a_signal_ends_slicer_with_its_status_and_leaves_nothing(quick, tmp_path, number, status):
    running = subprocess.Popen(
        command("--", *quick, "--steps", "10000", "--json", "report.json"),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # The tests may run where it is ignored.
    )
    for line in running.stdout:
        if re.search(r" of \d+ steps$", line):
            break
    running.send_signal(number)
    _, err = running.communicate(timeout=120)
    assert running.returncode == status, err
    assert "insert_tumor: Interrupted." in err
    assert "Interrupted." in json.loads((tmp_path / "report.json").read_text())["error"]
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_help_after_two_dashes_is_that_of_the_script_and_slicer_takes_no_other_option_of_it(tmp_path):
    assert slicer(tmp_path, "--help").stdout.startswith("Usage\n  Slicer [options]")
    insertion, selfTest = slicer(tmp_path, "--", "--help"), slicer(tmp_path, "--", "--self-test=r.md", "--help")
    assert insertion.returncode == selfTest.returncode == 0
    assert insertion.stdout.startswith("usage: insert_tumor ")
    own = set(re.findall(r"(?<![\w-])--?([a-z][a-z-]*)", insertion.stdout + selfTest.stdout))
    assert {"input", "output", "json", "self-test", "help"} <= own
    assert own & OPTIONS == {"help", "h"}


def test_in_testing_mode_the_status_is_that_of_the_script(quick, tmp_path):
    assert slicer(tmp_path, "--testing", *quick, "--steps", "0").returncode == 2


def test_the_self_test_in_testing_mode_skips_what_needs_packages_that_are_missing(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(NO_TORCH)
    done = slicer(tmp_path, "--testing", "--self-test", "report.md", "--json", "report.json")
    assert done.returncode == 0, done.stderr
    steps = {step["name"]: step for step in json.loads((tmp_path / "report.json").read_text())["steps"]}
    assert {name for name, step in steps.items() if step["status"] == "passed"} >= {"versions", "phantom", "box"}
    assert {step["status"] for step in steps.values()} == {"passed", "skipped"}
    assert steps["packages"]["note"].startswith("Not installed: torch")
    assert steps["full insertion"]["status"] == "skipped"
    assert "| packages | skipped |" in (tmp_path / "report.md").read_text()


def test_slicer_can_read_the_script_whatever_its_encoding_and_its_python():
    text = SCRIPT.read_bytes().decode("ascii")
    assert isinstance(ast.parse(text, feature_version=(3, 7)), ast.Module)
    (imported,) = [node for node in ast.parse(text).body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [alias.name for alias in imported.names] == ["sys"]


@pytest.mark.parametrize("text", ["import nothing_there", "import sys\nsys.exit(0)", "print('done')"])
def test_the_stand_in_runs_on_after_a_script_that_does_not_end_it(tmp_path, text):
    (tmp_path / "script.py").write_text(text)
    assert slicer(tmp_path, script=tmp_path / "script.py").returncode == STILL_RUNNING
