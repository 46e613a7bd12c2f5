"""The contact sheet in a real Chromium, opened from disk: filters, sorting, pages, outlines and links."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from chromium import opened, started, wait_until
from matplotlib.image import imread

from TumorGenCore.cohort.contact_sheet.lesions import lesions_of
from TumorGenCore.cohort.contact_sheet.page import page_of
from TumorGenCore.cohort.exports.finished import read_finished


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with started() as chromium:
        yield chromium


@pytest.fixture
def page(browser: Any, sheet: Path) -> Iterator[Any]:
    with opened(browser, sheet / "contact-sheet.html") as page:
        yield page


@pytest.fixture(scope="module")
def long_page(made: Path, sheet: Path) -> Path:
    """A page of 130 lesions in three places, from four lesions; every third has a warning and is poor."""
    lesions = [lesion for case in read_finished(made).cases for lesion in lesions_of(case)]
    places, many = ("liver", "left lung <upper>", "spleen"), []
    for n in range(130):
        lesion = lesions[n % 4]
        asked = {**lesion.case.provenance["case"], "in": places[n % 3]}
        case = replace(lesion.case, name=f"scan{n}", provenance={**lesion.case.provenance, "case": asked})
        figures = {"volume_ml": str(130 - n), "suv_max": str(n % 7), "quality": str(n / 130)}
        poor = {"warnings": "" if n % 3 else "It is poor.", "quality_passes": str(int(n % 3 > 0))}
        many.append(replace(lesion, case=case, row={**lesion.row, **figures, **poor}))
    folder = made.parent / "long"
    (folder / "pictures").mkdir(parents=True)
    for n in range(130):
        for suffix in ("png", "svg"):
            shutil.copy(sheet / "pictures" / f"{n % 4 + 1}.{suffix}", folder / "pictures" / f"{n + 1}.{suffix}")
    (folder / "page.html").write_text(page_of(many, "../made", 10), encoding="utf-8")
    return folder / "page.html"


@pytest.fixture
def many(browser: Any, long_page: Path) -> Iterator[Any]:
    with opened(browser, long_page) as page:
        yield page


def cards(page: Any) -> list[str]:
    return page.eval_on_selector_all(".card", "cards => cards.map((card) => card.dataset.lesion)")


def loaded(page: Any) -> int:
    """Number of pictures that are there and not empty."""
    return page.eval_on_selector_all("img", "all => all.filter((one) => one.complete && one.naturalWidth > 0).length")


def red_pixels(page: Any) -> int:
    """Number of pixels of the first lesion that are red as the outline."""
    seen = imread(BytesIO(page.locator(".planes").first.screenshot()))
    return int((seen[..., 0] > seen[..., 2] + 0.3).sum())


def test_the_page_shows_every_lesion_with_both_pictures(page: Any, made: Path) -> None:
    assert cards(page) == ["boxed_0 1", "boxed_1 1", "free_0 1", "free_0 2"]
    wait_until(page, "[...document.images].every((one) => one.complete && one.naturalWidth > 0)")
    assert loaded(page) == 8
    assert page.locator("#statement").inner_text() == "Synthetic, not for diagnosis"
    assert "SUV 0 (white) to 8 (black)" in page.locator("#legend").inner_text()
    assert page.locator("#count").inner_text() == "4 lesions of 3 results"
    for link in page.locator(".card a").all():
        assert Path(link.evaluate("link => decodeURI(new URL(link.href).pathname)")).is_file()
    plane = page.locator(".planes").first.bounding_box()
    assert plane["width"] / plane["height"] == pytest.approx(364 / 120, rel=0.02)


def test_a_key_hides_and_shows_the_outlines(page: Any) -> None:
    wait_until(page, "[...document.images].every((one) => one.complete && one.naturalWidth > 0)")
    shown = red_pixels(page)
    assert shown > 50
    page.keyboard.press("m")
    assert red_pixels(page) == 0
    page.keyboard.press("M")
    assert red_pixels(page) == shown
    page.locator("#name").fill("m")  # a letter of a name, not the key
    assert page.locator("#outlines").is_checked() and cards(page) == []
    assert page.get_by_text("No lesion passes the filters.").is_visible()


def test_pages_turn_by_buttons_and_keys_and_load_only_what_is_near(many: Any) -> None:
    assert cards(many) == [f"scan{n}_{0 if n % 4 != 1 else 1} {2 if n % 4 == 3 else 1}" for n in range(60)]
    assert loaded(many) < 120
    assert many.locator("#before").is_disabled() and many.locator("#at").inner_text() == "page 1 of 3"
    many.keyboard.press("ArrowRight")
    assert cards(many)[0].startswith("scan60_")
    many.locator("#after").click()
    assert len(cards(many)) == 10 and many.locator("#after").is_disabled()
    many.keyboard.press("ArrowLeft")
    assert many.locator("#at").inner_text() == "page 2 of 3"


def test_filters_work_together_and_reset(many: Any) -> None:
    many.locator("#place").select_option("left lung <upper>")
    assert many.locator("#count").inner_text() == "43 of 130 lesions"
    many.locator("#volume-least").fill("100,5")
    many.locator("#max-most").fill("3")
    names = [card.partition("_")[0] for card in cards(many)]
    assert names == [f"scan{n}" for n in range(130) if n % 3 == 1 and 130 - n >= 100.5 and n % 7 <= 3]
    many.locator("#volume-least").fill("x")
    assert many.locator("#volume-least.wrong").count() == 1 and len(cards(many)) > len(names)
    many.get_by_role("button", name="Reset").click()
    wait_until(many, "document.getElementById('count').textContent === '130 lesions of 130 results'")
    many.locator("#warned").select_option("yes")
    assert many.locator("#count").inner_text() == "44 of 130 lesions"
    assert many.locator(".card.poor").count() == 44 and many.locator("details", has_text="It is poor.").count() == 44
    many.locator("#name").fill("SCAN12")
    assert [card.partition("_")[0] for card in cards(many)] == ["scan12", "scan120", "scan123", "scan126", "scan129"]


def test_sorting_goes_both_ways(many: Any) -> None:
    many.locator("#sort").select_option("quality")
    many.locator("#down").check()
    assert cards(many)[0].startswith("scan129_")
    many.locator("#sort").select_option("volume")
    assert cards(many)[0].startswith("scan0_")
    many.locator("#down").uncheck()
    assert cards(many)[0].startswith("scan129_")
    many.locator("#sort").select_option("max")
    assert [card.partition("_")[0] for card in cards(many)[:3]] == ["scan0", "scan7", "scan14"]


def test_nothing_is_cut_off_at_any_size(many: Any) -> None:
    for value in ("100", "320"):
        many.locator("#size").fill(value)
        assert many.evaluate("document.documentElement.scrollWidth") == 1280
        assert many.locator(".card").first.evaluate("card => card.scrollWidth <= card.clientWidth")
