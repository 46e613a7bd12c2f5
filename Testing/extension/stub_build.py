"""Configures and installs a Slicer extension with CMake, a stand-in for Slicer and no compiler."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import cmake

REPOSITORY = Path(__file__).resolve().parents[2]
STUB = Path(__file__).parent / "slicer_stub"
CMAKE = Path(cmake.CMAKE_BIN_DIR) / "cmake"
MODULES = Path("lib/Slicer-5.12/qt-scripted-modules")


@dataclass(frozen=True)
class Extension:
    """A configured and installed extension.

    Args:
        built: ``qt-scripted-modules`` of the build tree, from which Slicer can run the extension too.
        installed: ``qt-scripted-modules`` of the package.
        description: what Slicer would write into the package's description, by name.
    """

    built: Path
    installed: Path
    description: dict[str, str]


def configure(source: Path, build: Path) -> subprocess.CompletedProcess[str]:
    """Runs CMake on a project."""
    where = [f"-DSlicer_DIR={STUB}", f"-DCMAKE_TOOLCHAIN_FILE={STUB / 'no_compiler.cmake'}"]
    return subprocess.run([CMAKE, "-S", source, "-B", build, *where], capture_output=True, text=True)


def install(source: Path, build: Path, package: Path) -> Extension:
    """Configures an extension in ``build`` and installs it into ``package``."""
    done = configure(source, build)
    assert done.returncode == 0, done.stderr
    subprocess.run([CMAKE, "--install", build, "--prefix", package], capture_output=True, check=True)
    lines = (line.partition("=") for line in (build / "description.txt").read_text().splitlines())
    return Extension(build / MODULES, package / MODULES, {key: value for key, _, value in lines})
