"""Packages that Slicer does not bring: asked for when the user first runs, on the main thread, then never again.

PyTorch comes through the PyTorch extension, which picks the build for the machine's graphics card; the rest, listed in
Resources/requirements.txt, through ``slicer.packaging``. numpy, SimpleITK and VTK of Slicer are never replaced.
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

__all__ = ["REQUIREMENTS", "DependencyError", "ensureDependencies", "missingPackages"]

REQUIREMENTS = Path(__file__).resolve().parents[2] / "Resources" / "requirements.txt"
_TORCH_VERSION = ">=2.2"
#: Packages whose installed version pip must keep.
_KEPT = ("numpy", "SimpleITK", "vtk", "torch")


class DependencyError(TumorGenError):
    """A Python package that the networks need is missing and was not installed."""


def missingPackages() -> list[str]:
    """Names of the packages that are not installed, PyTorch first. Imports none of them."""
    return [name for name in ("torch", *_requiredNames()) if importlib.util.find_spec(name) is None]


def ensureDependencies(prompt: bool | None = None) -> None:
    """Install what is missing; does nothing, also offline, when all is there.

    Args:
        prompt: whether to ask the user first. None: ask where Slicer shows its main window.

    Raises:
        DependencyError: something is still missing afterwards; the message says what to do.
    """
    missing = missingPackages()
    if not missing:
        return
    names = ", ".join(missing)
    if threading.current_thread() is not threading.main_thread():
        raise DependencyError(f"TumorGen needs {names}; packages can be installed from the main thread only.")
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
    """Import names of the listed packages: the same as the names that pip knows."""
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
        raise DependencyError("TumorGen needs PyTorch, and its installation was declined; run again to install it.")


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
