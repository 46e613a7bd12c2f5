"""Rewrites a DICOM slice in another transfer syntax, with pydicom, pyjpegls (by way of pydicom) or ITK."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.encaps import encapsulate, encapsulate_extended, generate_frames
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian


def native(path: Path, syntax: str) -> None:
    """Rewrites a slice of 16-bit pixels without compressing them."""
    dataset = pydicom.dcmread(path)
    if syntax == ExplicitVRBigEndian:
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<i2").astype(">i2").tobytes()
    dataset.file_meta.TransferSyntaxUID = syntax
    implicit, little = syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian
    pydicom.dcmwrite(path, dataset, implicit_vr=implicit, little_endian=little, force_encoding=True)


def with_pydicom(path: Path, syntax: str) -> None:
    """Compresses the pixels with one of pydicom's encoders."""
    dataset = pydicom.dcmread(path)
    dataset.compress(syntax, generate_instance_uid=False)
    dataset.save_as(path)


def with_itk(path: Path, method: str) -> None:
    """Compresses the pixels with ITK's writer, which is independent of pydicom."""
    dataset = pydicom.dcmread(path)
    image = sitk.GetImageFromArray(dataset.pixel_array[None])
    writer = sitk.ImageFileWriter()
    writer.SetFileName(str(path.with_suffix(".itk.dcm")))
    writer.SetImageIO("GDCMImageIO")
    writer.SetUseCompression(True)
    writer.SetCompressor(method)
    writer.Execute(image)
    compressed = pydicom.dcmread(path.with_suffix(".itk.dcm"))
    path.with_suffix(".itk.dcm").unlink()
    assert compressed.file_meta.TransferSyntaxUID.is_compressed
    _with_frame(path, dataset, _frame(compressed), compressed.file_meta.TransferSyntaxUID)


def with_stream(path: Path, stream: bytes, syntax: str) -> None:
    """Puts pixels that are compressed already into a slice."""
    _with_frame(path, pydicom.dcmread(path), stream, syntax)


def in_fragments(path: Path, count: int, table: bool) -> None:
    """Cuts the compressed pixels of a slice into fragments, with or without a table of their offsets."""
    dataset = pydicom.dcmread(path)
    dataset.PixelData = encapsulate([_frame(dataset)], fragments_per_frame=count, has_bot=table)
    dataset["PixelData"].VR = "OB"
    dataset.save_as(path)


def with_extended_table(path: Path) -> None:
    """Gives compressed pixels the offset table of very large images."""
    dataset = pydicom.dcmread(path)
    pixels, dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths = encapsulate_extended([_frame(dataset)])
    dataset.PixelData = pixels
    dataset["PixelData"].VR = "OB"
    dataset.save_as(path)


def _frame(dataset: pydicom.Dataset) -> bytes:
    (frame,) = generate_frames(dataset.PixelData, number_of_frames=1)
    return frame


def _with_frame(path: Path, dataset: pydicom.Dataset, frame: bytes, syntax: str) -> None:
    dataset.PixelData = encapsulate([frame])
    dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(path)
