"""Which version this is."""

from __future__ import annotations

from importlib import metadata

__all__ = ["software_version"]


def software_version() -> str:
    """The installed version, or the source tree's own (as when Slicer loads it from a folder)."""
    try:
        return metadata.version("TumorGen")
    except metadata.PackageNotFoundError:
        import TumorGenCore  # here, because the package imports this module

        return TumorGenCore.__version__
