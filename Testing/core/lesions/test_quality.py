"""The quality gate: a good tumor passes, and the gate finds and names each defect."""

from __future__ import annotations

import numpy as np
import pytest
from lesions import SPACING_MM, lumpy_lesion
from scipy import ndimage
from scipy.spatial.transform import Rotation

from TumorGenCore.lesions.quality import (
    LEAST_QUALITY,
    PARTS,
    TRAIT_LIMITS,
    TRAIT_RAMP,
    Expected,
    QualityScore,
    score,
    score_region,
    worst,
)
from TumorGenCore.lesions.thumbnails import TrainingLesions, thumbnail
from TumorGenCore.volumes.geometry import Box, Grid

GRID = Grid((24, 24, 24), (4.0, 4.0, 4.0), (-46.0, -46.0, -46.0))
BOX = Box((0.0, 0.0, 0.0), (56.0, 56.0, 56.0))
POINTS = GRID.index_to_lps(np.indices((24, 24, 24))[::-1].transpose(1, 2, 3, 0))
SCAN = np.random.default_rng(0).normal(1.0, 0.1, (24, 24, 24))


def ball(radius_mm: float, suv: float) -> tuple[np.ndarray, np.ndarray]:
    """Scan and mask with a blurred ball that is hottest in its middle, which is a voxel."""
    distance = np.linalg.norm(POINTS - [2, 2, 2], axis=-1) / radius_mm
    rise = ndimage.gaussian_filter(np.where(distance <= 1, 1 - 0.5 * distance**2, 0), 0.6)
    return SCAN + rise * (suv - 1) / rise.max(), distance <= 1


def judge(after: np.ndarray, mask: np.ndarray, **options) -> QualityScore:
    return score(SCAN, after, mask, GRID, BOX, Expected(**options))


def assert_poor(found: QualityScore, part: str, word: str) -> None:
    assert found.total < LEAST_QUALITY
    assert found.parts[part] == found.total == min(p for p in found.parts.values() if p is not None)
    assert found.weakness == PARTS[part]
    assert any(word in reason for reason in found.reasons)


@pytest.fixture(scope="module")
def lesions() -> TrainingLesions:
    frames = np.stack([thumbnail(*lumpy_lesion(n), SPACING_MM) for n in range(12)])
    return TrainingLesions(frames, np.arange(12, dtype=np.int32))


def test_a_hot_ball_with_its_mask_is_good():
    found = judge(*ball(14, 8))
    assert found.total > 0.85
    assert found.reasons == ()
    assert found.percent == round(100 * found.total)


def test_no_tumor_is_worth_nothing():
    found = judge(SCAN, np.zeros(SCAN.shape, dtype=bool))
    assert found.total == 0
    assert found.reasons == ("No tumor grew.",)
    assert found.weakness == "no tumor"


def test_a_mask_off_its_uptake_is_named():
    after, mask = ball(10, 8)
    assert_poor(judge(after, np.roll(mask, 3, axis=2)), "uptake", "does not follow")
    assert_poor(judge(after, mask & (POINTS[..., 0] > 2)), "uptake", "covers")


def test_a_hard_paste_is_named():
    after, mask = ball(14, 8)
    assert_poor(judge(np.where(BOX.contains(POINTS), after + 1.5, after), mask), "seam", "steep")


@pytest.mark.parametrize(
    ("radius_mm", "suv", "word"), [(14, 1.6, "SUVmax, 1."), (14, 150, "unusually high"), (3, 8, "volume, 0.1 ml")]
)
def test_uptake_and_volume_that_lesions_do_not_have_are_named(radius_mm, suv, word):
    found = judge(*ball(radius_mm, suv))
    assert found.parts["statistics"] < LEAST_QUALITY
    assert any(word in reason for reason in found.reasons)


def test_what_was_asked_for_is_not_judged():
    faint, tiny = ball(14, 1.5), ball(3, 8)
    assert judge(*faint, asked={"suv_max"}).parts["statistics"] > LEAST_QUALITY > judge(*faint).parts["statistics"]
    assert judge(*tiny, asked={"volume_ml"}).parts["statistics"] > judge(*tiny).parts["statistics"]


def test_the_better_known_a_value_is_the_better():
    found = [judge(*ball(14, suv)).parts["statistics"] for suv in (1.5, 2.0, 2.6, 6.0)]
    assert found == sorted(found)
    assert found[-1] == 1


def test_a_training_lesion_pasted_back_is_named_and_a_new_one_is_not(lesions):
    grid = Grid((44, 44, 44), SPACING_MM)
    box = Box((64.5, 64.5, 64.5), (120.0, 120.0, 120.0))

    def judged(number: int) -> QualityScore:
        suv, mask = lumpy_lesion(number)
        return score(np.ones_like(suv), suv, mask, grid, box, Expected(lesions))

    assert_poor(judged(5), "novelty", "nearly copies one training lesion")
    assert judged(105).parts["novelty"] == 1


#: Volumes of 1 to 1,000 ml, solidity 0.75 +- 0.1 and grain 0 +- 0.3, at the same volumes on both sides.
TRAITS = np.array([[v, 0.75 + 0.1 * s, 0.3 * s] for v in np.linspace(0, 7, 8) for s in (1, -1)], np.float32)


@pytest.fixture(scope="module")
def real() -> TrainingLesions:
    frames = np.random.default_rng(0).integers(0, 256, (len(TRAITS), 12, 12, 12)).astype(np.uint8)
    return TrainingLesions(frames, np.arange(len(TRAITS), dtype=np.int32), TRAITS)


def noisy(mask: np.ndarray, noise: float) -> np.ndarray:
    """A lesion of SUV 8 with so much relative white noise, in the scan, whose noise is 0.1."""
    white = np.random.default_rng(1).normal(size=SCAN.shape)
    return np.where(mask, 8 * (1 + noise * white), SCAN)


def test_shape_and_texture_of_real_lesions_are_good(real):
    found = judge(noisy(ball(20, 8)[1], 0.1), ball(20, 8)[1], lesions=real)
    assert found.parts["shape"] > 0.9 and found.parts["texture"] > 0.9
    assert found.total > LEAST_QUALITY and found.left_out == ()


def test_a_branched_tumor_and_a_cube_are_named(real):
    depth = np.abs(POINTS - 2)
    jack = (np.sort(depth, axis=-1)[..., 1] <= 5) & (depth.max(axis=-1) <= 25)
    found = judge(noisy(jack, 0.1), jack, lesions=real)
    assert found.parts["shape"] < LEAST_QUALITY and found.parts["texture"] > LEAST_QUALITY
    assert any("ragged or branched" in reason for reason in found.reasons)
    cube = depth.max(axis=-1) <= 18
    # Its solidity is 1: 0.25 above the real ones, whose deviation from their line is 0.1 * sqrt(16 / 14).
    deviation = 0.25 / (0.1 * np.sqrt(16 / 14)) / TRAIT_LIMITS["solidity"][1]
    expected = (TRAIT_RAMP[0] - deviation) / (TRAIT_RAMP[0] - TRAIT_RAMP[1])
    assert judge(noisy(cube, 0.1), cube, lesions=real).parts["shape"] == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(("noise", "word"), [(0.02, "smoother than"), (0.5, "noisier than")])
def test_a_texture_that_does_not_fit_the_scan_is_named(real, noise, word):
    _, mask = ball(20, 8)
    found = judge(noisy(mask, noise), mask, lesions=real)
    assert found.parts["texture"] < LEAST_QUALITY and found.parts["shape"] > 0.9
    assert any(word in reason for reason in found.reasons)


def test_a_trait_at_its_limit_just_passes():
    span, full = TRAIT_RAMP
    assert (1 - span) / (full - span) == pytest.approx(LEAST_QUALITY)


def test_without_traits_and_in_small_tumors_shape_and_texture_are_left_out_with_a_reason(real):
    _, mask = ball(20, 8)
    found = judge(noisy(mask, 0.1), mask, lesions=TrainingLesions(real.frames, real.patients))
    assert found.parts["shape"] is None and found.parts["texture"] is None and found.parts["novelty"] is not None
    assert [reason.split("so the ")[1] for reason in found.left_out] == [
        "shape was not judged.",
        "texture was not judged.",
    ]
    _, mask = ball(9, 8)
    found = judge(noisy(mask, 0.1), mask, lesions=real)
    assert found.parts["shape"] is not None and found.parts["texture"] is None
    assert found.left_out == ("The tumor is too small to judge its texture.",)


def test_parts_that_cannot_be_looked_at_say_so():
    after, mask = ball(14, 8)
    found = score(np.ones_like(SCAN), after, mask, GRID, BOX)
    assert found.parts["novelty"] is None and found.parts["seam"] is None
    assert found.parts["shape"] is None and found.parts["texture"] is None
    assert len(found.left_out) == 4 and "no training lesions" in found.left_out[3]
    assert found.as_dict()["parts"]["seam"] is None


def test_a_mask_that_the_insertion_did_not_change_is_nothing_but_a_real_lesion_is_not():
    after, mask = ball(14, 8)
    assert score(after, after, mask, GRID, BOX).total > 0.85  # a real lesion: nothing was inserted
    for before, much in ((after, "0 %"), (np.where(mask, after / 1.05, after), "5 %")):
        found = score(before, after, mask, GRID, BOX, Expected(inserted=True))
        assert_poor(found, "uptake", f"changed its uptake by only {much}")
        assert found.total == 0 and not found.as_dict()["passes"]
    assert judge(after, mask, inserted=True) == judge(after, mask)
    assert judge(after, mask).as_dict()["passes"]


def test_a_mask_that_is_no_hotter_than_the_tissue_around_is_named():
    _, mask = ball(14, 8)
    hot = SCAN * 10
    found = score(SCAN, hot, mask, GRID, BOX, Expected(inserted=True))
    assert found.total <= found.parts["uptake"] < LEAST_QUALITY
    assert any("not hotter than the tissue around it" in reason for reason in found.reasons)


def test_an_image_is_as_good_as_its_poorest_tumor():
    good, poor = judge(*ball(14, 8)), judge(*ball(14, 1.2))
    assert worst([good, poor, good]) is poor


def test_the_score_in_a_whole_volume_is_that_of_the_boxs_surroundings():
    """Oblique, in other units, with distant tissue that must not matter."""
    rng = np.random.default_rng(1)
    axes = Rotation.from_euler("xyz", [10, 20, 30], degrees=True).as_matrix()
    grid = Grid((50, 46, 42), (4.0, 3.5, 5.0), (10.0, -20.0, 30.0), tuple(map(tuple, axes.tolist())))
    box = Box(tuple(grid.index_to_lps((24, 22, 20))), (50.0, 44.0, 48.0))
    points = grid.index_to_lps(np.indices(grid.size_ijk[::-1])[::-1].transpose(1, 2, 3, 0))
    mask = np.linalg.norm(points - box.center_lps, axis=-1) <= 13
    before = rng.normal(1.0, 0.1, mask.shape)
    after = before + 6 * ndimage.gaussian_filter(mask.astype(float), 0.6)
    expected = score(before, after, mask, grid, box)
    far = ~ndimage.binary_dilation(box.mask(grid), iterations=12)
    start, stop = box.index_bounds(grid)
    block = tuple(slice(a, b) for a, b in zip(start[::-1], stop[::-1], strict=True))
    image = grid.image_from_array(np.where(far, 99.0, before) * 1000)
    found = score_region(image, after[block] * 1000, mask[block].astype(np.uint8), start, box, suv_factor=1e-3)
    assert found.total == pytest.approx(expected.total, abs=1e-6)
    assert found.parts == pytest.approx(expected.parts, abs=1e-6)
