"""A finished folder of ``tumorgen synthesize``, read with all checks before anything is exported."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from TumorGenCore.cohort.output_folder import RUN_FOLDER
from TumorGenCore.cohort.results import Record, ResultFiles, stem
from TumorGenCore.cohort.tables import CASES_FILE, FAILURES_FILE, TRUTH_FILE, read_cases, read_truth
from TumorGenCore.errors import ExportError
from TumorGenCore.insertion.provenance import Provenance, read_provenance
from TumorGenCore.insertion.truth_columns import COLUMNS
from TumorGenCore.volumes.file_hash import sha256_of
from TumorGenCore.volumes.suffixes import WRITABLE_SUFFIXES

__all__ = ["Case", "Finished", "read_finished"]

_REMEDY = "Run `tumorgen synthesize` with --resume to make it again."


@dataclass(frozen=True)
class Case:
    """One result.

    Args:
        name: name of the row of its scan.
        seed: its seed.
        image, mask: the files.
        ct: file of the CT of its scan; None if the row names no CT.
        record: line of ``cases.csv``, by column.
        lesions: lines of ``truth.csv``, by column.
        provenance: how it was made.
    """

    name: str
    seed: int
    image: Path
    mask: Path
    ct: Path | None
    record: Record
    lesions: tuple[Record, ...]
    provenance: Provenance

    @property
    def stem(self) -> str:
        """Start of its file names."""
        return stem((self.name, self.seed))

    @property
    def place(self) -> str:
        """Where its tumors were put: the name of an organ, or a phrase."""
        asked = self.provenance.get("case", {})
        if organ := asked.get("in"):
            return str(organ)
        if asked.get("box"):
            return "in a given box"
        return "in a given region" if asked.get("region") else "anywhere in the body"

    @property
    def file_names(self) -> tuple[str, ...]:
        """Names of the files that it was made from; they may name a person, and no export tells them."""
        asked = self.provenance.get("case", {})
        keys = ("source", "region", "labels", "ct", "reference_file")
        return tuple(str(asked[key]) for key in keys if asked.get(key))


@dataclass(frozen=True)
class Finished:
    """The folder.

    Args:
        folder: its path.
        cases: the results, in the order of the manifest; at least one.
        left_out: number of results that could not be made.
    """

    folder: Path
    cases: tuple[Case, ...]
    left_out: int

    @property
    def lesions(self) -> tuple[Record, ...]:
        """Lines of ``truth.csv`` of all results."""
        return tuple(lesion for case in self.cases for lesion in case.lesions)


def read_finished(folder: Path, on_checked: Callable[[int, int], None] | None = None) -> Finished:
    """Reads a folder, and checks that every file is there and is the one that the tables name.

    Args:
        folder: from ``tumorgen synthesize``.
        on_checked: called after each result with the number of checked results and of all.

    Raises:
        ExportError: the run has not finished, a file is missing, or it has changed since.
        ManifestError, ProvenanceError: a table or a provenance is damaged.
    """
    table = folder / CASES_FILE
    if not table.is_file():
        raise ExportError(
            f"{folder} has no {CASES_FILE}. Give the folder of `tumorgen synthesize`; join the parts of a run with "
            "`tumorgen gather` first."
        )
    if (folder / RUN_FOLDER).exists():
        raise ExportError(f"The run in {folder} works or was killed. Wait for it, or finish it with --resume.")
    truth = read_truth(folder / TRUTH_FILE)
    records = read_cases(table)
    cases = []
    for record in records:
        cases.append(_case(folder, record, truth.get(stem((record["name"], int(record["seed"]))), ())))
    if not cases:
        raise ExportError(f"{table} has no result, so there is nothing to export.")
    checked: set[Path] = set()
    for done, case in enumerate(cases, start=1):
        _check_hashes(case, checked)
        if on_checked is not None:
            on_checked(done, len(cases))
    return Finished(folder, tuple(cases), _count(folder / FAILURES_FILE))


def _case(folder: Path, record: Record, lesions: Sequence[bytes]) -> Case:
    """Finds the files of a result; whether they are the right ones is not checked yet."""
    key = (record["name"], int(record["seed"]))
    files = ResultFiles.of(key, folder)
    if (record["image"], record["mask"]) != (files.image.name, files.mask.name):
        raise ExportError(f"{CASES_FILE} names other files than {stem(key)} has. {_REMEDY}")
    for path in files.paths:
        if not path.is_file():
            raise ExportError(f"{path.name} is missing in {folder}. {_REMEDY}")
    if not lesions:
        raise ExportError(f"{TRUTH_FILE} in {folder} has no line for {stem(key)}. {_REMEDY}")
    provenance = read_provenance(files.provenance)
    rows = csv.reader(line.decode() for line in lesions)
    return Case(
        *key,
        image=files.image,
        mask=files.mask,
        ct=_ct(folder, key[0]) if provenance.get("ct") else None,
        record=record,
        lesions=tuple(dict(zip(COLUMNS, row, strict=True)) for row in rows),
        provenance=provenance,
    )


def _ct(folder: Path, name: str) -> Path:
    for suffix in WRITABLE_SUFFIXES:
        if (path := folder / f"{name}_ct{suffix}").is_file():
            return path
    raise ExportError(f"The CT {name}_ct of {name} is missing in {folder}. {_REMEDY}")


def _check_hashes(case: Case, checked: set[Path]) -> None:
    wanted = {case.image: case.record["image_sha256"], case.mask: case.record["mask_sha256"]}
    if case.ct is not None:
        wanted[case.ct] = case.provenance["ct"]["sha256"]
    for path, sha256 in wanted.items():
        if path not in checked and sha256_of(path) != sha256:
            raise ExportError(f"{path.name} in {path.parent} is not the file that the run wrote. {_REMEDY}")
        checked.add(path)


def _count(table: Path) -> int:
    """Returns the number of lines below the header; 0 without a file."""
    if not table.is_file():
        return 0
    with table.open(encoding="utf-8", newline="") as file:
        return max(0, sum(1 for _ in csv.reader(file)) - 1)
