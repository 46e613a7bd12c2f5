"""Provenance of a synthetic image: everything needed to make it again, without names of persons or files."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import math
import os
import platform
import struct
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from TumorGenCore.errors import InvalidBoxError, ProvenanceError
from TumorGenCore.version import software_version
from TumorGenCore.volumes.geometry import Box
from TumorGenCore.volumes.json_file import read_json
from TumorGenCore.volumes.voxels import read_region, read_slabs

if TYPE_CHECKING:
    from TumorGenCore.insertion.growth import Maker
    from TumorGenCore.insertion.prepared import PreparedBox
    from TumorGenCore.insertion.request import TumorRequest

__all__ = [
    "STATEMENT",
    "Provenance",
    "box_record",
    "checked_provenance",
    "hash_volume",
    "make_provenance",
    "read_provenance",
    "recorded_box",
]

#: JSON values; lists of numbers are flat, with matrices row by row.
Provenance = dict[str, Any]

STATEMENT = "Synthetic, not for diagnosis"
#: What a record of another form or with other values raises.
_UNUSABLE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError, InvalidBoxError)
_LIBRARIES = ("torch", "monai", "numpy", "scipy", "SimpleITK")


def hash_volume(image: sitk.Image) -> str:
    """SHA-256 of pixel type, size, geometry and voxels: the same for equal volumes, and only for these, in any file."""
    geometry = (*image.GetSpacing(), *image.GetOrigin(), *image.GetDirection())
    voxel_type = read_region(image, (0, 0, 0), (1, 1, 1)).dtype
    digest = hashlib.sha256(f"{voxel_type.str} {image.GetSize()}".encode())
    digest.update(struct.pack(f"<{len(geometry)}d", *geometry))
    for _, slab in read_slabs(image):
        digest.update(slab.data)
    return digest.hexdigest()


def make_provenance(
    prepared: PreparedBox,
    request: TumorRequest,
    maker: Maker,
    created: datetime,
    tumors: Sequence[dict[str, Any]],
) -> Provenance:
    """Makes the record that is stored with a result: JSON beside files, NRRD keys and node attributes.

    Args:
        prepared: the first box, in the input itself.
        request: the user's request.
        maker: bundle, device and sampling settings.
        created: time when the first tumor was made, with its time zone.
        tumors: the part of each tumor, in the order of insertion.

    Returns:
        Software, machine, bundle and input; ``request``, which includes the sampling settings; and ``tumors``.
    """
    return {
        "statement": STATEMENT,
        "synthetic": True,
        "software": "TumorGen",
        "software_version": software_version(),
        **_machine(maker.device),
        "bundle_name": maker.bundle.name,
        "bundle_version": maker.bundle.version,
        "bundle_hash": maker.bundle.bundle_hash,
        "created_utc": created.astimezone(UTC).isoformat(timespec="seconds"),
        "input_sha256": prepared.input_hash(),
        "input_units": prepared.units.name,
        "suv_factor": float(prepared.units.suv_factor),
        "suv_factor_source": prepared.units.source,
        "request": {**request.as_dict(), **maker.sampling.as_dict()},
        "tumors": list(tumors),
    }


def box_record(box: Box) -> dict[str, list[float]]:
    """Entries of a box for a record, LPS mm; the axes row by row."""
    return {
        "box_center_lps": list(box.center_lps),
        "box_size_mm": list(box.size_mm),
        "box_axes": np.ravel(box.axes).tolist(),
    }


def recorded_box(record: Mapping[str, Any]) -> Box:
    """Reads the box of a record; the inverse of ``box_record``.

    Raises:
        KeyError, TypeError, ValueError, InvalidBoxError: an entry is missing, or the entries do not form a box.
    """
    rows = tuple(tuple(float(v) for v in record["box_axes"][3 * n : 3 * n + 3]) for n in range(3))
    center, size = (tuple(float(v) for v in record[key]) for key in ("box_center_lps", "box_size_mm"))
    return Box(center, size, rows)  # type: ignore[arg-type]


def read_provenance(path: str | os.PathLike[str]) -> Provenance:
    """Reads the record beside a result, and converts records of version 0.4.1 and before as far as possible.

    Raises:
        ProvenanceError: the file is missing, not JSON, or not a record of TumorGen.
    """
    path = Path(path)
    try:
        record = read_json(path)
    except OSError as error:
        raise ProvenanceError(f"The provenance {path} cannot be opened ({error.strerror}); check the path.") from error
    except ValueError as error:
        raise ProvenanceError(
            f"{path.name} is not a JSON file ({error}); give the .provenance.json beside a result."
        ) from error
    return checked_provenance(record, path.name)


def checked_provenance(record: Any, name: str) -> Provenance:
    """Checks a record, and converts records of version 0.4.1 and before as far as possible.

    Args:
        record: the values of a JSON file or of a node.
        name: name of the file or node, for the message.

    Raises:
        ProvenanceError: this is not a record of TumorGen.
    """
    try:
        today = _of_today(record)
        _check(today)
        return today
    except _UNUSABLE as error:
        raise ProvenanceError(
            f"{name} is not the provenance of a tumor ({error!r}); give the .provenance.json beside a result."
        ) from error


def _machine(device: Any) -> dict[str, Any]:
    """Entries about the machine, on which the last bits of a tumor depend."""
    import torch

    from TumorGenCore.method.devices import low_precision

    on_cpu = device.type == "cpu"
    return {
        "libraries": _libraries(),
        "device": str(device),
        "processor": f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
        if on_cpu
        else torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else platform.machine(),
        "precision": str(low_precision(device) or torch.float32).removeprefix("torch."),
        "threads": torch.get_num_threads(),
    }


@functools.cache
def _libraries() -> dict[str, str]:
    versions = {}
    for name in _LIBRARIES:
        with contextlib.suppress(metadata.PackageNotFoundError):  # Libraries in Slicer may lack their metadata.
            versions[name] = metadata.version(name)
    return versions


def _check(record: Provenance) -> None:
    """Raises an error if a value that decides the tumor cannot be used."""
    if not record["tumors"]:
        raise ValueError("it has no tumor")
    for tumor in record["tumors"]:
        recorded_box(tumor)
    factor = record.get("suv_factor", 1.0)
    if isinstance(factor, bool) or not 0 < float(factor) < math.inf:
        raise ValueError(f"suv_factor is {factor}")
    if not isinstance(record["bundle_name"], str):
        raise TypeError(f"bundle_name is {record['bundle_name']}")


def _of_today(record: Mapping[str, Any]) -> Provenance:
    if "tumours" in record:  # version 0.4.1, synthesize: one such record per tumor
        first, *_ = parts = [_of_today(part) for part in record["tumours"]]
        tumors = [tumor for part in parts for tumor in part["tumors"]]
        return {**first, "tumors": tumors, "quality": record.get("quality")}
    for key in ("synthetic", "bundle_name", "input_sha256"):
        record[key]
    if "tumors" in record:
        for tumor, key in product(record["tumors"], ("seed", "box_center_lps", "box_size_mm", "box_axes")):
            tumor[key]
        return {**record, "request": dict(record["request"])}
    # Version 0.4.1: one flat record, with all boxes one after the other in its lists.
    asked = {"suv_max": "target_suv_max", "suv_mean": "target_suv_mean", "fill": "target_fill"}
    request = {name: record[former] for name, former in asked.items() if former in record}
    request |= {"steps": record["steps"], "solver": record["solver"]}
    count = len(record["box_center_lps"]) // 3
    seeds = record.get("box_seeds", [record["seed"]])
    tumors = [
        {
            "seed": seeds[n],
            "box_center_lps": record["box_center_lps"][3 * n : 3 * n + 3],
            "box_size_mm": record["box_size_mm"][3 * n : 3 * n + 3],
            "box_axes": record["box_axes"][9 * n : 9 * n + 9],
        }
        for n in range(count)
    ]
    moved = {*asked.values(), "steps", "solver", "seed", "box_seeds", "box_center_lps", "box_size_mm", "box_axes"}
    return {**{k: v for k, v in record.items() if k not in moved}, "request": request, "tumors": tumors}
