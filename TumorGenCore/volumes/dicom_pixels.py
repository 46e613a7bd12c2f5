"""Decodes the pixels of a DICOM slice and rescales them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from TumorGenCore.errors import UnsupportedVolumeError
from TumorGenCore.volumes.dicom_values import header_number, header_value

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["PIXEL_TAGS", "rescaled_pixels"]

#: Tags that ``rescaled_pixels`` needs.
PIXEL_TAGS: list[Any] = [
    "SOPClassUID",
    "SOPInstanceUID",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "RescaleSlope",
    "RescaleIntercept",
    "PixelData",
]


def rescaled_pixels(header: Dataset, name: str) -> NDArray[np.float32]:
    """Returns the voxels of a slice: stored value * RescaleSlope + RescaleIntercept.

    MONOCHROME1 is about display only and changes no value.

    Args:
        header: header with ``PIXEL_TAGS``; its photometric interpretation, and of compressed pixels its rescaling, are
            replaced.
        name: name of the file, for messages.

    Returns:
        float32 (row, column).

    Raises:
        UnsupportedVolumeError: a tag is missing or wrong, the pixels are not gray, or they are damaged.
    """
    try:
        slope, intercept = _rescaling(header)
        stored = _stored_values(header)
    except UnsupportedVolumeError as error:
        raise UnsupportedVolumeError(f"{name} cannot be read: {error}") from error
    except Exception as error:  # decoders raise many kinds for damaged pixels
        raise UnsupportedVolumeError(
            f"{name} cannot be read: its pixels are damaged or of an unknown kind ({type(error).__name__}: "
            f"{str(error)[:200]}). Copy or export the series again."
        ) from error
    return (stored * slope + intercept).astype(np.float32)


def _rescaling(dataset: Dataset) -> tuple[float, float]:
    slope = header_number(dataset, "RescaleSlope")
    if slope is None:
        raise UnsupportedVolumeError(
            "RescaleSlope is missing, but PET needs it: without it, the values are unknown. Export the series again."
        )
    return slope, header_number(dataset, "RescaleIntercept") or 0.0  # the standard allows no other intercept in PET


def _stored_values(dataset: Dataset) -> NDArray[Any]:
    from pydicom.pixels import get_decoder
    from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

    samples = header_number(dataset, "SamplesPerPixel")
    color = str(header_value(dataset, "PhotometricInterpretation") or "MONOCHROME2")
    if samples not in (None, 1.0) or color not in ("MONOCHROME1", "MONOCHROME2"):
        raise UnsupportedVolumeError(
            f"its pixels are {color} with {samples or 1:g} samples, but PET has one gray value per pixel. Export the "
            "original series."
        )
    if (header_number(dataset, "NumberOfFrames") or 1) != 1:
        raise UnsupportedVolumeError("it has several frames. Export the series with one slice per file.")
    _require_low_bits(dataset)
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if syntax is None:
        syntax = ImplicitVRLittleEndian if dataset.original_encoding[0] else ExplicitVRLittleEndian
        dataset.file_meta.TransferSyntaxUID = syntax
    if not syntax.is_encapsulated:
        _require_no_more_rows(dataset)
    decoder = get_decoder(syntax)
    if decoder.is_available:
        stored, _ = decoder.as_array(dataset, index=0)
        return stored
    return _decoded_by_itk(dataset)


def _require_no_more_rows(dataset: Dataset) -> None:
    """Refuses uncompressed pixels that fill at least one row more than there are: then Rows or Columns is wrong."""
    rows, columns, bits = (header_number(dataset, key) or 0 for key in ("Rows", "Columns", "BitsAllocated"))
    found, row = len(header_value(dataset, "PixelData") or b""), columns * bits / 8
    if bits % 8 == 0 and found >= (rows + 1) * row > 0:
        raise UnsupportedVolumeError(
            f"it has {found} bytes of pixels, but its {rows:g} Rows and {columns:g} Columns need {rows * row:g}. "
            "Correct the header, or export the series again."
        )


def _require_low_bits(dataset: Dataset) -> None:
    """Refuses values that do not end at the lowest bit: the standard forbids them, and decoders differ about them."""
    high, stored = header_number(dataset, "HighBit"), header_number(dataset, "BitsStored")
    if high is not None and stored is not None and high != stored - 1:
        raise UnsupportedVolumeError(
            f"its HighBit is {high:g} and its BitsStored {stored:g}, but HighBit must be one less than BitsStored. "
            "Export the series again."
        )


def _decoded_by_itk(dataset: Dataset) -> NDArray[Any]:
    """Decodes JPEG, JPEG-LS or JPEG 2000 from a copy whose rescaling changes nothing."""
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "slice.dcm"
        dataset.save_as(copy, enforce_file_format=True)
        stored = sitk.GetArrayFromImage(sitk.ReadImage(str(copy)))
    return stored.reshape(int(dataset.Rows), int(dataset.Columns))
