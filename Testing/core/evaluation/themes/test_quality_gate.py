"""The report's section on the quality gate: spoiled tumors score lower, and missing cases cause no error."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk
from lesions import EDGE, SPACING_MM, lumpy_lesion

from TumorGenCore.evaluation.themes.quality_gate import SPOILT, gate_lines, quality_gate
from TumorGenCore.training.data.cases import Case, load_cases
from TumorGenCore.training.data.lesion_thumbnails import describe_training_lesions
from TumorGenCore.volumes.geometry import Grid


@pytest.fixture(scope="module")
def cases(tmp_path_factory) -> list[Case]:
    """Sixteen patients, each with a lumpy lesion, as noisy as the tissue, at one end of a block of tissue."""
    folder = tmp_path_factory.mktemp("lumpy")
    grid = Grid((EDGE, EDGE, 2 * EDGE), SPACING_MM)
    for n in range(16):
        suv, mask = lumpy_lesion(n)
        noise = np.random.default_rng(n).normal(1.0, 0.1, (2 * EDGE, EDGE, EDGE))
        image, marked = noise.copy(), np.zeros(noise.shape, dtype=np.uint8)
        image[:EDGE][mask], marked[:EDGE][mask] = (suv * noise[:EDGE])[mask], 1
        sitk.WriteImage(grid.image_from_array(image.astype(np.float32)), folder / f"L{n:02}_image.nii.gz")
        sitk.WriteImage(grid.image_from_array(marked), folder / f"L{n:02}_mask.nii.gz")
    return load_cases(folder)


def test_real_lesions_pass_and_spoiled_ones_score_lower(cases):
    held_out, training = cases[12:], cases[:12]
    found = quality_gate(held_out, training, [], describe_training_lesions(training))
    real = found["groups"]["real"]
    assert real["n"] == 4 and real["passes"] == 1
    assert real["parts"]["novelty"] == 1
    assert min(real["parts"]["shape"], real["parts"]["texture"]) > 0.8
    assert set(found["spoilt"]) == set(SPOILT)
    for way, kinds in found["spoilt"].items():
        assert kinds["real"]["auc"] > 0.9, way
        assert kinds["synthetic"] == {"n": 0}
    assert found["spoilt"]["copy"]["real"]["n"] == 12
    assert found["spoilt"]["copy"]["real"]["passes"] < 0.3
    assert found["spoilt"]["smooth"]["real"]["passes"] == 0
    assert found == json.loads(json.dumps(found))
    text = "\n".join(gate_lines(found))
    assert "real, held out" in text and "pasted hard" in text


def test_without_training_cases_there_are_no_copies(cases):
    found = quality_gate(cases[12:], [], [], None)
    assert found["spoilt"]["copy"] == {"real": {"n": 0}, "synthetic": {"n": 0}}
    assert found["groups"]["real"]["parts"]["novelty"] is None
    assert "pasted back" not in "\n".join(gate_lines(found))
