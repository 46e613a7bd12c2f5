"""Lesions of held-out patients and of a bundle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from tiny_bundle import tiny_generator

from TumorGenCore.evaluation.reader_study.from_data import OWN_SIZE, RESIZED, real_pool, synthetic_pool
from TumorGenCore.evaluation.reader_study.lesions import StudyLesion
from TumorGenCore.training.data.cases import Case, load_cases
from TumorGenCore.volumes.geometry import Grid
from TumorGenCore.volumes.patch import PatchSettings


@pytest.fixture(scope="module")
def flat_case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A body of exactly SUV 1 with a hot ball of 50 mm near its lower end."""
    folder = tmp_path_factory.mktemp("flat")
    grid = Grid((50, 50, 60), (4.0, 4.0, 4.0))
    k, j, i = np.indices((60, 50, 50))
    body = (i - 24.5) ** 2 + (j - 24.5) ** 2 < 20**2
    ball = (i - 24) ** 2 + (j - 24) ** 2 + (k - 12) ** 2 < 6**2
    sitk.WriteImage(grid.image_from_array((body + 7.0 * ball).astype(np.float32)), folder / "A_image.nii.gz")
    sitk.WriteImage(grid.image_from_array(ball.astype(np.uint8)), folder / "A_mask.nii.gz")
    return load_cases(folder)[0]


@pytest.fixture(scope="module")
def lines() -> list[str]:
    """What is told while the lesions are made."""
    return []


@pytest.fixture(scope="module")
def real(flat_case: Case, lines: list[str]) -> list[StudyLesion]:
    return real_pool([flat_case], PatchSettings(), 4, 0, lines.append)


def test_the_real_lesions_are_the_tumor_itself_and_small_copies_of_it(
    real: list[StudyLesion], lines: list[str]
) -> None:
    own, *small = real
    assert (own.made, own.size, own.suv_max) == (OWN_SIZE, "large", 8)
    assert own.volume_ml == pytest.approx(4 / 3 * np.pi * 2.4**3, rel=0.05)
    assert len(small) == 6  # half as many again as are shown, to choose from
    assert all(lesion.truth == "real" and lesion.made == RESIZED for lesion in small)
    assert all(1 <= lesion.volume_ml < 10 and lesion.suv_max > 1.5 for lesion in small)
    assert lines == ["A: real lesions done"]


def test_the_tissue_around_a_small_copy_stays_as_it_is(real: list[StudyLesion]) -> None:
    """Background that was resampled once more, or rescaled, would tell readers which lesions are real."""
    for lesion in real[1:]:
        tissue = lesion.suv[(lesion.suv > 0.7) & (lesion.suv < 1.3)]
        assert (np.abs(tissue - 1) < 1e-3).mean() > 0.8


def test_the_synthetic_lesions_lie_over_the_real_one_and_in_healthy_tissue(
    tiny_cases: Path, tiny_bundle_folder: Path
) -> None:
    generator = tiny_generator(tiny_bundle_folder, [], [])
    cases = load_cases(tiny_cases, ["P1-a", "P2"])
    lines: list[str] = []
    pool = synthetic_pool(generator, cases, 4, 0, lines.append)
    assert {lesion.truth for lesion in pool} == {"synthetic"}
    assert {lesion.patient for lesion in pool} <= {case.patient for case in cases}
    boxes = [f"{case.name} {place}: done" for case in cases for place in ("lesion 1", "healthy 1", "healthy 2")]
    assert lines == boxes
    assert all(lesion.volume_ml > 0 for lesion in pool)
    again = synthetic_pool(generator, cases, 4, 0, print)
    assert [lesion.volume_ml for lesion in again] == [lesion.volume_ml for lesion in pool]
