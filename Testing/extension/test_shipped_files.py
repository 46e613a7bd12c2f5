"""Slicer ships what the repository contains: the lists for CMake name all files, and no file that does not exist."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from stub_build import REPOSITORY, Extension, configure

# Folders of the repository that ship -> their place below qt-scripted-modules.
SHIPPED = {"TumorGenCore": "TumorGenCore", "TumorGenSlicer": ".", "Resources/Models": "TumorGenCore/Resources/Models"}


#: Packages of the core that the extension does not ship.
NOT_SHIPPED = {"transforms", "training", "evaluation", "cohort", "cli"}


def files(folder: Path) -> set[Path]:
    """Files below a folder, relative to it, without files of Python, CMake and the desktop."""
    found = (p.relative_to(folder) for p in folder.rglob("*") if p.is_file())
    return {
        p for p in found if p.name != "CMakeLists.txt" and not any(q[0] == "." or q == "__pycache__" for q in p.parts)
    }


def expected() -> dict[Path, Path]:
    """Place below qt-scripted-modules -> file of the repository."""
    folders = ((REPOSITORY / source, Path(place)) for source, place in SHIPPED.items())
    return {
        place / file: folder / file
        for folder, place in folders
        for file in files(folder)
        if folder.name != "TumorGenCore" or file.parts[0] not in NOT_SHIPPED
    }


@pytest.mark.parametrize("tree", ["built", "installed"])
def test_everything_ships_and_nothing_else(extension: Extension, tree: str) -> None:
    shipped = files(getattr(extension, tree))
    forgotten = sorted(str(p) for p in expected().keys() - shipped)
    unknown = sorted(str(p) for p in shipped - expected().keys())
    assert not forgotten, f"not listed in CMakeLists.txt: {forgotten}"
    assert not unknown, f"shipped, but not of the repository: {unknown}"
    assert all((getattr(extension, tree) / p).read_bytes() == source.read_bytes() for p, source in expected().items())


def test_slicer_finds_one_module(extension: Extension) -> None:
    """Slicer takes every Python file directly in the folder for a module, and looks no deeper."""
    assert [p.name for p in extension.installed.glob("*.py")] == ["TumorGenSlicer.py"]


def test_the_installed_package_stands_alone(extension: Extension, tmp_path: Path) -> None:
    code = f"""
import sys; sys.path.insert(0, {str(extension.installed)!r})
import TumorGenCore
from TumorGenCore.bundle.folders import DEFAULT_BUNDLE, bundle_folder
print(TumorGenCore.__file__); print(bundle_folder(DEFAULT_BUNDLE))"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    package, bundle = map(Path, done.stdout.splitlines())
    assert package == extension.installed / "TumorGenCore" / "__init__.py"
    assert bundle.parent == extension.installed / "TumorGenCore" / "Resources" / "Models"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("SCRIPTS missing.py", "'missing.py', which does not exist"),
        ("SCRIPTS here.py RESOURCES Resources/missing.png", "'Resources/missing.png', which does not exist"),
        ("SCRIPTS here.py here.py", "'here.py' twice"),
        ("SCRIPT here.py", "unknown arguments 'SCRIPT;here.py'"),
    ],
)
def test_the_stub_refuses_wrong_lists(tmp_path: Path, arguments: str, complaint: str) -> None:
    """Without this, the tests above would pass on lists that Slicer's own macro refuses."""
    (tmp_path / "here.py").touch()
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.16.3...3.28)\nproject(Wrong)\nfind_package(Slicer REQUIRED)\n"
        f"include(${{Slicer_USE_FILE}})\nslicerMacroBuildScriptedModule(NAME Wrong {arguments})\n"
    )
    done = configure(tmp_path, tmp_path / "build")
    assert done.returncode != 0
    assert complaint in " ".join(done.stderr.split())
