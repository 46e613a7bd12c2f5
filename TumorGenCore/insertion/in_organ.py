"""Places by the name of an organ, as users ask for them in every front end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from TumorGenCore.insertion.request import TumorRequest
from TumorGenCore.lesions.ball import ball_diameter_mm

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from TumorGenCore.volumes.geometry import Box
    from TumorGenCore.volumes.volume import PetVolume

__all__ = ["DRAWN", "InOrgan", "lesion_diameter_mm"]

#: Word for a number of lesions that is drawn.
DRAWN = "drawn"


@dataclass(frozen=True)
class InOrgan:
    """Lesions in an organ of a label map.

    Args:
        name: name or number of the organ; see ``LabelMap.mask``.
        labels: label map; see ``read_label_map``.
        count: number of lesions; None draws it.
    """

    name: str
    labels: Path
    count: int | None = 1

    def mask(self, volume: PetVolume) -> NDArray[np.bool_]:
        """Returns the voxels of the organ, (k, j, i) of the scan.

        Raises:
            UnsupportedVolumeError: the label map cannot be used, or does not lie on the scan.
            InvalidRequestError: it has no such organ.
        """
        from TumorGenCore.volumes.label_map import read_label_map

        return read_label_map(self.labels, volume.image).mask(self.name)

    def boxes(
        self,
        volume: PetVolume,
        request: TumorRequest,
        seed: int | np.random.Generator,
        mask: NDArray[np.bool_] | None = None,
        even_sizes: bool = False,
    ) -> list[Box]:
        """Draws a box for each lesion; see ``boxes_in_organ``.

        Args:
            volume: the scan.
            request: its size decides those of the boxes, if it is a diameter or a volume.
            seed: decides places, sizes and a drawn number.
            mask: the voxels of ``mask``, if they are there already.
            even_sizes: see ``boxes_in_organ``.

        Raises:
            InvalidBoxError: there is no room for so many lesions.
            UnsupportedVolumeError, InvalidRequestError: see ``mask``.
        """
        from TumorGenCore.lesions.organ_places import boxes_in_organ

        organ = self.mask(volume) if mask is None else mask
        return boxes_in_organ(volume, organ, self.name, self.count, seed, lesion_diameter_mm(request), even_sizes)


def lesion_diameter_mm(request: TumorRequest) -> float | None:
    """Returns the diameter, mm, of a ball with the volume that a request asks for; None if it leaves that open."""
    if request.volume_ml is not None:
        return ball_diameter_mm(request.volume_ml)
    return request.diameter_mm
