"""A half-life that belongs to another nuclide than the one named is found, however the nuclide is named."""

from __future__ import annotations

import pytest
from pydicom import Dataset

from TumorGenCore.volumes.nuclides import named_nuclide


def injection(sequence: str = "", code: str = "", meaning: str = "", text: str = "") -> Dataset:
    made = Dataset()
    if sequence:
        item = Dataset()
        item.CodeValue, item.CodeMeaning = code, meaning
        setattr(made, sequence, [item])
    made.Radiopharmaceutical = text
    return made


@pytest.mark.parametrize(
    ("named", "half_life_min"),
    [
        (injection("RadionuclideCodeSequence", "C-111A1", "^18^Fluorine"), 109.77),
        (injection("RadionuclideCodeSequence", "77004003", ""), 109.77),
        (injection("RadionuclideCodeSequence", "C-105A1", "", text="FDG"), 20.36),
        (injection("RadionuclideCodeSequence", "", "^68^Gallium"), 67.71),
        (injection("RadiopharmaceuticalCodeSequence", "C-B1031", "Fluorodeoxyglucose F^18^"), 109.77),
        (injection(text="Fluorodeoxyglucose"), 109.77),
        (injection(text="FDG -- fluorodeoxyglucose"), 109.77),
        (injection(text="18FDG"), 109.77),
        (injection(text="68Ga-PSMA-11"), 67.71),
        (injection(text="[18F]FLT"), 109.77),
        (injection(text="Zr-89 trastuzumab"), 78.41 * 60),
        (injection(text="Tc-94m"), 52.0),
    ],
)
def test_nuclide_is_known_by_code_or_text(named, half_life_min):
    nuclide = named_nuclide(named)
    assert nuclide is not None and nuclide.half_life_s / 60 == pytest.approx(half_life_min, rel=2e-3)


@pytest.mark.parametrize("text", ["", "Solution", "PSMA-1007", "C-111", "F", "Other 18"])
def test_a_text_without_a_nuclide_names_none(text):
    assert named_nuclide(injection(text=text)) is None
