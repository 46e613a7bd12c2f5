"""Preview pictures: written whole or not at all, whatever the geometry, and true to the patient's axes."""

import numpy as np
import pytest
import SimpleITK as sitk
from matplotlib.figure import Figure

from TumorGenCore.insertion import pictures as preview
from TumorGenCore.insertion.pictures import PreviewCase, save_contact_sheet, save_preview
from TumorGenCore.volumes.geometry import Box, Grid

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
TILT = (35.0, 20.0, 10.0)


def rotation(degrees: tuple[float, float, float] = TILT) -> np.ndarray:
    transform = sitk.Euler3DTransform()
    transform.SetRotation(*np.radians(degrees))
    return np.asarray(transform.GetMatrix()).reshape(3, 3)


def make_case(direction: np.ndarray, box: Box) -> tuple[sitk.Image, sitk.Image, sitk.Image]:
    """Before, after and mask on a grid centered on the origin, with a ball of 12 mm at the center of the box."""
    size, spacing = np.array([40, 36, 30]), np.array([4.0, 4.0, 5.0])
    origin = -direction @ (spacing * (size - 1) / 2)
    grid = Grid(tuple(size.tolist()), tuple(spacing), tuple(origin), tuple(map(tuple, direction)))
    ijk = np.stack(np.meshgrid(*[np.arange(n) for n in size], indexing="ij"), axis=-1)
    distance = np.linalg.norm(grid.index_to_lps(ijk) - box.center_lps, axis=-1).transpose(2, 1, 0)
    mask = (distance < 12).astype(np.uint8)
    before = np.ones(mask.shape, dtype=np.float32)
    return tuple(grid.image_from_array(array) for array in (before, before + 8 * mask, mask))


BOXES = {
    "straight": Box((5.0, -4.0, 6.0), (40.0, 36.0, 44.0)),
    "rotated": Box((5.0, -4.0, 6.0), (40.0, 36.0, 44.0), tuple(map(tuple, rotation((10, 50, -30))))),
    "partly outside": Box((70.0, 0.0, 0.0), (60.0, 40.0, 40.0)),
}
DIRECTIONS = {"identity": np.eye(3), "oblique": rotation(), "left-handed": np.diag([1.0, 1.0, -1.0])}


@pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=DIRECTIONS)
@pytest.mark.parametrize("box", BOXES.values(), ids=BOXES)
def test_preview_is_a_png_for_any_geometry(tmp_path, direction, box):
    path = save_preview(*make_case(direction, box), box, tmp_path / "preview.png", title="case")
    assert path.read_bytes().startswith(PNG_SIGNATURE)
    assert list(tmp_path.iterdir()) == [path]


def test_empty_mask_shows_the_center_of_the_box(tmp_path):
    box = BOXES["straight"]
    before, _, mask = make_case(np.eye(3), box)
    assert np.allclose(preview._focus(mask * 0, box), box.center_lps)
    assert save_preview(before, before, mask * 0, box, tmp_path / "empty.png").exists()


@pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=DIRECTIONS)
def test_focus_is_the_centroid_of_the_tumor(direction):
    box = BOXES["rotated"]
    _, _, mask = make_case(direction, box)
    assert np.allclose(preview._focus(mask, box), box.center_lps, atol=1.0)


@pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=DIRECTIONS)
@pytest.mark.parametrize("name", ["axial", "coronal", "sagittal"])
def test_planes_show_the_patient_radiologically(direction, name):
    """Something left, posterior and superior of the focus appears on the side its letter says."""
    box = Box((0.0, 0.0, 0.0), (60.0, 60.0, 60.0))
    offset = np.array([20.0, 18.0, 22.0])  # L, P, S
    plane_of = {"axial": (0, 1), "coronal": (0, 2), "sagittal": (1, 2)}
    marked = np.zeros(3)
    marked[list(plane_of[name])] = offset[list(plane_of[name])]
    _, after, _ = make_case(direction, Box(tuple(marked), (30.0, 30.0, 30.0)))
    plane = preview._Plane.through(np.zeros(3), name, box, after, 10.0)
    picture = plane.sample(after)
    row, column = np.argwhere(picture > 5).mean(axis=0) - (np.array(picture.shape) - 1) / 2
    expected = {"axial": (18, 20), "coronal": (-22, 20), "sagittal": (-22, 18)}[name]
    assert (row, column) == pytest.approx(expected, abs=2.0)


def test_cut_of_a_straight_box_is_its_rectangle():
    box = Box((10.0, 20.0, 30.0), (4.0, 6.0, 8.0))
    assert np.allclose(np.ptp(preview._cut(box, 2, 30.0), axis=0), [4, 6, 0])
    assert len(preview._cut(box, 2, 40.0)) == 0


def test_cut_of_a_rotated_box_lies_on_plane_and_surface():
    box = BOXES["rotated"]
    points = preview._cut(box, 1, -4.0)
    assert 3 <= len(points) <= 6
    assert np.allclose(points[:, 1], -4.0)
    on_faces = np.isclose(np.abs(box.to_box(points)), np.asarray(box.size_mm) / 2).sum(axis=1)
    assert np.all(on_faces >= 2)  # every corner of the outline is on an edge of the box


def test_failing_write_leaves_neither_file_nor_part(tmp_path, monkeypatch):
    box = BOXES["straight"]
    case = make_case(np.eye(3), box)
    target = tmp_path / "preview.png"
    target.write_bytes(b"the picture of before")

    def break_off(canvas, filename, **options):
        filename.write_bytes(PNG_SIGNATURE)
        raise OSError("disk full")

    monkeypatch.setattr(preview.FigureCanvasAgg, "print_figure", break_off)
    with pytest.raises(OSError, match="disk full"):
        save_preview(*case, box, target)
    assert list(tmp_path.iterdir()) == [target]
    assert target.read_bytes() == b"the picture of before"


def test_missing_folder_is_an_error(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        preview._write_png(Figure(), tmp_path / "nowhere" / "preview.png")


def test_contact_sheet_takes_cases_with_and_without_mask(tmp_path):
    box = BOXES["rotated"]
    before, after, mask = make_case(DIRECTIONS["oblique"], box)
    cases = [
        PreviewCase("before", before, None, box),
        PreviewCase("after", after, mask, box, "coronal"),
        PreviewCase("after", after, mask, box, "sagittal"),
    ]
    path = save_contact_sheet(cases, tmp_path / "sheet.png", columns=2)
    assert path.read_bytes().startswith(PNG_SIGNATURE)
    assert save_contact_sheet(cases, path, suv_max=7.0) == path
    with pytest.raises(ValueError, match="at least one"):
        save_contact_sheet([], path)
