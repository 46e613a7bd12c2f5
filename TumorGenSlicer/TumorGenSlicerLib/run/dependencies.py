"""Installs the packages that Slicer does not include, on the main thread, when the user starts the first run.

The PyTorch extension installs PyTorch and picks the build for the graphics card. ``slicer.packaging`` installs the
packages that Resources/requirements.txt lists. Neither replaces Slicer's own numpy, SimpleITK and VTK.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import re
import subprocess
import tempfile
import threading
from pathlib import Path

import slicer

from TumorGenCore.errors import TumorGenError

__all__ = ["REQUIREMENTS", "DependencyError", "ensureDependencies", "missingPackages", "neededPackages"]

REQUIREMENTS = Path(__file__).resolve().parents[2] / "Resources" / "requirements.txt"
_TORCH_VERSION = ">=2.4.1"
#: Packages whose installed version pip must keep.
_KEPT = ("numpy", "SimpleITK", "vtk", "torch")


class DependencyError(TumorGenError):
    """A Python package that the networks need is missing and was not installed."""


def neededPackages() -> list[str]:
    """Names of the packages that the networks need, PyTorch first."""
    return ["torch", *_requiredNames()]


def missingPackages() -> list[str]:
    """Names of the packages that are not installed, PyTorch first. Imports none of them."""
    return [name for name in neededPackages() if importlib.util.find_spec(name) is None]


def ensureDependencies(prompt: bool | None = None) -> None:
    """Installs missing packages. Does nothing if none is missing, so it also works offline then.

    Args:
        prompt: whether to ask the user first. None asks if Slicer shows its main window.

    Raises:
        DependencyError: a package is still missing afterwards; the message says what to do.
    """
    missing = missingPackages()
    if not missing:
        return
    names = ", ".join(missing)
    if threading.current_thread() is not threading.main_thread():
        raise DependencyError(f"TumorGen needs {names}. Only the main thread can install packages; run from there.")
    if not hasattr(slicer, "app") or importlib.util.find_spec("slicer.packaging") is None:
        raise DependencyError(f"TumorGen needs {names}; run: pip install {' '.join(_toInstall(missing))}")
    if prompt is None:
        prompt = slicer.util.mainWindow() is not None
    try:
        if "torch" in missing:
            _installTorch(prompt)
        if missingPackages():
            _installRest(prompt)
    except (RuntimeError, subprocess.CalledProcessError) as error:
        raise DependencyError(
            f"TumorGen needs {names}, and they were not installed: {error} "
            "Check the network connection and Slicer's error log, then run again."
        ) from error
    importlib.invalidate_caches()
    if missing := missingPackages():
        raise DependencyError(f"TumorGen still needs {', '.join(missing)}; install them and restart Slicer.")


def _requiredNames() -> list[str]:
    """Import names of the listed packages; pip knows them by the same names."""
    lines = (line.split("#")[0].strip() for line in REQUIREMENTS.read_text(encoding="utf-8").splitlines())
    return [re.split(r"[^\w-]", line)[0] for line in lines if line]


def _toInstall(missing: list[str]) -> list[str]:
    return [f"'torch{_TORCH_VERSION}'" if name == "torch" else name for name in missing]


def _installTorch(prompt: bool) -> None:
    try:
        from PyTorchUtils import PyTorchUtilsLogic
    except ModuleNotFoundError as error:
        raise DependencyError(
            "TumorGen needs PyTorch: install the PyTorch extension in the Extensions Manager and restart Slicer."
        ) from error
    torch = PyTorchUtilsLogic().installTorch(askConfirmation=prompt, torchVersionRequirement=_TORCH_VERSION)
    if torch is None:
        raise DependencyError("TumorGen needs PyTorch, but its installation was declined; run again to install it.")


def _installRest(prompt: bool) -> None:
    from slicer.packaging import load_requirements, pip_ensure

    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "constraints.txt"
        constraints.write_text("\n".join(_keptVersions()) + "\n", encoding="utf-8")
        pip_ensure(
            load_requirements(REQUIREMENTS), constraints=constraints, prompt_install=prompt, requester="TumorGen"
        )


def _keptVersions() -> list[str]:
    kept = []
    for name in _KEPT:
        try:
            kept.append(f"{name}=={importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue  # Slicer's own VTK has no package metadata, and pip cannot replace what it does not know.
    return kept
