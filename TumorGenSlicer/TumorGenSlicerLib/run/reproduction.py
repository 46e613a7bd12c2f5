"""Reads from a provenance how to make its tumor again, and what is different here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from TumorGenCore.bundle.folders import bundle_folder, metadata_hash, read_metadata
from TumorGenCore.errors import ModelBundleError, UnsupportedVolumeError
from TumorGenCore.insertion.provenance import Provenance, hash_volume, recorded_box
from TumorGenCore.insertion.request import TumorRequest
from TumorGenCore.version import software_version
from TumorGenCore.volumes.geometry import Box
from TumorGenSlicerLib.scene.geometry import volumeImage

__all__ = ["Reproduction", "reproduction"]


@dataclass(frozen=True)
class Reproduction:
    """Settings that make a tumor again.

    Args:
        box: box in the world, LPS.
        seed: seed of the tumor.
        request: request for the tumor, with its steps and solver.
        model: bundle name or folder; None if this computer does not have the model.
        suvFactor: SUV per unit that the user gave; None if it came from the volume.
        differences: sentences about what is different here, so that another tumor may come out.
    """

    box: Box
    seed: int
    request: TumorRequest
    model: str | None
    suvFactor: float | None
    differences: tuple[str, ...]


def reproduction(record: Provenance, volumeNode: Any, model: str) -> Reproduction:
    """Reads how to make the tumor of a provenance again.

    Args:
        record: from ``read_provenance`` or ``checked_provenance``.
        volumeNode: volume in which to make it; None if there is none yet.
        model: bundle name or folder that the user has chosen; taken if it has the name of the recorded one.

    Raises:
        InvalidRequestError, InvalidBoxError, KeyError: the record is incomplete.
    """
    tumors, given = record["tumors"], record.get("suv_factor_source") == "given"
    chosen, aboutModel = _model(record, model)
    lines = [*_aboutScan(record, volumeNode), *aboutModel]
    if record.get("software_version") != software_version():
        lines.append(f"TumorGen is {software_version()} here, and was {record.get('software_version')} then.")
    if len(tumors) > 1:
        lines.append(f"The result has tumors in {len(tumors)} boxes; this is the first one.")
    return Reproduction(
        recorded_box(tumors[0]),
        int(tumors[0]["seed"]),
        TumorRequest.parse({**record["request"], "least_quality": None}),
        chosen,
        float(record["suv_factor"]) if given else None,
        tuple(lines),
    )


def _aboutScan(record: Mapping[str, Any], volumeNode: Any) -> list[str]:
    try:
        if hash_volume(volumeImage(volumeNode)) == record["input_sha256"]:
            return []
    except UnsupportedVolumeError:
        return ["Choose the PET volume in which the tumor was made."]
    name = volumeNode.GetName()
    return [f'"{name}" is not the scan in which the tumor was made: voxels, pixel type or geometry differ.']


def _model(record: Mapping[str, Any], chosen: str) -> tuple[str | None, list[str]]:
    """Returns name or folder of the recorded model, or None, and what is different about it."""
    name = record["bundle_name"]
    try:
        model = chosen if bundle_folder(chosen).name == name else name
        metadata, _ = read_metadata(bundle_folder(model))
    except ModelBundleError:
        return None, [f"The model {name} is not on this computer. Choose its folder under Advanced > Model."]
    version, recorded = str(metadata.get("version", "")), str(record.get("bundle_version", ""))
    if version != recorded:
        return model, [f"The model {name} has version {version} here, and had {recorded} then."]
    if record.get("bundle_hash") != metadata_hash(metadata["tumorgen"]):
        return model, [f"The model {name} has other weights or settings here than then."]
    return model, []
