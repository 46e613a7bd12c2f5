"""Folders and names of model bundles. This module imports no torch, and numpy only for ``bundle_sampling``."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from TumorGenCore.bundle.metadata_checks import check_entries
from TumorGenCore.errors import ModelBundleError
from TumorGenCore.volumes.json_file import read_json

if TYPE_CHECKING:
    from TumorGenCore.method.schedule import Sampling

__all__ = [
    "DEFAULT_BUNDLE",
    "FORMAT_VERSION",
    "METADATA",
    "bundle_folder",
    "bundle_sampling",
    "installed_bundles",
    "metadata_hash",
    "models_root",
    "read_metadata",
]

DEFAULT_BUNDLE = "pet-fdg-v2"
#: Newest format of bundles that this version reads, and the one that it writes.
FORMAT_VERSION = 1
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
    """Reads and checks a bundle's metadata, and finds the folder of its weights.

    A bundle may use the weights of a bundle in the same parent folder, which its entry ``weights_of`` names. Then all
    entries that it lacks come from that bundle. So two bundles can sample the same networks in different ways.

    Raises:
        ModelBundleError: this is not the metadata of a TumorGen bundle, its format is newer, an entry is missing or
            wrong, or the other bundle is missing or has no weights of its own.
    """
    metadata, lender = _with_version(folder), folder
    own = metadata["tumorgen"]
    if "weights_of" in own:
        lender = folder.resolve().parent / Path(str(own["weights_of"])).name
        if not (lender / METADATA).is_file():
            raise ModelBundleError(
                f"The bundle {folder.name} uses the weights of {lender.name}, but {lender.name} is not beside it; put "
                "both into one folder."
            )
        theirs = _with_version(lender)
        if "weights_of" in theirs["tumorgen"]:
            raise ModelBundleError(
                f"The bundle {folder.name} uses the weights of {lender.name}, but {lender.name} has none of its own; "
                f"write {theirs['tumorgen']['weights_of']} in its entry weights_of."
            )
        metadata = {**theirs, **metadata, "tumorgen": {**theirs["tumorgen"], **own}}
    try:
        check_entries(metadata["tumorgen"])
    except ValueError as error:
        raise ModelBundleError(
            f"The metadata of bundle {folder.name} is incomplete or wrong: {error}. Install it again."
        ) from error
    return metadata, lender


def metadata_hash(own: dict[str, Any]) -> str:
    """Hash of a bundle's own metadata, which contain the hashes of its files.

    It depends neither on the order of entries nor on notes, which do not change tumors.

    Args:
        own: the entry ``tumorgen`` of the metadata.
    """
    decides = {name: value for name, value in own.items() if name not in ("notes", "weights_of")}
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


def bundle_sampling(name_or_path: str | Path) -> Sampling:
    """Reads a bundle's own sampling settings, from its metadata alone.

    Raises:
        ModelBundleError: there is no such bundle, or its metadata cannot be used.
    """
    from TumorGenCore.method.schedule import Sampling  # here, so that command lines that name the bundle start fast

    folder = bundle_folder(name_or_path)
    try:
        return Sampling.parse(read_metadata(folder)[0]["tumorgen"].get("sampling", {}))
    except ValueError as error:
        raise ModelBundleError(
            f"The sampling settings of bundle {folder.name} are wrong: {error}. Install it again."
        ) from error


def _with_version(folder: Path) -> dict[str, Any]:
    """Reads the metadata of one bundle, and checks that this version of TumorGen knows its format."""
    try:
        metadata = read_json(folder / METADATA)
        version = int(metadata["tumorgen"]["format_version"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise ModelBundleError(
            f"{folder.name}/{METADATA} is not the metadata of a TumorGen bundle ({error!r}); "
            "use a folder from `tumorgen train generator`."
        ) from error
    if version > FORMAT_VERSION:
        raise ModelBundleError(
            f"The bundle {folder.name} has format {version}, but this TumorGen reads formats up to {FORMAT_VERSION}. "
            "Update TumorGen."
        )
    read: dict[str, Any] = metadata
    return read
