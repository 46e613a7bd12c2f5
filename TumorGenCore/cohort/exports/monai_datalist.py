"""Data lists of MONAI: one for each fold, for ``monai.data.load_decathlon_datalist`` and ``LoadImaged``."""

from __future__ import annotations

from typing import Any

from TumorGenCore.cohort.exports.finished import Case
from TumorGenCore.cohort.exports.work import Work
from TumorGenCore.insertion.provenance import STATEMENT

__all__ = ["write_monai"]

_LAYOUT = """\
`images/`, `labels/` (1 is tumor){ct}, and a data list of MONAI for each of {folds} folds: `datalist_0.json`, ... Each
has the keys `training` and `validation`; one of them has all results of a patient. Paths are relative to the list."""
_ONE_PATIENT = """\
`images/`, `labels/` (1 is tumor){ct}, and a data list of MONAI, `datalist_0.json`, with the key `training`. All results
are of one patient, so its `validation` is empty. Paths are relative to the list."""


def write_monai(work: Work) -> str:
    """Writes files and lists.

    Returns:
        Markdown about the files.

    Raises:
        ExportError, UnsupportedVolumeError, OSError: a file cannot be read or written.
    """
    cases = work.finished.cases
    work.put(_image, _label)
    if work.channels.has_ct:
        for case in cases:
            work.channels.put_ct(case, _ct(case), work.placing)
    items = [_item(case, work.channels.has_ct) for case in cases]
    for number, fold in enumerate(work.folds or [[]]):
        held_out = set(fold)
        work.write_json(
            f"datalist_{number}.json",
            {
                "name": work.request.name,
                "description": f"FDG-PET in SUV with synthetic tumors. {STATEMENT}.",
                "reference": work.request.source or "not stated",
                "licence": work.request.license or "not stated",
                "modality": {"0": "PET", **({"1": "CT"} if work.channels.has_ct else {})},
                "labels": {"0": "background", "1": "tumor"},
                "numTraining": len(items) - len(held_out),
                "training": [item for n, item in enumerate(items) if n not in held_out],
                "validation": [item for n, item in enumerate(items) if n in held_out],
            },
        )
    ct = ", `ct/`, which is the second file of an image" if work.channels.has_ct else ""
    return (_LAYOUT if work.folds else _ONE_PATIENT).format(ct=ct, folds=len(work.folds))


def _image(case: Case) -> str:
    return f"images/{case.stem}.nii.gz"


def _label(case: Case) -> str:
    return f"labels/{case.stem}.nii.gz"


def _ct(case: Case) -> str:
    return f"ct/{case.stem}.nii.gz"


def _item(case: Case, has_ct: bool) -> dict[str, Any]:
    """Returns the entry of a result. MONAI loads several files of an image as its channels."""
    return {"image": [_image(case), _ct(case)] if has_ct else _image(case), "label": _label(case)}
