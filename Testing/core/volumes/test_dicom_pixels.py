"""Voxels are stored value * slope + intercept; what cannot be known is refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_slices import write_slice
from dicom_syntaxes import with_itk
from volume_files import rejects

from TumorGenCore.volumes.read import read_volume

SHAPE = (9, 11)  # rows, columns


def stored_values(signed: bool = True) -> np.ndarray:
    low, high = (-3000, 32767) if signed else (0, 65535)
    return np.random.default_rng(3).integers(low, high, (3, *SHAPE), dtype=np.int16 if signed else np.uint16)


def write(folder: Path, stored: np.ndarray, slopes=(0.001, 0.002, 0.0005), **tags) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{n}.dcm" for n in range(len(stored))]
    for n, path in enumerate(paths):
        given = {
            "Rows": SHAPE[0],
            "Columns": SHAPE[1],
            "PixelRepresentation": int(stored.dtype.kind == "i"),
            "PixelData": stored[n].tobytes() + b"\x00" * (stored[n].nbytes % 2),
        }
        write_slice(path, 4.0 * n, 0, slopes[n], "1.2.3", **{**given, **tags})
    return paths


def voxels(folder: Path) -> np.ndarray:
    return sitk.GetArrayFromImage(read_volume(folder).image)


def expected(stored: np.ndarray, slopes=(0.001, 0.002, 0.0005)) -> np.ndarray:
    return (stored * np.reshape(slopes, (-1, 1, 1))).astype(np.float32)


def test_unsigned_values_use_their_whole_range(tmp_path):
    stored = stored_values(signed=False)
    write(tmp_path, stored)
    np.testing.assert_array_equal(voxels(tmp_path), expected(stored))


def test_bits_above_bits_stored_do_not_count(tmp_path):
    stored = (stored_values(signed=False) % 4096).astype(np.uint16)
    write(tmp_path, stored | 0x8000, BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(voxels(tmp_path), expected(stored))


@pytest.mark.parametrize("change", [lambda path: None, lambda path: with_itk(path, "JPEG")], ids=["native", "jpeg"])
def test_monochrome1_is_about_display_and_inverts_nothing(tmp_path, change):
    stored = stored_values()
    for path in write(tmp_path, stored, PhotometricInterpretation="MONOCHROME1"):
        change(path)
    np.testing.assert_array_equal(voxels(tmp_path), expected(stored))


@pytest.mark.parametrize("change", [lambda path: None, lambda path: with_itk(path, "JPEG")], ids=["native", "jpeg"])
def test_slope_zero_makes_zeros(tmp_path, change):
    stored, slopes = stored_values(), (0.0, 0.002, 0.0)
    for path in write(tmp_path, stored, slopes):
        change(path)
    np.testing.assert_array_equal(voxels(tmp_path), expected(stored, slopes))


def test_intercept_counts_and_may_be_absent(tmp_path):
    stored = stored_values()
    write(tmp_path / "a", stored, RescaleIntercept="-1.5")
    right = (stored * np.reshape((0.001, 0.002, 0.0005), (-1, 1, 1)) - 1.5).astype(np.float32)
    np.testing.assert_array_equal(voxels(tmp_path / "a"), right)
    write(tmp_path / "b", stored, RescaleIntercept=None)
    np.testing.assert_array_equal(voxels(tmp_path / "b"), expected(stored))


def rewrite_slope(path: Path, raw: bytes | None) -> None:
    """Replaces the bytes of RescaleSlope; None removes it."""
    data = path.read_bytes()
    start = data.index(b"\x28\x00\x53\x10DS")
    end = start + 8 + int.from_bytes(data[start + 6 : start + 8], "little")
    new = b"" if raw is None else data[start : start + 6] + len(raw).to_bytes(2, "little") + raw
    path.write_bytes(data[:start] + new + data[end:])


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (None, ("missing",)),
        (b"", ("missing",)),
        (b"  ", ("RescaleSlope",)),
        (b"1,5 ", ("1,5", "decimal point")),
        (b"nan ", ("nan",)),
        (b"1e999 ", ("1e999",)),
        (b"1_0 ", ("1_0",)),
        (b"1\\2 ", ("RescaleSlope",)),
        (b"high", ("high",)),
    ],
)
@pytest.mark.parametrize("place", [0, 2])
def test_a_slope_that_is_absent_or_no_number_is_refused_by_name(tmp_path, raw, words, place):
    path = write(tmp_path, stored_values())[place]
    rewrite_slope(path, raw)
    rejects(tmp_path, path.name, "RescaleSlope", *words)


@pytest.mark.parametrize(
    ("tags", "word"),
    [
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, "gray"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "gray"),
        ({"PhotometricInterpretation": "MONOCHROME"}, "gray"),
        ({"NumberOfFrames": 2}, "several frames"),
        ({"PixelRepresentation": None}, "Pixel Representation"),
        ({"PixelData": b"\x00" * 20}, "pixels are damaged"),
        ({"BitsAllocated": 7}, "pixels are damaged"),
        ({"BitsStored": 12}, "its HighBit is 15 and its BitsStored 12"),
        ({"HighBit": 11}, "its HighBit is 11 and its BitsStored 16"),
    ],
)
def test_pixels_that_are_not_gray_or_short_are_refused(tmp_path, tags, word):
    write(tmp_path, stored_values(), **tags)
    rejects(tmp_path, ".dcm", word)


def test_an_unknown_transfer_syntax_is_refused(tmp_path):
    path = write(tmp_path, stored_values())[1]
    path.write_bytes(path.read_bytes().replace(b"1.2.840.10008.1.2.1\x00", b"1.2.840.10008.1.9.9\x00"))
    rejects(tmp_path, path.name, "cannot be read")


def test_pixels_for_more_rows_than_there_are_are_refused(tmp_path):
    stored = stored_values()
    write(tmp_path / "narrow", stored, Columns=SHAPE[1] - 2)
    rejects(tmp_path / "narrow", "198 bytes", "9 Rows and 9 Columns need 162")
    padded = [stored[n].tobytes() + bytes(SHAPE[1]) for n in range(3)]
    for n, path in enumerate(write(tmp_path / "padded", stored)):
        dataset = pydicom.dcmread(path)
        dataset.PixelData = padded[n] + b"\0" * (len(padded[n]) % 2)
        dataset.save_as(path)
    np.testing.assert_array_equal(voxels(tmp_path / "padded"), expected(stored))
