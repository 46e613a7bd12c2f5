"""The measurement finds a known blur on lesions, and the bundle stores the recovery."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from monai.networks.layers import GaussianFilter
from torch import nn

from TumorGenCore.bundle.model_bundle import ModelBundle, load_bundle
from TumorGenCore.cli import main
from TumorGenCore.evaluation.studies.insertion_switches import Unfitted
from TumorGenCore.phantom.phantom import make_phantom, phantom_box
from TumorGenCore.training.data.cases import Case, load_cases
from TumorGenCore.training.stages.blur import MEASURES, measure_blur
from TumorGenCore.volumes.geometry import Grid


class _Blurring(nn.Module):
    """A VAE that only blurs, by a given number of voxels."""

    def __init__(self, sigma: float) -> None:
        super().__init__()
        self.device_of = nn.Parameter(torch.zeros(1))
        self.blur = GaussianFilter(3, sigma) if sigma > 0 else nn.Identity()

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        return self.blur(x + 1) - 1  # -1 means no uptake, also beyond the patch.

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        return z


@pytest.fixture(scope="module")
def cases(tiny_cases: Path) -> list[Case]:
    return load_cases(tiny_cases)


def blurring(folder: Path, sigma: float) -> ModelBundle:
    return dataclasses.replace(load_bundle(folder), vae=_Blurring(sigma))  # type: ignore[arg-type]


def test_the_more_a_vae_blurs_the_more_is_restored(tiny_bundle_folder: Path, cases: list[Case]) -> None:
    found = [measure_blur(blurring(tiny_bundle_folder, sigma), cases) for sigma in (0.0, 0.6, 0.9)]
    amounts = [blur.recovery.amount for blur in found]
    assert amounts[0] == 0
    assert amounts[0] < amounts[1] < amounts[2]
    for blur in found[1:]:
        before, after = (rows["small lesions"] for rows in (blur.before, blur.after))
        assert len(before) == len(after) == len(MEASURES)
        assert before[0] < 0.95
        assert sum(abs(math.log(ratio)) for ratio in after) < 0.6 * sum(abs(math.log(ratio)) for ratio in before)


def test_too_few_large_lesions_are_left_out(tiny_bundle_folder: Path, cases: list[Case]) -> None:
    """With four cases, only the small lesions decide."""
    blur = measure_blur(blurring(tiny_bundle_folder, 0.6), cases)
    assert set(blur.before) == set(blur.after) == {"small lesions"}


def test_the_command_writes_it_into_the_bundle_and_tumors_become_sharper(
    tiny_bundle_folder: Path, tiny_cases: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(tiny_bundle_folder, folder)
    metadata = folder / "configs" / "metadata.json"
    content = json.loads(metadata.read_text())
    content["tumorgen"]["notes"]["cases"] = {"training": ["P1-a", "P2", "P3"]}
    metadata.write_text(json.dumps(content))
    before = load_bundle(folder)
    assert main(["train", "resolution", "--json", "--model", str(folder), "--data", str(tiny_cases)]) == 0
    found = json.loads(capsys.readouterr().out)
    after = load_bundle(folder)
    assert after.resolution.as_dict() == {"amount": found["amount"], "sigma": found["sigma"]}
    assert after.weights_hash == before.weights_hash and before.resolution.amount == 0

    phantom, box = make_phantom(0, spacing_mm=(5.0, 5.0, 5.0)), phantom_box("left thigh")
    sharp = dataclasses.replace(before, resolution=dataclasses.replace(before.resolution, amount=1.0))
    plain, restored = (
        sitk.GetArrayFromImage(Unfitted(bundle, "cpu").insert(phantom, box, seed=1, suv_factor=1).image)
        for bundle in (before, sharp)
    )
    inside = box.mask(Grid.from_image(phantom))
    assert not np.array_equal(plain[inside], restored[inside])
    np.testing.assert_array_equal(plain[~inside], restored[~inside])


def test_data_of_other_patients_is_refused(
    tiny_bundle_folder: Path, tiny_cases: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(tiny_bundle_folder, folder)
    assert main(["train", "resolution", "--model", str(folder), "--data", str(tiny_cases)]) == 1
    assert "training data" in capsys.readouterr().err
    assert load_bundle(folder).resolution.amount == 0
