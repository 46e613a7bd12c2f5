"""Training end to end: both stages on tiny cases, runs that are killed, stopped and resumed, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from matplotlib.image import imread
from safetensors.torch import load_file

from TumorGenCore import Box, TumorGenerator, TumorRequest
from TumorGenCore.bundle.model_bundle import load_bundle
from TumorGenCore.cli import main
from TumorGenCore.errors import TrainingDataError
from TumorGenCore.method.intensity import NetworkScale
from TumorGenCore.method.vae import PetVAE
from TumorGenCore.training.config import AutoencoderRun, DataSettings, GeneratorRun, RivalRun, read_config, write_config
from TumorGenCore.training.data.cases import load_cases
from TumorGenCore.training.data.examples import ExampleMaker, ExampleSettings
from TumorGenCore.training.data.examples_ahead import examples_ahead
from TumorGenCore.training.data.latent_encoder import LatentEncoder
from TumorGenCore.training.data.latents import LatentCache, occupancy
from TumorGenCore.training.loop.checkpoint import latest_checkpoint, load_checkpoint, save_checkpoint
from TumorGenCore.training.loop.settings import LoopSettings
from TumorGenCore.training.stages.autoencoder import load_autoencoder, vae_arguments
from TumorGenCore.training.stages.rival import hash_vae

STEPS, GENERATOR_STEPS = 12, 18
DATA = {"patient_pattern": r"^(P\d)", "validation_share": 0.34, "always_train": ["P4"]}
AUTOENCODER: dict[str, Any] = {
    "data": DATA,
    "loop": {"steps": STEPS, "learning_rate": 5e-3, "warmup_steps": 2, "validate_steps": 5, "checkpoint_minutes": 0},
    "patch": {"spacing_mm": 4.0, "context_mm": 8.0, "multiple": 8, "max_size": 32},
    "channels": [8, 8],
    "num_res_blocks": [1, 1],
    "norm_num_groups": 4,
    "patch_size": 16,
    "batch_size": 2,
}
GENERATOR: dict[str, Any] = {
    "data": DATA,
    "loop": {
        "steps": GENERATOR_STEPS,
        "learning_rate": 5e-3,
        "warmup_steps": 2,
        "validate_steps": 12,
        "checkpoint_minutes": 60,
    },
    "channels": [8, 16],
    "attention_levels": [False, True],
    "num_head_channels": 8,
    "norm_num_groups": 4,
    "refiner_channels": 8,
    "buckets": {"16": [4, 2, 0.5], "24": [3, 2, 0.5]},
    "validation_examples": 2,
    "notes": {"license": "CC0"},
}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """As the processes started here: the order of a sum changes with the number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def config(folder: Path, values: dict[str, Any]) -> Path:
    path = folder / "settings.json"
    path.write_text(json.dumps(values))
    return path


def command(data: Path, output: Path, *more: str) -> list[str]:
    return ["train", "autoencoder", "--quiet", "--data", str(data), "--output", str(output), *more]


def log(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]


def losses(output: Path) -> list[float]:
    return [line["loss"] for line in log(output) if "loss" in line]


def weights(output: Path) -> dict[str, torch.Tensor]:
    return load_file(output / "autoencoder.safetensors")


def largest_difference(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    assert a.keys() == b.keys()
    return max(float((a[name] - b[name]).abs().max()) for name in a)


def assert_each_step_once(output: Path) -> None:
    steps = Counter(line["step"] for line in log(output) if "loss" in line)
    assert steps == Counter(range(1, STEPS + 1))
    validations = [line["step"] for line in log(output) if "validation_psnr" in line]
    assert validations == [5, 10, STEPS]


@pytest.fixture(scope="module")
def autoencoder_run(tiny_cases, tmp_path_factory, one_thread) -> Path:
    """A run of the first stage that nothing interrupted."""
    output = tmp_path_factory.mktemp("autoencoder")
    assert main(command(tiny_cases, output, "--config", str(config(output, AUTOENCODER)))) == 0
    return output


@pytest.fixture(scope="module")
def generator_run(tiny_cases, autoencoder_run, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("generator")
    options = ["--data", str(tiny_cases), "--autoencoder", str(autoencoder_run), "--output", str(output)]
    settings = config(output, GENERATOR)
    assert main(["train", "generator", "--quiet", *options, "--config", str(settings), "--name", "tiny"]) == 0
    return output


# The stages


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


def test_pictures_of_each_stage_are_written(autoencoder_run, generator_run):
    for output, steps in ((autoencoder_run, (5, 10, STEPS)), (generator_run, (12, GENERATOR_STEPS))):
        pictures = sorted((output / "pictures").iterdir())
        assert [path.name for path in pictures] == [f"step-{step:07d}.png" for step in steps]
        for path in pictures:
            picture = imread(path)
            assert picture.shape[0] > 100
            assert picture[..., :3].std() > 0.05


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


def test_a_bundles_autoencoder_serves_as_the_runs_own(autoencoder_run, generator_run):
    (network, run), (vae, of_bundle) = (load_autoencoder(path) for path in (autoencoder_run, generator_run / "tiny"))
    assert (vae_arguments(of_bundle), of_bundle.scale, of_bundle.patch) == (vae_arguments(run), run.scale, run.patch)
    assert hash_vae(vae) == hash_vae(network)
    assert hash_vae(load_autoencoder(Path("pet-fdg-v2"))[0]) == hash_vae(load_bundle("pet-fdg-v2").vae)


def test_the_bundle_holds_the_averaged_weights(generator_run):
    state = load_checkpoint(latest_checkpoint(generator_run / "checkpoints"))
    stored = load_file(generator_run / "tiny" / "models" / "vector_field.safetensors")
    name = next(iter(stored))
    averaged, last = state["averaged"][f"module.vector_field.{name}"], state["network"][f"vector_field.{name}"]
    assert torch.equal(stored[name], averaged.half())
    assert not torch.equal(stored[name], last.half())


# Killed, stopped, resumed


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
    assert main(command(tiny_cases, tmp_path, "--resume")) == 0
    assert largest_difference(weights(tmp_path), weights(autoencoder_run)) <= 1e-6
    assert_each_step_once(tmp_path)
    assert losses(tmp_path) == pytest.approx(losses(autoencoder_run), abs=1e-6)


def test_terminated_run_stops_with_130_and_a_checkpoint_that_resumes(tiny_cases, autoencoder_run, tmp_path):
    rarely = {**AUTOENCODER, "loop": {**AUTOENCODER["loop"], "checkpoint_minutes": 60}}
    process = start(tiny_cases, tmp_path, "--config", str(config(tmp_path, rarely)))
    # No checkpoint is due in this run: the one that comes is the answer to the signal.
    deadline = time.monotonic() + 600
    while not (tmp_path / "log.jsonl").exists() or not (tmp_path / "log.jsonl").stat().st_size:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.005)
    process.terminate()
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 130
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


def test_new_run_is_kept_out_of_a_folder_with_another_runs_checkpoints(tiny_cases, autoencoder_run, capsys):
    before = (autoencoder_run / "log.jsonl").read_bytes()
    assert main(command(tiny_cases, autoencoder_run, "--config", str(autoencoder_run / "settings.json"))) == 1
    assert "--resume" in capsys.readouterr().err
    assert (autoencoder_run / "log.jsonl").read_bytes() == before


def test_resume_with_another_network_is_refused(tiny_cases, autoencoder_run, tmp_path, capsys):
    output = tmp_path / "run"
    shutil.copytree(autoencoder_run, output)
    other = config(tmp_path, {**AUTOENCODER, "channels": [8, 12]})
    assert main(command(tiny_cases, output, "--resume", "--config", str(other))) == 1
    error = capsys.readouterr().err
    assert "not of this run's networks" in error and error.count("\n") == 1


def unmoving(values: dict[str, Any]) -> dict[str, Any]:
    """One step at no learning rate to speak of: the weights stay what they started as."""
    return {**values, "loop": {**values["loop"], "steps": 1, "learning_rate": 1e-9, "weight_decay": 0.0}}


def test_autoencoder_starts_from_an_earlier_run(tiny_cases, autoencoder_run, tmp_path):
    settings = config(tmp_path, unmoving(AUTOENCODER))
    output = tmp_path / "on"
    start = ["--start-from", str(autoencoder_run)]
    assert main(command(tiny_cases, output, "--config", str(settings), *start)) == 0
    assert largest_difference(weights(output), weights(autoencoder_run)) < 1e-6


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
    # Thumbnails of the lesions it was trained on; the earlier run had two patients with one, which are too few.
    lesions = load_bundle(output / "more").training_lesions
    assert lesions is not None and len(lesions.frames) == 3
    assert load_bundle(bundle).training_lesions is None


def test_start_from_another_network_is_refused(tiny_cases, autoencoder_run, generator_run, tmp_path, capsys):
    other = config(tmp_path, {**AUTOENCODER, "channels": [8, 12]})
    start = ["--start-from", str(autoencoder_run)]
    assert main(command(tiny_cases, tmp_path / "a", "--config", str(other), *start)) == 1
    assert "another network" in capsys.readouterr().err
    assert not (tmp_path / "a").exists()
    other = config(tmp_path, {**GENERATOR, "channels": [8, 24]})
    options = ["--data", str(tiny_cases), "--autoencoder", str(autoencoder_run), "--output", str(tmp_path / "g")]
    start = ["--start-from", str(generator_run / "tiny"), "--config", str(other)]
    assert main(["train", "generator", "--quiet", *options, *start]) == 1
    assert "other shapes" in capsys.readouterr().err


def test_a_training_that_runs_away_stops_and_says_so(tiny_cases, tmp_path, capsys):
    values = {**AUTOENCODER, "loop": {**AUTOENCODER["loop"], "learning_rate": 1e30, "validate_steps": 1000}}
    assert main(command(tiny_cases, tmp_path / "run", "--config", str(config(tmp_path, values)))) == 1
    assert "not finite" in capsys.readouterr().err
    assert not (tmp_path / "run" / "autoencoder.safetensors").exists()


def test_only_the_newest_checkpoints_are_kept(tmp_path):
    for step in (1, 2, 10):
        save_checkpoint(tmp_path, step, {"step": step, "weight": torch.ones(2)})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-0000002", "step-0000010"]
    assert load_checkpoint(latest_checkpoint(tmp_path))["step"] == 10


def test_code_in_a_checkpoint_is_not_run(tmp_path):
    folder = save_checkpoint(tmp_path, 1, {"step": 1})
    torch.save({"step": AUTOENCODER.get, "path": Path()}, folder / "state.pt")
    with pytest.raises(TrainingDataError, match="step-0000001 is damaged"):
        load_checkpoint(folder)


# What is refused before any training


def test_unfinished_or_damaged_autoencoder_is_refused(tiny_cases, autoencoder_run, tmp_path, capsys):
    options = ["--data", str(tiny_cases), "--autoencoder", str(tmp_path), "--output", str(tmp_path / "out")]
    assert main(["train", "generator", *options]) == 1
    assert "train autoencoder" in capsys.readouterr().err
    shutil.copy(autoencoder_run / "autoencoder.json", tmp_path)
    content = (autoencoder_run / "autoencoder.safetensors").read_bytes()
    (tmp_path / "autoencoder.safetensors").write_bytes(content[:-100])
    assert main(["train", "generator", *options]) == 1
    assert "damaged" in capsys.readouterr().err


def test_folder_without_cases_is_refused(tmp_path, capsys):
    assert main(command(tmp_path, tmp_path / "out")) == 1
    assert "No *_image.nii.gz" in capsys.readouterr().err


# Settings


@pytest.mark.parametrize(
    "run",
    [
        AutoencoderRun(channels=[8, 16], scale=NetworkScale(2.0, 40.0), data=DataSettings(["a"], always_train=["b"])),
        GeneratorRun(
            loop=LoopSettings(steps=7, learning_rate=0.5),
            examples=ExampleSettings(resolution_mm=(4.0, 5.0)),
            buckets={"32": [1, 2, 0.5]},
        ),
    ],
)
def test_settings_survive_the_way_to_the_file_and_back(tmp_path, run):
    write_config(run, tmp_path / "run.json")
    assert read_config(type(run), tmp_path / "run.json") == run


def test_settings_that_a_file_leaves_out_keep_their_defaults(tmp_path):
    run = read_config(GeneratorRun, config(tmp_path, {"channels": [8, 16], "loop": {"steps": 9}}))
    assert run == dataclasses.replace(GeneratorRun(), channels=[8, 16], loop=LoopSettings(steps=9))


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"chanels": [8]}, r"\['chanels'\] in its top level"),
        ({"loop": {"stepps": 3}}, r"\['stepps'\] in loop"),
        ({"loop": 3}, "loop is 3"),
        ({"loop": {"steps": "many"}}, "steps is 'many'"),
        ({"scale": {"knee_suv": -1}}, "scale cannot be used: knee_suv -1"),
        ([1, 2], "must be a JSON object"),
    ],
)
def test_settings_that_do_not_exist_or_fit_are_refused(tmp_path, values, named):
    with pytest.raises(TrainingDataError, match=named):
        read_config(AutoencoderRun, config(tmp_path, values))


@pytest.mark.parametrize(
    ("name", "only", "other"),
    [("box_channel", True, False), ("condition", "before", "after"), ("time_sampling", "logit-normal", "uniform")],
)
def test_former_switches_of_a_generator_are_read_where_they_say_what_is_trained_anyway(tmp_path, name, only, other):
    assert read_config(GeneratorRun, config(tmp_path, {name: only})) == GeneratorRun()
    assert read_config(RivalRun, config(tmp_path, {name: only})) == RivalRun()
    with pytest.raises(TrainingDataError, match=f"{name} is {other!r}; this version trains with {only!r} only"):
        read_config(GeneratorRun, config(tmp_path, {name: other}))
    with pytest.raises(TrainingDataError, match="unknown settings"):
        read_config(AutoencoderRun, config(tmp_path, {name: only}))


@pytest.mark.parametrize("content", [b"{steps: 3", b"\xff\xfe"])
def test_file_that_is_no_json_is_refused(tmp_path, content):
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(TrainingDataError, match=r"run\.json cannot be read"):
        read_config(AutoencoderRun, tmp_path / "run.json")


# Cached latents


def test_soft_occupancy_keeps_what_nearest_neighbor_loses():
    mask = torch.zeros(1, 1, 8, 8, 8)
    mask[0, 0, 1, 1, 1] = 1
    assert occupancy(mask, 4)[0, 0, 0, 0, 0] == pytest.approx(2 / 64 - 1)
    assert occupancy(torch.ones(1, 1, 8, 8, 8), 4).unique().tolist() == [1.0]


def test_cache_is_read_again_for_the_same_networks_and_made_anew_for_others(tiny_cases, tmp_path):
    run = read_config(AutoencoderRun, config(tmp_path, AUTOENCODER))
    maker = ExampleMaker(load_cases(tiny_cases), run.patch, run.offsets, run.examples, 0)
    torch.manual_seed(0)
    first, second = (PetVAE((8, 8), (1, 1), norm_num_groups=4).eval() for _ in range(2))

    def build(vae: PetVAE) -> LatentCache:
        encoder = LatentEncoder(vae, run.scale)
        return LatentCache.build(tmp_path / "cache.safetensors", encoder, maker, 16, 2, quiet=True)

    made = build(first)
    written = (tmp_path / "cache.safetensors").stat().st_mtime_ns
    again = build(first)
    assert (tmp_path / "cache.safetensors").stat().st_mtime_ns == written
    assert torch.equal(again.z_1, made.z_1) and torch.equal(again.mask, made.mask)
    other = build(second)
    assert not torch.equal(other.z_1, made.z_1)
    assert torch.equal(other.mask, made.mask)


def test_examples_made_by_other_processes_are_the_same_in_the_same_order(tiny_cases):
    run = AutoencoderRun()
    maker = ExampleMaker(load_cases(tiny_cases), run.patch, run.offsets, ExampleSettings(), 3)
    here = [maker.example(index, 32) for index in range(9)]
    elsewhere = list(examples_ahead(maker, 32, 9, worth_a_process=4))
    assert len(elsewhere) == 9
    for a, b in zip(here, elsewhere, strict=True):
        assert np.array_equal(a.suv, b.suv) and np.array_equal(a.mask, b.mask) and a.patch.box == b.patch.box
