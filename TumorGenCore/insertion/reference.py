"""The reference region of a ratio, such as the liver: where it comes from, and its mean SUV in a scan."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from TumorGenCore.errors import InvalidRequestError
from TumorGenCore.insertion.request import TumorRequest
from TumorGenCore.volumes.geometry import Grid
from TumorGenCore.volumes.label_map import read_label_map
from TumorGenCore.volumes.read import read_mask
from TumorGenCore.volumes.suffixes import READABLE_SUFFIXES, known_suffix
from TumorGenCore.volumes.volume import PetVolume

__all__ = ["Reference", "region_suv"]


@dataclass(frozen=True)
class Reference:
    """A ratio of SUVmean to the mean SUV of a region; ``of`` makes it.

    Args:
        ratio: the wanted ratio.
        file: mask file of the region, or label map.
        label: name or number of the region in the label map; None for a mask file.
    """

    ratio: float
    file: Path
    label: str | None = None

    @classmethod
    def of(
        cls, ratio: float, region: str, labels: Path | None, folder: str | os.PathLike[str] | None = None
    ) -> Reference:
        """Makes it from what users write.

        Args:
            ratio: the wanted ratio.
            region: mask file, or name or number of a label.
            labels: label map.
            folder: folder of relative paths of masks; None is the current one.

        Raises:
            InvalidRequestError: the ratio cannot be used, or the region is a label and there is no label map.
        """
        TumorRequest(to_reference=ratio, reference_suv=1.0)  # It checks the ratio.
        if known_suffix(Path(region), READABLE_SUFFIXES):
            return cls(ratio, Path(folder or ".") / region)
        if labels is None:
            raise InvalidRequestError(
                f"The reference {region!r} is no mask file ({', '.join(READABLE_SUFFIXES)}). Give a mask file, or also "
                "the label map (labels) that has this label."
            )
        return cls(ratio, labels, region)

    def asked(self, request: TumorRequest, volume: PetVolume) -> TumorRequest:
        """Returns a request with this ratio, after measuring the region in the scan.

        Args:
            request: everything else that the user wants.
            volume: the scan before the insertion.

        Raises:
            InvalidRequestError: the request has another uptake, or the region cannot be used.
            UnsupportedVolumeError: the file cannot be used.
        """
        if self.label is None:
            region = read_mask(self.file, Grid.from_image(volume.image))
        else:
            region = read_label_map(self.file, volume.image).mask(self.label)
        # A file name may name a patient, so only the name of a label is recorded.
        return replace(request, to_reference=self.ratio, reference_suv=region_suv(volume, region), reference=self.label)


def region_suv(volume: PetVolume, region: NDArray[np.bool_]) -> float:
    """Mean SUV of a region.

    Args:
        volume: the scan.
        region: voxels (k, j, i) of the region.

    Raises:
        InvalidRequestError: the region is empty, or has no uptake.
    """
    if not region.any():
        raise InvalidRequestError(
            "The reference region has no voxel on the scan. Choose another region, or check that both belong together."
        )
    mean = float(sitk.GetArrayViewFromImage(volume.image)[region].mean(dtype=np.float64) * volume.units.suv_factor)
    if not (math.isfinite(mean) and mean > 0):
        raise InvalidRequestError(
            f"The mean SUV of the reference region is {mean:.3g}, so a ratio to it means nothing. Choose another "
            "region."
        )
    return mean
