"""What a bundle remembers of its training lesions: thumbnails, which tell a copy from a new tumor.

A thumbnail is a lesion in a frame of its own (``likeness``): its shape and the pattern of its uptake, without
place, size or height. Nothing names a patient.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from TumorGenCore.lesions.likeness import in_lesion_frame, likeness, unit_vectors

__all__ = ["LEAST_PATIENTS", "MOST_LESIONS", "Neighbor", "TrainingLesions", "thumbnail"]

#: Points along each edge of a thumbnail. With 12 a copy on another scanner's grid is still recognized.
POINTS = 12
#: So that the file stays below 500 kB.
MOST_LESIONS = 280
#: With fewer, nothing can be said of how alike different patients' lesions are.
LEAST_PATIENTS = 3
#: Of the training lesions' own distances: what is nearer than this percentile is unusually near.
PERCENTILE = 5.0

#: The stored value of the lesion's 95th percentile; 0 is outside the lesion.
_FULL = 128


@dataclass(frozen=True)
class Neighbor:
    """The training lesion that is most like a lesion.

    Args:
        distance: 1 - likeness; 0 is the same lesion.
        ratio: of the distance to that of the nearest lesion of yet another patient; small where one is singled out.
            A plain lump is near to many, a copy is near to one.
    """

    distance: float
    ratio: float


@dataclass(frozen=True)
class TrainingLesions:
    """The thumbnails of a bundle.

    Args:
        frames: uint8 (n, 12, 12, 12), see ``thumbnail``.
        patients: int32 (n,): which lesions belong to one patient, and nothing else.

    Raises:
        ValueError: the arrays are no thumbnails, or show fewer than three patients.
    """

    frames: NDArray[np.uint8]
    patients: NDArray[np.int32]

    def __post_init__(self) -> None:
        if self.frames.dtype != np.uint8 or self.frames.shape[1:] != (POINTS,) * 3:
            raise ValueError(f"thumbnails are {self.frames.dtype} {self.frames.shape}, not uint8 (n, 12, 12, 12)")
        if self.patients.shape != self.frames.shape[:1]:
            raise ValueError(f"{len(self.frames)} thumbnails belong to {self.patients.shape} patients")
        if len(np.unique(self.patients)) < LEAST_PATIENTS:
            raise ValueError(f"the lesions belong to fewer than {LEAST_PATIENTS} patients")

    def nearest(self, suv: NDArray, mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> Neighbor:
        """The training lesion that is most like a lesion.

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
        """5th percentiles of the training lesions themselves, each among those of other patients."""
        distances = 1 - likeness(self._vectors, self._vectors)
        others = self.patients[:, None] != self.patients
        found = [_neighbor(row[where], self.patients[where]) for row, where in zip(distances, others, strict=True)]
        least = np.percentile([(n.distance, n.ratio) for n in found], PERCENTILE, axis=0)
        return Neighbor(float(least[0]), float(least[1]))

    def save(self, path: Path) -> None:
        """Write a safetensors file.

        Raises:
            OSError: the file cannot be written.
        """
        from safetensors.numpy import save  # here: Slicer's panel reads this module before it is installed

        path.write_bytes(save({"frames": self.frames, "patients": self.patients}))

    @classmethod
    def load(cls, path: Path) -> TrainingLesions:
        """Read what ``save`` wrote.

        Raises:
            ValueError: the file holds something else.
            OSError: the file cannot be read.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            tensors = load_file(path)
            return cls(tensors["frames"], tensors["patients"])
        except (SafetensorError, KeyError) as error:
            raise ValueError(f"no thumbnails of lesions ({error})") from error

    @cached_property
    def _vectors(self) -> NDArray[np.float32]:
        return unit_vectors(self.frames)


def thumbnail(suv: NDArray, mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> NDArray[np.uint8]:
    """A lesion in a frame of its own, see ``in_lesion_frame``.

    Args:
        suv: SUV, (k, j, i).
        mask: (k, j, i), true inside the lesion, not empty.
        spacing_mm: voxel edges along i, j, k.

    Returns:
        uint8 (12, 12, 12): 0 outside the lesion, else its uptake, 128 at the 95th percentile.

    Raises:
        ValueError: the mask is empty.
    """
    frame = in_lesion_frame(suv, mask, spacing_mm, POINTS)
    return np.where(frame == 0, 0, np.clip(np.rint(frame * _FULL), 1, 255)).astype(np.uint8)


def _neighbor(distances: NDArray, patients: NDArray) -> Neighbor:
    first = int(np.argmin(distances))
    others = distances[patients != patients[first]]
    return Neighbor(float(distances[first]), float(distances[first] / max(float(others.min()), 1e-9)))
