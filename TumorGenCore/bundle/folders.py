"""Folders and names of model bundles. This module imports no torch, and numpy only for ``bundle_sampling``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from TumorGenCore.errors import ModelBundleError

if TYPE_CHECKING:
    from TumorGenCore.method.schedule import Sampling

__all__ = [
    "DEFAULT_BUNDLE",
    "METADATA",
    "bundle_folder",
    "bundle_sampling",
    "installed_bundles",
    "models_root",
    "read_metadata",
]

DEFAULT_BUNDLE = "pet-fdg-v2"
#: Path of the metadata file inside a bundle folder.
METADATA = Path("configs/metadata.json")


def models_root() -> Path:
    """Folder that holds the bundles: ``Resources/Models`` beside the package, or inside it if installed."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "Resources" / "Models"
    return inside if inside.is_dir() else package.parent / "Resources" / "Models"


def installed_bundles() -> list[Path]:
    """Folders of the bundles that come with the package."""
    root = models_root()
    return sorted(p for p in root.glob("[!.]*") if (p / METADATA).is_file()) if root.is_dir() else []


def bundle_folder(name_or_path: str | Path) -> Path:
    """Finds the folder of a bundle by the name of an installed bundle, or by a path.

    Raises:
        ModelBundleError: there is no such bundle.
    """
    path = Path(name_or_path)
    for folder in (path, models_root() / path):
        if (folder / METADATA).is_file():
            return folder
    names = ", ".join(p.name for p in installed_bundles()) or "none"
    raise ModelBundleError(
        f"There is no model bundle {path.name!r} (no file {METADATA} there). Installed bundles: {names}. "
        "Give one of these names, or a folder from `tumorgen train generator`."
    )


def read_metadata(folder: Path) -> tuple[dict[str, Any], Path]:
    """Reads a bundle's metadata, and finds the folder of its weights.

    A bundle may use the weights of a bundle in the same parent folder, which its entry ``weights_of`` names. Then all
    entries that it lacks come from that bundle. So two bundles can sample the same networks in different ways.

    Raises:
        ModelBundleError: the other bundle is missing, or has no weights of its own.
        OSError, ValueError, KeyError, TypeError, AttributeError: this is not the metadata of a TumorGen bundle.
    """
    metadata = json.loads((folder / METADATA).read_text(encoding="utf-8"))
    own = metadata["tumorgen"]
    if "weights_of" not in own:
        return metadata, folder
    lender = folder.resolve().parent / Path(own["weights_of"]).name
    if not (lender / METADATA).is_file():
        raise ModelBundleError(
            f"The bundle {folder.name} uses the weights of {lender.name}, but {lender.name} is not beside it; put both "
            "into one folder."
        )
    theirs = json.loads((lender / METADATA).read_text(encoding="utf-8"))
    if "weights_of" in theirs["tumorgen"]:
        raise ModelBundleError(
            f"The bundle {folder.name} uses the weights of {lender.name}, but {lender.name} has none of its own; "
            f"write {theirs['tumorgen']['weights_of']} in its entry weights_of."
        )
    return {**theirs, **metadata, "tumorgen": {**theirs["tumorgen"], **own}}, lender


def bundle_sampling(name_or_path: str | Path) -> Sampling:
    """Reads a bundle's own sampling settings, from its metadata alone.

    Raises:
        ModelBundleError: there is no such bundle, or its metadata cannot be read.
    """
    from TumorGenCore.method.schedule import Sampling  # here, so that command lines that name the bundle start fast

    folder = bundle_folder(name_or_path)
    try:
        return Sampling.parse(read_metadata(folder)[0]["tumorgen"].get("sampling", {}))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelBundleError(
            f"The metadata of bundle {folder.name} cannot be read ({error}); install it again."
        ) from error
