"""What a user asks of an export."""

from __future__ import annotations

import re
from dataclasses import dataclass

from TumorGenCore.errors import ExportError

__all__ = ["ExportRequest"]

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")


@dataclass(frozen=True)
class ExportRequest:
    """What a user asks of an export.

    Args:
        name: name of the data set: letters, digits and _.
        with_ct: take the CT along, if every result has one.
        patient_pattern: see ``patients_of``.
        folds: wished number of folds.
        copy: copy files even where hard links work.
        license: license of the data, as text or address; empty is not stated.
        source: where the scans come from, as text, address or DOI; empty is not stated.
        dataset_id: number of the nnU-Net data set.

    Raises:
        ExportError: a value cannot be used.
    """

    name: str = "TumorGen"
    with_ct: bool = True
    patient_pattern: str | None = None
    folds: int = 5
    copy: bool = False
    license: str = ""
    source: str = ""
    dataset_id: int = 501

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ExportError(f"The name {self.name!r} must be letters, digits and _, and begin with a letter.")
        if not 2 <= self.folds <= 100:
            raise ExportError(f"There can be 2 to 100 folds, but not {self.folds}.")
        if not 1 <= self.dataset_id <= 999:
            raise ExportError(f"The number of an nnU-Net data set is 1 to 999, but not {self.dataset_id}.")
