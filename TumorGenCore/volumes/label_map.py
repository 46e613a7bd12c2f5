"""Reads maps of organs: which voxels of a scan belong to which organ, by name or number."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from TumorGenCore.errors import InvalidRequestError, UnsupportedVolumeError
from TumorGenCore.volumes.geometry import Grid
from TumorGenCore.volumes.integrity import named_problems, read_checked
from TumorGenCore.volumes.label_names import TOTAL_SEGMENTATOR, label_names_in_nifti, matching_names
from TumorGenCore.volumes.nrrd_file import NrrdSegments, read_nrrd_segments
from TumorGenCore.volumes.read import check_readable
from TumorGenCore.volumes.suffixes import READABLE_SUFFIXES, known_suffix
from TumorGenCore.volumes.volume import check_volume

__all__ = ["LabelMap", "read_label_map"]

_MOST_LABEL = 2**31 - 1
_LISTED = 20


@dataclass(frozen=True)
class LabelMap:
    """Organs on the grid of a scan.

    Args:
        names: label of each name. Labels without a name are named by their number.
        grid: grid of the scan.
        source: name of the file or folder, for messages.
    """

    names: Mapping[str, int]
    grid: Grid
    source: str
    _voxels: Callable[[int], NDArray[np.bool_]] = field(repr=False)

    def mask(self, label: str | int) -> NDArray[np.bool_]:
        """Returns the voxels of an organ, (k, j, i) on the grid of the scan.

        Args:
            label: name, or a part of it such as ``lung`` for all lobes and ``kidney_left``; or the number of a label.

        Raises:
            InvalidRequestError: the map has no such label, or no voxel of it lies on the scan.
            UnsupportedVolumeError: the mask of the organ cannot be used (if the map is a folder of masks).
        """
        mask = np.zeros(self.grid.size_ijk[::-1], dtype=bool)
        for number in self._numbers(str(label).strip()):
            mask |= self._voxels(number)
        if not mask.any():
            raise InvalidRequestError(
                f"The label {label!r} of {self.source} has no voxel on the scan. Choose another organ"
                f"{self._present()}, or check that scan and labels belong together."
            )
        return mask

    def _numbers(self, label: str) -> list[int]:
        if label in self.names:
            return [self.names[label]]
        if label.isdecimal() and int(label) in self.names.values():
            return [int(label)]
        if names := matching_names(label, self.names):
            return [self.names[name] for name in names]
        similar = difflib.get_close_matches(label.casefold(), self.names, n=3, cutoff=0.6)
        hint = f" Did you mean {' or '.join(similar)}?" if similar else ""
        raise InvalidRequestError(f"{self.source} has no label {label!r}.{hint} Choose an organ{self._present()}.")

    def _present(self) -> str:
        listed = ", ".join(list(self.names)[:_LISTED])
        more = len(self.names) - _LISTED
        return f" of the map ({listed}{f' and {more} more' if more > 0 else ''})"


def read_label_map(path: str | os.PathLike[str], scan: sitk.Image) -> LabelMap:
    """Reads a label map that lies on a scan.

    Args:
        path: a .nii, .nii.gz, .nrrd, .nhdr, .mha or .mhd file with whole numbers; a Slicer segmentation (.seg.nrrd); or
            a folder with one mask for each organ, such as liver.nii.gz (TotalSegmentator writes both). The names are
            those in the file, or of the masks; else those of TotalSegmentator's labels (task "total").
        scan: the scan. If the map has another grid, a voxel of the scan gets the label of its nearest voxel.

    Warns:
        VolumeWarning: the file is odd or contradicts itself; the message says what was taken.

    Raises:
        UnsupportedVolumeError: the map is missing or damaged, has no whole numbers, or does not lie on the scan.
    """
    path, grid = Path(path), Grid.from_image(scan)
    if path.is_dir():
        return _of_folder(path, grid)
    check_readable(path)
    if path.suffix.lower() in (".nrrd", ".nhdr"):
        with named_problems(path):
            found = read_nrrd_segments(path)
        return _of_segments(path, found, grid) if found.segments else _of_labels(path, found.layers[0], {}, grid)
    image = read_checked(path)
    names = label_names_in_nifti(path) if ".nii" in path.name.lower() else {}
    return _of_labels(path, image, names, grid)


def _of_labels(path: Path, image: sitk.Image, names: Mapping[int, str], grid: Grid) -> LabelMap:
    (labels,) = _on_scan(path.name, [image], grid)
    names = names or TOTAL_SEGMENTATOR
    present = {names.get(n, str(n)): n for n in np.unique(labels).tolist() if n > 0}
    return LabelMap(present, grid, path.name, lambda number: labels == number)


def _of_segments(path: Path, found: NrrdSegments, grid: Grid) -> LabelMap:
    layers = _on_scan(path.name, found.layers, grid)
    names: dict[str, int] = {}
    places: dict[int, tuple[int, int]] = {}
    for name, layer, label in found.segments:
        # Labels of different layers may be equal, and Slicer allows a name twice.
        number = label if len(layers) == 1 else 1 + len(places)
        names[name if name not in names else f"{name} {number}"] = number
        places[number] = layer, label

    def voxels(number: int) -> NDArray[np.bool_]:
        layer, label = places[number]
        return layers[layer] == label

    return LabelMap(names, grid, path.name, voxels)


def _of_folder(path: Path, grid: Grid) -> LabelMap:
    numbers = {name: number for number, name in TOTAL_SEGMENTATOR.items()}
    files: dict[str, Path] = {}
    for file in sorted(path.iterdir()):
        if suffix := known_suffix(file, READABLE_SUFFIXES):
            files.setdefault(file.name[: -len(suffix)], file)
    if not files:
        raise UnsupportedVolumeError(
            f"{path} holds no mask such as liver.nii.gz. Give a label map, or the folder with the masks of the organs."
        )
    others = (name for name in files if name not in numbers)
    names = {name: numbers[name] for name in files if name in numbers}
    names |= {name: number for number, name in enumerate(others, start=1 + len(numbers))}
    file_of = {number: files[name] for name, number in names.items()}

    def voxels(number: int) -> NDArray[np.bool_]:
        image = read_checked(file_of[number])
        if not sitk.GetArrayViewFromImage(image).any():
            return np.zeros(grid.size_ijk[::-1], dtype=bool)
        return _on_scan(file_of[number].name, [image], grid)[0] > 0

    return LabelMap(names, grid, path.name, voxels)


def _on_scan(name: str, layers: Sequence[sitk.Image], grid: Grid) -> list[NDArray]:
    """Returns the labels of each layer, (k, j, i) of the scan; the nearest voxel counts, and 0 outside of the map."""
    checked = [_labels(name, layer) for layer in layers]
    if not any(sitk.GetArrayViewFromImage(layer).any() for layer in checked):
        raise UnsupportedVolumeError(f"{name} has no label: all its voxels are 0. Give a map of organs.")
    on_scan = [
        sitk.Resample(layer, grid.empty_image(layer.GetPixelID()), sitk.Transform(), sitk.sitkNearestNeighbor)
        for layer in checked
    ]
    arrays = [sitk.GetArrayFromImage(layer) for layer in on_scan]
    if not any(array.any() for array in arrays):
        raise UnsupportedVolumeError(
            f"{name} does not lie on the scan: none of its labels is where the scan is. Give the map that was made of "
            "this patient and exam."
        )
    return arrays


def _labels(name: str, image: sitk.Image) -> sitk.Image:
    """Returns the labels as the smallest type of whole numbers that holds them."""
    check_volume(image)
    voxels = sitk.GetArrayViewFromImage(image)
    least, most = float(voxels.min()), float(voxels.max())
    if least < 0 or most > _MOST_LABEL or (voxels.dtype.kind == "f" and not np.array_equal(voxels, np.rint(voxels))):
        raise UnsupportedVolumeError(
            f"{name} is no label map: its values go from {least:g} to {most:g}, but labels are whole numbers from 0 "
            "on. Give the segmentation of the organs, not a scan."
        )
    kind = sitk.sitkUInt8 if most < 256 else sitk.sitkUInt16 if most < 65536 else sitk.sitkInt32
    return image if image.GetPixelID() == kind else sitk.Cast(image, kind)
