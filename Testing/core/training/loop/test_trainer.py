"""The loop: killed, stopped and resumed runs end like an uninterrupted run; a run with infinite gradients stops."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from matplotlib.image import imread
from training_runs import (
    AUTOENCODER,
    GENERATOR_STEPS,
    STEPS,
    assert_each_step_once,
    command,
    config,
    largest_difference,
    log,
    losses,
    weights,
)

from TumorGenCore.cli import main
from TumorGenCore.training.loop.checkpoint import latest_checkpoint
from TumorGenCore.training.loop.pictures import save_curves

pytestmark = pytest.mark.slow


def test_pictures_of_each_stage_are_written(autoencoder_run, generator_run, tmp_path):
    for output, steps in ((autoencoder_run, (5, 10, STEPS)), (generator_run, (12, GENERATOR_STEPS))):
        pictures = sorted((output / "pictures").iterdir())
        assert [path.name for path in pictures] == [f"step-{step:07d}.png" for step in steps]
        for path in pictures:
            picture = imread(path)
            assert picture.shape[0] > 100
            assert picture[..., :3].std() > 0.05
        assert (output / "curves.png").exists()
        save_curves(output / "log.jsonl", tmp_path / "curves.png")
        assert imread(tmp_path / "curves.png")[..., :3].std() > 0.05


def start(data: Path, output: Path, *more: str) -> subprocess.Popen:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "TumorGenCore.cli", *command(data, output, *more)],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def wait_for_checkpoint(process: subprocess.Popen, output: Path, step: int) -> None:
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline and process.poll() is None:
        newest = latest_checkpoint(output / "checkpoints")
        if newest is not None and int(newest.name[-7:]) >= step:
            return
        time.sleep(0.01)
    raise AssertionError(f"no checkpoint came; {process.poll()=}")


def test_killed_run_resumes_to_the_weights_of_one_that_was_not(tiny_cases, autoencoder_run, tmp_path):
    process = start(tiny_cases, tmp_path, "--config", str(config(tmp_path, AUTOENCODER)))
    wait_for_checkpoint(process, tmp_path, 3)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "autoencoder.safetensors").exists()
    stopped_at = int(latest_checkpoint(tmp_path / "checkpoints").name[-7:])
    assert stopped_at < STEPS
    with (tmp_path / "log.jsonl").open("a") as file:  # A kill can leave half a line.
        file.write('{"step": 1, "lo')
    (tmp_path / "pictures").mkdir(exist_ok=True)
    left = [tmp_path / f".{32 * '0'}-new.png", tmp_path / "pictures" / f".{32 * '0'}-new.png"]  # and half a file
    for path in left:
        path.write_bytes(b"half")
    assert main(command(tiny_cases, tmp_path, "--resume")) == 0
    assert not any(path.exists() for path in left)
    assert largest_difference(weights(tmp_path), weights(autoencoder_run)) <= 1e-6
    assert_each_step_once(tmp_path)
    assert losses(tmp_path) == pytest.approx(losses(autoencoder_run), abs=1e-6)


def test_terminated_run_stops_with_143_and_a_checkpoint_that_resumes(tiny_cases, autoencoder_run, tmp_path):
    rarely = {**AUTOENCODER, "loop": {**AUTOENCODER["loop"], "checkpoint_minutes": 60}}
    process = start(tiny_cases, tmp_path, "--config", str(config(tmp_path, rarely)))
    # This run writes no regular checkpoint, so its checkpoint comes from the signal.
    deadline = time.monotonic() + 600
    while not (tmp_path / "log.jsonl").exists() or not (tmp_path / "log.jsonl").stat().st_size:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.005)
    process.terminate()
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 143
    assert "--resume" in errors and "Traceback" not in errors and errors.count("\n") == 1
    stopped_at = int(latest_checkpoint(tmp_path / "checkpoints").name[-7:])
    assert 0 < stopped_at < STEPS
    assert max(line["step"] for line in log(tmp_path)) == stopped_at
    assert main(command(tiny_cases, tmp_path, "--resume")) == 0
    assert largest_difference(weights(tmp_path), weights(autoencoder_run)) <= 1e-6
    assert_each_step_once(tmp_path)


def test_damaged_checkpoint_is_named_and_the_one_before_leads_to_the_same_end(
    tiny_cases, autoencoder_run, tmp_path, capsys
):
    output = tmp_path / "run"
    shutil.copytree(autoencoder_run, output)
    newest = latest_checkpoint(output / "checkpoints")
    state = newest / "state.pt"
    state.write_bytes(state.read_bytes()[:1000])
    assert main(command(tiny_cases, output, "--resume")) == 1
    assert newest.name in capsys.readouterr().err
    shutil.rmtree(newest)
    assert int(latest_checkpoint(output / "checkpoints").name[-7:]) == STEPS - 1
    assert main(command(tiny_cases, output, "--resume")) == 0
    assert largest_difference(weights(output), weights(autoencoder_run)) <= 1e-6
    assert_each_step_once(output)


def test_resume_with_another_network_is_refused(tiny_cases, autoencoder_run, tmp_path, capsys):
    output = tmp_path / "run"
    shutil.copytree(autoencoder_run, output)
    other = config(tmp_path, {**AUTOENCODER, "channels": [8, 12]})
    assert main(command(tiny_cases, output, "--resume", "--config", str(other))) == 1
    error = capsys.readouterr().err
    assert "does not fit this run's networks" in error and error.count("\n") == 1


def test_a_training_that_runs_away_stops_and_says_so(tiny_cases, tmp_path, capsys):
    values = {**AUTOENCODER, "loop": {**AUTOENCODER["loop"], "learning_rate": 1e30, "validate_steps": 1000}}
    assert main(command(tiny_cases, tmp_path / "run", "--config", str(config(tmp_path, values)))) == 1
    assert "not finite" in capsys.readouterr().err
    assert not (tmp_path / "run" / "autoencoder.safetensors").exists()
