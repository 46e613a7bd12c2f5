"""Finds what is wrong in a folder after a kill, and after the resumed run has ended.

Each function returns one line for each fault; none if all is well. The folder of an undisturbed run says what each
file must hold.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pydicom
import torch
from safetensors.torch import load_file

from TumorGenCore.training.loop.checkpoint import load_checkpoint

__all__ = ["cohort_faults", "content", "finished_training_faults", "insertion_faults", "temporary", "training_faults"]


def content(path: Path) -> object:
    """What a file holds, without the time of its making."""
    if path.suffix == ".json":
        try:
            return {key: value for key, value in json.loads(path.read_text()).items() if key != "created_utc"}
        except ValueError:
            return "no JSON"
    if path.suffix == ".dcm":
        try:
            return pydicom.dcmread(path).PixelData
        except Exception as error:
            return f"no DICOM: {error}"
    return path.read_bytes()


def temporary(folder: Path) -> list[str]:
    """Hidden files and folders at any depth."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.name.startswith("."))


def visible(folder: Path) -> dict[str, Path]:
    """Paths of all other files, by their names within the folder."""
    files = {p.relative_to(folder): p for p in folder.rglob("*") if p.is_file()}
    return {str(name): p for name, p in files.items() if not any(part.startswith(".") for part in name.parts)}


def cohort_faults(
    folder: Path, whole: Path, *, killed: bool = False, ended: bool = False, before: Collection[str] = ()
) -> list[str]:
    """Checks the results of ``synthesize``.

    Args:
        folder: results after a kill or at the end.
        whole: results of an undisturbed run.
        killed: by SIGKILL, which may leave temporary files, and one result that is not in the table yet.
        ended: the run is done: everything must be as in ``whole``.
        before: temporary files that an earlier kill had left.
    """
    files, expected = visible(folder), visible(whole)
    tables = ("cases.csv", "truth.csv", "failures.csv")
    faults = [f"{name} is half or differs" for name, path in files.items()
              if name not in tables and (name not in expected or content(path) != content(expected[name]))]  # fmt: skip
    images = {name.removesuffix("_image.nii.gz") for name in files if name.endswith("_image.nii.gz")}
    for stem in images:
        faults += [f"{stem} has an image but no {kind}" for kind in ("_mask.nii.gz", ".provenance.json")
                   if stem + kind not in files]  # fmt: skip
    if not killed:
        faults += [f"{name} was left" for name in temporary(folder) if name not in before]
        owned = {f"{stem}{end}" for stem in images for end in ("_image.nii.gz", "_mask.nii.gz", ".provenance.json")}
        faults += [f"{name} belongs to no image" for name in files if name not in {*tables, *owned}]
    for name in tables:
        faults += _table_faults(folder / name, whole / name, killed, ended)
    rows = Counter(f"{row['name']}_{row['seed']}" for row in _rows(folder / "cases.csv"))
    faults += [f"{stem} is in the table but not there" for stem in rows if stem not in images]
    unlisted = images - set(rows)
    if len(unlisted) > (1 if killed else 0):
        faults.append(f"{sorted(unlisted)} are not in the table")
    if ended:
        faults += [f"{name} is lost" for name in expected if name not in files]
    return faults


def _table_faults(path: Path, whole: Path, killed: bool, ended: bool) -> list[str]:
    """Every whole line must be one of the undisturbed run, and once; at the end, all of them, in order."""
    if not path.exists():
        return [f"{path.name} is lost"] if ended and whole.exists() else []
    text = path.read_text()
    lines, expected = text.splitlines(keepends=True), whole.read_text().splitlines(keepends=True)
    if killed and lines and not lines[-1].endswith("\n"):
        lines.pop()
    faults = [f"{path.name} has a half or other line {line[:40]!r}" for line in lines if line not in expected]
    faults += [f"{path.name} has a line {n} times: {line[:40]!r}" for line, n in Counter(lines).items() if n > 1]
    if ended:
        faults += [f"{path.name} has lost {line[:40]!r}" for line in expected if line not in lines]
        if not faults and lines != expected:
            faults.append(f"{path.name} is in another order")
    return faults


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    whole_lines = path.read_bytes().rpartition(b"\n")[0].decode()
    return list(csv.DictReader(whole_lines.splitlines()))


def insertion_faults(folder: Path, wholes: list[Path], *, killed: bool = False, ended: bool = False) -> list[str]:
    """Checks the outputs of ``insert`` or ``phantom``: all of one run, or none.

    Args:
        folder: outputs after a kill or at the end.
        wholes: outputs of undisturbed runs; the outputs must be those of one of them, at the end those of the last. The
            first may be an empty folder.
        killed: by SIGKILL, which may leave temporary files, and some outputs, but no image without the others.
        ended: the run is done.
    """
    files = {name: content(path) for name, path in visible(folder).items()}
    expected = [{name: content(path) for name, path in visible(whole).items()} for whole in wholes]
    faults = [f"{name} is half or differs" for name, held in files.items()
              if not any(held == one.get(name) for one in expected)]  # fmt: skip
    if not killed:
        faults += [f"{name} was left" for name in temporary(folder)]
    allowed = expected[-1:] if ended else expected
    image = next(name for name in expected[-1] if name.startswith(("image.", "phantom.")))
    if (not killed or image in files or ended) and files not in allowed:
        faults.append(f"{sorted(files)} are not the outputs of one run")
    return faults


def training_faults(folder: Path, weights: str, whole: Path) -> list[str]:
    """Checks the run of a stage after a kill: what is visible can be read, and the weights are there only whole."""
    faults = []
    for path in folder.glob("checkpoints/step-*"):
        try:
            load_checkpoint(path)
        except Exception as error:
            faults.append(f"{path.name} is half: {error}")
    for name, path in visible(folder).items():
        if path.suffix == ".json" and content(path) == "no JSON":
            faults.append(f"{name} is half")
        if path.suffix == ".png" and not path.read_bytes().endswith(b"IEND\xaeB`\x82"):
            faults.append(f"{name} is half")
        if path.suffix == ".safetensors" and not _same_tensors(path, whole / name):
            faults.append(f"{name} is half or differs")
    if not (folder / weights).exists() and any(folder.glob(f"{Path(weights).parent}/*.safetensors")) and "/" in weights:
        faults.append("the bundle is half")
    return faults


def finished_training_faults(folder: Path, weights: str, whole: Path, steps: int) -> list[str]:
    """Checks a finished run: the files of an undisturbed run, the same weights, and each step once in the log."""
    faults = training_faults(folder, weights, whole)
    faults += [f"{name} was left" for name in temporary(folder)]

    def names(run: Path) -> set[str]:  # A resumed run may keep another checkpoint beside the last one.
        return {name for name in visible(run) if not name.startswith("checkpoints")}

    faults += [f"{name} is lost or too much" for name in names(folder) ^ names(whole)]
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    counted = Counter(line["step"] for line in log if "loss" in line)
    if counted != Counter(range(1, steps + 1)):
        faults.append(f"steps in the log: {dict(counted)}")
    return faults


def _same_tensors(a: Path, b: Path) -> bool:
    try:
        one: dict[str, Any] = load_file(a)
        other: dict[str, Any] = load_file(b)
    except Exception:
        return False
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
