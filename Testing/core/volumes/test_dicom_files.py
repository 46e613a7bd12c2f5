"""No slice is left out in silence: a damaged file that may be a slice is refused by its name."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_slices import write_slice
from volume_files import rejects

from TumorGenCore.errors import UnsupportedVolumeError, VolumeWarning
from TumorGenCore.volumes.read import read_volume


def write_series(folder: Path, name: str = "IM{:04}.dcm") -> list[Path]:
    """Writes five slices whose values are 1 to 5 SUV, in the order of their heights."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / name.format(n) for n in range(5)]
    for n, path in enumerate(paths):
        write_slice(path, 4.0 * n, n + 1, 1.0, "1.2.3")
    return paths


def without_preamble(path: Path) -> None:
    path.write_bytes(path.read_bytes()[132:])


def without_meta(path: Path) -> None:
    dataset = pydicom.dcmread(path)
    del dataset.file_meta
    pydicom.dcmwrite(path, dataset, implicit_vr=True, little_endian=True)


DAMAGES = {
    "empty": lambda data: b"",
    "short": lambda data: data[:100],
    "zeros": lambda data: bytes(len(data)),
    "text": lambda data: b"404 Not Found",
    "header": lambda data: data[:300],
    "pixels": lambda data: data[:-10],
    "no pixels": lambda data: data[:-36],
    "class": lambda data: data.replace(b"1.2.840.10008.5.1.4.1.1.128", b"1.2.840.10008.5.1.4.1.1.12x"),
}


@pytest.mark.parametrize("place", [0, 2, 4])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_slice_is_refused_by_name(tmp_path, damage, place):
    path = write_series(tmp_path)[place]
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    rejects(tmp_path, path.name)


@pytest.mark.parametrize("name", ["IM{:04}", "1.2.840.7.{}", "slice{}.ima", "slice-{}.IMA"])
def test_an_empty_slice_is_found_by_the_name_of_the_others(tmp_path, name):
    path = write_series(tmp_path, name)[-1]
    path.write_bytes(b"")
    rejects(tmp_path, path.name, "empty or damaged")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["IM{:04}", "IM{:04}.dcm"])
def test_files_that_are_no_slices_are_passed_over(tmp_path, name):
    write_series(tmp_path, name)
    for other in ("README", "notes.txt", ".DS_Store", "Thumbs.db", "LICENSE"):
        (tmp_path / other).write_bytes(b"\x08\x00 anything" if other == ".DS_Store" else b"no DICOM")
    (tmp_path / "empty.txt").write_bytes(b"")
    write_slice(tmp_path / "csa.dcm", 0, 5, 1.0, "9.1", SOPClassUID="1.3.12.2.1107.5.9.1", Modality="OT")
    write_slice(tmp_path / "DICOMDIR", 0, 5, 1.0, "9.2", SOPClassUID="1.2.840.10008.1.3.10", Modality=None)
    assert read_volume(tmp_path).image.GetSize() == (4, 3, 5)


@pytest.mark.parametrize("strip", [without_preamble, without_meta])
@pytest.mark.parametrize("places", [(0,), (4,), range(5)], ids=["first", "last", "all"])
def test_slices_without_preamble_are_read(tmp_path, strip, places):
    paths = write_series(tmp_path)
    for place in places:
        strip(paths[place])
    assert sitk.GetArrayFromImage(read_volume(tmp_path).image)[:, 0, 0].tolist() == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "junk",
    [np.random.default_rng(n).bytes(200_000) for n in range(4)] + [b"\xff\xff\xff\x7f" * 10, b"\x00" * 1000],
    ids=["random-0", "random-1", "random-2", "random-3", "ones", "zeros"],
)
def test_bytes_after_the_end_cost_no_time_and_change_nothing(tmp_path, junk):
    for path in write_series(tmp_path):
        path.write_bytes(path.read_bytes() + junk)
    start = time.perf_counter()
    assert sitk.GetArrayFromImage(read_volume(tmp_path).image)[:, 0, 0].tolist() == [1, 2, 3, 4, 5]
    assert time.perf_counter() - start < 2


def test_mutated_slices_are_read_rightly_or_refused_with_a_named_error(tmp_path):
    """Damages a slice 300 times: the errors of pydicom (struct.error, OSError, ...) never come through."""
    paths = write_series(tmp_path)
    generator = np.random.default_rng(7)
    data = paths[2].read_bytes()
    refused = 0
    for n in range(300):
        damaged = bytearray(data)
        place = int(generator.integers(132, len(data) - 8))
        if n % 3 == 0:
            damaged[place : place + 4] = generator.choice([b"\xff\xff\xff\xff", b"SQ\x00\x00", b"UN\x00\x00"])
        elif n % 3 == 1:
            del damaged[place : place + int(generator.integers(1, 20))]
        else:
            damaged[place:place] = generator.bytes(int(generator.integers(1, 20)))
        paths[2].write_bytes(damaged)
        try:
            read_volume(tmp_path)
        except UnsupportedVolumeError:
            refused += 1
    assert refused > 100


@pytest.mark.parametrize("slices", [1, 5])
def test_slices_that_are_of_another_class_by_their_dataset_are_read_with_a_warning(tmp_path, slices):
    for path in write_series(tmp_path)[:slices]:
        dataset = pydicom.dcmread(path)
        dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"  # CT
        dataset.save_as(path)
    with pytest.warns(VolumeWarning, match=f"In {slices} slices .* different kinds of objects") as warned:
        image = read_volume(tmp_path).image
    assert len(warned) == 1
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image)[:, 0, 0], [1, 2, 3, 4, 5])
