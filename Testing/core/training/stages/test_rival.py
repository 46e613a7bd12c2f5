"""Rivals trained on the generator's examples: end to end on tiny cases, and refused input."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from TumorGenCore.bundle.model_bundle import load_bundle, save_bundle
from TumorGenCore.cli import main
from TumorGenCore.errors import TrainingDataError
from TumorGenCore.method.schedule import Sampling
from TumorGenCore.training.config import RivalRun
from TumorGenCore.training.data.cases import load_cases
from TumorGenCore.training.loop.job import TrainingJob
from TumorGenCore.training.loop.settings import LoopSettings
from TumorGenCore.training.loop.trainer import train
from TumorGenCore.training.stages.autoencoder import load_autoencoder
from TumorGenCore.training.stages.diffusion import LEVELS, add_noise, diffusion_velocity
from TumorGenCore.training.stages.rival import STAGES, load_rival, train_rival

pytestmark = pytest.mark.slow

STEPS = 20
SETTINGS: dict[str, Any] = {
    "data": {"patient_pattern": r"^(P\d)", "validation_share": 0.34, "always_train": ["P4"]},
    "loop": {"learning_rate": 5e-3, "warmup_steps": 2, "validate_steps": STEPS // 2, "checkpoint_minutes": 60},
    "channels": [8, 16],
    "attention_levels": [False, True],
    "num_head_channels": 8,
    "norm_num_groups": 4,
    "gan_channels": 16,
    "buckets": {"16": [6, 4, 1.0]},
    "validation_examples": 2,
    # As in the configuration of a generator, which also works for a rival.
    "notes": {"license": "CC0"},
}
LATENT_KINDS = ("diffusion", "unconditional", "whole-diffusion")
KINDS = (*LATENT_KINDS, "gan")


@pytest.fixture(scope="module")
def autoencoder(tiny_autoencoder: Path) -> Path:
    return tiny_autoencoder


@pytest.fixture(scope="module")
def runs(tiny_cases: Path, autoencoder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One run of each kind; all use the cached latents of the first."""
    folder = tmp_path_factory.mktemp("rivals")
    (folder / "settings.json").write_text(json.dumps(SETTINGS))
    needed = ["--data", str(tiny_cases), "--autoencoder", str(autoencoder), "--config", str(folder / "settings.json")]
    for kind in KINDS:
        outputs = ["--output", str(folder / kind), "--cache", str(folder / "cache"), "--steps", str(STEPS)]
        assert main(["train", "rival", "--quiet", "--kind", kind, *needed, *outputs]) == 0
    return {kind: folder / kind for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_a_rival_learns_and_leaves_pictures(runs, kind) -> None:
    lines = [json.loads(line) for line in (runs[kind] / "log.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    assert len(losses) == STEPS
    assert np.mean(losses[-8:]) < 0.9 * np.mean(losses[:4])
    errors = [line["validation_error"] for line in lines if "validation_error" in line]
    assert len(errors) == 2 and np.isfinite(errors).all()
    assert len(list((runs[kind] / "pictures").glob("*.png"))) == 2


def a_stage(kind: str, cases: Path, autoencoder: Path, folder: Path, loop: LoopSettings, batch_size: int = 1):
    """Returns a stage with one example, and its batch."""
    vae, vae_run = load_autoencoder(autoencoder)
    vae.requires_grad_(False)
    values = {name: value for name, value in SETTINGS.items() if name not in ("data", "loop", "buckets")}
    run = RivalRun(kind=kind, loop=loop, buckets={"16": [1, batch_size, 1.0]}, **values)
    stage = STAGES[kind](run, vae, vae_run, load_cases(cases), [], folder / "cache", True)
    return stage, stage.normalized(stage.caches[16], [0])


class Perfect(torch.nn.Module):
    """Acts like a network that has perfectly learned one example, and records the noise that it finds in x."""

    def __init__(self, kind: str, x_1: torch.Tensor) -> None:
        super().__init__()
        self.kind, self.x_1 = kind, x_1
        self.noises: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor, z_m: torch.Tensor, box: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        ones, level = torch.ones_like(x), (t * LEVELS).round().long()
        if self.kind == "unconditional":
            signal, spread = float(t) * ones, (1 - float(t)) * ones
        else:
            signal, spread = add_noise(ones, 0 * ones, level), add_noise(0 * ones, ones, level)
        noise = (x - signal * self.x_1) / spread
        self.noises.append(noise[:, :-1])
        return self.x_1 - noise if self.kind == "unconditional" else diffusion_velocity(self.x_1, noise, level)


@pytest.mark.parametrize("kind", LATENT_KINDS)
@torch.inference_mode()
def test_training_and_sampling_agree_on_what_a_network_says(tiny_cases, autoencoder, tmp_path, kind) -> None:
    """A perfect network has no error and leads straight to the data, so signs, levels, times and scales agree."""
    stage, batch = a_stage(kind, tiny_cases, autoencoder, tmp_path, LoopSettings())
    # Sampling takes the tissue outside the box from the scan; here the box covers everything.
    batch["box"] = torch.ones_like(batch["box"])
    noise = torch.randn(batch["x_1"].shape, generator=torch.Generator().manual_seed(1))
    for t in (0.02, 0.3, 0.8, 0.96):
        assert float(stage.error(Perfect(kind, batch["x_1"]), batch, noise, torch.tensor([t]))) < 1e-6
    perfect = Perfect(kind, batch["x_1"])
    made = stage.sample(perfect, batch, torch.Generator().manual_seed(0))
    torch.testing.assert_close(made, batch["x_1"], rtol=0, atol=1e-3)
    # Along a straight path, the noise found is always the initial noise.
    noises = torch.stack(perfect.noises)
    assert len(noises) == LEVELS
    torch.testing.assert_close(noises, noises[:1].expand_as(noises), rtol=0, atol=1e-3)


def test_a_diffusion_that_has_learned_one_example_gives_it_back(tiny_cases, autoencoder, tmp_path) -> None:
    """Fifty steps must not multiply its errors so far that the learned example is lost."""
    loop = LoopSettings(steps=120, learning_rate=1e-2, warmup_steps=10, validate_steps=1000, ema_decay=0.95)
    stage, batch = a_stage("diffusion", tiny_cases, autoencoder, tmp_path, loop, batch_size=16)
    network = train(stage, loop, tmp_path, resume=False, quiet=True)
    with torch.inference_mode():
        made = stage.sample(network, batch, torch.Generator().manual_seed(0))

    def size(z: torch.Tensor) -> float:
        return float((z[:, :-1] ** 2 * batch["box"]).mean() ** 0.5)

    # The value is 0.5 and falling; an untrained network has 1.2.
    assert size(made - batch["x_1"]) < 0.7 * size(batch["x_1"])


def test_all_kinds_learn_from_the_same_cached_latents(runs) -> None:
    cached = runs["diffusion"].parent / "cache"
    assert {path.name for path in cached.iterdir()} == {"training-16.safetensors", "validation.safetensors"}
    assert not any((folder / "cache").exists() for folder in runs.values())
    first, *others = (load_rival(runs[kind], kind, "cpu") for kind in KINDS)
    for other in others:
        assert first.latent_mean == other.latent_mean
        assert first.vae_hash == other.vae_hash


@pytest.mark.parametrize("kind", KINDS)
def test_a_rival_comes_back_with_its_settings_and_patients(runs, kind, tiny_bundle_folder) -> None:
    rival = load_rival(runs[kind], kind, "cpu")
    assert rival.run.kind == kind
    assert rival.run.channels == [8, 16]
    assert "P4" in rival.training_cases
    assert len(rival.latent_mean) == len(rival.latent_deviation) == 4
    assert not rival.network.training
    rival.check_bundle(load_bundle(tiny_bundle_folder))


def test_a_bundle_with_another_autoencoder_is_refused(runs, tiny_bundle_folder) -> None:
    bundle = load_bundle(tiny_bundle_folder)
    with torch.no_grad():
        next(bundle.vae.parameters()).mul_(1.01)
    with pytest.raises(TrainingDataError, match="another autoencoder"):
        load_rival(runs["diffusion"], "diffusion", "cpu").check_bundle(bundle)


def test_rivals_of_another_kind_unfinished_or_damaged_are_refused(runs, tmp_path) -> None:
    with pytest.raises(TrainingDataError, match="of the kind diffusion; give one of the kind unconditional"):
        load_rival(runs["diffusion"], "unconditional")
    with pytest.raises(TrainingDataError, match="of the kind gan; give one of the kind whole-diffusion"):
        load_rival(runs["gan"], "whole-diffusion")
    with pytest.raises(TrainingDataError, match="to its end first"):
        load_rival(tmp_path, "diffusion")
    (tmp_path / "rival.json").write_bytes((runs["diffusion"] / "rival.json").read_bytes())
    content = (runs["diffusion"] / "rival.safetensors").read_bytes()
    (tmp_path / "rival.safetensors").write_bytes(content[:-50])
    with pytest.raises(TrainingDataError, match="damaged"):
        load_rival(tmp_path, "diffusion")


def test_weights_of_another_kind_are_refused(runs, tmp_path) -> None:
    (tmp_path / "rival.json").write_bytes((runs["gan"] / "rival.json").read_bytes())
    (tmp_path / "rival.safetensors").write_bytes((runs["whole-diffusion"] / "rival.safetensors").read_bytes())
    with pytest.raises(TrainingDataError, match="does not fit the network"):
        load_rival(tmp_path, "gan")


def test_an_unknown_kind_is_refused_before_any_output(tiny_cases, autoencoder, tmp_path) -> None:
    with pytest.raises(TrainingDataError, match="'magic' is unknown; use one of: diffusion"):
        train_rival(TrainingJob(tiny_cases, tmp_path / "out"), autoencoder, RivalRun(kind="magic"))
    assert not (tmp_path / "out").exists()


def test_a_folder_with_a_finished_run_is_not_overwritten(runs, tiny_cases, autoencoder, capsys) -> None:
    command = ["train", "rival", "--kind", "diffusion", "--data", str(tiny_cases), "--autoencoder", str(autoencoder)]
    assert main([*command, "--output", str(runs["diffusion"])]) == 1
    assert "--resume" in capsys.readouterr().err


SEGMENTER: dict[str, Any] = {
    "data": SETTINGS["data"],
    "loop": {"steps": 2, "validate_steps": 2},
    "patch": {"spacing_mm": 5.0, "context_mm": 5.0, "multiple": 8, "max_size": 32},
    "channels": [8, 8, 8],
    "patch_size": 16,
    "batch_size": 1,
}


def test_trained_rivals_take_part_in_a_comparison(runs, tiny_cases, tiny_bundle_folder, tmp_path, capsys) -> None:
    """Runs all commands that lead to a report, on one split."""
    (tmp_path / "segmenter.json").write_text(json.dumps(SEGMENTER))
    data = ["--data", str(tiny_cases)]
    segmenter = str(tmp_path / "segmenter")
    assert main(["train", "segmenter", *data, "--quiet", "--output", segmenter, "--config", f"{segmenter}.json"]) == 0
    bundle = replace(load_bundle(tiny_bundle_folder), sampling=Sampling(steps=1))
    known = load_rival(runs["diffusion"], "diffusion", "cpu").training_cases
    unknown = min({"P1-a", "P1-b", "P2", "P3", "P4"} - set(known))
    bundle.notes["cases"] = {"training": list(known), "validation": [unknown]}
    save_bundle(bundle, tmp_path / "bundle", card="# tiny\n")
    networks = ["--model", str(tmp_path / "bundle"), "--segmenter", segmenter, "--device", "cpu"]
    rivals = [option for kind in KINDS for option in (f"--{kind}", str(runs[kind]))]
    out = tmp_path / "out"
    assert main(["compare", *data, *networks, *rivals, "--output", str(out), "--seeds", "1", "--json"]) == 0
    seconds = json.loads(capsys.readouterr().out)["seconds"]
    assert [method.split(",")[-1].strip() for method in seconds][2:] == [
        "DDPM-50", "DDIM-50", "Euler-50", "DDIM-50", "HA-GAN's manner", "Euler-50", "Euler-10", "Euler-4", "Heun-10",
        "Heun-4", "Adams-10", "Adams-4", "poor ones redrawn",
    ]  # fmt: skip
    report = json.loads((out / "report.json").read_text())
    assert report["cases"] == [unknown]
    assert (out / "contact_sheet.png").stat().st_size > 10_000
