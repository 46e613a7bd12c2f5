"""Where model bundles live and what they are called. Needs no torch, and numpy only for ``bundle_sampling``."""

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
#: Of a bundle, within its folder.
METADATA = Path("configs/metadata.json")


def models_root() -> Path:
    """Where bundles live: ``Resources/Models`` beside the package, or inside it when installed."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "Resources" / "Models"
    return inside if inside.is_dir() else package.parent / "Resources" / "Models"


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


def read_metadata(folder: Path) -> tuple[dict[str, Any], Path]:
    """A bundle's metadata, and the folder in which its weights lie.

    A bundle may share the weights of one beside it, which its entry ``weights_of`` names; what it does not say itself
    is then that one's. So the same networks can be had sampled in another way.

    Raises:
        ModelBundleError: the bundle whose weights it shares is not there, or has none of its own.
        OSError, ValueError, KeyError, TypeError, AttributeError: this is not the metadata of a TumorGen bundle.
    """
    metadata = json.loads((folder / METADATA).read_text(encoding="utf-8"))
    own = metadata["tumorgen"]
    if "weights_of" not in own:
        return metadata, folder
    lender = folder.resolve().parent / Path(own["weights_of"]).name
    if not (lender / METADATA).is_file():
        raise ModelBundleError(f"The bundle {folder.name} shares the weights of {lender.name}, which is not beside it.")
    theirs = json.loads((lender / METADATA).read_text(encoding="utf-8"))
    if "weights_of" in theirs["tumorgen"]:
        raise ModelBundleError(
            f"The bundle {folder.name} shares the weights of {lender.name}, which has none of its own; "
            f"name {theirs['tumorgen']['weights_of']} instead."
        )
    return {**theirs, **metadata, "tumorgen": {**theirs["tumorgen"], **own}}, lender


def bundle_sampling(name_or_path: str | Path) -> Sampling:
    """How a bundle is sampled where nothing else is asked for, from its metadata alone.

    Raises:
        ModelBundleError: there is no such bundle, or its metadata cannot be read.
    """
    from TumorGenCore.method.schedule import Sampling  # here: command lines, which name the bundle, start quickly

    folder = bundle_folder(name_or_path)
    try:
        return Sampling.parse(read_metadata(folder)[0]["tumorgen"].get("sampling", {}))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelBundleError(
            f"The metadata of bundle {folder.name} cannot be read ({error}); install it again."
        ) from error
