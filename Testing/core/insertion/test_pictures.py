"""Preview pictures: written completely or not at all, for any geometry."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from picture_cases import BOXES, DIRECTIONS, make_case

from TumorGenCore.insertion import pictures
from TumorGenCore.insertion.pictures import MOST_ROWS, PreviewCase, save_contact_sheet, save_preview

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=DIRECTIONS)
@pytest.mark.parametrize("box", BOXES.values(), ids=BOXES)
def test_preview_is_a_png_for_any_geometry(tmp_path, direction, box):
    path = save_preview(*make_case(direction, box), [box], tmp_path / "preview.png", title="case")
    assert path.read_bytes().startswith(PNG_SIGNATURE)
    assert list(tmp_path.iterdir()) == [path]


def test_empty_mask_has_a_preview(tmp_path):
    box = BOXES["straight"]
    before, _, mask = make_case(np.eye(3), box)
    assert save_preview(before, before, mask * 0, [box], tmp_path / "empty.png").exists()


@pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=DIRECTIONS)
def test_several_boxes_are_all_shown_and_get_a_row_each(tmp_path, monkeypatch, direction):
    drawn = []
    monkeypatch.setattr(pictures, "_write_png", lambda figure, path: drawn.append(figure))
    boxes = [replace(BOXES["rotated"], center_lps=(10.0 * n, 5.0 * n, -8.0 * n)) for n in range(MOST_ROWS + 2)]
    before, after, mask = make_case(direction, boxes[0])
    save_preview(before, after, mask, boxes, tmp_path / "preview.png", title="seed 1")
    whole, *planes = drawn[0].axes
    assert [text.get_text() for text in whole.texts[-len(boxes) :]] == [str(n + 1) for n in range(len(boxes))]
    for box, patch in zip(boxes, whole.patches, strict=True):
        corners = box.corners_lps[:, [0, 2]]
        np.testing.assert_allclose(patch.get_xy().min(axis=0), corners.min(axis=0))
        np.testing.assert_allclose(patch.get_xy().max(axis=0), corners.max(axis=0))
    assert len(planes) == 3 * MOST_ROWS
    assert planes[3].get_title() == "2: before, axial"
    assert all(plane.patches for plane in planes)
    assert drawn[0].get_suptitle() == f"seed 1, the first {MOST_ROWS} of {len(boxes)} lesions in rows"
    save_preview(before, after, mask, boxes[:2], tmp_path / "preview.png")
    assert len(drawn[1].axes) == 1 + 3 * 2


def test_failing_write_leaves_neither_file_nor_part(tmp_path, monkeypatch):
    box = BOXES["straight"]
    case = make_case(np.eye(3), box)
    target = tmp_path / "preview.png"
    target.write_bytes(b"the picture of before")

    def break_off(canvas, filename, **options):
        filename.write_bytes(PNG_SIGNATURE)
        raise OSError("disk full")

    monkeypatch.setattr(FigureCanvasAgg, "print_figure", break_off)
    with pytest.raises(OSError, match="disk full"):
        save_preview(*case, [box], target)
    assert list(tmp_path.iterdir()) == [target]
    assert target.read_bytes() == b"the picture of before"


def test_missing_folder_is_an_error(tmp_path):
    box = BOXES["straight"]
    with pytest.raises(OSError, match="nowhere"):
        save_preview(*make_case(np.eye(3), box), [box], tmp_path / "nowhere" / "preview.png")


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
