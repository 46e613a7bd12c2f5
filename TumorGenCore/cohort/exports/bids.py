"""A BIDS derivative, checked with the validator of BIDS (bids-validator-deno 3.0.2).

BIDS defines no mask beside a PET and no CT. So the mask lies in ``anat/``, as the mask of a lesion, and the CT in
``ct/``, which ``.bidsignore`` names. A patient is a subject; each result has a description of its own (``desc``).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from TumorGenCore.cohort.exports.data_card import PICTURE, makers_of
from TumorGenCore.cohort.exports.finished import Case
from TumorGenCore.cohort.exports.work import Work
from TumorGenCore.cohort.tables import CASES_FILE, TRUTH_FILE
from TumorGenCore.insertion.provenance import STATEMENT
from TumorGenCore.volumes.safe_write import write_pieces

__all__ = ["write_bids"]

_VERSION = "1.10.0"
_HOME = "https://github.com/TumorGen/SlicerTumorGen"
_LAYOUT = """\
A BIDS derivative: `sub-X/pet/sub-X_trc-18FFDG_desc-Y_pet.nii.gz` and its mask
`sub-X/anat/sub-X_label-tumor_desc-Y_mask.nii.gz`, each with a JSON sidecar{ct}. X is the patient, Y the name of the
scan and the seed. BIDS defines no mask beside a PET, so the masks lie in `anat/`, on the grid of the PET."""


def write_bids(work: Work) -> str:
    """Writes the derivative.

    Returns:
        Markdown about its files.

    Raises:
        ExportError, OSError: a file cannot be read or written.
    """
    cases = work.finished.cases
    labels = _labels([*work.patients, *(case.name for case in cases)])
    subject = {case.stem: labels[patient] for case, patient in zip(cases, work.patients, strict=True)}

    def described(case: Case) -> str:
        return f"desc-{labels[case.name]}seed{case.seed}"

    def pet(case: Case) -> str:
        sub = f"sub-{subject[case.stem]}"
        return f"{sub}/pet/{sub}_trc-18FFDG_{described(case)}_pet"

    def mask(case: Case) -> str:
        sub = f"sub-{subject[case.stem]}"
        return f"{sub}/anat/{sub}_label-tumor_{described(case)}_mask"

    work.put(lambda case: f"{pet(case)}.nii.gz", lambda case: f"{mask(case)}.nii.gz")
    work.put_original_cts(
        lambda case: f"sub-{subject[case.stem]}/ct/sub-{subject[case.stem]}_desc-{labels[case.name]}_ct"
    )
    for case in cases:
        work.write_json(f"{pet(case)}.json", _pet_sidecar(case))
        work.write_json(f"{mask(case)}.json", _mask_sidecar(f"bids::{pet(case)}.nii.gz"))
    work.write_json("dataset_description.json", _description(work))
    _write_participants(work, subject)
    ignored = [CASES_FILE, TRUTH_FILE, PICTURE, *(["**/ct"] if work.channels.has_ct else [])]
    write_pieces(work.folder / ".bidsignore", ["".join(f"{line}\n" for line in ignored).encode()])
    return _LAYOUT.format(ct=", and the CT in `sub-X/ct/`" if work.channels.has_ct else "")


def _labels(names: Iterable[str]) -> dict[str, str]:
    """Returns a BIDS label, letters and digits only, for each name; numbers if names would become one label."""
    unique = list(dict.fromkeys(names))
    labels = [re.sub("[^A-Za-z0-9]", "", name) for name in unique]
    if "" in labels or len({label.casefold() for label in labels}) < len(labels):
        labels = [f"{n:0{len(str(len(unique)))}}" for n in range(1, len(unique) + 1)]
    return dict(zip(unique, labels, strict=True))


def _pet_sidecar(case: Case) -> dict[str, Any]:
    made = case.provenance
    return {
        "Description": f"FDG-PET with {len(case.lesions)} synthetic tumors. {STATEMENT}.",
        "SkullStripped": False,
        "Units": "g/mL",
        "UnitsDescription": "SUV by body weight",
        "TracerName": "FDG",
        "TracerRadionuclide": "F18",
        "Synthetic": True,
        "Seed": case.seed,
        "SoftwareVersion": made["software_version"],
        "ModelBundle": f"{made['bundle_name']} {made['bundle_version']}",
        "ModelBundleSHA256": made["bundle_hash"],
        "ScanVoxelsSHA256": made["input_sha256"],
        "FileSHA256": case.record["image_sha256"],
    }


def _mask_sidecar(pet: str) -> dict[str, Any]:
    return {
        "Description": f"The synthetic tumors of the PET: 1, else 0. {STATEMENT}.",
        "Type": "Lesion",
        "Sources": [pet],
        "SpatialReference": pet,
    }


def _description(work: Work) -> dict[str, Any]:
    source = work.request.source
    kind = "URL" if re.match(r"[a-z]+://", source) else "DOI" if source.startswith("doi:") else "Version"
    return {
        "Name": f"{work.request.name}: FDG-PET with synthetic tumors",
        "BIDSVersion": _VERSION,
        "DatasetType": "derivative",
        **({"License": work.request.license} if work.request.license else {}),
        "GeneratedBy": [
            {
                "Name": "TumorGen",
                "Version": software,
                "Description": f"Synthetic tumors with the model bundle {bundle} {version}",
                "CodeURL": _HOME,
            }
            for software, bundle, version, _ in makers_of(work.finished)
        ],
        "SourceDatasets": [{kind: source or "not stated"}],
    }


def _write_participants(work: Work, subject: dict[str, str]) -> None:
    counts = Counter(subject[case.stem] for case in work.finished.cases)
    lines = ["participant_id\tresults", *(f"sub-{label}\t{count}" for label, count in counts.items())]
    write_pieces(work.folder / "participants.tsv", ["".join(f"{line}\n" for line in lines).encode()])
    work.write_json(
        "participants.json", {"results": {"Description": "Number of synthetic results made from scans of this patient"}}
    )
