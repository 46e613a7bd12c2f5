"""Makes training cases from the scans of a public release: SUV and tumor mask on one grid, and a table of the cases."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from TumorGenCore.errors import TrainingDataError, TumorGenError, VolumeWarning
from TumorGenCore.lesions.extent import around
from TumorGenCore.training.data.lung_window import lung_map_files, lung_window, nearest_on_grid
from TumorGenCore.training.data.release_layouts import ReleaseScan
from TumorGenCore.volumes.geometry import FACE_TOLERANCE_MM, Grid
from TumorGenCore.volumes.integrity import read_checked
from TumorGenCore.volumes.safe_write import all_or_none, replacing
from TumorGenCore.volumes.suv import units_of_image
from TumorGenCore.volumes.write import write_volume

__all__ = ["CASES_FILE", "COLUMNS", "Prepared", "check_before_preparing", "prepare_cases"]

CASES_FILE = "cases.csv"
COLUMNS = ("case", "patient", "image_source", "mask_source", "tumor_ml", "lesions", "made_from")

#: Number of this way of making a case. A change of it makes all cases again.
_WAY = 1

Row = dict[str, str]


@dataclass
class Prepared:
    """What became of the scans.

    Args:
        made: number of cases that were made.
        kept: number of cases that were there already.
        left_out: case and reason of each scan that could not be used.
        remarks: sentences about scans that were used, with the number of these scans.
    """

    made: int = 0
    kept: int = 0
    left_out: list[tuple[str, str]] = field(default_factory=list)
    remarks: Counter[str] = field(default_factory=Counter)


def check_before_preparing(scans: Sequence[ReleaseScan], output: Path, maps: Path | None) -> None:
    """Checks, before any output, the folder of the cases and that every scan has a lung map.

    Args:
        scans: scans to prepare.
        output: folder of the cases; it need not exist.
        maps: folder of the lung maps, see ``lung_map_files``; None crops nothing.

    Raises:
        TrainingDataError: ``output`` holds other files or cases, or a map is missing.
    """
    there = [path for path in output.iterdir() if not path.name.startswith(".")] if output.is_dir() else []
    others = sorted(set(_read_table(output)) - {scan.case for scan in scans})
    if there and not (output / CASES_FILE).is_file():
        raise TrainingDataError(f"{output} holds other files. Give a new folder, or that of an earlier run.")
    if others:
        raise TrainingDataError(
            f"{output} has {len(others)} cases that this run does not make, {others[0]} among them. Give another "
            "folder."
        )
    missing = [scan.case for scan in scans if not lung_map_files(maps, scan.case)] if maps else []
    if missing:
        raise TrainingDataError(
            f"{maps} has no lung map of {len(missing)} of {len(scans)} cases, {missing[0]} among them. Name a map "
            "CASE.nii.gz, or put lung_*_lobe_*.nii.gz into a folder CASE."
        )


def prepare_cases(
    scans: Sequence[ReleaseScan],
    source: Path,
    output: Path,
    maps: Path | None,
    on_progress: Callable[[int, int], None],
) -> Prepared:
    """Makes ``CASE_image.nii.gz`` and ``CASE_mask.nii.gz``, both or none, and then the case's row of ``cases.csv``.

    Cases that an earlier run made of the same files in the same way are kept; a case without a row is made again. One
    scan is in memory at a time.

    Args:
        scans: scans that ``check_before_preparing`` has checked.
        source: folder of the release; the table names files relative to it.
        output: folder of the cases.
        maps: folder of the lung maps; None crops nothing.
        on_progress: gets the number of scans that are done and of all scans, before each scan and at the end; it may
            raise to stop the work.

    Raises:
        TrainingDataError: ``cases.csv`` is damaged.
        OSError: a file cannot be written.
    """
    rows, result = _read_table(output), Prepared()
    _write_table(output, rows)  # so that a killed run leaves a folder of its own
    for done, scan in enumerate(scans):
        on_progress(done, len(scans))
        lung_files = lung_map_files(maps, scan.case) if maps else []
        image_path, mask_path = (output / f"{scan.case}_{kind}.nii.gz" for kind in ("image", "mask"))
        row = _row(scan, source, lung_files)
        there = image_path.is_file() and mask_path.is_file()
        if there and rows.get(scan.case, {}).get("made_from") == row["made_from"]:
            result.kept += 1
            continue
        try:
            image, mask, remarks = _prepared(scan, lung_files)
        except TumorGenError as error:
            former = " The case of an earlier run is still there." if there else ""
            result.left_out.append((scan.case, f"{error}{former}"))
            continue
        with all_or_none():
            write_volume(mask, mask_path)
            write_volume(image, image_path)
        rows[scan.case] = row | _measures(mask)
        _write_table(output, rows)
        result.made += 1
        result.remarks.update(remarks)
    on_progress(len(scans), len(scans))
    return result


def _prepared(scan: ReleaseScan, lung_files: Sequence[Path]) -> tuple[sitk.Image, sitk.Image, list[str]]:
    """Returns SUV (float32), mask (0/1, uint8) on the same grid, and remarks."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        image = read_checked(scan.image)
        odd = units_of_image(image, 1.0).remarks
        if odd:
            raise TrainingDataError(f"{scan.image.name}: {odd[0]}")
        grid = Grid.from_image(image)
        tumor = _tumor(scan.mask, grid)
        short: tuple[str, ...] = ()
        if lung_files:
            window, short = lung_window(lung_files, grid)
            tumor = tumor[window]
            start, size = [s.start for s in window[::-1]], list(tumor.shape[::-1])
            image = sitk.RegionOfInterest(image, size, start)
    names = (scan.image.name, scan.mask.name, *(path.name for path in lung_files))
    remarks = [str(warning.message) for warning in caught if issubclass(warning.category, VolumeWarning)]
    for name in names:
        remarks = [remark.replace(name, "A file") for remark in remarks]
    mask = Grid.from_image(image).image_from_array(tumor.astype(np.uint8))
    return sitk.Cast(image, sitk.sitkFloat32), mask, [*dict.fromkeys(remarks), *short]


def _tumor(path: Path, grid: Grid) -> NDArray[np.bool_]:
    """Reads the tumor voxels, any label above 0, on the grid of the PET, (k, j, i)."""
    labels = read_checked(path)
    inside = sitk.GetArrayViewFromImage(labels) > 0
    if not inside.any():
        return np.zeros(grid.size_ijk[::-1], dtype=bool)
    points = Grid.from_image(labels).index_to_lps(np.argwhere(inside)[:, ::-1])
    index, tolerance = grid.lps_to_index(points), 0.5 + FACE_TOLERANCE_MM
    if (index < -tolerance).any() or (index > np.array(grid.size_ijk) - 1 + tolerance).any():
        raise TrainingDataError(f"{path.name} has tumor outside the PET. Check that both belong to one scan.")
    tumor = nearest_on_grid(labels, grid) > 0
    if not tumor.any():
        raise TrainingDataError(f"{path.name} has tumor, but it is smaller than a voxel of the PET and vanished.")
    return tumor


def _measures(mask: sitk.Image) -> Row:
    tumor = sitk.GetArrayViewFromImage(mask) > 0
    lesions = ndimage.label(tumor[around(tumor)])[1] if tumor.any() else 0
    volume_ml = np.count_nonzero(tumor) * float(np.prod(mask.GetSpacing())) / 1000
    return {"tumor_ml": f"{volume_ml:.3f}", "lesions": str(lesions)}


def _row(scan: ReleaseScan, source: Path, lung_files: Sequence[Path]) -> Row:
    """Returns what is known of a case before it is made."""
    files = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in (scan.image, scan.mask, *lung_files)]
    return {
        "case": scan.case,
        "patient": scan.patient,
        "image_source": scan.image.relative_to(source.absolute()).as_posix(),
        "mask_source": scan.mask.relative_to(source.absolute()).as_posix(),
        "made_from": hashlib.sha256(json.dumps([_WAY, files]).encode()).hexdigest()[:16],
    }


def _read_table(output: Path) -> dict[str, Row]:
    """Returns the rows of ``cases.csv`` by case; none if there is no such file."""
    path = output / CASES_FILE
    if not path.is_file():
        return {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            rows = list(reader)
    except (csv.Error, UnicodeDecodeError) as error:
        raise TrainingDataError(f"{path} is damaged ({error}). Give another folder.") from error
    if tuple(reader.fieldnames or ()) != COLUMNS or any(None in row or None in row.values() for row in rows):
        raise TrainingDataError(f"{path} is not a table of `tumorgen prepare`. Give another folder.")
    return {row["case"]: row for row in rows}


def _write_table(output: Path, rows: Mapping[str, Row]) -> None:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows[case] for case in sorted(rows))
    with replacing(output / CASES_FILE) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8", newline="")
