"""`tumorgen contact-sheet`: draws every lesion of a folder, and writes the page that shows them."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from TumorGenCore.cohort.contact_sheet.lesions import SheetLesion, lesions_of
from TumorGenCore.cohort.contact_sheet.page import page_of
from TumorGenCore.cohort.contact_sheet.pictures import outline_svg, planes_png, planes_through
from TumorGenCore.cohort.exports.finished import read_finished
from TumorGenCore.cohort.exports.new_folder import check_new_folder, new_folder
from TumorGenCore.errors import InvalidRequestError
from TumorGenCore.volumes.integrity import read_checked
from TumorGenCore.volumes.safe_write import write_pieces

__all__ = ["PAGE_NAME", "check_sheet", "write_contact_sheet"]

PAGE_NAME = "contact-sheet.html"
_PICTURES = "pictures"

#: Called with the done and all steps, and what is being done; may raise to stop the work.
OnProgress = Callable[[int, int, str], None]


def check_sheet(output: Path, suv_window: float) -> None:
    """Checks, before any work, that a contact sheet can be written.

    Raises:
        InvalidRequestError: the window is not a positive number.
        ExportError: there is something in the place of the new folder.
        OSError: the folder cannot be made.
    """
    if not (math.isfinite(suv_window) and suv_window > 0):
        raise InvalidRequestError(f"The SUV window ends at {suv_window}; give a positive number.")
    check_new_folder(output)


def write_contact_sheet(results: Path, output: Path, suv_window: float, on_progress: OnProgress) -> list[SheetLesion]:
    """Writes the page and the pictures into a new folder, all or none.

    Args:
        results: finished folder of ``tumorgen synthesize``.
        output: folder to make; the page has links to ``results``, so keep their places to each other.
        suv_window: SUV that is black in the pictures.
        on_progress: called before each result.

    Returns:
        The lesions, in the order of the tables.

    Raises:
        InvalidRequestError, ExportError, OSError: see ``check_sheet`` and ``read_finished``.
        ManifestError, ProvenanceError, UnsupportedVolumeError: a file of the results is damaged.
    """
    check_sheet(output, suv_window)
    finished = read_finished(results, lambda done, of: on_progress(done, of, "checking results"))
    lesions: list[SheetLesion] = []
    with new_folder(output) as folder:
        (folder / _PICTURES).mkdir()
        for done, case in enumerate(finished.cases):
            on_progress(done, len(finished.cases), "drawing lesions")
            image, mask = read_checked(case.image), read_checked(case.mask)
            for lesion in lesions_of(case):
                lesions.append(lesion)
                planes = planes_through(lesion.center_lps, image)
                name = folder / _PICTURES / f"{len(lesions)}"
                name.with_suffix(".png").write_bytes(planes_png(planes, image, suv_window))
                name.with_suffix(".svg").write_bytes(outline_svg(planes, mask))
        page = page_of(lesions, _link(results, output), suv_window)
        write_pieces(folder / PAGE_NAME, [page.encode()])
        on_progress(len(finished.cases), len(finished.cases), "drawing lesions")
    return lesions


def _link(results: Path, output: Path) -> str:
    """Path from the page to the folder of the results, as in a URL."""
    try:
        return quote(Path(os.path.relpath(results.resolve(), output.resolve())).as_posix())
    except ValueError:  # another drive of Windows
        return results.resolve().as_uri()
