"""The PET series of a study: the scan with its synthetic tumor."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from TumorGenCore.dicom_study.identity import Identity
from TumorGenCore.dicom_study.kept_tags import raw_values
from TumorGenCore.dicom_study.pet_header import SOURCE_TAGS, headers_of_grid, headers_of_series
from TumorGenCore.dicom_study.pet_pixels import SLOPE_TAGS, stored_like, stored_values
from TumorGenCore.errors import UnsupportedVolumeError
from TumorGenCore.volumes.dicom_seg import check_on_slices
from TumorGenCore.volumes.dicom_series import pet_series
from TumorGenCore.volumes.geometry import Grid
from TumorGenCore.volumes.suv import units_from_dicom

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["PetSeries", "source_slices"]

#: Share by which the SUV factor of the new headers may differ from that of the scan.
_FACTOR_TOLERANCE = 1e-9
#: Largest cosine between axes of a grid that DICOM can hold: it knows right angles only.
_LARGEST_SHEAR = 1e-3


@dataclass(frozen=True)
class PetSeries:
    """Slices to write, in the order of their k.

    Args:
        image: result, on the grid of the slices.
        headers: new headers, one per slice, without pixels.
        scale: written value per voxel value of the result.
        sources: headers of the scan's slices, with ``SLOPE_TAGS``; empty if the scan is no DICOM series.
    """

    image: sitk.Image
    headers: Sequence[Dataset]
    scale: float
    sources: Sequence[Dataset] = ()

    @classmethod
    def of(
        cls, image: sitk.Image, provenance: Mapping[str, Any], identity: Identity, sources: Sequence[Dataset]
    ) -> PetSeries:
        """Makes the headers of a result.

        Values in Bq/mL stay as they are if the new headers lead to the same SUV. Other values are written as SUV
        (GML): those with a factor that the user gave, counts, and series whose SUV needs a private tag.

        Args:
            image: whole result, in the units of the scan.
            provenance: its record, with ``suv_factor``.
            identity: identity of the study.
            sources: ``source_slices`` of the scan, or nothing.

        Raises:
            UnsupportedVolumeError: the image is not on the grid of the slices, or has sheared axes.
        """
        factor = float(provenance["suv_factor"])
        if not sources:
            grid = Grid.from_image(image)
            axes = np.asarray(grid.direction)
            if np.abs(axes.T @ axes - np.eye(3)).max() > _LARGEST_SHEAR:
                raise UnsupportedVolumeError(
                    "The axes of the volume are not perpendicular, which DICOM cannot hold. Resample the volume first."
                )
            return cls(image, headers_of_grid(grid, identity, provenance), factor)
        check_on_slices(image, sources)
        if {"".join(raw_values(header, "Units")) for header in sources} == {"BQML"}:
            headers = headers_of_series(sources, identity, "BQML", provenance)
            if _leads_to(headers, factor):
                return cls(image, headers, 1.0, sources)
        return cls(image, headers_of_series(sources, identity, "GML", provenance), factor, sources)

    def slices(self) -> Iterator[Dataset]:
        """Yields each slice with its pixels, which go when the next slice is asked for."""
        voxels = sitk.GetArrayViewFromImage(self.image)
        for k, header in enumerate(self.headers):
            values = voxels[k].astype(np.float64) * self.scale
            stored = stored_like(values, self.sources[k], self.scale) if self.sources else stored_values(values)
            stored.write(header)
            yield header
            del header.PixelData


def source_slices(series: Path | Sequence[Path]) -> list[Dataset]:
    """Returns the headers of a PET series with what a study needs of them, sorted along the normal of the slices.

    Args:
        series: folder of the series, or its files.

    Raises:
        UnsupportedVolumeError: see ``pet_series``.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of pydicom may quote a person's tags
        return pet_series(series, [*SOURCE_TAGS, *SLOPE_TAGS])[1]


def _leads_to(headers: Sequence[Dataset], factor: float) -> bool:
    """Whether a reader finds this SUV factor in the headers."""
    try:
        found = units_from_dicom(headers)
    except UnsupportedVolumeError:
        return False
    return math.isclose(found.suv_factor, factor, rel_tol=_FACTOR_TOLERANCE)
