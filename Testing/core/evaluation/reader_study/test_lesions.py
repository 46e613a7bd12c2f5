"""A lesion of a study: a cube around it, turned at random, the same way for real and synthetic ones."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from small_cases import write_case

from TumorGenCore.evaluation.reader_study.lesions import EDGE_VOXELS, StudyLesion, lesion_as_drawn, study_lesion
from TumorGenCore.training.data.cases import Case, load_cases
from TumorGenCore.volumes.geometry import Grid


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("case")
    write_case(folder, "A", (-30.0, 10.0, 20.0))
    return load_cases(folder)[0]


def drawn(case: Case, seed: int) -> StudyLesion:
    lesion = lesion_as_drawn("real", "as it is", case, case.lesions[0], np.random.default_rng(seed))
    assert lesion is not None
    return lesion


def view(case: Case, seed: int) -> np.ndarray:
    return drawn(case, seed).suv


def test_the_cube_shows_the_whole_lesion_near_its_center(case: Case) -> None:
    for seed in range(8):
        hot = np.argwhere(view(case, seed) > 4)
        assert len(hot) * 2.0**3 / 1000 == pytest.approx(4 / 3 * np.pi * 1.2**3, rel=0.25)  # a ball of 24 mm, ml
        off_mm = (hot.mean(axis=0) - (EDGE_VOXELS - 1) / 2) * 2.0
        assert np.abs(off_mm).max() < 9  # drawn up to 6 mm on each axis; the ball lies between voxels of 4 mm


def test_views_differ_and_a_seed_repeats_its_view(case: Case) -> None:
    assert np.array_equal(view(case, 1), view(case, 1))
    assert all(np.abs(view(case, 0) - view(case, seed)).mean() > 0.05 for seed in range(1, 6))


def test_the_key_has_volume_and_uptake_of_the_lesion_in_the_scan(case: Case) -> None:
    lesion = drawn(case, 0)
    suv, mask = (sitk.GetArrayViewFromImage(image) for image in (case.image, case.mask))
    assert lesion.suv_max == suv[mask > 0].max()
    assert lesion.volume_ml == pytest.approx((mask > 0).sum() * 0.064)
    assert (lesion.size, lesion.patient, lesion.spacing_mm) == ("small", "A", 2.0)


def test_outside_the_scan_the_cube_is_empty_and_inside_it_keeps_its_uptake(case: Case) -> None:
    grid = Grid((16, 16, 16), (4.0, 4.0, 4.0))
    inside = np.zeros((16, 16, 16), dtype=bool)
    inside[6:10, 6:10, 6:10] = True
    image = grid.image_from_array(np.full((16, 16, 16), 3.0, np.float32))
    lesion = study_lesion("real", "", case, image, inside, np.random.default_rng(0))
    assert lesion is not None
    assert set(np.unique(lesion.suv.round(4))) == {0.0, 3.0}
    assert (lesion.suv > 0).mean() == pytest.approx((64 / 128) ** 3, rel=0.03)


def test_a_large_lesion_is_shown_whole_with_larger_voxels(case: Case) -> None:
    grid = Grid((50, 50, 50), (4.0, 4.0, 4.0))
    radius = np.sqrt(((np.indices((50, 50, 50)) - 24.5) ** 2).sum(axis=0)) * 4
    image = grid.image_from_array(np.where(radius < 65, 9.0, 1.0).astype(np.float32))
    lesion = study_lesion("synthetic", "", case, image, radius < 65, np.random.default_rng(0))
    assert lesion is not None
    assert (lesion.spacing_mm, lesion.size) == (3.0, "large")
    assert (lesion.suv > 5).sum() * 0.027 == pytest.approx(lesion.volume_ml, rel=0.02)


@pytest.mark.parametrize(
    ("where", "shown"),
    [
        (np.s_[6:9, 6:9, 6:9], True),  # 1.7 ml
        (np.s_[6:8, 6:8, 6:9], False),  # 0.8 ml, a few voxels
        (np.s_[2:5, 6:9, 6:9], True),
        (np.s_[1:4, 6:9, 6:9], False),  # 4 mm from the first slice
        (np.s_[6:9, 6:9, 13:16], False),  # at the last column
    ],
)
def test_specks_and_lesions_that_the_edge_of_the_scan_cuts_are_not_shown(case: Case, where: tuple, shown: bool) -> None:
    grid = Grid((16, 16, 16), (4.0, 4.0, 4.0))
    inside = np.zeros((16, 16, 16), dtype=bool)
    inside[where] = True
    image = grid.image_from_array(np.where(inside, 9.0, 1.0).astype(np.float32))
    for truth in ("real", "synthetic"):
        assert (study_lesion(truth, "", case, image, inside, np.random.default_rng(0)) is not None) is shown
