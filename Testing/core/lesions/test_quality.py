"""The quality gate: a good tumor passes, and the gate finds and names each defect."""

from __future__ import annotations

import numpy as np
import pytest
from lesions import SPACING_MM, lumpy_lesion
from scipy import ndimage
from scipy.spatial.transform import Rotation

from TumorGenCore.lesions.quality import LEAST_QUALITY, PARTS, Expected, QualityScore, score, score_region, worst
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


def test_parts_that_cannot_be_looked_at_say_so():
    after, mask = ball(14, 8)
    found = score(np.ones_like(SCAN), after, mask, GRID, BOX)
    assert found.parts["novelty"] is None and found.parts["seam"] is None
    assert len(found.left_out) == 2 and "no training lesions" in found.left_out[1]
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
