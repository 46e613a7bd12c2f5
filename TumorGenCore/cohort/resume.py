"""What a run takes over from an earlier run: whole results that this run would make again in the same way."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from TumorGenCore.cohort.left_out import reason_of
from TumorGenCore.cohort.manifest import ManifestRow
from TumorGenCore.cohort.parts import RunFiles
from TumorGenCore.cohort.requests import Requests
from TumorGenCore.cohort.results import Key, Record, ResultFiles, stem
from TumorGenCore.cohort.scan import read_row
from TumorGenCore.cohort.tables import CASES_FILE, TRUTH_FILE, read_cases, read_truth
from TumorGenCore.errors import ManifestError, ResumeWarning
from TumorGenCore.insertion.provenance import hash_volume
from TumorGenCore.version import software_version
from TumorGenCore.volumes.file_hash import sha256_of
from TumorGenCore.volumes.passed_through import record_of

__all__ = ["Earlier", "earlier_results", "hash_files"]


@dataclass
class Earlier:
    """Results of an earlier run.

    Args:
        records: lines of ``cases.csv`` of the results to keep.
        truth: lines of ``truth.csv`` of the results to keep, by ``stem``.
        again: why a result is made again.
    """

    records: dict[Key, Record] = field(default_factory=dict)
    truth: dict[str, bytes] = field(default_factory=dict)
    again: dict[Key, str] = field(default_factory=dict)


def earlier_results(files: RunFiles, requests: Requests, device: str) -> Earlier:
    """Finds the results in a folder that a run can keep. A result whose files are not whole is made again.

    It reads every scan that has a result, because the scan decides the result as much as its row does.

    Args:
        files: tables of the run.
        requests: everything that decides each result, except voxels and software.
        device: kind of device of this run: ``cpu``, ``cuda`` or ``mps``.

    Warns:
        ResumeWarning: results come from another kind of device, which may change their last digits.

    Raises:
        ManifestError: ``cases.csv`` or ``truth.csv`` is damaged, or a result is not in the manifest or was made from
            other voxels, with other settings or with other software.
    """
    found, output = Earlier(), files.output
    if not files.cases.is_file():
        return found
    made: dict[Key, dict[str, Any]] = {}
    records: dict[Key, Record] = {}
    truth = read_truth(files.truth)
    for record in read_cases(files.cases):
        key = (record["name"], int(record["seed"]))
        if key not in requests:
            raise ManifestError(
                f"{CASES_FILE} has a result {stem(key)} that is not in the manifest. Put its row back, or give "
                "another folder."
            )
        provenance = _read(ResultFiles.of(key, output).provenance)
        if provenance is None:
            found.again[key] = "its provenance is missing or damaged"
            continue
        _require_same(key, provenance, requests[key])
        made[key], records[key] = provenance, record
    devices = {str(provenance.get("device", device)).partition(":")[0] for provenance in made.values()}
    if others := sorted(devices - {device}):
        warnings.warn(
            f"Earlier results were made on {', '.join(others)}; this run uses {device}. The same seed gives the same "
            "tumor there, except for last digits.",
            ResumeWarning,
            stacklevel=3,
        )
    for row in requests.rows:
        keys = [(row.name, seed) for seed in row.seeds if (row.name, seed) in made]
        if keys:
            _require_same_voxels(row, {key: made[key] for key in keys})
        for key in keys:
            lines = truth.get(stem(key), [])
            if {**records[key], **hash_files(ResultFiles.of(key, output))} != records[key]:
                found.again[key] = "its image or mask is missing, incomplete or changed"
            elif len(lines) != len(made[key]["tumors"]):
                found.again[key] = f"its lines in {TRUTH_FILE} are missing"
            else:
                found.records[key] = records[key]
                found.truth[stem(key)] = b"".join(lines)
    return found


def hash_files(files: ResultFiles) -> Record:
    """Returns the columns with the SHA-256 of the image file and of the mask file; empty for a missing file."""
    images = {"image_sha256": files.image, "mask_sha256": files.mask}
    return {column: sha256_of(path) if path.is_file() else "" for column, path in images.items()}


def _read(path: Path) -> dict[str, Any] | None:
    try:
        provenance = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return provenance if isinstance(provenance, dict) else None


def _require_same(key: Key, provenance: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """Compares everything that the row, the bundle and the software decide."""
    made = provenance.get("case")
    if not isinstance(made, dict):
        raise ManifestError(
            f"{stem(key)} was made by TumorGen 0.4.1 or earlier, and a run cannot mix its results with new ones. "
            "Give another folder."
        )
    for what in (*asked, *(name for name in made if name not in asked)):
        if made.get(what) != (value := asked.get(what)):
            raise _differs(key, what, made.get(what), value)
    if (version := provenance.get("software_version")) != software_version():
        raise _differs(key, "software_version", version, software_version())


def _require_same_voxels(row: ManifestRow, made: Mapping[Key, Mapping[str, Any]]) -> None:
    """Compares the scan and the region of a row with those that its results were made from."""
    try:
        read = read_row(row)
    except Exception as error:
        raise ManifestError(
            f"The scan of {row.name} cannot be compared with that of its results: {reason_of(error, row)} Correct the "
            f"scan, or delete the results of {row.name}."
        ) from error
    now = {
        "input_sha256": hash_volume(read.volume.image),
        "suv_factor": float(read.volume.units.suv_factor),
        "region_sha256": read.region_hash,
        **({} if read.ct_hash is None else {"ct": record_of(read.ct_hash)}),
        **({} if read.request.reference_suv is None else {"reference_suv": read.request.reference_suv}),
    }
    for key, provenance in made.items():
        before = {**provenance["request"], **provenance}
        for what, value in now.items():
            if before.get(what) != value:
                raise _differs(key, what, before.get(what), value)


_WORDS = {
    "input_sha256": "another scan (SHA-256 of the voxels",
    "region_sha256": "another region (SHA-256 of the voxels",
    "ct": "another CT (file",
    "software_version": "another version of TumorGen (software_version",
}


def _differs(key: Key, what: str, was: object, is_now: object) -> ManifestError:
    made = f"{_WORDS[what]} {was})" if what in _WORDS else f"{what} {was}"
    return ManifestError(
        f"{stem(key)} was made with {made}; this run has {is_now}. Give another folder, or delete the results of "
        f"{key[0]}."
    )
