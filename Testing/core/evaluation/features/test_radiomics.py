"""Radiomics of one lesion."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from TumorGenCore.evaluation.features.radiomics import radiomics


def test_radiomics_are_those_of_the_lesion(lumpy):
    pytest.importorskip("mirp")
    plain = radiomics(lumpy(1))
    assert len(plain) > 60
    assert np.isfinite(plain).all()
    assert np.array_equal(plain, radiomics(lumpy(1)))
    hotter = radiomics(lumpy(1, gain=2.0))
    assert hotter[0] > plain[0]  # the mean
    assert hotter[-2:] == pytest.approx(plain[-2:])  # volume and sphericity
    speck = np.zeros((24, 24, 24), dtype=bool)
    speck[12, 12, 12] = True
    none = radiomics(replace(lumpy(1), mask=speck))
    assert len(none) == len(plain)
    assert np.isnan(none).all()
