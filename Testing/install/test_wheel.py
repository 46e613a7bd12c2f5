"""The wheel works alone: built, installed into an empty environment, it inserts a tumor without a network."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import SimpleITK as sitk

REPOSITORY = Path(__file__).resolve().parents[2]

#: Python runs this file at its start: every look-up of a host and every connection fails.
_OFFLINE = """
import sys

def _refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        raise OSError(f"{event}: this test has no network")

sys.addaudithook(_refuse)
"""


def run(*command: str | Path, folder: Path) -> str:
    """Runs a command in a folder, without the settings of this process's Python; returns what it printed."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV_"))}
    done = subprocess.run([str(part) for part in command], cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, REPOSITORY, folder=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.mark.slow
def test_the_wheel_holds_package_bundles_and_settings_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    sources = {
        path.relative_to(REPOSITORY).as_posix()
        for pattern in (
            "TumorGenCore/**/*.py",
            "TumorGenCore/py.typed",
            "TumorGenCore/cohort/contact_sheet/page.*",
            "TumorGenCore/evaluation/reader_study/page.*",
            "Resources/Models/**/*",
            "Resources/Training/*.json",
        )
        for path in REPOSITORY.glob(pattern)
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert names == {name if name.startswith("TumorGenCore/") else f"TumorGenCore/{name}" for name in sources}


@pytest.mark.slow
def test_the_wheel_inserts_a_tumor_offline_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", "env", folder=tmp_path)
    python = tmp_path / "env" / "bin" / "python"
    constraints = ["-c", REPOSITORY / "constraints.txt"]
    run(python, "-m", "pip", "install", "--quiet", *constraints, wheel, folder=tmp_path)
    run(python, "-m", "pip", "check", folder=tmp_path)
    (packages,) = (tmp_path / "env" / "lib").glob("python*/site-packages")
    (packages / "sitecustomize.py").write_text(_OFFLINE)
    with pytest.raises(AssertionError, match="no network"):
        run(python, "-c", "import urllib.request as r; r.urlopen('http://localhost:9')", folder=tmp_path)
    tumorgen = python.with_name("tumorgen")
    run(tumorgen, "phantom", "scan.nii.gz", "--roi", "box.mrk.json", folder=tmp_path)
    outputs = ["--output-image", "tumor.nii.gz", "--output-mask", "mask.nii.gz"]
    run(tumorgen, "insert", "scan.nii.gz", "--roi", "box.mrk.json", "--suv-factor", "1", *outputs, folder=tmp_path)
    before, after, mask = (
        sitk.GetArrayFromImage(sitk.ReadImage(tmp_path / name))
        for name in ("scan.nii.gz", "tumor.nii.gz", "mask.nii.gz")
    )
    changed = before != after
    assert changed[mask > 0].any()
    assert changed.mean() < 0.01
    where = run(python, "-c", "import TumorGenCore; print(TumorGenCore.__file__)", folder=tmp_path)
    assert where.startswith(str(packages))
    from_training = (
        "from TumorGenCore.training.config import default_config; print(default_config('ablation').is_file())"
    )
    assert run(python, "-c", from_training, folder=tmp_path).split() == ["True"]
