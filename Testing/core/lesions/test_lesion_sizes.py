"""Laws of the sizes and numbers of lesions."""

from __future__ import annotations

import json

import numpy as np
import pytest
from lesion_laws import law_figures

from TumorGenCore.lesions.lesion_sizes import BREAST, LAWS, LUNG, WHOLE_BODY, law_of_organ


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.organ or "whole body")
def test_draws_follow_the_law(law):
    rng = np.random.default_rng(4)
    volumes = np.pi / 6 * np.array([law.draw_diameter(rng) for _ in range(4000)]) ** 3 / 1000
    for share, volume in law.volumes_ml[3:6]:
        assert np.quantile(volumes, share) == pytest.approx(volume, rel=0.12)
    numbers = np.array([law.draw_number(rng) for _ in range(4000)])
    assert numbers.min() == 1
    for share, number in law.numbers:
        assert np.mean(numbers <= number) == pytest.approx(share, abs=0.025)


def test_organs_have_their_law():
    assert law_of_organ("lung_upper_lobe_left") is law_of_organ("Lungs") is LUNG
    assert law_of_organ("left breast") is BREAST
    assert law_of_organ("liver") is law_of_organ("") is law_of_organ("5") is WHOLE_BODY


def test_figures_are_those_of_the_tables(shared_data):
    for law, table in ((LUNG, "fdg_lung_tumours"), (BREAST, "fdg_breast_tumours")):
        volumes, numbers = law_figures(shared_data / "shapes" / f"{table}.csv")
        assert list(law.volumes_ml) == volumes and list(law.numbers) == numbers
    table = json.loads((shared_data / "lesion_statistics.json").read_text())["autopet_fdg_lesions"]
    assert list(WHOLE_BODY.volumes_ml) == list(zip(table["quantile_levels"], table["volume_ml"], strict=True))


def test_even_sizes_have_as_many_lesions_in_each_doubling_of_the_volume():
    law = WHOLE_BODY.even()
    rng = np.random.default_rng(0)
    logs = np.log2([np.pi / 6 * law.draw_diameter(rng) ** 3 / 1000 for _ in range(4000)])
    first, last = np.log2(WHOLE_BODY.volumes_ml[0][1]), np.log2(WHOLE_BODY.volumes_ml[-1][1])
    counts = np.histogram(logs, bins=8, range=(first, last))[0]
    assert counts.sum() == 4000 and counts.min() > 420 and counts.max() < 580
    assert law.numbers == WHOLE_BODY.numbers
