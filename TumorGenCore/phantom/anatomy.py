"""Label maps of whole bodies: reads them, and gives the signed distance to each organ's surface."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from TumorGenCore.errors import UnsupportedVolumeError
from TumorGenCore.phantom.landmarks import LANDMARKS, Landmarks
from TumorGenCore.phantom.shapes import Array, Points

__all__ = ["Anatomy", "Solid", "read_anatomy"]

#: Space around an organ for which its distance is known, mm.
_MARGIN_MM = 16.0
#: The legs end so far below mid-thigh, mm; less takes time for nothing.
_BELOW_MM = 100.0
#: Voxels for the skin, mm.
_SKIN_VOXEL_MM = 4.0
#: Distances are smoothed over this part of a voxel, so that the voxels' corners do not show.
_SMOOTH_VOXELS = 0.8


@dataclass(frozen=True)
class Solid:
    """An organ of a label map.

    Args:
        distance: signed distance to the surface, mm, negative inside, (k, j, i) of the block that holds the organ.
        start: x, y and z of the block's first voxel center, in the label map's coordinates, mm.
        spacing_mm: distance of the voxel centers.
    """

    distance: Array
    start: NDArray[np.float64]
    spacing_mm: float

    @property
    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lower and upper corner (x, y, z) of the block, in the label map's coordinates, mm."""
        return self.start, self.start + self.spacing_mm * (np.array(self.distance.shape[::-1]) - 1)

    @property
    def center(self) -> NDArray[np.float64]:
        """Center of mass (x, y, z), in the label map's coordinates, mm."""
        middle = np.array(ndimage.center_of_mass(self.distance < 0))[::-1]
        return self.start + self.spacing_mm * middle

    def at(self, points: Points) -> Array:
        """Returns the signed distance, mm, at points x, y and z of one shape; far outside it is the block's margin."""
        steps = [(points[n] - np.float32(self.start[n])) / np.float32(self.spacing_mm) for n in (2, 1, 0)]
        far = float(self.distance.max())
        return ndimage.map_coordinates(self.distance, steps, order=1, mode="constant", cval=far, output=np.float32)


@dataclass(frozen=True)
class Anatomy:
    """A whole body as labels.

    Args:
        labels: number of the organ of each voxel, (k, j, i): k up, j to the back, i to the left; 0 is air around.
        names: number of each organ.
        spacing_mm: edge of the voxels.
        landmarks: where the places of the project's own phantom lie in this body.
    """

    labels: NDArray[np.uint8]
    names: dict[str, int]
    spacing_mm: float
    landmarks: Landmarks
    _known: dict[tuple[str, bool], Solid] = field(default_factory=dict, init=False, repr=False, compare=False)

    def has(self, organ: str) -> bool:
        """Says whether the body has this organ."""
        return organ in self.names

    def solid(self, organ: str, filled: bool = False) -> Solid:
        """Returns an organ; ``filled`` closes its hollows, slice by slice in all three directions.

        Raises:
            UnsupportedVolumeError: the body has no such organ.
        """
        if organ not in self.names:
            raise UnsupportedVolumeError(f"The anatomy has no {organ!r}; it has {', '.join(self.names)}.")
        if (organ, filled) not in self._known:  # kept, because one label map makes many bodies
            self._known[organ, filled] = _solid(self.labels == self.names[organ], self.spacing_mm, filled)
        return self._known[organ, filled]

    def skin(self) -> Solid:
        """Returns the body with everything in it, on voxels of 3 to 4 mm, which is enough for skin."""
        if ("", False) not in self._known:
            step = max(1, round(_SKIN_VOXEL_MM / self.spacing_mm))
            self._known["", False] = _solid(self.labels[::step, ::step, ::step] > 0, step * self.spacing_mm)
        return self._known["", False]


def _solid(mask: NDArray[np.bool_], spacing_mm: float, filled: bool = False) -> Solid:
    margin = int(np.ceil(_MARGIN_MM / spacing_mm))
    places = [np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {n}))) for n in range(3)]
    block = np.pad(mask[tuple(slice(p[0], p[-1] + 1) for p in places)], margin)
    if filled:
        block = _filled(block)
    image = sitk.GetImageFromArray(block.astype(np.uint8))
    steps = sitk.SignedMaurerDistanceMap(image, squaredDistance=False)
    # In voxels from the outermost ones of the organ; its surface lies half a voxel farther out.
    distance = (sitk.GetArrayFromImage(steps) - np.float32(0.5)) * np.float32(spacing_mm)
    start = spacing_mm * (np.array([p[0] for p in places[::-1]], dtype=np.float64) - margin)
    return Solid(ndimage.gaussian_filter(distance, _SMOOTH_VOXELS), start, spacing_mm)


def _filled(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Closes hollows that at least one slice encloses, in each direction."""
    full = mask.copy()
    for axis in range(3):
        for n in range(mask.shape[axis]):
            window = tuple(n if a == axis else slice(None) for a in range(3))
            full[window] |= ndimage.binary_fill_holes(mask[window])
    return full


def read_anatomy(path: Path) -> Anatomy:
    """Reads a label map of a whole body.

    Two kinds are known: ``labels`` (k, j, i) with ``spacing_mm`` and the body's back at high j; and ``labels`` with the
    axes x to the left, y up and z to the front, with ``pitch_m``. Both have ``names``, JSON from number to name.

    Args:
        path: the file, .npz, named as one of ``LANDMARKS``.

    Raises:
        UnsupportedVolumeError: the file cannot be read, lacks an entry, or is none of the known bodies.
    """
    if path.stem not in LANDMARKS:
        raise UnsupportedVolumeError(
            f"The anatomy {path.name} is not known; choose one of {', '.join(f'{name}.npz' for name in LANDMARKS)}."
        )
    try:
        with np.load(path, allow_pickle=False) as file:
            labels, names = file["labels"], json.loads(str(file["names"]))
            upright = "spacing_mm" not in file
            labels = labels.transpose(1, 2, 0)[:, ::-1].copy() if upright else labels
            spacing = 1000 * float(file["pitch_m"]) if upright else float(file["spacing_mm"].mean())
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise UnsupportedVolumeError(f"The anatomy {path} cannot be read: {error}. Get the file again.") from error
    landmarks = LANDMARKS[path.stem]
    labels[: int((landmarks.table[0, 1] - _BELOW_MM) / spacing)] = 0
    return Anatomy(labels, {name: int(number) for number, name in names.items()}, spacing, landmarks)
