"""The version of TumorGen."""

from __future__ import annotations

from importlib import metadata

__all__ = ["software_version"]


def software_version() -> str:
    """Returns the installed version, or that of the source tree if Slicer loads TumorGen from a folder."""
    try:
        return metadata.version("TumorGen")
    except metadata.PackageNotFoundError:
        import TumorGenCore  # here, because the package itself imports this module

        return TumorGenCore.__version__
