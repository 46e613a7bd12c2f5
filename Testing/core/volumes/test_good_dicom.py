"""Good DICOM series stay good: read without a refusal or a warning, each pixel with its value in its place.

Values and places come from the tags of the slices, by the arithmetic of the standard.
"""

from __future__ import annotations

import base64
import itertools
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_slices import RIGHT_HANDED, rotation, write_slice
from dicom_syntaxes import in_fragments, native, with_extended_table, with_itk, with_pydicom, with_stream
from numpy.typing import NDArray
from pydicom.pixels.decoders.base import Decoder
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLossless,
    JPEGLSLossless,
    RLELossless,
)

from TumorGenCore.volumes.read import read_volume

Change = Callable[[Path], object]

SHAPE = (9, 11)  # rows, columns
SLOPES = (0.001, 0.002, 0.0, 0.0005)
#: signed, bits stored
KINDS = {"int16": (True, 16), "uint16": (False, 16), "int12": (True, 12), "uint12": (False, 12)}
SYNTAXES: dict[str, Change] = {
    "explicit": partial(native, syntax=ExplicitVRLittleEndian),
    "implicit": partial(native, syntax=ImplicitVRLittleEndian),
    "big-endian": partial(native, syntax=ExplicitVRBigEndian),
    "deflated": partial(native, syntax=DeflatedExplicitVRLittleEndian),
    "rle": partial(with_pydicom, syntax=RLELossless),
    "jpeg-lossless": partial(with_itk, method="JPEG"),
    "jpeg-ls": partial(with_pydicom, syntax=JPEGLSLossless),
    "jpeg-2000": partial(with_itk, method="JPEG2000"),
}
#: int16 pixels, coded by dcmcjpeg with the predictors 4, 6 and 7 of lossless JPEG.
CUBES = (np.arange(12, dtype=np.int16).reshape(3, 4) ** 3 * 11 - 3000).astype(np.int16)
START = "/9j/4AAQSkZJRgABAQAAAQABAAD/wwALEAADAAQBAREA/8QAGwAA"
PREDICTED = {
    4: START + "AgEFAAAAAAAAAAAAAAAACgsEBwgMDQ//2gAIAQEABAAA7okS6m3olgFKHOMpNmgOtH3mRif/2Q==",
    6: START + "AQQDAAAAAAAAAAAAAAAADwQHCAoLDA3/2gAIAQEABgAAOiQrc2aNsC/pmRtkc6aAEFMKWoZm/wD//9k=",
    7: START + "AQQDAAAAAAAAAAAAAAAADwQHCg0ICwz/2gAIAQEABwAAOiQrc3NGWBP63NvTC2aAEaMLVV4r/wD//9k=",
}


def write(
    folder: Path, signed: bool = True, bits: int = 16, axes: NDArray = RIGHT_HANDED, name: str = "{}.dcm", **tags
) -> list[Path]:
    """Writes four slices of 9 x 11 random pixels, 4 mm apart; ``axes`` are those of rows, columns and slices, LPS."""
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1)) if signed else (0, 2**bits)
    stored = np.random.default_rng(3).integers(low, high, (4, *SHAPE)).astype(np.int16 if signed else np.uint16)
    paths = [folder / name.format((n * 3) % 4) for n in range(4)]
    for n, path in enumerate(paths):
        place = np.array([-10.0, 20.0, 300.0]) + 4.0 * n * axes[:, 2]
        given = {
            "Rows": SHAPE[0],
            "Columns": SHAPE[1],
            "PixelRepresentation": int(signed),
            "BitsStored": bits,
            "HighBit": bits - 1,
            "ImageOrientationPatient": [f"{v:.12f}" for v in axes[:, :2].T.ravel()],
            "ImagePositionPatient": [f"{v:.10f}" for v in place],
            "PixelData": stored[n].tobytes(),
        }
        write_slice(path, 0, 0, SLOPES[n], "1.2.3", **(given | tags))
    return paths


def each_pixel(paths: list[Path]) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Returns place (LPS mm) and value of each pixel of uncompressed 16-bit slices (PS3.3 C.7.6.2.1.1, C.11.1)."""
    places, values = [], []
    for path in paths:
        tags = pydicom.dcmread(path)
        along_row, along_column = np.reshape(np.array(tags.ImageOrientationPatient, dtype=float), (2, 3))
        down, across = (float(edge) for edge in tags.PixelSpacing)
        row, column = np.indices((tags.Rows, tags.Columns))[..., None]
        first = np.array(tags.ImagePositionPatient, dtype=float)
        places.append(first + column * across * along_row + row * down * along_column)
        stored = np.frombuffer(tags.PixelData, "<i2" if tags.PixelRepresentation else "<u2")
        values.append(stored.reshape(tags.Rows, tags.Columns) * float(tags.RescaleSlope))
    return np.array(places).reshape(-1, 3), np.array(values, dtype=np.float32).ravel()


def read_quietly(folder: Path) -> sitk.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return read_volume(folder).image


def check(folder: Path, places: NDArray[np.float64], values: NDArray[np.float32]) -> None:
    """Reads a series without any warning and looks each pixel up by its place."""
    image = read_quietly(folder)
    assert image.GetNumberOfPixels() == len(values)
    indices = np.array([image.TransformPhysicalPointToContinuousIndex(place) for place in places.tolist()])
    np.testing.assert_allclose(indices, np.rint(indices), rtol=0, atol=1e-6)
    i, j, k = np.rint(indices).astype(int).T
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image)[k, j, i], values)


def stays_good(folder: Path, change: Change, paths: list[Path]) -> None:
    """Checks that a series gives the same volume after each of its files was changed."""
    right = each_pixel(paths)
    for path in paths:
        change(path)
    check(folder, *right)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_every_transfer_syntax_gives_the_same_values(tmp_path, syntax, kind):
    stays_good(tmp_path, SYNTAXES[syntax], write(tmp_path, *KINDS[kind]))


@pytest.mark.parametrize("kind", KINDS)
def test_jpeg_ls_is_read_without_a_decoder_of_pydicom(tmp_path, kind, monkeypatch):
    paths = write(tmp_path, *KINDS[kind])
    right = each_pixel(paths)
    for path in paths:
        with_pydicom(path, JPEGLSLossless)
    monkeypatch.setattr(Decoder, "is_available", False)
    check(tmp_path, *right)


@pytest.mark.parametrize("predictor", PREDICTED)
def test_lossless_jpeg_with_other_predictors(tmp_path, predictor):
    paths = write(tmp_path, Rows=3, Columns=4, PixelData=CUBES.tobytes())
    stays_good(
        tmp_path, partial(with_stream, stream=base64.b64decode(PREDICTED[predictor]), syntax=JPEGLossless), paths
    )


@pytest.mark.parametrize("syntax", ["jpeg-lossless", "jpeg-ls", "jpeg-2000"])
@pytest.mark.parametrize(
    "cut",
    [
        partial(in_fragments, count=3, table=True),
        partial(in_fragments, count=3, table=False),
        partial(in_fragments, count=1, table=False),
        with_extended_table,
    ],
    ids=["fragments", "fragments-without-table", "no-table", "extended-table"],
)
def test_compressed_pixels_in_any_wrapping(tmp_path, syntax, cut):
    def change(path: Path) -> None:
        SYNTAXES[syntax](path)
        cut(path)

    stays_good(tmp_path, change, write(tmp_path))


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_slices_in_all_48_orientations(tmp_path, order):
    for n, signs in enumerate(itertools.product((1.0, -1.0), repeat=3)):
        axes = np.zeros((3, 3))
        axes[order, range(3)] = signs  # the slices may be written against their normal
        folder = tmp_path / str(n)
        folder.mkdir()
        check(folder, *each_pixel(write(folder, axes=axes)))


@pytest.mark.parametrize("angles", [(0, 0, 0.4), (3, 0, 0), (17, 9, -60), (88, 2, 1), (-45, 45, 45)], ids=str)
def test_oblique_slices(tmp_path, angles):
    check(tmp_path, *each_pixel(write(tmp_path, axes=rotation(*angles))))


@pytest.mark.parametrize(
    "name",
    [
        "{}",
        "IM0000{}",
        "1.2.840.113619.2.{}",
        "slice {}.IMA",
        "PT-{}.DCM",
        "{}.img",
        "\u00e9\u4e2d_{}.dcm",
        "a.b-{}.dicom",
    ],
)
def test_files_of_any_name(tmp_path, name):
    check(tmp_path, *each_pixel(write(tmp_path, name=name)))


def test_one_slice_with_another_name(tmp_path):
    paths = write(tmp_path)
    right = each_pixel(paths)
    paths[1].rename(tmp_path / "first of all")
    paths[2].rename(tmp_path / "IMG(1) copy.DCM")
    check(tmp_path, *right)


def test_other_objects_and_a_series_in_a_folder_below(tmp_path):
    right = each_pixel(write(tmp_path))
    others = {"CT": "2", "MR": "4", "SR": "88.33", "SEG": "66.4", "RWV": "67", "REG": "66.1", "OT": "7"}
    for modality, number in others.items():
        sop_class = f"1.2.840.10008.5.1.4.1.1.{number}"
        write_slice(tmp_path / f"{modality}.dcm", 0, 5, 1.0, f"9.{number}", SOPClassUID=sop_class, Modality=modality)
    write_slice(tmp_path / "DICOMDIR", 0, 5, 1.0, "9.9", SOPClassUID="1.2.840.10008.1.3.10", Modality=None)
    (tmp_path / "VERSION").write_text("viewer 1.0")
    (tmp_path / "autorun.inf").write_text("[autorun]")
    (tmp_path / "other series").mkdir()
    write(tmp_path / "other series", SeriesInstanceUID="1.2.4")
    check(tmp_path, *right)


def edit(path: Path, *elements: tuple, **tags: object) -> None:
    """Sets tags of a file by keyword, or as group and element, type, value."""
    dataset = pydicom.dcmread(path)
    for element in elements:
        dataset.add_new(*element)
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    dataset.save_as(path)


def an_icon() -> pydicom.Dataset:
    icon = pydicom.Dataset()
    icon.Rows = icon.Columns = 4
    icon.BitsAllocated, icon.BitsStored, icon.HighBit, icon.PixelRepresentation = 8, 8, 7, 0
    icon.SamplesPerPixel, icon.PhotometricInterpretation, icon.PixelData = 1, "MONOCHROME2", b"\x07" * 16
    return icon


def icon_of_undefined_length(path: Path) -> None:
    dataset = pydicom.dcmread(path)
    dataset.IconImageSequence = Sequence([an_icon()])
    dataset["IconImageSequence"].is_undefined_length = True
    dataset.IconImageSequence[0].is_undefined_length_sequence_item = True
    dataset.save_as(path)


def private_blocks(path: Path) -> None:
    dataset = pydicom.dcmread(path)
    block = dataset.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
    block.add_new(0x10, "OB", bytes(range(256)) * 40)
    block.add_new(0x20, "UN", b"abc ")
    dataset.save_as(path)


def as_tiff_too(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(b"II*\x00" + bytes(124) + content[128:])


def of_8_bits(path: Path) -> None:
    pixels = np.frombuffer(pydicom.dcmread(path).PixelData, "<u2").astype(np.uint8)
    edit(path, (0x7FE00010, "OB", pixels.tobytes() + b"\0"), BitsAllocated=8)


def of_32_bits(path: Path) -> None:
    pixels = np.frombuffer(pydicom.dcmread(path).PixelData, "<i2").astype("<i4")
    edit(path, BitsAllocated=32, BitsStored=32, HighBit=31, PixelData=pixels.tobytes())


def unused_bits(path: Path) -> None:
    pixels = np.frombuffer(pydicom.dcmread(path).PixelData, "<u2")
    edit(path, PixelData=(pixels ^ 0xA000).tobytes())


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        pytest.param(partial(edit, IconImageSequence=Sequence([an_icon()])), (True, 16), id="icon"),
        pytest.param(icon_of_undefined_length, (True, 16), id="undefined length"),
        pytest.param(private_blocks, (True, 16), id="private blocks"),
        pytest.param(
            partial(edit, SpecificCharacterSet=["", "ISO 2022 IR 87"], PatientName="\u5c71\u7530^\u592a\u90ce"),
            (True, 16),
            id="Japanese",
        ),
        pytest.param(partial(edit, SpecificCharacterSet="ISO_IR 192", PatientName="\u00d6"), (True, 16), id="UTF-8"),
        pytest.param(lambda path: edit(path, (0x60003000, "OW", bytes(14))), (True, 16), id="overlay"),
        pytest.param(lambda path: edit(path, (0xFFFCFFFC, "OB", bytes(300))), (True, 16), id="padding at the end"),
        pytest.param(lambda path: edit(path, (0x00280120, "SS", -32768)), (True, 16), id="padding value"),
        pytest.param(partial(edit, WindowCenter=5, PresentationLUTShape="INVERSE"), (True, 16), id="display"),
        pytest.param(partial(edit, NumberOfFrames=1, PlanarConfiguration=0), (True, 16), id="one frame"),
        pytest.param(partial(edit, HighBit=None, SamplesPerPixel=None), (True, 16), id="tags left out"),
        pytest.param(partial(edit, ImageType=["DERIVED", "SECONDARY"]), (True, 16), id="derived"),
        pytest.param(as_tiff_too, (True, 16), id="TIFF preamble"),
        pytest.param(of_8_bits, (False, 8), id="8 bits"),
        pytest.param(of_32_bits, (True, 16), id="32 bits"),
        pytest.param(unused_bits, (True, 12), id="unused bits of int12"),
        pytest.param(unused_bits, (False, 12), id="unused bits of uint12"),
    ],
)
def test_slices_with_unusual_elements(tmp_path, change, kind):
    stays_good(tmp_path, change, write(tmp_path, *kind))


def test_each_slice_in_another_transfer_syntax(tmp_path):
    paths = write(tmp_path)
    right = each_pixel(paths)
    for path, syntax in zip(paths, ("implicit", "jpeg-ls", "jpeg-2000", "rle"), strict=True):
        SYNTAXES[syntax](path)
    check(tmp_path, *right)
