"""The training lesions in a bundle: their thumbnails tell a copy from a new tumor, their traits what lesions are like.

A thumbnail shows a lesion in its own frame (``likeness``): shape and uptake pattern, without place, size or height of
the uptake. Traits (``traits``) are its volume and two numbers for shape and texture. Nothing names a patient.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from TumorGenCore.lesions.likeness import in_lesion_frame, likeness, unit_vectors
from TumorGenCore.lesions.traits import COLUMNS

__all__ = ["LEAST_PATIENTS", "MOST_LESIONS", "Neighbor", "TrainingLesions", "thumbnail"]

#: Points along each edge of a thumbnail. 12 are enough to recognize a copy on the grid of another scanner.
POINTS = 12
#: Largest number of thumbnails; it keeps the file below 500 kB.
MOST_LESIONS = 280
#: Fewer patients do not show how alike the lesions of different patients are.
LEAST_PATIENTS = 3
#: Percentile of the distances between training lesions; smaller distances are unusually small.
PERCENTILE = 5.0

#: The stored value of the lesion's 95th percentile; 0 is outside the lesion.
_FULL = 128


@dataclass(frozen=True)
class Neighbor:
    """Distance of a lesion to the most similar training lesion.

    Args:
        distance: 1 - likeness; 0 is the same lesion.
        ratio: the distance divided by the distance to the nearest lesion of any other patient. It is small if only one
            lesion is near: a plain lump is near to many lesions, a copy to one.
    """

    distance: float
    ratio: float


@dataclass(frozen=True)
class TrainingLesions:
    """Thumbnails and traits of a bundle's training lesions.

    Args:
        frames: uint8 (n, 12, 12, 12), see ``thumbnail``.
        patients: int32 (n,): a number for each patient, which only shows which lesions belong together.
        traits: float32 (n, 3), see ``lesion_traits``; None in bundles of software before 0.6.0.

    Raises:
        ValueError: the arrays are not thumbnails and traits, or they show fewer than three patients.
    """

    frames: NDArray[np.uint8]
    patients: NDArray[np.int32]
    traits: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        if self.frames.dtype != np.uint8 or self.frames.shape[1:] != (POINTS,) * 3:
            raise ValueError(f"thumbnails are {self.frames.dtype} {self.frames.shape}, not uint8 (n, 12, 12, 12)")
        if self.patients.shape != self.frames.shape[:1]:
            raise ValueError(f"patients has the shape {self.patients.shape}, not ({len(self.frames)},)")
        if len(np.unique(self.patients)) < LEAST_PATIENTS:
            raise ValueError(f"the lesions belong to fewer than {LEAST_PATIENTS} patients")
        if self.traits is not None:
            wanted = (len(self.frames), len(COLUMNS))
            if self.traits.dtype != np.float32 or self.traits.shape != wanted:
                raise ValueError(f"traits are {self.traits.dtype} {self.traits.shape}, not float32 {wanted}")
            if not np.isfinite(self.traits[:, 0]).all():
                raise ValueError("a lesion has no volume")

    def nearest(self, suv: NDArray, mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> Neighbor:
        """Finds the training lesion that is most like a lesion.

        Args:
            suv: SUV, (k, j, i).
            mask: (k, j, i), true inside the lesion, not empty.
            spacing_mm: voxel edges along i, j, k.

        Raises:
            ValueError: the mask is empty.
        """
        frame = thumbnail(suv, mask, spacing_mm)
        distances = 1 - likeness(unit_vectors(frame[None]), self._vectors)[0]
        return _neighbor(distances, self.patients)

    @cached_property
    def usual(self) -> Neighbor:
        """5th percentiles over the training lesions, each compared with the lesions of other patients."""
        distances = 1 - likeness(self._vectors, self._vectors)
        others = self.patients[:, None] != self.patients
        found = [_neighbor(row[where], self.patients[where]) for row, where in zip(distances, others, strict=True)]
        least = np.percentile([(n.distance, n.ratio) for n in found], PERCENTILE, axis=0)
        return Neighbor(float(least[0]), float(least[1]))

    def save(self, path: Path) -> None:
        """Writes a safetensors file.

        Raises:
            OSError: the file cannot be written.
        """
        from safetensors.numpy import save  # here: Slicer's panel imports this module before safetensors is there

        traits = {} if self.traits is None else {"traits": self.traits}
        path.write_bytes(save({"frames": self.frames, "patients": self.patients, **traits}))

    @classmethod
    def load(cls, path: Path) -> TrainingLesions:
        """Reads a file from ``save``.

        Raises:
            ValueError: the file does not hold thumbnails.
            OSError: the file cannot be read.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            tensors = load_file(path)
            return cls(tensors.pop("frames"), tensors.pop("patients"), **tensors)
        except (SafetensorError, KeyError, TypeError) as error:
            raise ValueError(f"it holds no thumbnails of lesions ({error})") from error

    @cached_property
    def _vectors(self) -> NDArray[np.float32]:
        return unit_vectors(self.frames)


def thumbnail(suv: NDArray, mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> NDArray[np.uint8]:
    """Makes the thumbnail of a lesion, see ``in_lesion_frame``.

    Args:
        suv: SUV, (k, j, i).
        mask: (k, j, i), true inside the lesion, not empty.
        spacing_mm: voxel edges along i, j, k.

    Returns:
        uint8 (12, 12, 12): 0 outside the lesion, uptake inside, with 128 at the 95th percentile.

    Raises:
        ValueError: the mask is empty.
    """
    frame = in_lesion_frame(suv, mask, spacing_mm, POINTS)
    return np.where(frame == 0, 0, np.clip(np.rint(frame * _FULL), 1, 255)).astype(np.uint8)


def _neighbor(distances: NDArray, patients: NDArray) -> Neighbor:
    first = int(np.argmin(distances))
    others = distances[patients != patients[first]]
    return Neighbor(float(distances[first]), float(distances[first] / max(float(others.min()), 1e-9)))
