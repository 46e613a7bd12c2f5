"""Says why a row was left out, without the folders of its files and without what a file says about a person."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

from TumorGenCore.cohort.manifest import ManifestRow
from TumorGenCore.cohort.scan import FACTOR_REMEDY
from TumorGenCore.errors import TumorGenError, with_remedy

__all__ = ["reason_of"]


def reason_of(error: Exception, row: ManifestRow) -> str:
    """Returns why a row was left out, in one line for the table of failures.

    The text of an unexpected error may quote a file, so only its kind and its place in the code are named.

    Args:
        error: what reading or inserting raised.
        row: the row.
    """
    if isinstance(error, TumorGenError):
        text = with_remedy(error, FACTOR_REMEDY)
    elif isinstance(error, OSError):
        text = f"The scan cannot be read ({error.strerror or error}). Check the file and the disk."
    else:
        place = traceback.extract_tb(error.__traceback__)[-1]
        text = (
            f"An unexpected {type(error).__name__} in {Path(place.filename).name}, line {place.lineno}. Export the "
            "scan again; if the error stays, run `tumorgen insert --debug` on the scan and report the traceback."
        )
    for path in row.files:
        text = text.replace(f"{path.parent}{os.sep}", "")
    return " ".join(text.split())
