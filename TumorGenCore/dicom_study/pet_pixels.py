"""16-bit pixels of PET slices, with one slope per slice and intercept 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from TumorGenCore.dicom_study.kept_tags import raw_values
from TumorGenCore.volumes.dicom_values import header_number

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["SLOPE_TAGS", "Stored", "stored_like", "stored_values"]

#: Tags of the source that ``stored_like`` needs.
SLOPE_TAGS: list[Any] = ["RescaleSlope", "RescaleIntercept", "PixelRepresentation"]

_HIGHEST = 32767  # of int16; its lowest is not used
#: Steps by which a value may miss a stored value and still be one: float32 has 24 bits, a pixel 16.
_ROUNDING = 0.02


@dataclass(frozen=True)
class Stored:
    """Pixels of a slice: value = pixel * slope, off by half a slope at most.

    Args:
        pixels: int16 or uint16 (row, column).
        slope: text of the slope (DS), at most 16 characters.
    """

    pixels: NDArray[Any]
    slope: str

    def write(self, header: Dataset) -> None:
        """Writes pixels and slope into a slice (PS3.3 C.8.9.4: 16 bits, intercept 0)."""
        header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
        header.BitsAllocated, header.BitsStored, header.HighBit = 16, 16, 15
        header.PixelRepresentation = int(self.pixels.dtype.kind == "i")
        header.RescaleIntercept, header.RescaleSlope = "0", self.slope
        header.PixelData = self.pixels.astype(self.pixels.dtype.newbyteorder("<")).tobytes()


def stored_values(values: NDArray[np.float64]) -> Stored:
    """Returns pixels for values that may need any slope.

    Args:
        values: finite numbers (row, column).
    """
    highest = float(np.abs(values).max())
    slope = _slope_text(highest / _HIGHEST * (1 + 1e-8) if highest > 0 else 1.0)
    return Stored(np.rint(values / float(slope)).astype(np.int16), slope)


def stored_like(values: NDArray[np.float64], source: Dataset, scale: float) -> Stored:
    """Returns pixels for a slice with the slope of its source, so that voxels without change keep their stored value.

    A changed slice with few steps gets smaller ones, of which the old ones are multiples. If the source has an
    intercept, or 16 bits do not suffice, the slice gets another slope.

    Args:
        values: finite numbers (row, column): ``scale`` times the rescaled values of the series, with the tumor.
        source: header of the slice with ``SLOPE_TAGS``.
        scale: written value per rescaled value of the series.
    """
    given = "".join(raw_values(source, "RescaleSlope"))
    slope = (header_number(source, "RescaleSlope") or 0.0) * scale
    if header_number(source, "RescaleIntercept") or slope <= 0:
        return stored_values(values)
    text = given if scale == 1 and len(given) <= 16 else _slope_text(slope)
    steps = values / float(text)
    highest = float(np.abs(steps).max())
    if highest > 0 and np.abs(steps - np.rint(steps)).max() > _ROUNDING and (parts := int(_HIGHEST // highest)) > 1:
        text = _slope_text(slope / parts)
    pixels = np.rint(values / float(text))
    kind = np.int16 if header_number(source, "PixelRepresentation") or pixels.min() < 0 else np.uint16
    limits = np.iinfo(kind)
    if pixels.min() < limits.min or pixels.max() > limits.max:
        return stored_values(values)
    return Stored(pixels.astype(kind), text)


def _slope_text(slope: float) -> str:
    return f"{slope:.9e}"
