"""The files of a contact sheet: pictures that show the lesions, a page that names no person, all or none."""

from __future__ import annotations

import json
import re
import signal
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import SimpleITK as sitk
from cohort_folders import table
from matplotlib.image import imread

from TumorGenCore.cli import main
from TumorGenCore.cohort.contact_sheet import sheet as module
from TumorGenCore.cohort.contact_sheet.pictures import EDGE_MM, outline_svg, planes_png, planes_through


def content(sheet: Path) -> dict[str, Any]:
    found = re.search(r'id="sheet">(.*?)</script>', (sheet / "contact-sheet.html").read_text(), re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_every_lesion_has_its_figures_and_both_pictures(made: Path, sheet: Path) -> None:
    page, truth = content(sheet), table(made, "truth.csv")
    lesions = [dict(zip(page["columns"], values, strict=True)) for values in page["lesions"]]
    assert [(lesion["case"], lesion["lesion"], lesion["of"]) for lesion in lesions] == [
        ("boxed_0", 1, 1),
        ("boxed_1", 1, 1),
        ("free_0", 1, 2),
        ("free_0", 2, 2),
    ]
    for lesion, row in zip(lesions, truth, strict=True):
        assert lesion["max"] == pytest.approx(float(row["suv_max"]), abs=1e-3)
        assert lesion["volume"] == pytest.approx(float(row["volume_ml"]), abs=1e-3)
        assert page["warnings"][lesion["warnings"]] == row["warnings"]
    assert [lesion["place"] for lesion in lesions] == ["in a given box"] * 2 + ["anywhere in the body"] * 2
    assert sorted(path.name for path in (sheet / "pictures").iterdir()) == sorted(
        f"{n}.{suffix}" for n in range(1, 5) for suffix in ("png", "svg")
    )
    assert page["results"] == "../made" and page["window"] == 8


def test_the_page_says_synthetic_and_names_no_person_and_no_machine(made: Path, sheet: Path) -> None:
    text = (sheet / "contact-sheet.html").read_text()
    assert content(sheet)["statement"] == "Synthetic, not for diagnosis"
    assert not [word for word in ("Miller", "Anna", str(made.parent)) if word in text]
    assert not re.findall(r"https?://", text) and "default-src 'none'" in text


def test_the_planes_show_the_lesion_in_the_middle_and_the_outline_lies_on_it() -> None:
    image = sitk.Image([60, 50, 40], sitk.sitkFloat32)
    image.SetSpacing((3.0, 3.5, 4.0))
    image.SetDirection((-1.0, 0, 0, 0, 1, 0, 0, 0, -1))  # left and feet first
    mask = sitk.Image([60, 50, 40], sitk.sitkUInt8)
    mask.CopyInformation(image)
    image[28:34, 23:28, 18:23] = 8.0
    mask[28:34, 23:28, 18:23] = 1
    image[40:43, 23:28, 18:23] = 4.0  # to the right of the patient, so left in the picture
    center = np.array(image.TransformContinuousIndexToPhysicalPoint((30.5, 25.0, 20.0)))
    planes = planes_through(center, image)
    gray = imread(BytesIO(planes_png(planes, image, 8.0)))[..., 0]
    assert gray.shape == (EDGE_MM, 3 * EDGE_MM + 4)
    middles = [gray[60, n * (EDGE_MM + 2) + 60] for n in range(3)]
    assert middles == [0.0] * 3  # black
    assert gray[60, 60 - 33] == pytest.approx(0.5, abs=0.05) and gray[60, 60 + 33] == 1
    lines = list(ElementTree.fromstring(outline_svg(planes, mask)))
    assert len(lines) == 3
    for n, (line, half) in enumerate(zip(lines, ((9, 8.75), (9, 10), (8.75, 10)), strict=True)):
        points = np.array([point.split(",") for point in line.attrib["points"].split()], float)
        points -= [n * (EDGE_MM + 2) + 60, 60]
        assert np.abs(points).max(axis=0) == pytest.approx(half, abs=2.1)
        assert np.abs(points).min(axis=1).max() > 5


def test_an_interrupt_leaves_nothing(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interrupts_raise: None
) -> None:
    draw, calls = module.planes_png, []

    def stopped(*arguments: Any) -> bytes:
        calls.append(arguments)
        if len(calls) == 3:
            signal.raise_signal(signal.SIGINT)
        return draw(*arguments)

    monkeypatch.setattr(module, "planes_png", stopped)
    assert main(["contact-sheet", str(made), "--output", str(tmp_path / "sheet"), "--quiet"]) == 130
    assert len(calls) == 3 and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ("none", ["--suv-window", "0"], "The SUV window ends at 0.0"),
        ("full", [], "is not empty. Give a new folder"),
        ("no table", [], "has no cases.csv. Give the folder of `tumorgen synthesize`"),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    change: str, options: list[str], message: str, made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results, output = made, tmp_path / "sheet"
    if change == "full":
        output.mkdir()
        (output / "mine.txt").touch()
    if change == "no table":
        (results := tmp_path / "empty").mkdir()
    before = sorted(tmp_path.rglob("*"))
    assert main(["contact-sheet", str(results), "--output", str(output), *options]) == 1
    assert message in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before
