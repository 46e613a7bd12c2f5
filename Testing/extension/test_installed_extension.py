"""The installed extension inserts a tumor without a window, with its own package and model and Slicer's packages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from stub_build import REPOSITORY, Extension

from TumorGenCore.phantom.phantom import make_phantom
from TumorGenCore.volumes.write import write_volume

APPLICATION = REPOSITORY / "Testing" / "slicer" / "slicer_application.py"
#: Packages that the tests' environment has, but neither Slicer nor the requirements of the extension bring.
NOT_IN_SLICER = ("nrrd", "nibabel", "tqdm", "matplotlib", "pandas", "skimage", "highdicom", "accelerate")


@pytest.mark.slow
def test_the_installed_script_inserts_a_tumor_with_the_installed_package(extension: Extension, tmp_path: Path) -> None:
    pytest.importorskip("slicer", reason="needs slicer-core")
    write_volume(make_phantom(0, (8.0, 8.0, 8.0)), tmp_path / "scan.nii.gz")
    script = extension.installed / "Scripts" / "insert_tumor.py"
    (tmp_path / "sitecustomize.py").write_text(f"import sys\nsys.modules |= dict.fromkeys({NOT_IN_SLICER!r})")
    # -P and PYTHONPATH: the modules come from the extension, not from the checkout that is installed for the tests.
    where = "import TumorGenCore; print(TumorGenCore.__file__)"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join((str(extension.installed), str(tmp_path)))}
    printed = subprocess.run([sys.executable, "-P", "-c", where], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert printed.stdout.startswith(str(extension.installed))
    scan = ["--input", "scan.nii.gz", "--suv-factor", "1", "--box=78,-20,465,45,45,45"]
    slicer = [sys.executable, APPLICATION, "--no-splash", "--no-main-window", "--python-script", script]
    command = [*slicer, *scan, "--output", "results", "--seed", "3"]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    provenances = list((tmp_path / "results").glob("*.provenance.json"))
    assert len(provenances) == 2  # Of the image and of the mask.
    assert all(json.loads(path.read_text())["synthetic"] is True for path in provenances)
    assert len(list((tmp_path / "results").glob("*.nrrd"))) == 2
