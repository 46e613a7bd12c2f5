"""Finds the PET scans and their tumor masks in the folders of public releases, by the names that the releases give.

HECKTOR, head and neck cancer, FDG; the PET is in SUV:

- 2020 and 2021 (the paper's): ``hecktor_nii/CASE_pt.nii.gz`` with ``CASE_gtvt.nii.gz``, in 2020 ``CASE/CASE_pt.nii.gz``
  with ``CASE_ct_gtvt.nii.gz`` (https://github.com/voreille/hecktor, https://www.aicrowd.com/challenges/miccai-2021-hecktor)
- 2022: ``imagesTr/CASE__PT.nii.gz`` with ``labelsTr/CASE.nii.gz``, 1 primary tumor, 2 lymph nodes
  (https://hecktor.grand-challenge.org/Data)
- 2025 and 2026: ``CASE/CASE__PT.nii.gz`` with ``CASE/CASE.nii.gz`` (https://hecktor25.grand-challenge.org/dataset)

autoPET, whole body; the PET is in SUV:

- I and II, FDG: ``FDG-PET-CT-Lesions/PETCT_ID/STUDY/SUV.nii.gz`` with ``SEG.nii.gz``
  (https://fdat.uni-tuebingen.de/records/wf9fy-txq84)
- III to V, FDG and PSMA, as nnU-Net takes it: ``imagesTr/TRACER_ID_STUDY_0001.nii.gz`` with
  ``labelsTr/TRACER_ID_STUDY.nii.gz``; ``_0000`` is the CT (https://fdat.uni-tuebingen.de/records/6gjsg-zcg93)
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from TumorGenCore.errors import TrainingDataError

__all__ = ["LAYOUTS", "PATIENT_PATTERNS", "TRACERS", "Release", "ReleaseScan", "find_scans", "with_diagnosis"]

TRACERS = ("fdg", "psma", "all")
#: Layout to the regular expression whose first group, matched on a case name, is the patient.
PATIENT_PATTERNS = {"autopet": r"^((?:fdg|psma)_[^_]+)_", "hecktor": r"^(.+)$"}
LAYOUTS = tuple(PATIENT_PATTERNS)

_METADATA = "fdg_metadata.csv"
_SUFFIX = ".nii.gz"
_FORMS = {
    "autopet": (
        "PETCT_ID/STUDY/SUV.nii.gz with SEG.nii.gz, or imagesTr/CASE_0001.nii.gz with labelsTr/CASE.nii.gz. If you "
        "have the DICOM of TCIA, convert it first with tcia_dicom_to_nifti.py of the release"
    ),
    "hecktor": (
        "CASE__PT.nii.gz with CASE.nii.gz (beside it, or in labelsTr beside imagesTr), or CASE_pt.nii.gz with "
        "CASE_gtvt.nii.gz"
    ),
}


@dataclass(frozen=True)
class ReleaseScan:
    """One labeled PET scan of a release.

    Args:
        case: name of the case. autoPET I names folders only; its cases are named as in autoPET III.
        patient: pseudonym of the patient, as in the case name.
        image: file of the PET.
        mask: file of the tumors, any label above 0; it may have another grid.
    """

    case: str
    patient: str
    image: Path
    mask: Path


@dataclass(frozen=True)
class Release:
    """What a folder holds.

    Args:
        scans: scans with a mask, in the order of their case names.
        unlabeled: number of PET images without a mask, as in test sets.
        other_tracer: number of labeled scans with a tracer that was not asked for.
    """

    scans: tuple[ReleaseScan, ...]
    unlabeled: int
    other_tracer: int


def find_scans(source: Path, layout: str, tracer: str = "fdg") -> Release:
    """Finds the scans of a release.

    Args:
        source: folder of the release; it is searched with its subfolders, except hidden ones.
        layout: one of ``LAYOUTS``.
        tracer: one of ``TRACERS``; HECKTOR has FDG only.

    Raises:
        TrainingDataError: the folder holds no labeled scan of this layout and tracer, a scan's tracer is not known, or
            two scans have one name.
    """
    if not source.is_dir():
        raise TrainingDataError(f"There is no folder {source}. Give the folder of the release.")
    source = source.absolute()
    recognize = _RECOGNIZERS[layout]
    scans: dict[str, ReleaseScan] = {}
    unlabeled = other_tracer = 0
    for path in sorted(source.rglob(f"*{_SUFFIX}")):
        if any(part.startswith(".") for part in path.relative_to(source).parts) or not (found := recognize(path)):
            continue
        case, masks = found
        mask = next((mask for mask in masks if mask.is_file()), None)
        if mask is None:
            unlabeled += 1
            continue
        if layout == "autopet" and tracer not in ("all", _tracer(case, path)):
            other_tracer += 1
            continue
        if case in scans:
            both = " and ".join(str(image.relative_to(source)) for image in (scans[case].image, path))
            raise TrainingDataError(f"Two scans have the name {case}: {both}. Give a folder with one of them.")
        scans[case] = ReleaseScan(case, _patient(case, layout), path, mask)
    if not scans:
        raise TrainingDataError(_nothing(source, layout, tracer, unlabeled, other_tracer))
    return Release(tuple(scans[case] for case in sorted(scans)), unlabeled, other_tracer)


def with_diagnosis(scans: Sequence[ReleaseScan], source: Path, diagnosis: str) -> tuple[ReleaseScan, ...]:
    """Returns the autoPET scans with a diagnosis, by the table ``fdg_metadata.csv`` of the release.

    Args:
        scans: scans of the release.
        source: folder of the release, which is searched for the table.
        diagnosis: a value of the column ``diagnosis``, in any case; the paper used LUNG_CANCER.

    Raises:
        TrainingDataError: there is not one table, it lacks a column, or no scan has the diagnosis.
    """
    tables = sorted(source.rglob(_METADATA))
    if len(tables) != 1:
        raise TrainingDataError(
            f"{source} has {len(tables)} tables {_METADATA}, but one is needed to tell diagnoses. Copy that of the "
            "release into the folder."
        )
    with tables[0].open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows or not {"File Location", "diagnosis"} <= set(rows[0]):
        raise TrainingDataError(f"{_METADATA} lacks the columns 'File Location' and 'diagnosis'. Download it again.")
    known: dict[str, str] = {}
    for row in rows:
        if place := re.search(r"PETCT_([^/\\]+)[/\\]([^/\\]+)", row["File Location"] or ""):
            known[_case_of_study(place[1], place[2])] = (row["diagnosis"] or "").casefold()
    chosen = tuple(scan for scan in scans if known.get(scan.case) == diagnosis.casefold())
    if not chosen:
        names = ", ".join(sorted(set(known.values()))).upper()
        raise TrainingDataError(f"No scan has the diagnosis {diagnosis}; {_METADATA} has {names or 'none'}.")
    return chosen


def _recognize_autopet(path: Path) -> tuple[str, list[Path]] | None:
    """Returns the case of a PET file and where its mask may be; None if the file is no PET of autoPET."""
    study = path.parent
    if path.name == f"SUV{_SUFFIX}" and study.parent.name.startswith("PETCT_"):
        return _case_of_study(study.parent.name.removeprefix("PETCT_"), study.name), [study / f"SEG{_SUFFIX}"]
    if study.name == "imagesTr" and path.name.endswith(f"_0001{_SUFFIX}"):
        case = path.name.removesuffix(f"_0001{_SUFFIX}")
        return case, [study.parent / "labelsTr" / f"{case}{_SUFFIX}"]
    return None


def _recognize_hecktor(path: Path) -> tuple[str, list[Path]] | None:
    """Returns the case of a PET file and where its mask may be; None if the file is no PET of HECKTOR."""
    if path.name.endswith(f"__PT{_SUFFIX}"):
        case = path.name.removesuffix(f"__PT{_SUFFIX}")
        return case, [folder / f"{case}{_SUFFIX}" for folder in (path.parent.parent / "labelsTr", path.parent)]
    if path.name.endswith(f"_pt{_SUFFIX}"):
        case = path.name.removesuffix(f"_pt{_SUFFIX}")
        return case, [path.with_name(f"{case}{kind}{_SUFFIX}") for kind in ("_gtvt", "_ct_gtvt")]
    return None


_RECOGNIZERS: dict[str, Callable[[Path], tuple[str, list[Path]] | None]] = {
    "autopet": _recognize_autopet,
    "hecktor": _recognize_hecktor,
}


def _case_of_study(patient: str, study: str) -> str:
    """Name that autoPET III gives to a study of autoPET I."""
    return f"fdg_{patient}_{study}"


def _patient(case: str, layout: str) -> str:
    match = re.match(PATIENT_PATTERNS[layout], case)
    assert match is not None  # _tracer has refused other names
    return match[1]


def _tracer(case: str, path: Path) -> str:
    if not re.match(PATIENT_PATTERNS["autopet"], case):
        raise TrainingDataError(
            f"{path.name} is not named fdg_ID_STUDY or psma_ID_STUDY, so its tracer and patient are not known. Restore "
            "the names of the release."
        )
    return case.partition("_")[0]


def _nothing(source: Path, layout: str, tracer: str, unlabeled: int, other_tracer: int) -> str:
    if other_tracer:
        return f"{source} has no labeled scan with {tracer.upper()}, only {other_tracer} with another tracer."
    without = f" {unlabeled} PET images have no mask." if unlabeled else ""
    return f"{source} holds no labeled scan of the layout {layout}.{without} Its files are named {_FORMS[layout]}."
