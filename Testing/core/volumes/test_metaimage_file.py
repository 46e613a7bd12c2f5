"""MetaImage files that contradict themselves or leave something out: read with a warning, or refused by name."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from odd_files import VOXELS, metaimage, read
from volume_files import rejects

RAW = VOXELS.tobytes(order="F")


def test_slope_and_offset_are_applied_with_a_warning(tmp_path):
    stored = VOXELS.astype("<i2")
    tags = {"ElementToIntensityFunctionSlope": "0.1", "ElementToIntensityFunctionOffset": "-2"}
    path = metaimage(tmp_path / "a.mha", stored.tobytes(order="F"), ElementType="MET_SHORT", **tags)
    voxels, _, (warning,) = read(path)
    np.testing.assert_allclose(voxels, stored * 0.1 - 2, rtol=1e-6)
    assert "slope 0.1" in warning and "offset -2" in warning


def test_place_that_is_not_said_is_warned_about(tmp_path):
    _, lps, (warning,) = read(metaimage(tmp_path / "a.mha", Offset=None))
    np.testing.assert_array_equal(lps, np.diag([4, 4, 3, 1]))
    assert "Offset" in warning and "0, 0, 0" in warning


def test_lengths_in_other_units_become_mm(tmp_path):
    _, lps, warned = read(metaimage(tmp_path / "a.mha", DistanceUnits="cm", ElementSpacing="0.4 0.4 0.3"))
    np.testing.assert_allclose(lps, [[4, 0, 0, 10], [0, 4, 0, 20], [0, 0, 3, 30], [0, 0, 0, 1]])
    assert not warned


@pytest.mark.parametrize("size", [None, "0", "7", "999999"])
def test_compressed_voxels_do_not_depend_on_the_size_tag(tmp_path, size):
    path = metaimage(tmp_path / "a.mha", zlib.compress(RAW), CompressedData="True", CompressedDataSize=size)
    voxels, _, _ = read(path)
    np.testing.assert_array_equal(voxels, VOXELS)


@pytest.mark.parametrize("compressed", [True, False])
def test_short_and_long_data_are_found(tmp_path, compressed):
    data = zlib.compress(RAW) if compressed else RAW
    tags = {"CompressedData": str(compressed)}
    rejects(metaimage(tmp_path / "a.mha", data, DimSize="5 4 4", **tags), "240 of 320 bytes")
    rejects(metaimage(tmp_path / "b.mha", data[:-3], **tags), "truncated")
    rejects(metaimage(tmp_path / "c.mha", b"", **tags), "truncated")
    _, _, (warning,) = read(metaimage(tmp_path / "d.mha", data, DimSize="5 4 2", **tags))
    assert "240 bytes" in warning and "160" in warning


def test_short_text_is_refused(tmp_path):
    rejects(metaimage(tmp_path / "a.mha", b"1 2 3", BinaryData="False"), "12 of 240 bytes")


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"NDims": "-1"}, ("NDims = -1",)),  # ITK crashes with this and the next one
        ({"NDims": "1000"}, ("NDims = 1000",)),
        ({"NDims": "x"}, ("NDims", "whole numbers")),
        ({"NDims": None}, ("NDims = 0",)),
        ({"NDims": "2", "DimSize": "5 12"}, ("2 dimensions",)),
        ({"DimSize": "5 4"}, ("DimSize",)),
        ({"DimSize": "5 0 3"}, ("DimSize", "5 0 3")),
        ({"DimSize": "50000 50000 5000"}, ("at most 16 GiB",)),
        ({"ElementSpacing": "4 -4 3"}, ("-4", "positive")),
        ({"ElementSpacing": "4 nan 3"}, ("nan", "positive")),
        ({"ElementSpacing": None}, ("does not say its voxel size", "ElementSpacing")),
        ({"ElementSpacing": "4 4"}, ("2 numbers", "needs 3")),
        ({"Offset": "1_0 2 3"}, ("1_0", "numbers are needed")),
        ({"TransformMatrix": ""}, ("0 numbers", "needs 9")),
        ({"Position": "1 2 4"}, ("contradicts itself", "'1 2 3' and '1 2 4'", "Offset")),
        ({"Rotation": "-1 0 0 0 1 0 0 0 1"}, ("contradicts itself", "TransformMatrix")),
        ({"ElementByteOrderMSB": "True"}, ("contradicts itself", "'False' and 'True'")),
        ({"Offset": "nan 2 3"}, ("origin", "nan")),
        ({"Offset": "1 2 inf"}, ("origin", "inf")),
        ({"TransformMatrix": "1 0 0 1 0 0 0 0 1"}, ("three different unit vectors",)),
        ({"TransformMatrix": "2 0 0 0 1 0 0 0 1"}, ("three different unit vectors",)),
        ({"TransformMatrix": "1 0 0 0 1 0 0 0"}, ("8 numbers", "needs 9")),
        ({"ElementType": "MET_OTHER"}, ("MET_OTHER",)),
        ({"ElementType": "MET_UCHAR", "ElementNumberOfChannels": "3"}, ("'3' components", "one real number")),
        ({"ElementToIntensityFunctionSlope": "0"}, ("slope 0",)),
        ({"ElementToIntensityFunctionSlope": "nan"}, ("slope nan",)),
        ({"BinaryDataByteOrderMSB": "Fxlse"}, ("BinaryDataByteOrderMSB = 'Fxlse'",)),
        ({"CompressedData": "1000"}, ("CompressedData = '1000'",)),
        ({"Offset": "1 \x0b2 3"}, ("control characters",)),
        ({"DistanceUnits": "inch"}, ("inch",)),
        ({"ObjectType": "Mesh"}, ("Mesh", "no image")),
        ({"ElementDataFile": "lost.raw"}, ("lost.raw", "Put it there")),
        ({"ElementDataFile": "/dev/zero"}, ("zero", "no such file")),
        ({"ElementDataFile": "x%d.raw 1 99999999"}, ("impossible data files",)),
        ({"HeaderSize": "-7"}, ("-7",)),
        ({"Comment": "x" * (2 << 20)}, ("not a MetaImage",)),
    ],
)
def test_broken_headers_are_refused_by_name(tmp_path, tags, words):
    rejects(metaimage(tmp_path / "a.mha", **tags), *words)


def test_one_tag_with_two_values_is_refused(tmp_path):
    path = metaimage(tmp_path / "a.mha")
    path.write_bytes(path.read_bytes().replace(b"ElementSpacing", b"ElementSpacing = 1 1 1\nElementSpacing"))
    rejects(path, "contradicts itself", "'1 1 1' and '4 4 3'")


def test_two_tags_that_say_the_same_are_read(tmp_path):
    path = metaimage(tmp_path / "a.mha", Position="1.0 2.0 3.0", ElementByteOrderMSB="false", ElementSize="9 9 9")
    voxels, lps, warned = read(path)
    np.testing.assert_array_equal(voxels, VOXELS)
    np.testing.assert_array_equal(lps, [[4, 0, 0, 1], [0, 4, 0, 2], [0, 0, 3, 3], [0, 0, 0, 1]])
    assert not warned


def test_voxels_at_the_end_of_a_file_are_not_taken_from_its_header(tmp_path):
    np.testing.assert_array_equal(read(metaimage(tmp_path / "a.mha", HeaderSize="-1"))[0], VOXELS)
    rejects(metaimage(tmp_path / "b.mha", RAW[:-8], HeaderSize="-1"), "232 bytes of data cannot hold 240")


def test_data_files_that_do_not_hold_their_share_are_refused(tmp_path):
    for number, more in ((1, 8), (2, 0), (3, 0)):
        (tmp_path / f"part{number}.raw").write_bytes(RAW[80 * number - 80 : 80 * number] + bytes(more))
    rejects(metaimage(tmp_path / "a.mhd", b"", ElementDataFile="part%d.raw 1 3"), "88 bytes", "share is 80")
    rejects(metaimage(tmp_path / "b.mhd", b"", ElementDataFile="part%d.raw 1 2"), "3 slices", "2 data files")
