"""Installs the packages that Slicer does not include, on the main thread, when the user starts the first run.

The PyTorch extension installs PyTorch and picks the build for the graphics card. ``slicer.packaging`` installs the
packages that Resources/requirements.txt lists. Neither replaces Slicer's own SimpleITK and VTK, nor its numpy, except
that PyTorch for macOS needs an older numpy.
"""

from __future__ import annotations

import importlib.util
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import slicer

from TumorGenSlicerLib.run.packages import (
    REQUIREMENTS,
    DependencyError,
    checkPackages,
    installedVersion,
    missingPackages,
    requirementOf,
)

__all__ = ["ensureDependencies"]

#: Packages whose installed version pip must keep.
_KEPT = ("numpy", "SimpleITK", "vtk", "torch")
#: Size of the download, for the user.
_SIZES = {
    "torch": "200 MB, with an NVIDIA graphics card up to 3 GB",
    "monai": "2 MB",
    "safetensors": "1 MB",
    "einops": "1 MB",
    "highdicom": "5 MB",
}


def ensureDependencies(prompt: bool | None = None, more: Sequence[str] = ()) -> None:
    """Installs missing packages, after asking once. Does nothing if none is missing, so it also works offline then.

    Args:
        prompt: whether to ask the user first. None asks if Slicer shows its main window. Without a question a line on
            the console says what is installed.
        more: packages that only some work needs, see ``missingPackages``.

    Raises:
        DependencyError: a package is still missing afterwards, or cannot be used; the message says what to do.
    """
    checkPackages()
    missing = missingPackages(more)
    if not missing:
        return
    names = ", ".join(missing)
    if threading.current_thread() is not threading.main_thread():
        raise DependencyError(f"TumorGen needs {names}. Only the main thread can install packages; run from there.")
    if not hasattr(slicer, "app"):
        wanted = " ".join(f"'{name}{requirementOf(name)}'" for name in missing)
        raise DependencyError(f"TumorGen needs {names}; run: pip install {wanted}")
    if importlib.util.find_spec("slicer.packaging") is None:
        raise DependencyError("TumorGen needs Slicer 5.12 or newer.")
    if slicer.app.testingEnabled():
        raise DependencyError(f"TumorGen needs {names}. Slicer is in testing mode, in which nothing may be installed.")
    torchUtils = _torchUtils() if "torch" in missing else None
    _ask(missing, slicer.util.mainWindow() is not None if prompt is None else prompt)
    try:
        if torchUtils is not None:
            torchUtils.installTorch(askConfirmation=False, torchVersionRequirement=requirementOf("torch"))
            checkPackages()
        if missingPackages(more):
            _installRest(more)
    except DependencyError:
        raise
    except Exception as error:  # pip, light-the-torch and the network may fail in many ways.
        raise DependencyError(
            f"TumorGen needs {', '.join(missingPackages(more)) or names}, and they were not installed: {error} "
            "Check the network connection and Slicer's error log, then run again. Some networks reach PyPI, but block "
            "PyTorch's own site: ask for access to it, or install PyTorch from PyPI as the guide says under Trouble."
        ) from error
    importlib.invalidate_caches()
    checkPackages()
    if missing := missingPackages(more):
        raise DependencyError(f"TumorGen still needs {', '.join(missing)}; install them and restart Slicer.")


def _ask(missing: list[str], prompt: bool) -> None:
    """Asks the user for all packages at once, or says what is installed."""
    lines = "\n".join(f"- {name} {requirementOf(name)} ({_SIZES[name]})" for name in missing)
    if not prompt:
        print(f"TumorGen installs Python packages. This takes some minutes.\n{lines}")
        return
    question = (
        f"TumorGen needs Python packages that Slicer does not include:\n\n{lines}\n\n"
        "They are downloaded and installed into Slicer's Python, once. Slicer does not answer for some minutes "
        "meanwhile: please wait and do not close it."
    )
    if not slicer.util.confirmOkCancelDisplay(question, windowTitle="TumorGen"):
        raise DependencyError(f"TumorGen needs {', '.join(missing)}, and you declined. Press Apply to be asked again.")


def _torchUtils() -> Any:
    try:
        from PyTorchUtils import PyTorchUtilsLogic
    except ModuleNotFoundError as error:
        raise DependencyError(
            "TumorGen needs PyTorch: install the PyTorch extension in the Extensions Manager and restart Slicer."
        ) from error
    return PyTorchUtilsLogic()


def _installRest(more: Sequence[str]) -> None:
    from slicer.packaging import load_requirements, pip_ensure

    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "constraints.txt"
        versions = {name: installedVersion(name) for name in _KEPT}
        # Slicer's own VTK states no version, and pip cannot replace what it does not know.
        lines = [f"{name}=={version}" for name, version in versions.items() if version is not None]
        constraints.write_text("\n".join(lines) + "\n", encoding="utf-8")
        asked = Path(folder) / "requirements.txt"
        asked.write_text("".join(f"{name}{requirementOf(name)}\n" for name in more), encoding="utf-8")
        # Its offer to restart would wait for ever in a Slicer without a window; ``checkPackages`` says it instead.
        pip_ensure(
            [*load_requirements(REQUIREMENTS), *load_requirements(asked)],
            constraints=constraints,
            prompt_install=False,
            prompt_restart=False,
            requester="TumorGen",
        )
