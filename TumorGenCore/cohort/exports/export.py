"""Exports a finished folder of ``tumorgen synthesize``::

    export_cohort(Path("made"), Path("data"), "bids")

The export is there completely or not at all, and the folder of the run stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from TumorGenCore.cohort.exports.bids import write_bids
from TumorGenCore.cohort.exports.channels import Channels
from TumorGenCore.cohort.exports.croissant import write_croissant
from TumorGenCore.cohort.exports.data_card import write_card
from TumorGenCore.cohort.exports.finished import Finished, read_finished
from TumorGenCore.cohort.exports.monai_datalist import write_monai
from TumorGenCore.cohort.exports.new_folder import check_new_folder, new_folder
from TumorGenCore.cohort.exports.nnunet import dataset_folder, write_nnunet
from TumorGenCore.cohort.exports.patients import folds_of, patients_of
from TumorGenCore.cohort.exports.placing import Placing
from TumorGenCore.cohort.exports.request import ExportRequest
from TumorGenCore.cohort.exports.work import Work
from TumorGenCore.errors import ExportError
from TumorGenCore.volumes.safe_write import check_folder

__all__ = ["FORMATS", "Exported", "export_cohort"]

_WRITERS: dict[str, Callable[[Work], str]] = {
    "nnunet": write_nnunet,
    "bids": write_bids,
    "monai": write_monai,
    "croissant": write_croissant,
}
FORMATS = tuple(_WRITERS)


@dataclass(frozen=True)
class Exported:
    """What an export is.

    Args:
        folder: where it is.
        results, lesions, patients, folds: how many it has.
        has_ct: whether the CT is in it.
        linked: whether its files are hard links to those of the run.
        warnings: what the user should hear.
    """

    folder: Path
    results: int
    lesions: int
    patients: int
    folds: int
    has_ct: bool
    linked: bool
    warnings: tuple[str, ...]


def export_cohort(
    folder: Path,
    output: Path,
    form: str,
    request: ExportRequest | None = None,
    on_progress: Callable[[int, int, str], None] | None = None,
) -> Exported:
    """Exports a folder.

    Args:
        folder: from ``tumorgen synthesize``.
        output: new or empty folder; for nnU-Net the folder of all data sets, in which the export is a new one.
        form: one of ``FORMATS``.
        request: the options.
        on_progress: called with the number of results that are done, of all, and what is done; the work can stop here.

    Raises:
        ExportError: the run or an option cannot be used, or the output is not empty.
        ManifestError, ProvenanceError, UnsupportedVolumeError: a file of the run is damaged.
        OSError: a file cannot be read or written.
    """
    request = request or ExportRequest()
    tell = on_progress or (lambda _done, _all, _doing: None)
    target = dataset_folder(output, request.name, request.dataset_id) if form == "nnunet" else output
    _check_place(folder, target, output if form == "nnunet" else None)
    finished = read_finished(folder, lambda done, total: tell(done, total, "check"))
    patients = patients_of(finished.cases, request.patient_pattern)
    folds = folds_of(patients, request.folds)
    channels = Channels(finished, request.with_ct)
    made_above = not target.parent.exists()
    if made_above:
        target.parent.mkdir()
    try:
        with new_folder(target) as temporary:
            placing = Placing(temporary, _sources(finished, channels), copy=request.copy)
            work = Work(
                temporary,
                finished,
                patients,
                folds,
                request,
                channels,
                placing,
                lambda done, total: tell(done, total, "export"),
            )
            layout = _WRITERS[form](work)
            write_card(temporary, finished, patients, request, channels, layout)
    except BaseException:
        if made_above:
            with suppress(OSError):
                target.parent.rmdir()
        raise
    return Exported(
        folder=target,
        results=len(finished.cases),
        lesions=len(finished.lesions),
        patients=len(set(patients)),
        folds=len(folds),
        has_ct=channels.has_ct,
        linked=placing.links,
        warnings=tuple(warning for warning in (channels.warning, _fold_warning(form, folds)) if warning),
    )


def _check_place(folder: Path, target: Path, above: Path | None) -> None:
    """Checks that the export can be made, and not inside the folder of the run.

    Args:
        folder: of the run.
        target: of the export.
        above: folder of all nnU-Net data sets, which may be made too.
    """
    if folder.resolve() in (target.resolve(), *target.resolve().parents):
        raise ExportError(f"{target} lies in the folder of the run. Give a folder beside it.")
    if above is not None and not above.exists():
        check_folder(above)
    else:
        check_new_folder(target)


def _sources(finished: Finished, channels: Channels) -> list[Path]:
    files = [path for case in finished.cases for path in (case.image, case.mask)]
    return [*files, *(case.ct for case in finished.cases if channels.has_ct and case.ct is not None)]


def _fold_warning(form: str, folds: list[list[int]]) -> str:
    if folds or form not in ("nnunet", "monai"):
        return ""
    return "All results are of one patient, so there is no split. Make results from more scans for a validation."
