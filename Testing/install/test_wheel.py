"""The wheel works alone: in an environment with what it declares and nothing else, it inserts a tumor offline."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path

import pytest
import SimpleITK as sitk
from packaging.requirements import Requirement

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


def link_declared(installed: Distribution, packages: Path) -> None:
    """Links what a distribution declares, and what that declares in turn, from this process's environment.

    To install them again would take minutes, most of them for PyTorch; ``make test-oldest`` does.
    """
    waiting, seen = [(installed, "")], set[tuple[str, str]]()
    while waiting:
        one, extra = waiting.pop()
        for requirement in map(Requirement, one.requires or ()):
            if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
                continue
            for wanted in ("", *requirement.extras):
                if (requirement.name, wanted) not in seen:
                    seen.add((requirement.name, wanted))
                    waiting.append((distribution(requirement.name), wanted))
    for name in {name for name, _ in seen}:
        files = distribution(name).files or ()
        for top in {file.parts[0] for file in files if file.parts[0] not in ("..", "__pycache__")}:
            if not (packages / top).exists():
                (packages / top).symlink_to(distribution(name).locate_file(top))


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
def test_the_wheel_inserts_a_tumor_offline_with_what_it_declares_alone(wheel: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", "--without-pip", "env", folder=tmp_path)
    python = tmp_path / "env" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python]
    run(*pip, "install", "--quiet", "--no-deps", wheel, folder=tmp_path)
    (packages,) = (tmp_path / "env" / "lib").glob("python*/site-packages")
    (installed,) = distributions(path=[str(packages)], name="tumorgen")
    link_declared(installed, packages)
    run(*pip, "check", folder=tmp_path)
    with pytest.raises(AssertionError, match="No module named 'pytest'"):
        run(python, "-c", "import pytest", folder=tmp_path)
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
