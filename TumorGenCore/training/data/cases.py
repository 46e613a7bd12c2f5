"""Training cases on disk: ``CASE_image`` with ``CASE_mask``, in any format that TumorGen reads, split by patient."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from TumorGenCore.errors import TrainingDataError, UnsupportedVolumeError
from TumorGenCore.lesions.agreement import ranking
from TumorGenCore.lesions.extent import pieces
from TumorGenCore.lesions.placement import find_body
from TumorGenCore.volumes.geometry import Grid
from TumorGenCore.volumes.integrity import read_checked
from TumorGenCore.volumes.suffixes import READABLE_SUFFIXES, SEGMENTATION_SUFFIX, known_suffix

__all__ = ["Case", "Lesion", "case_files", "lesion_mask", "load_cases", "split_patients", "voxels_at"]

#: Distance from the tumor of the tissue that its contrast is measured against, least and most, mm.
_SHELL_MM = (4, 14)
_MASK_SUFFIXES = (SEGMENTATION_SUFFIX, *READABLE_SUFFIXES)


@dataclass(frozen=True)
class Lesion:
    """One connected tumor of a case.

    Args:
        points_lps: its voxel centers, (n, 3), mm.
        volume_ml: its volume.
        contrast: chance that a voxel inside is hotter than a voxel 4 to 14 mm outside (area under the ROC curve).
    """

    points_lps: NDArray[np.float64]
    volume_ml: float
    contrast: float


@dataclass(frozen=True)
class Case:
    """One scan.

    Args:
        name: the file name before ``_image``.
        patient: the patient; all scans of a patient are on one side of the split.
        image: SUV, float32.
        mask: 0/1 uint8 on the same grid.
        lesions: connected tumors of at least ``least_ml``.
        healthy_lps: voxel centers in the body, away from tumors and excluded regions, (n, 3), mm.
        body_lps: voxel centers in the body, (n, 3), mm.
    """

    name: str
    patient: str
    image: sitk.Image
    mask: sitk.Image
    lesions: tuple[Lesion, ...]
    healthy_lps: NDArray[np.float64]
    body_lps: NDArray[np.float64]


def load_cases(
    folder: Path,
    names: Sequence[str] | None = None,
    exclude_lps_mm: Mapping[str, Sequence[Sequence[float]]] | None = None,
    patient_pattern: str = r"^(.+)$",
    least_ml: float = 0.3,
) -> list[Case]:
    """Reads all cases below ``folder``, in the order of their names.

    Args:
        folder: folder to search, with its subfolders.
        names: cases to read; None reads all.
        exclude_lps_mm: boxes (x0, x1, y0, y1, z0, z1; LPS mm) by case name, with disease that has no contour; their
            tissue does not count as healthy.
        patient_pattern: regular expression matched on the case name; its first group is the patient.
        least_ml: smaller tumors are not used for training.

    Raises:
        TrainingDataError: no case, a missing case, two cases with one name, two masks for one image, an unreadable
            file, or a mask that does not fit its image.
    """
    files = case_files(folder, names)
    if not files:
        raise TrainingDataError(
            f"No image of a case was found below {folder}; name the files CASE_image.nii.gz (or another format)."
        )
    excluded = exclude_lps_mm or {}
    missing = sorted(set(excluded if names is None else names) - set(files))
    if missing:
        raise TrainingDataError(f"No image of the cases {missing} was found below {folder}; correct the names.")
    return [_load_case(name, path, excluded.get(name, ()), patient_pattern, least_ml) for name, path in files.items()]


def case_files(folder: Path, names: Sequence[str] | None = None) -> dict[str, Path]:
    """Returns the image files of the cases, by case name and in the order of the names.

    Hidden files and folders are skipped: they hold unfinished files of a killed run, or notes of the system.

    Args:
        folder: folder to search, with its subfolders.
        names: cases to look for, ignoring missing ones; None looks for all.

    Raises:
        TrainingDataError: two cases have one name.
    """
    files: dict[str, Path] = {}
    for path in sorted(Path(folder).rglob("*_image.*")):
        case = _case_name(path, "_image", READABLE_SUFFIXES)
        hidden = any(part.startswith(".") for part in path.relative_to(Path(folder)).parts)
        if case is None or hidden or (names is not None and case not in names):
            continue
        if case in files:
            raise TrainingDataError(
                f"Two images of a case {case} were found, {files[case].name} and {path.name}; give each case a name of "
                "its own."
            )
        files[case] = path
    return files


def split_patients(
    cases: Sequence[Case], validation_share: float, seed: int, always_train: Sequence[str] = ()
) -> tuple[list[Case], list[Case]]:
    """Splits cases into training and validation; no patient is on both sides.

    The split ranks patients by a hash of seed and name, and holds out the first ones. So an added patient moves at most
    one other patient to the other side.

    Args:
        cases: cases to split.
        validation_share: share of patients held out, 0 to 1, among those not in ``always_train``.
        seed: seed of the ranks.
        always_train: patients that are never held out.

    Returns:
        Training cases and validation cases, each in the order of ``cases``.
    """
    patients = sorted({c.patient for c in cases if c.patient not in always_train})
    ranked = sorted(patients, key=lambda p: hashlib.sha256(f"{seed}/{p}".encode()).hexdigest())
    held_out = set(ranked[: round(validation_share * len(ranked))])
    return [c for c in cases if c.patient not in held_out], [c for c in cases if c.patient in held_out]


def _load_case(
    name: str, path: Path, excluded: Sequence[Sequence[float]], patient_pattern: str, least_ml: float
) -> Case:
    image = sitk.Cast(_read(path), sitk.sitkFloat32)
    try:
        grid = Grid.from_image(image)
    except UnsupportedVolumeError as error:
        raise TrainingDataError(f"{path.name}: {error}") from error
    suv = sitk.GetArrayFromImage(image)
    if not np.isfinite(suv).all():
        raise TrainingDataError(f"{path.name} contains NaN or Inf; repair the file or remove it.")
    tumor = _read_mask(name, path, image)
    match = re.match(patient_pattern, name)
    if match is None:
        raise TrainingDataError(f"patient_pattern {patient_pattern!r} does not match the case {name!r}.")
    spacing_kji = grid.spacing_mm[::-1]
    distance = (
        ndimage.distance_transform_edt(~tumor, sampling=spacing_kji) if tumor.any() else np.full(suv.shape, np.inf)
    )
    body = find_body(suv, grid.spacing_mm)
    body_lps = _points(body, grid)
    healthy_lps = _points(body & (distance > 30.0), grid)
    for box in excluded:
        low, high = np.asarray(box[0::2]), np.asarray(box[1::2])
        healthy_lps = healthy_lps[~np.all((healthy_lps >= low) & (healthy_lps <= high), axis=1)]
    return Case(
        name=name,
        patient=match[1],
        image=image,
        mask=grid.image_from_array(tumor.astype(np.uint8)),
        lesions=_lesions(suv, tumor, grid, least_ml),
        healthy_lps=healthy_lps,
        body_lps=body_lps,
    )


def _read(path: Path) -> sitk.Image:
    try:
        return read_checked(path)
    except UnsupportedVolumeError as error:
        raise TrainingDataError(f"{path.name} cannot be read; export it again or remove it. ({error})") from error


def _case_name(path: Path, kind: str, suffixes: Sequence[str]) -> str | None:
    """Returns the part of a file name before ``kind`` and one of the suffixes; None if the name has another form."""
    suffix = known_suffix(path, suffixes)
    stem = path.name[: -len(suffix)] if suffix else ""
    return stem.removesuffix(kind) if stem.endswith(kind) and stem != kind else None


def _mask_path(name: str, image: Path) -> Path | None:
    """Returns the mask beside the image of a case; None if it has none."""
    masks = sorted(path for path in image.parent.iterdir() if _case_name(path, "_mask", _MASK_SUFFIXES) == name)
    if len(masks) > 1:
        raise TrainingDataError(
            f"{image.name} has {len(masks)} masks, {' and '.join(path.name for path in masks)}; keep one of them."
        )
    return masks[0] if masks else None


def _read_mask(name: str, path: Path, image: sitk.Image) -> NDArray[np.bool_]:
    """Reads the tumor voxels (any label above 0); none if the case has no mask file."""
    mask_path = _mask_path(name, path)
    if mask_path is None:
        return np.zeros(image.GetSize()[::-1], dtype=bool)
    mask = _read(mask_path)
    fits = (
        mask.GetSize() == image.GetSize()
        and np.allclose(mask.GetOrigin(), image.GetOrigin(), atol=0.1)
        and np.allclose(mask.GetSpacing(), image.GetSpacing(), rtol=1e-2)
        and np.allclose(mask.GetDirection(), image.GetDirection(), atol=1e-2)
    )
    if not fits:
        raise TrainingDataError(f"{mask_path.name} does not lie on the grid of {path.name}; resample it to the image.")
    return sitk.GetArrayFromImage(mask) > 0


def _lesions(suv: NDArray, tumor: NDArray[np.bool_], grid: Grid, least_ml: float) -> tuple[Lesion, ...]:
    voxel_ml = float(np.prod(grid.spacing_mm)) / 1000
    spacing_kji = grid.spacing_mm[::-1]
    near, far = _SHELL_MM
    lesions = []
    for block, inside in pieces(tumor, [math.ceil(far / spacing) for spacing in spacing_kji]):
        volume_ml = inside.sum() * voxel_ml
        if volume_ml < least_ml:
            continue
        distance = ndimage.distance_transform_edt(~inside, sampling=spacing_kji)
        shell = (distance > near) & (distance <= far) & ~tumor[block]
        uptake = suv[block]
        lesions.append(Lesion(_points(inside, grid, block), float(volume_ml), ranking(uptake[inside], uptake[shell])))
    return tuple(lesions)


def lesion_mask(lesion: Lesion, grid: Grid) -> NDArray[np.bool_]:
    """Returns the voxels of a lesion as a boolean array (k, j, i) on the grid of its case."""
    return voxels_at(lesion.points_lps, grid)


def voxels_at(points_lps: NDArray, grid: Grid) -> NDArray[np.bool_]:
    """Returns the voxels whose centers are given.

    Args:
        points_lps: voxel centers, (n, 3), LPS mm.
        grid: grid of the voxels.

    Returns:
        Boolean array (k, j, i), true at these voxels.
    """
    mask = np.zeros(grid.size_ijk[::-1], dtype=bool)
    mask[tuple(np.rint(grid.lps_to_index(points_lps)).astype(int).T[::-1])] = True
    return mask


def _points(where: NDArray[np.bool_], grid: Grid, block: Sequence[slice] = ()) -> NDArray[np.float64]:
    """Centers of the true voxels, LPS mm; ``where`` covers the grid or a block of it."""
    start = [part.start for part in block] or 0
    return grid.index_to_lps((np.argwhere(where) + start)[:, ::-1])
