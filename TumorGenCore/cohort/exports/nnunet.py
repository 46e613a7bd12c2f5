"""A raw data set of nnU-Net v2, checked with nnunetv2 2.8.1 (``make export-peers``).

nnU-Net scales a channel by its name: "CT" by the values of all cases, others (here "PET") case by case. Version 2.8.1
copies ``splits_final.json`` from the raw data set when it plans; older ones need it in the preprocessed data set.
"""

from __future__ import annotations

from pathlib import Path

from TumorGenCore.cohort.exports.work import Work
from TumorGenCore.errors import ExportError
from TumorGenCore.insertion.provenance import STATEMENT
from TumorGenCore.version import software_version

__all__ = ["dataset_folder", "write_nnunet"]

_LAYOUT = """\
A raw data set of nnU-Net v2: `dataset.json`, `imagesTr/CASE_0000.nii.gz` (PET{ct}), `labelsTr/CASE.nii.gz` (0
background, 1 tumor). `splits_final.json` keeps the results of a patient on one side of each of {folds} folds. nnU-Net
2.8.1 copies it to the preprocessed data set; for an older version, copy it there after the planning."""
_ONE_PATIENT = """\
A raw data set of nnU-Net v2: `dataset.json`, `imagesTr/CASE_0000.nii.gz` (PET{ct}), `labelsTr/CASE.nii.gz` (0
background, 1 tumor). All results are of one patient, so there is no `splits_final.json`: each fold would have the
patient on both sides."""


def dataset_folder(output: Path, name: str, dataset_id: int) -> Path:
    """Returns the folder of the data set below ``nnUNet_raw``.

    Args:
        output: the folder that ``nnUNet_raw`` names.
        name: name of the data set.
        dataset_id: its number.

    Raises:
        ExportError: another data set there has this number; nnU-Net finds data sets by their numbers.
    """
    folder = output / f"Dataset{dataset_id:03}_{name}"
    for other in sorted(output.glob(f"Dataset{dataset_id:03}*")):
        if other.name != folder.name:
            raise ExportError(f"{other.name} in {output} has the number {dataset_id} too. Give another --dataset-id.")
    return folder


def write_nnunet(work: Work) -> str:
    """Writes the data set.

    Returns:
        Markdown about its files.

    Raises:
        ExportError, UnsupportedVolumeError, OSError: a file cannot be read or written.
    """
    stems = [case.stem for case in work.finished.cases]
    work.put(lambda case: f"imagesTr/{case.stem}_0000.nii.gz", lambda case: f"labelsTr/{case.stem}.nii.gz")
    if work.channels.has_ct:
        for case in work.finished.cases:
            work.channels.put_ct(case, f"imagesTr/{case.stem}_0001.nii.gz", work.placing)
    request = work.request
    work.write_json(
        "dataset.json",
        {
            "name": request.name,
            "description": f"FDG-PET in SUV with synthetic tumors. {STATEMENT}.",
            "reference": request.source or "not stated",
            "licence": request.license or "not stated",
            "converted_by": f"TumorGen {software_version()}",
            "channel_names": {"0": "PET", **({"1": "CT"} if work.channels.has_ct else {})},
            "labels": {"background": 0, "tumor": 1},
            "numTraining": len(stems),
            "file_ending": ".nii.gz",
        },
    )
    if work.folds:
        sides = [
            {
                "train": [stem for n, stem in enumerate(stems) if n not in fold],
                "val": [stems[n] for n in sorted(fold)],
            }
            for fold in map(set, work.folds)
        ]
        work.write_json("splits_final.json", sides)
    ct = "; `_0001` is the CT" if work.channels.has_ct else ""
    return (_LAYOUT if work.folds else _ONE_PATIENT).format(ct=ct, folds=len(work.folds))
