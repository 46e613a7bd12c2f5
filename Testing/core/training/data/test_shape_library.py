"""The shape library: what is read, how patients are split, and what a shape looks like on another grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from TumorGenCore.errors import TrainingDataError
from TumorGenCore.training.data.shape_library import Shape, judging_patients, load_shapes
from TumorGenCore.volumes.geometry import Grid


def ball(radius: int) -> np.ndarray:
    k, j, i = np.indices((2 * radius + 1,) * 3) - radius
    return k**2 + j**2 + i**2 <= radius**2


def write_library(folder: Path, name: str, masks: list[np.ndarray], rows: str) -> None:
    folder.mkdir(exist_ok=True)
    bits = np.concatenate([mask.ravel() for mask in masks])
    offsets = np.cumsum([0, *(mask.size for mask in masks)])
    shapes = np.array([mask.shape for mask in masks])
    np.savez(folder / f"{name}.npz", bits=np.packbits(bits), voxels=bits.size, offsets=offsets, shapes_kji=shapes)
    (folder / f"{name}.csv").write_text(rows)


@pytest.fixture
def library(tmp_path: Path) -> Path:
    masks = [ball(3 + n % 3) for n in range(8)]
    rows = "".join(f"P{n},4.0,4.0,3.0\n" for n in range(8))
    write_library(tmp_path / "shapes", "avid", masks, "patient,spacing_i_mm,spacing_j_mm,spacing_k_mm\n" + rows)
    rows = "".join(f"N{n // 2},1\n" for n in range(8))
    write_library(tmp_path / "shapes", "nodules", [ball(9)] * 8, "patient,spacing_mm\n" + rows)
    return tmp_path / "shapes"


def test_shapes_are_read_with_size_and_patient(library: Path) -> None:
    shapes = load_shapes(library, "all")
    assert len(shapes) == 16 and {shape.kind for shape in shapes} == {"avid", "nodules"}
    first = shapes[0]
    assert (first.kind, first.patient, first.spacing_mm) == ("avid", "P0", (4.0, 4.0, 3.0))
    np.testing.assert_array_equal(first.mask, ball(3))
    assert first.volume_ml == pytest.approx(ball(3).sum() * 48 / 1000) and first.longest_mm == 28
    assert shapes[-1].spacing_mm == (1.0, 1.0, 1.0)


def test_no_patient_is_on_both_sides(library: Path) -> None:
    sides = [{(shape.kind, shape.patient) for shape in load_shapes(library, part)} for part in ("training", "judging")]
    assert not sides[0] & sides[1]
    assert len({p for kind, p in sides[1] if kind == "avid"}) == 2
    assert len({p for kind, p in sides[1] if kind == "nodules"}) == 1
    assert {patient for _, patient in sides[1]} == judging_patients(load_shapes(library, "all"))


def test_small_shapes_and_loose_voxels_are_left_out(library: Path) -> None:
    assert {shape.longest_mm for shape in load_shapes(library, "all", least_ml=10)} == {36, 44}
    torn = np.pad(ball(4), 3)
    torn[0, 0, 0] = True
    write_library(library, "torn", [torn], "patient,spacing_mm\nT,2\n")
    np.testing.assert_array_equal(load_shapes(library, "all")[-1].mask, ball(4))


def test_a_shape_on_a_finer_grid_keeps_its_volume_and_place() -> None:
    shape = Shape("avid", "P", ball(4), (4.0, 4.0, 3.0))
    size = (48, 48, 48)
    middle = shape.points_lps.mean(axis=0)
    found = shape.on(Grid(size, (1.0,) * 3, tuple(middle - 23.5)))
    assert found.sum(dtype=float) / 1000 == pytest.approx(shape.volume_ml, rel=0.01)
    assert found.max() > 0.99
    np.testing.assert_allclose(np.argwhere(found > 0.5).mean(axis=0), 23.5, atol=0.1)


def test_what_is_no_library_is_named(library: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingDataError, match="No shapes were found"):
        load_shapes(tmp_path / "nowhere", "all")
    (library / "avid.csv").write_text("patient,spacing_mm\nP0,1\n")
    with pytest.raises(TrainingDataError, match="1 rows for 8 masks"):
        load_shapes(library, "all")
    (library / "avid.npz").write_bytes(b"no zip")
    with pytest.raises(TrainingDataError, match="avid cannot be read"):
        load_shapes(library, "all")


def test_the_split_of_the_shared_shapes_is_written_down(shared_data: Path) -> None:
    """So others can keep the same patients apart; the file belongs to the repository."""
    written = Path(__file__).parents[4] / "Resources/Training/shapes-judging.csv"
    judging = sorted({(shape.kind, shape.patient) for shape in load_shapes(shared_data / "shapes", "judging", 0)})
    assert written.read_text().split() == ["set,patient", *(f"{kind},{patient}" for kind, patient in judging)]
