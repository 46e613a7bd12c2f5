"""Which Python packages the networks need, and whether this computer can use them.

Installs none, and imports none before ``importPackages``. A package can be missing, too old, or broken: an installation
that broke off leaves a folder without a version, or a version without a folder.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import importlib.util
import platform
import re
import sys
import sysconfig
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from TumorGenCore.errors import TumorGenError

__all__ = [
    "REQUIREMENTS",
    "DependencyError",
    "checkPackages",
    "importPackages",
    "installedVersion",
    "missingPackages",
    "neededPackages",
    "requirementOf",
]

#: The packages besides PyTorch.
REQUIREMENTS = Path(__file__).resolve().parents[2] / "Resources" / "requirements.txt"
#: Packages that single buttons need, which nobody else is asked for.
_OPTIONAL = {"highdicom": ">=0.24"}
#: PyTorch 2.13 breaks off on Windows: one of its files has a path that is too long there.
_TORCH_VERSION = ">=2.4.1,<2.13"
#: Slicer on macOS is a program for Intel processors, for which PyTorch ends with 2.2. It fits MONAI 1.4 and numpy 1.
_TORCH_VERSION_ON_MACOS = ">=2.2.2,<2.3"


class DependencyError(TumorGenError):
    """A Python package that the networks need is missing, too old or broken, or Slicer must be restarted first."""


def neededPackages() -> list[str]:
    """Names of the packages that the networks need, PyTorch first. Python and pip know them by the same names."""
    return list(_requirements())


def requirementOf(name: str) -> str:
    """Versions of a package that TumorGen asks pip for, such as ``>=1.4``."""
    return (_requirements() | _OPTIONAL)[name]


def missingPackages(more: Sequence[str] = ()) -> list[str]:
    """Names of the packages that must be installed, PyTorch first: they are not there, or older than TumorGen needs.

    Args:
        more: packages that are needed besides, of those that only some work needs: highdicom.
    """
    names = [*neededPackages(), *more]
    return [name for name in names if not _isThere(name) or (name != "torch" and _isTooOld(name))]


def checkPackages() -> None:
    """Checks the packages that are there. It does not matter if others are missing.

    Raises:
        DependencyError: a package is broken or too old, or numpy was replaced since Slicer has loaded it; the message
            says what to do.
    """
    broken = [
        name for name in neededPackages() if _isThere(name) and (installedVersion(name) is None or not _isFound(name))
    ]
    if broken:
        raise DependencyError(f"{', '.join(broken)}: installed only in part. {_repair(broken)}")
    if _isThere("torch") and _isTooOld("torch"):
        raise DependencyError(
            f"PyTorch {installedVersion('torch')} is installed, but TumorGen needs torch{requirementOf('torch')}. "
            "In the module PyTorch Utils, press Uninstall PyTorch, restart Slicer and press Apply again."
        )
    numpyOnDisk = installedVersion("numpy")
    if numpyOnDisk not in (None, np.__version__):
        raise DependencyError(
            f"numpy {np.__version__} is loaded, but {numpyOnDisk} is on disk: an installation has replaced it. "
            "Restart Slicer, then press Apply again."
        )


@functools.cache
def importPackages() -> None:
    """Checks and imports the packages, once they can be imported. This takes seconds: call it on the worker's thread.

    Raises:
        DependencyError: a package is missing or cannot be used; the message says what to do.
    """
    checkPackages()
    if missing := missingPackages():
        raise DependencyError(f"TumorGen needs {', '.join(missing)}; press Apply once to install what is missing.")
    for name in neededPackages():
        try:
            importlib.import_module(name)
        except Exception as error:  # A damaged package or a missing library of the system may raise anything.
            raise DependencyError(
                f"{name} is installed, but cannot be loaded ({type(error).__name__}: {error}). {_repair([name])}"
            ) from error


def installedVersion(name: str) -> str | None:
    """Version of an installed package; None if it is not there, or was installed only in part."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Python warns if the package states no version.
            return importlib.metadata.version(name)
    except (importlib.metadata.PackageNotFoundError, KeyError):
        return None


def _requirements() -> dict[str, str]:
    onMacOs = sys.platform == "darwin" and platform.machine() == "x86_64"
    needed = {"torch": _TORCH_VERSION_ON_MACOS if onMacOs else _TORCH_VERSION}
    for line in REQUIREMENTS.read_text(encoding="utf-8").splitlines():
        if found := re.match(r"\s*([\w-]+)([^#\s]*)", line):
            needed[found[1]] = found[2]
    return needed


def _isFound(name: str) -> bool:
    """Whether Python finds something to import: not if an installation broke off and left nothing but a folder."""
    spec = importlib.util.find_spec(name)
    return spec is not None and spec.origin is not None


def _isThere(name: str) -> bool:
    """Whether a package is installed, be it in part."""
    if importlib.util.find_spec(name) is not None:
        return True
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _isTooOld(name: str) -> bool:
    from packaging.specifiers import SpecifierSet  # Slicer has it, but no extension may import it at its start.

    version = installedVersion(name)
    lower = SpecifierSet(",".join(part for part in requirementOf(name).split(",") if part.startswith(">=")))
    return version is not None and not lower.contains(version, prereleases=True)


def _repair(names: list[str]) -> str:
    folders = ", ".join(f"{name}*" for name in names)
    return (
        f"Close Slicer, delete everything named {folders} in the folder {sysconfig.get_path('purelib')}, "
        "start Slicer and press Apply again. On Windows, an installation breaks off if the path of Slicer's own folder "
        "is long: a short one such as C:\\Slicer helps."
    )
