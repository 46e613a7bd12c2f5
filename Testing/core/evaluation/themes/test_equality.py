"""Equality: a segmenter's figures on synthetic tumors, minus those on real ones of like size and contrast."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk
from hot_finder import hot_finder

from TumorGenCore.evaluation.samples import synthetic_lesion
from TumorGenCore.evaluation.sites import Site
from TumorGenCore.evaluation.themes.alignment import ALIGNMENT_FIGURES, alignment
from TumorGenCore.evaluation.themes.equality import (
    EQUALITY_FIGURES,
    Judged,
    differences,
    judged,
    measure_equality,
    nearest_like,
    real_tumors,
    small_sites,
)
from TumorGenCore.evaluation.themes.equality_text import EQUALITY_HEADER, equality_cells, equality_lines
from TumorGenCore.volumes.geometry import Box, Grid

PATIENTS = "ABCDEF"
RADII_MM = (12.0, 14.0, 16.0, 18.0, 20.0, 22.0)
GRID = Grid((32, 32, 32), (4.0, 4.0, 4.0), (-62.0, -62.0, -62.0))
BOX = Box((0.0, 0.0, 0.0), (64.0, 64.0, 64.0))
#: Marks what is hotter than SUV 4.
SEGMENTER = hot_finder(4.0, spacing_mm=4.0)


def ball(radius_mm: float) -> np.ndarray:
    k, j, i = (4.0 * axis - 62.0 for axis in np.indices((32, 32, 32)))
    return k**2 + j**2 + i**2 <= radius_mm**2


def site_of(patient: str, radius_mm: float, suv: float, marked_mm: float) -> Site:
    """A site over a ball in tissue of SUV 1; the mask may reach beyond the ball."""
    image = GRID.image_from_array(np.where(ball(radius_mm), suv, 1.0).astype(np.float32))
    mask = GRID.image_from_array(ball(marked_mm).astype(np.uint8))
    return Site(f"{patient} tumor", "tumor", image, BOX, mask, patient)


def sites(suv: float = 8.0, wider_mm: float = 0.0) -> list[Site]:
    return [site_of(p, radius, suv, radius + wider_mm) for p, radius in zip(PATIENTS, RADII_MM, strict=True)]


def test_real_tumors_given_as_synthetic_ones_have_no_difference() -> None:
    real = real_tumors(SEGMENTER, sites(wider_mm=4.0))
    # The masks are too wide, so the heights are far from 1 and differ between the patients.
    heights = [one.figures["dice"] for one in real]
    assert max(heights) < 0.95 and len(set(heights)) == len(heights)
    found = differences(real, real)
    for name in EQUALITY_FIGURES:
        assert found[name] == {"mean": 0.0, "interval": [0.0, 0.0], "patients": 6}
    assert (found["tumors"], found["compared"]) == (6, 6)
    assert (found["volume_ratio"], found["contrast_ratio"]) == (1.0, 1.0)


def test_tumors_with_tidier_masks_have_a_positive_difference_and_the_reverse_a_negative_one() -> None:
    untidy, tidy = (real_tumors(SEGMENTER, sites(wider_mm=wider)) for wider in (4.0, 0.0))
    up, down = differences(tidy, untidy), differences(untidy, tidy)
    expected = np.mean([a.figures["dice"] - b.figures["dice"] for a, b in zip(tidy, untidy, strict=True)])
    # A voxel too far on each side: 2 n / (n + m) for n voxels of m that are marked.
    counted = [2 * ball(r).sum() / (ball(r).sum() + ball(r + 4).sum()) for r in RADII_MM]
    assert expected == pytest.approx(1 - np.mean(counted), abs=0.05)
    low, high = up["dice"]["interval"]
    assert 0.05 < low < up["dice"]["mean"] < high
    assert down["dice"]["interval"][1] < -0.05
    assert up["dice"]["mean"] == pytest.approx(expected, abs=0.03)
    assert up["nsd"]["mean"] > 0.2
    # All are found, so sensitivity is equal.
    assert up["found"]["mean"] == down["found"]["mean"] == 0


def test_tumors_that_are_found_where_real_ones_are_missed_raise_the_sensitivity() -> None:
    """Real tumors of SUV 3.5 are missed, synthetic ones of SUV 4.5 are found; their contrasts are alike."""
    suvs = (3.5, 3.5, 3.5, 8.0, 8.0, 8.0)
    real = real_tumors(SEGMENTER, [site_of(p, r, suv, r) for p, r, suv in zip(PATIENTS, RADII_MM, suvs, strict=True)])
    assert [one.figures["found"] for one in real] == [0, 0, 0, 1, 1, 1]
    faint = real_tumors(SEGMENTER, sites(4.5))
    assert all(one.figures["found"] == 1 for one in faint)
    found = differences(faint, real)
    assert found["found"]["mean"] == pytest.approx(0.5)
    assert found["compared"] == 6
    assert differences(real, faint)["found"]["mean"] == pytest.approx(-0.5)


def test_every_synthetic_tumor_is_compared_at_own_size_or_made_small_and_counted_in_its_groups() -> None:
    """Over the tumors the same scan is inserted; at healthy sites small balls, whose like are real ones made small."""
    over = sites(wider_mm=4.0)
    healthy = [replace(site_of(p, 10.0, 8.0, 10.0), name=f"{p} healthy", group="healthy", real=None) for p in PATIENTS]
    tidy, untidy = site_of("A", 10.0, 8.0, 10.0), site_of("A", 10.0, 8.0, 11.0)
    assert tidy.real is not None and untidy.real is not None
    made = {site.name: [(site.image, site.real), (site.image, site.real)] for site in over}
    made |= {site.name: [(tidy.image, tidy.real)] for site in healthy}
    shown = [(site, [SimpleNamespace(image=i, mask=m) for i, m in made[site.name]]) for site in [*over, *healthy]]
    figures = {site.name: [alignment(SEGMENTER, i, m, site.box) for i, m in made[site.name]] for site, _ in shown}
    small = [synthetic_lesion("small", p, 0, untidy.image, untidy.real) for p in PATIENTS]
    found = measure_equality(SEGMENTER, shown, figures, small)
    assert found["tumor"]["dice"] == {"mean": 0.0, "interval": [0.0, 0.0], "patients": 6}
    assert {group: (row["compared"], row["tumors"]) for group, row in found.items()} == {
        "tumor": (12, 12),
        "healthy": (6, 6),
        "phantom": (0, 0),
        "patients": (18, 18),
    }
    rise = found["healthy"]["dice"]["mean"]
    there = alignment(SEGMENTER, untidy.image, untidy.real, BOX)["dice"]
    here = figures["A healthy"][0]["dice"]
    assert here is not None and there is not None
    assert rise == pytest.approx(here - there, abs=0.03) and rise > 0.1
    # Two tumors of each patient do not differ, one does: a third of the rise, each patient counted once.
    assert found["patients"]["dice"]["mean"] == pytest.approx(rise / 3)
    # Without real tumors made small, these small ones have no like.
    assert measure_equality(SEGMENTER, shown, figures, [])["healthy"]["compared"] == 0


def test_size_and_contrast_are_measured_in_the_box() -> None:
    site = site_of("A", 16.0, 8.0, 16.0)
    one = judged(site, site.image, site.real, dict.fromkeys(ALIGNMENT_FIGURES, 0.5))
    assert one.volume_ml == pytest.approx(ball(16.0).sum() * 0.064)
    assert one.contrast == pytest.approx(8.0)
    nothing = judged(site, site.image, GRID.empty_image(sitk.sitkUInt8), dict.fromkeys(ALIGNMENT_FIGURES))
    assert nothing.empty and nothing.volume_ml == 0
    cold = site_of("A", 16.0, 0.0, 16.0)
    one = judged(cold, cold.image, cold.real, dict.fromkeys(ALIGNMENT_FIGURES, 0.5))
    assert not one.empty and 0 < one.contrast < 0.01


def a_tumor(patient: str, volume_ml: float, contrast: float, height: float | None = 0.5) -> Judged:
    return Judged(patient, volume_ml, contrast, dict.fromkeys(ALIGNMENT_FIGURES, height))


@pytest.mark.parametrize(
    ("real", "expected"),
    [
        ([("B", 21, 4), ("B", 12, 4)], 1),
        # Alike by volume only, or by contrast only.
        ([("A", 10, 8.1), ("A", 4.9, 4)], None),
        # The same patient comes first, if alike.
        ([("B", 10, 4), ("A", 19, 4)], 1),
        ([("B", 10, 4), ("A", 21, 4)], 0),
        # Both count: a factor of 1.5 in both is farther than a factor of 1.6 in one.
        ([("B", 15, 6), ("C", 16, 4)], 1),
        ([], None),
    ],
)
def test_the_nearest_alike_tumor_is_taken_of_the_same_patient_first(real, expected) -> None:
    tumors = [a_tumor(*one) for one in real]
    like = nearest_like(a_tumor("A", 10, 4), tumors)
    assert like is (None if expected is None else tumors[expected])
    assert nearest_like(a_tumor("A", 10, 4), [a_tumor("A", 10, 4, None)]) is None


def test_each_patient_counts_once_and_what_has_no_like_is_counted_but_not_compared() -> None:
    real = [a_tumor("A", 10, 4, 0.5), a_tumor("B", 100, 4, 0.25)]
    synthetic = [a_tumor("A", 10, 4, 0.75), a_tumor("A", 12, 4, 0.75), a_tumor("B", 80, 2, 0.25)]
    synthetic += [a_tumor("B", 1000, 4, 1.0), a_tumor("B", 100, 4, None)]
    found = differences(synthetic, real)
    # A: 0.25 twice; B: 0. By tumor it would be 0.167.
    assert found["dice"] == {"mean": 0.125, "interval": None, "patients": 2}
    assert (found["tumors"], found["compared"]) == (4, 3)
    assert (found["volume_ratio"], found["contrast_ratio"]) == (1.0, 1.0)
    alone = differences(synthetic, [])
    assert alone["dice"]["mean"] is None and alone["compared"] == 0 and alone["volume_ratio"] is None


def test_a_real_tumor_made_small_is_judged_at_its_new_size() -> None:
    site = site_of("A", 12.0, 8.0, 12.0)
    assert site.real is not None
    (small,) = small_sites([synthetic_lesion("small", "A", 0, site.image, site.real)])
    (one,) = real_tumors(SEGMENTER, [small])
    assert one.patient == "A"
    assert one.volume_ml == pytest.approx(ball(12.0).sum() * 0.064)
    assert one.contrast == pytest.approx(8.0)
    here = alignment(SEGMENTER, site.image, site.real, site.box)
    for name in EQUALITY_FIGURES:
        assert one.figures[name] == pytest.approx(here[name], abs=0.03)


def test_the_section_says_what_0_means_and_shows_differences() -> None:
    real, synthetic = ([a_tumor(p, 10, 4, height) for p in PATIENTS] for height in (0.5, 0.75))
    row = differences(synthetic, real)
    assert equality_cells(row) == ["0.25 (0.25 to 0.25)"] * 3 + ["6 of 6", "1.00", "1.00"]
    text = "\n".join(equality_lines({"patients": row}))
    assert "0 means that the segmenter finds synthetic tumors as often as real ones of like size and contrast" in text
    assert "| all on patients | 0.25 (0.25 to 0.25) |" in text
    assert len(EQUALITY_HEADER) == 1 + len(equality_cells(row))
    assert "Left out: no segmenter" in "\n".join(equality_lines({"left_out": "no segmenter"}))
    assert not any(math.isnan(value) for value in (row["volume_ratio"], row["contrast_ratio"]))
