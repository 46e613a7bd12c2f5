"""The page in a real Chromium: opened from disk without a network, answered by keys, saved, and scored."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chromium import opened, started, wait_until
from matplotlib.image import imread

from TumorGenCore.cli import main

_AXIAL, _CORONAL, _SAGITTAL = 0, 1, 2


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with started() as chromium:
        yield chromium


@pytest.fixture
def page(browser: Any, study: Path) -> Iterator[Any]:
    """The page, opened from disk; it asks for no file but itself and has no error."""
    with opened(browser, study / "reader-study.html") as page:
        yield page


def start(page: Any, key: dict) -> None:
    page.get_by_role("button", name="Start").click()
    shown(page, next(iter(key["lesions"])))


def shown(page: Any, lesion: str) -> None:
    """Waits until the lesion is drawn."""
    page.wait_for_selector(f"#reading[data-lesion='{lesion}']")


def pixels(page: Any, plane: int) -> np.ndarray:
    """The pixels of a plane as the reader sees them, 0 to 255, (rows, columns, RGB)."""
    picture = page.evaluate("n => document.querySelectorAll('canvas')[n].toDataURL()", plane)
    return np.rint(255 * imread(BytesIO(base64.b64decode(picture.partition(",")[2])))[..., :3]).astype(int)


def differ(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether a reader could see the difference; Chromium may smooth the same picture in two ways."""
    return bool(np.abs(a - b).max() > 10)


def saved(page: Any, button: str, folder: Path) -> Path:
    with page.expect_download() as download:
        page.get_by_role("button", name=button).locator("visible=true").click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def test_a_whole_set_is_answered_by_keys_saved_and_scored(page: Any, study: Path, key: dict, tmp_path: Path) -> None:
    start(page, key)
    for name, lesion in key["lesions"].items():
        shown(page, name)
        page.keyboard.press("5" if lesion["truth"] == "synthetic" else "1")
    page.get_by_text("You answered all 6 lesions.").wait_for()
    path = saved(page, "Save answers", tmp_path)
    assert path.name == "answers.json"
    answers = json.loads(path.read_text())
    assert answers["study"] == key["study"]
    assert [answer["id"] for answer in answers["answers"]] == list(key["lesions"])
    assert all(answer["window"] == [0, 10] and 0 <= answer["seconds"] < 60 for answer in answers["answers"])
    output = tmp_path / "scores"
    assert main(["reader-study", "score", str(study / "key.json"), str(path), "--output", str(output), "--quiet"]) == 0
    scores = json.loads((output / "scores.json").read_text())
    assert scores["readers"]["answers"]["all"]["auc"] == 1
    assert scores["readers"]["answers"]["answered"] == 6


def test_the_planes_show_the_hot_ball_in_the_middle_and_dark(page: Any, key: dict) -> None:
    start(page, key)
    for plane in (_AXIAL, _CORONAL, _SAGITTAL):
        picture = pixels(page, plane)[..., 0]
        side = len(picture)
        middle = picture[side // 3 : 2 * side // 3, side // 3 : 2 * side // 3]
        assert middle.min() < 70  # SUV 8 of 10, dark because the gray scale is inverted
        assert np.percentile(picture, 50) > 200


def test_scrolling_changes_the_pixels_of_its_plane_only(page: Any, key: dict) -> None:
    start(page, key)
    before = [pixels(page, plane) for plane in (_AXIAL, _CORONAL, _SAGITTAL)]
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    after = [pixels(page, plane) for plane in (_AXIAL, _CORONAL, _SAGITTAL)]
    assert [differ(a, b) for a, b in zip(before, after, strict=True)] == [True, False, False]
    assert page.get_by_label("Axial slice").input_value() == "34"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert not differ(pixels(page, _AXIAL), before[0])
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert page.get_by_label("Coronal slice").input_value() == "31"
    page.locator("canvas").nth(_SAGITTAL).hover()
    page.mouse.wheel(0, 100)
    wait_until(page, "document.querySelectorAll('input[type=range]')[2].value === '33'")
    page.get_by_label("Sagittal slice").fill("5")
    assert page.get_by_text("6 of 64").is_visible()


def test_a_click_moves_the_other_planes_to_its_point(page: Any, key: dict) -> None:
    start(page, key)
    box = page.locator("canvas").nth(_AXIAL).bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.25, box["y"] + box["height"] * 0.75)
    assert abs(int(page.get_by_label("Sagittal slice").input_value()) - 16) <= 1
    assert abs(int(page.get_by_label("Coronal slice").input_value()) - 48) <= 1
    assert page.get_by_label("Axial slice").input_value() == "32"


def test_the_gray_scale_changes_by_keys_and_by_dragging(page: Any, key: dict, tmp_path: Path) -> None:
    start(page, key)
    before = pixels(page, _CORONAL)
    page.keyboard.press("-")
    darker = pixels(page, _CORONAL)
    assert darker.mean() < before.mean() - 1
    page.keyboard.press("+")
    assert page.get_by_text("SUV 0.0 to 10.0").is_visible()
    page.keyboard.press("i")
    assert np.abs(pixels(page, _CORONAL) + before - 255)[: len(before) // 2].max() <= 1  # above the scale bar
    page.keyboard.press("i")
    box = page.locator("canvas").nth(_AXIAL).bounding_box()
    page.mouse.move(box["x"] + 200, box["y"] + 200)
    page.mouse.down()
    page.mouse.move(box["x"] + 250, box["y"] + 50, steps=4)
    page.mouse.up()
    assert page.get_by_text("SUV 1.0 to 20.0").is_visible()
    page.keyboard.press("3")
    wait_until(page, "document.getElementById('progress').textContent.startsWith('Lesion 2')")
    assert page.get_by_text("SUV 0.0 to 10.0").is_visible()
    answer = json.loads(saved(page, "Save answers", tmp_path).read_text())["answers"][0]
    assert (answer["rating"], answer["window"]) == (3, [1, 20])


def test_lines_can_be_shown(page: Any, key: dict) -> None:
    start(page, key)
    before = pixels(page, _AXIAL)
    assert (before[: len(before) // 2, :, 0] == before[: len(before) // 2, :, 2]).all()  # gray
    page.keyboard.press("x")
    colored = pixels(page, _AXIAL)
    assert (colored[..., 0] > colored[..., 2] + 100).sum() > len(before)


def test_backspace_goes_back_and_a_new_rating_replaces_the_old_one(page: Any, key: dict, tmp_path: Path) -> None:
    start(page, key)
    first, second = list(key["lesions"])[:2]
    page.keyboard.press("2")
    shown(page, second)
    page.keyboard.press("Backspace")
    shown(page, first)
    assert page.locator("#ratings button[aria-pressed=true]").inner_text().startswith("2")
    page.get_by_role("button", name="4 probably synthetic").click()
    shown(page, second)
    answers = json.loads(saved(page, "Save answers", tmp_path).read_text())["answers"]
    assert [(answer["id"], answer["rating"]) for answer in answers] == [(first, 4)]


def test_leaving_with_unsaved_answers_asks_and_saving_ends_that(page: Any, key: dict, tmp_path: Path) -> None:
    start(page, key)
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss())[1])
    page.keyboard.press("1")
    wait_until(page, "document.getElementById('progress').textContent.includes('1 answered')")
    with page.expect_event("dialog"):
        page.close(run_before_unload=True)
    assert asked == ["beforeunload"]
    saved(page, "Save answers", tmp_path)
    with page.expect_event("close"):
        page.close(run_before_unload=True)
    assert asked == ["beforeunload"]


def test_earlier_answers_are_continued_and_those_of_another_study_are_refused(
    page: Any, key: dict, tmp_path: Path
) -> None:
    names = list(key["lesions"])
    answers = [{"id": name, "rating": 2, "seconds": 7, "window": [0, 5]} for name in names[:2]]
    content = {"format": "tumorgen reader-study answers", "version": 1, "reader": "R7", "answers": answers}
    for study in ("another", key["study"]):
        (tmp_path / "earlier.json").write_text(json.dumps({**content, "study": study}))
        page.get_by_label("Continue from saved answers").set_input_files(tmp_path / "earlier.json")
        said = "2 answers are loaded." if study == key["study"] else "These answers are of another study."
        page.get_by_text(said).wait_for()
    page.get_by_role("button", name="Start").click()
    shown(page, names[2])
    path = saved(page, "Save answers", tmp_path)
    assert path.name == "answers-R7.json"
    assert json.loads(path.read_text())["answers"] == answers


def test_nothing_is_cut_off_at_1280_by_800(page: Any, key: dict) -> None:
    start(page, key)
    assert page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]") == [1280, 800]
    assert page.locator("canvas").first.bounding_box()["width"] > 380
    last = page.get_by_role("button", name="5 surely synthetic").bounding_box()
    assert last["y"] + last["height"] <= 800
