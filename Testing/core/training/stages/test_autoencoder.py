"""The first stage: it learns, loads with its settings, and can start another run."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from training_runs import (
    AUTOENCODER,
    STEPS,
    assert_each_step_once,
    command,
    config,
    largest_difference,
    losses,
    unmoving,
    weights,
)

from TumorGenCore.bundle.model_bundle import load_bundle
from TumorGenCore.cli import main
from TumorGenCore.training.stages.autoencoder import load_autoencoder, psnr, vae_arguments
from TumorGenCore.training.stages.rival import hash_vae

pytestmark = pytest.mark.slow


def test_autoencoder_learns_and_logs_each_step(autoencoder_run):
    assert_each_step_once(autoencoder_run)
    values = losses(autoencoder_run)
    assert np.mean(values[-4:]) < 0.6 * np.mean(values[:4])


def test_trained_autoencoder_loads_with_its_settings(autoencoder_run):
    network, run = load_autoencoder(autoencoder_run)
    assert (run.channels, run.loop.steps, run.data.always_train) == ([8, 8], STEPS, ["P4"])
    assert not network.training
    with torch.inference_mode():
        assert network.decode(network.encode(torch.zeros(1, 1, 16, 16, 16))).shape == (1, 1, 16, 16, 16)


def test_a_bundles_autoencoder_serves_as_the_runs_own(autoencoder_run, generator_run):
    (network, run), (vae, of_bundle) = (load_autoencoder(path) for path in (autoencoder_run, generator_run / "tiny"))
    assert (vae_arguments(of_bundle), of_bundle.scale) == (vae_arguments(run), run.scale)
    # The generator's run adds turn and shift, and works in patches as large as those of its training.
    assert of_bundle.patch == replace(run.patch, most_turn_degrees=60.0, most_shift_mm=5.0, max_size=24)
    assert hash_vae(vae) == hash_vae(network)
    assert hash_vae(load_autoencoder(Path("pet-fdg-v2"))[0]) == hash_vae(load_bundle("pet-fdg-v2").vae)


def test_autoencoder_starts_from_an_earlier_run(tiny_cases, autoencoder_run, tmp_path):
    settings = config(tmp_path, unmoving(AUTOENCODER))
    output = tmp_path / "on"
    start = ["--start-from", str(autoencoder_run)]
    assert main(command(tiny_cases, output, "--config", str(settings), *start)) == 0
    assert largest_difference(weights(output), weights(autoencoder_run)) < 1e-6


def test_unfinished_or_damaged_autoencoder_is_refused(tiny_cases, autoencoder_run, tmp_path, capsys):
    options = ["--data", str(tiny_cases), "--autoencoder", str(tmp_path), "--output", str(tmp_path / "out")]
    assert main(["train", "generator", *options]) == 1
    assert "train autoencoder" in capsys.readouterr().err
    shutil.copy(autoencoder_run / "autoencoder.json", tmp_path)
    content = (autoencoder_run / "autoencoder.safetensors").read_bytes()
    (tmp_path / "autoencoder.safetensors").write_bytes(content[:-100])
    assert main(["train", "generator", *options]) == 1
    assert "damaged" in capsys.readouterr().err


def test_a_start_from_another_network_is_refused_before_any_output(tiny_cases, autoencoder_run, tmp_path, capsys):
    other = config(tmp_path, {**AUTOENCODER, "channels": [8, 12]})
    start = ["--start-from", str(autoencoder_run)]
    assert main(command(tiny_cases, tmp_path / "run", "--config", str(other), *start)) == 1
    assert "another network" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_the_ratio_is_of_the_networks_range_and_the_error() -> None:
    truth = torch.zeros(2, 1, 4, 4, 4)
    assert psnr(truth + 0.2, truth) == pytest.approx(20.0)  # 2 / 0.2 is 20 dB
