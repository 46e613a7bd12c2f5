"""The second stage: it learns all terms, its bundle inserts tumors, and its networks can start another run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from safetensors.torch import load_file
from training_runs import DATA, GENERATOR, GENERATOR_STEPS, config, largest_difference, log, unmoving

from TumorGenCore import Box, TumorGenerator, TumorRequest
from TumorGenCore.bundle.model_bundle import load_bundle
from TumorGenCore.cli import main
from TumorGenCore.training.loop.checkpoint import latest_checkpoint, load_checkpoint

pytestmark = pytest.mark.slow


def test_generator_learns_all_terms_of_its_loss(generator_run):
    lines = [line for line in log(generator_run) if "loss" in line]
    assert [line["step"] for line in lines] == list(range(1, GENERATOR_STEPS + 1))
    for name in ("loss", "rfm", "rec"):
        values = [line[name] for line in lines]
        assert np.mean(values[-6:]) < np.mean(values[:6]), name
    total = [line["rfm"] + line["coarse"] + 0.1 * line["fine"] + line["rec"] for line in lines]
    assert [line["loss"] for line in lines] == pytest.approx(total, rel=1e-3)


def test_generator_writes_a_bundle_that_inserts(generator_run, tiny_cases):
    generator = TumorGenerator.from_pretrained(generator_run / "tiny", "cpu")
    assert generator.bundle.notes["license"] == "CC0"
    cases = generator.bundle.notes["cases"]
    assert cases["patient_pattern"] == r"^(P\d)"
    assert sorted(cases["training"] + cases["validation"]) == ["P1-a", "P1-b", "P2", "P3", "P4"]
    assert not {name[:2] for name in cases["training"]} & {name[:2] for name in cases["validation"]}
    image = sitk.ReadImage(str(tiny_cases / "more" / "P4_image.nii.gz"))
    result = generator.insert(image, Box((0, 0, 0), (40, 40, 40)), TumorRequest(steps=2), seed=1, suv_factor=1.0)
    before, after = sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(result.image)
    assert result.provenance["bundle_name"] == "tiny"
    changed = np.argwhere(before != after)
    assert len(changed) > 0
    assert np.all(np.abs(changed * 4.0 - 78) <= 20)


def test_the_refiner_alone_is_trained_from_a_bundle_whose_other_weights_stay(tiny_cases, generator_run, tmp_path):
    settings = config(tmp_path, {**GENERATOR, "refiner_only": True, "mask_error_cells": 0.5})
    first, output = str(generator_run / "tiny"), tmp_path / "run"
    options = ["--data", str(tiny_cases), "--autoencoder", first, "--output", str(output), "--config", str(settings)]
    assert main(["train", "generator", "--quiet", *options, "--name", "refined"]) == 1
    assert not output.exists()
    assert main(["train", "generator", "--quiet", *options, "--name", "refined", "--start-from", first]) == 0
    values = [line["loss"] for line in log(output) if "loss" in line]
    assert np.mean(values[-6:]) < np.mean(values[:6])
    assert all(line["loss"] == line["rec"] for line in log(output) if "loss" in line)
    for name in ("vae", "vector_field", "mask_refiner"):
        before, after = (load_file(f / "models" / f"{name}.safetensors") for f in (Path(first), output / "refined"))
        same = all(torch.equal(before[key], after[key]) for key in before)
        assert same == (name != "mask_refiner")
    old, new = (load_bundle(folder) for folder in (first, output / "refined"))
    assert (new.latent_mean, new.latent_deviation) == (old.latent_mean, old.latent_deviation)


def test_the_bundle_holds_the_averaged_weights(generator_run):
    state = load_checkpoint(latest_checkpoint(generator_run / "checkpoints"))
    stored = load_file(generator_run / "tiny" / "models" / "vector_field.safetensors")
    name = next(iter(stored))
    averaged, last = state["averaged"][f"module.vector_field.{name}"], state["network"][f"vector_field.{name}"]
    assert torch.equal(stored[name], averaged.half())
    assert not torch.equal(stored[name], last.half())


def test_generator_starts_from_an_earlier_bundle(tiny_cases, autoencoder_run, generator_run, tmp_path):
    every_scan_a_patient = {"data": {**DATA, "patient_pattern": "^(.+)$"}}
    settings = config(tmp_path, {**unmoving(GENERATOR), **every_scan_a_patient})
    output, bundle = tmp_path / "on", generator_run / "tiny"
    options = ["--data", str(tiny_cases), "--autoencoder", str(autoencoder_run), "--output", str(output)]
    more = ["--config", str(settings), "--name", "more", "--start-from", str(bundle)]
    assert main(["train", "generator", "--quiet", *options, *more]) == 0
    for part in ("vector_field", "mask_refiner"):
        before, after = (load_file(folder / "models" / f"{part}.safetensors") for folder in (bundle, output / "more"))
        assert largest_difference(before, after) < 1e-3  # half precision on disk
    # Thumbnails of the training lesions; the earlier run had only two patients with a lesion, which is too few.
    lesions = load_bundle(output / "more").training_lesions
    assert lesions is not None and len(lesions.frames) == 3
    assert load_bundle(bundle).training_lesions is None


def test_a_start_from_other_shapes_is_refused(tiny_cases, autoencoder_run, generator_run, tmp_path, capsys):
    other = config(tmp_path, {**GENERATOR, "channels": [8, 24]})
    options = ["--data", str(tiny_cases), "--autoencoder", str(autoencoder_run), "--output", str(tmp_path / "run")]
    start = ["--start-from", str(generator_run / "tiny"), "--config", str(other)]
    assert main(["train", "generator", "--quiet", *options, *start]) == 1
    assert "other shapes" in capsys.readouterr().err
