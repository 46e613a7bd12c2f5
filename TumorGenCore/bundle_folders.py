"""Where model bundles live and what they are called. Needs no torch, so that a list of them costs nothing."""

from __future__ import annotations

from pathlib import Path

from TumorGenCore.errors import ModelBundleError

__all__ = ["DEFAULT_BUNDLE", "METADATA", "bundle_folder", "installed_bundles", "models_root"]

DEFAULT_BUNDLE = "pet-fdg-v2"
#: Of a bundle, within its folder.
METADATA = Path("configs/metadata.json")


def models_root() -> Path:
    """Where bundles live: ``Resources/Models`` beside the package, or inside it when installed."""
    inside = Path(__file__).parent / "Resources" / "Models"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "Resources" / "Models"


def installed_bundles() -> list[Path]:
    """Folders of the bundles that come with the package."""
    root = models_root()
    return sorted(p for p in root.glob("[!.]*") if (p / METADATA).is_file()) if root.is_dir() else []


def bundle_folder(name_or_path: str | Path) -> Path:
    """The folder of an installed bundle's name, or of a path.

    Raises:
        ModelBundleError: neither exists.
    """
    path = Path(name_or_path)
    for folder in (path, models_root() / path):
        if (folder / METADATA).is_file():
            return folder
    names = ", ".join(p.name for p in installed_bundles()) or "none"
    raise ModelBundleError(
        f"There is no model bundle {path.name!r} (no {METADATA} in it). Installed bundles: {names}. "
        "Give one of these names or a folder made by `tumorgen train generator`."
    )
