"""NRRD files that contradict themselves or leave something out: read with a warning, or refused by name."""

from __future__ import annotations

import bz2
import gzip
import time
import tracemalloc
import zlib

import numpy as np
import pytest
from odd_files import VOXELS, nrrd, read
from volume_files import rejects

RAW = VOXELS.tobytes(order="F")
TEXT = b" ".join(b"%g" % v for v in VOXELS.ravel(order="F"))
ENCODED = {
    "raw": RAW,
    "gzip": gzip.compress(RAW),
    "bzip2": bz2.compress(RAW),
    "hex": RAW.hex().encode(),
    "text": TEXT,
}


def test_space_that_is_not_said_is_warned_about(tmp_path):
    path = nrrd(tmp_path / "a.nrrd", space=None, space_directions=None, space_origin=None, spacings="4 4 3")
    voxels, lps, (warning,) = read(path)
    np.testing.assert_array_equal(voxels, VOXELS)
    np.testing.assert_array_equal(lps, np.diag([4, 4, 3, 1]))
    assert "does not say how it lies" in warning and "0, 0, 0" in warning
    _, lps, (warning,) = read(nrrd(tmp_path / "b.nrrd", space_origin=None))
    np.testing.assert_array_equal(lps, np.diag([4, 4, 3, 1]))
    assert "space origin" in warning and "0, 0, 0" in warning


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"space_directions": None, "space_origin": None, "space": None}, ("does not say its voxel size", "spacings")),
        ({"space_directions": None, "spacings": "nan nan nan"}, ("nan nan nan", "three axes")),
        ({"space_directions": None, "spacings": "4 nan 3"}, ("4 nan 3", "three axes")),
        ({"space_directions": None, "spacings": "4 -4 3"}, ("-4", "positive")),
        ({"space_directions": None, "spacings": "4 4"}, ("3 axes", "are 2")),
        ({"space_directions": "(4,0,0) (0,inf,0) (0,0,3)"}, ("inf", "not finite")),
        ({"space_directions": "(4,0,0) (0,x,0) (0,0,3)"}, ("numbers are needed",)),
        ({"space_directions": "(4,0) (0,4) (0,3)"}, ("needs three numbers",)),
        ({"space_directions": "(4,0,0) (0,4,0)x (0,0,3)"}, ("vector 'x'", "parentheses")),
        ({"space_directions": "4,0,0 0,4,0 0,0,3"}, ("parentheses",)),
        ({"space_origin": "(1\x00,2,3)"}, ("control characters",)),
        ({"space_origin": "(nan,2,3)"}, ("origin", "nan")),
        ({"space_origin": "(1,2)"}, ("(1,2)", "three numbers")),
        ({"space_origin": "(1_0,2,3)"}, ("1_0", "numbers are needed")),  # Python takes these two for numbers
        ({"space_origin": "(\u0661,2,3)"}, ("\u0661", "numbers are needed")),
        ({"space_origin": "(1,5,2,3)"}, ("(1,5,2,3)", "three numbers", "it has 4")),
        ({"space": "left-posterior-sup"}, ("left-posterior-sup", "left-posterior-superior")),
        ({"space": None, "space_dimension": "4"}, ("four numbers", "it has 3")),
        ({"kinds": "list domain domain domain"}, ("3 axes", "kinds", "are 4")),
        ({"kinds": "domain domain vector"}, ("'vector'", "direction in space")),
        ({"space_units": '"inch" "inch" "inch"'}, ("inch", "mm, cm")),
        ({"space_units": '"cm" "cm'}, ('"cm" "cm', "3 units in quotation marks")),
        ({"space_units": '"cm" "cm"'}, ("3 units",)),
        ({"data_file": "part%d.raw 1 3 1 7"}, ("impossible data files", "1 3 1 7")),
        ({"endian": None}, ("byte order", "endian")),
        ({"endian": "middle"}, ("byte order", "middle")),
        ({"type": "block"}, ("block",)),
        ({"type": None}, ("type",)),
        ({"encoding": "zrl"}, ("zrl", "gzip")),
        ({"sizes": "5 4"}, ("sizes [5, 4]",)),
        ({"sizes": "5 -4 3"}, ("-4",)),
        ({"sizes": "5 4 x"}, ("whole numbers", "x")),
        ({"sizes": f"5 4 {'9' * 400}"}, ("whole numbers",)),
        ({"sizes": "50000 50000 5000"}, ("at most 16 GiB",)),
        ({"dimension": "1000"}, ("dimension 1000",)),
        ({"byte_skip": "-7"}, ("-7",)),
        ({"byte_skip": "99999999999"}, ("67108864",)),
        ({"line_skip": "99999"}, ("line skip",)),
        ({"line_skip": "-1"}, ("line skip -1",)),
        ({"data_file": "lost.raw"}, ("lost.raw", "Put it there")),
        ({"data_file": "x" * 5000}, ("no such file",)),
        ({"data_file": "x%d.raw 1 99999999 1"}, ("impossible data files",)),
        ({"Content": "x", "content": "y"}, ("two values", "content")),
    ],
)
def test_broken_headers_are_refused_by_name(tmp_path, fields, words):
    rejects(nrrd(tmp_path / "a.nrrd", **fields), *words)


def test_line_that_is_no_field_is_refused(tmp_path):
    path = nrrd(tmp_path / "a.nrrd")
    path.write_bytes(path.read_bytes().replace(b"space origin: ", b"space origin "))
    rejects(path, "space origin (1,2,3)", "no NRRD field")


def test_header_lines_of_any_length_are_no_trouble(tmp_path):
    voxels, _, warned = read(nrrd(tmp_path / "a.nrrd", content="x" * 5000))  # ITK crashes here
    np.testing.assert_array_equal(voxels, VOXELS)
    assert not warned
    rejects(nrrd(tmp_path / "b.nrrd", type="x" * 5000), "xxx...")
    rejects(nrrd(tmp_path / "c.nrrd", content="x" * (17 << 20)), "longer than 16 MiB")


@pytest.mark.parametrize("encoding", ENCODED)
def test_short_data_of_any_encoding_are_refused(tmp_path, encoding):
    data = ENCODED[encoding]
    whole, _, _ = read(nrrd(tmp_path / "whole.nrrd", data, encoding=encoding))
    np.testing.assert_array_equal(whole, VOXELS)
    for length in (0, len(data) // 2, len(data) - 4):
        rejects(nrrd(tmp_path / "short.nrrd", data[:length], encoding=encoding), "truncated", "xport it again")
    rejects(nrrd(tmp_path / "sizes.nrrd", data, encoding=encoding, sizes="5 4 4"), "240 of 320 bytes")
    _, _, (warning,) = read(nrrd(tmp_path / "long.nrrd", data, encoding=encoding, sizes="5 4 2"))
    assert "240 bytes" in warning and "160" in warning


def test_compressed_data_that_cannot_be_so_long_are_refused_before_memory_is_taken(tmp_path):
    path = nrrd(tmp_path / "a.nrrd", zlib.compress(RAW), encoding="gzip", sizes="1000 1000 1000")
    rejects(path, "cannot hold 4000000000 bytes")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"sizes": "3 5 4 1", "kinds": "RGB-color domain domain domain"}, ("3 components", "one real number")),
        ({"sizes": "3 5 4 1", "kinds": "list domain domain domain"}, ("4 dimensions", "one frame")),
    ],
)
def test_colors_and_several_frames_are_refused(tmp_path, fields, words):
    directions = "none (4,0,0) (0,4,0) (0,0,3)"
    rejects(nrrd(tmp_path / "a.nrrd", dimension="4", space_directions=directions, **fields), *words)


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_voxels_that_are_no_numbers_are_refused(tmp_path, value):
    text = TEXT.replace(TEXT.split()[0], value.encode(), 1)
    rejects(nrrd(tmp_path / "a.nrrd", text, encoding="text"), "NaN or Inf", "(0, 0, 0)")


def test_text_that_does_not_fit_its_type_is_refused(tmp_path):
    for text, kind in ((b"300 " * 60, "unsigned char"), (b"abc " * 60, "float"), (b"1.5 " * 60, "short")):
        rejects(nrrd(tmp_path / "a.nrrd", text, encoding="text", type=kind), "damaged")


@pytest.mark.parametrize(
    ("space", "sign"),
    [("right-anterior-superior-time", -1), ("RAST", -1), ("LPST", 1), ("left-posterior-superior-time", 1)],
)
def test_a_space_with_time_has_the_axes_of_its_name(tmp_path, space, sign):
    fields = {
        "dimension": "4",
        "sizes": "5 4 3 1",
        "space": space,
        "space_directions": "(4,0,0,0) (0,4,0,0) (0,0,3,0) (0,0,0,1)",
    }
    voxels, lps, warned = read(nrrd(tmp_path / "a.nrrd", space_origin="(1,2,3,0)", **fields))
    np.testing.assert_array_equal(voxels, VOXELS)
    np.testing.assert_array_equal(
        lps, np.diag([sign, sign, 1, 1]) @ [[4, 0, 0, 1], [0, 4, 0, 2], [0, 0, 3, 3], [0, 0, 0, 1]]
    )
    assert not warned
    rejects(nrrd(tmp_path / "b.nrrd", space_origin="(1,2,3,nan)", **fields), "(1,2,3,nan)", "time")


@pytest.mark.parametrize("space", ["scanner-xyz", "3D-right-handed", None])
def test_a_space_that_does_not_tell_left_from_right_is_warned_about(tmp_path, space):
    _, lps, (warning,) = read(nrrd(tmp_path / "a.nrrd", space=space))
    np.testing.assert_array_equal(lps[:3, 3], [1, 2, 3])
    assert (space or "no space") in warning and "L, P, S" in warning


def test_spacings_beside_other_directions_are_warned_about(tmp_path):
    _, lps, (warning,) = read(nrrd(tmp_path / "a.nrrd", spacings="4 4 4"))
    np.testing.assert_array_equal(np.diag(lps), [4, 4, 3, 1])
    assert "'4 4 4'" in warning and "4 x 4 x 3 mm" in warning and "directions were taken" in warning
    assert not read(nrrd(tmp_path / "b.nrrd", spacings="4 4 3"))[2]


def in_files(folder, parts, **fields):
    """Writes a header and its data files, whose names count up from 1."""
    for number, part in enumerate(parts, start=1):
        (folder / f"part{number}.raw").write_bytes(part)
    return nrrd(folder / "a.nhdr", b"", data_file=f"part%d.raw 1 {len(parts)} 1", **fields)


def test_data_files_that_do_not_hold_their_share_are_refused(tmp_path):
    slices = [RAW[80 * n : 80 * n + 80] for n in range(3)]
    np.testing.assert_array_equal(read(in_files(tmp_path, slices))[0], VOXELS)
    rejects(in_files(tmp_path, [slices[0] + bytes(8), *slices[1:]]), "88 bytes", "share is 80")  # would move all others
    rejects(in_files(tmp_path, [*slices[:2], slices[2][:-4]]), "76 bytes", "share is 80")
    rejects(in_files(tmp_path, slices, sizes="3 4 5"), "5 slices", "3 data files")


def test_voxels_at_the_end_of_a_file_are_not_taken_from_its_header(tmp_path):
    np.testing.assert_array_equal(read(nrrd(tmp_path / "a.nrrd", byte_skip="-1"))[0], VOXELS)
    rejects(nrrd(tmp_path / "b.nrrd", RAW[:-8], byte_skip="-1"), "232 bytes of data cannot hold 240")


@pytest.mark.parametrize("encoding", ["raw", "hex", "text", "bzip2"])
def test_a_small_file_takes_little_memory(tmp_path, encoding):
    tracemalloc.start()
    try:
        read(nrrd(tmp_path / "a.nrrd", ENCODED[encoding], encoding=encoding))
        if encoding != "bzip2":  # 5 KB of bzip2 can hold so much
            rejects(
                nrrd(tmp_path / "b.nrrd", ENCODED[encoding], encoding=encoding, sizes="1000 1000 1000"), "cannot hold"
            )
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()


def test_text_that_only_python_takes_for_numbers_is_refused(tmp_path):
    rejects(nrrd(tmp_path / "a.nrrd", TEXT.replace(b" ", b" 1_0 ", 1), encoding="text", sizes="61 1 1"), "no numbers")


def test_a_number_of_200_000_digits_takes_no_time(tmp_path):
    begun = time.process_time()
    rejects(nrrd(tmp_path / "a.nrrd", space_origin=f"(1,2,{'7' * 200_000}x)"), "numbers are needed")
    assert time.process_time() - begun < 2
