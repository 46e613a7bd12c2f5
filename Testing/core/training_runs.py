"""Settings and results of training runs with tiny networks."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from safetensors.torch import load_file

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


@contextmanager
def without_curves() -> Iterator[None]:
    """Leaves the plot of a run's curves empty, which takes longer than a short run; ``loop/test_trainer`` draws one."""
    with patch("TumorGenCore.training.loop.trainer.save_curves", lambda log, path: path.write_bytes(b"")):
        yield


@contextmanager
def one_thread() -> Iterator[None]:
    """Uses one thread like the processes that tests start; the order of a sum depends on the number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def config(folder: Path, values: dict[str, Any]) -> Path:
    """Writes settings to a file in a folder and returns its path."""
    path = folder / "settings.json"
    path.write_text(json.dumps(values))
    return path


def command(data: Path, output: Path, *more: str) -> list[str]:
    """Returns the command line that trains an autoencoder."""
    return ["train", "autoencoder", "--quiet", "--data", str(data), "--output", str(output), *more]


def log(output: Path) -> list[dict[str, Any]]:
    """Returns the lines of the log of a run."""
    return [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]


def losses(output: Path) -> list[float]:
    """Returns the loss of every step."""
    return [line["loss"] for line in log(output) if "loss" in line]


def weights(output: Path) -> dict[str, torch.Tensor]:
    """Returns the weights of an autoencoder run."""
    return load_file(output / "autoencoder.safetensors")


def largest_difference(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    """Returns the largest difference between the weights of two networks of the same shape."""
    assert a.keys() == b.keys()
    return max(float((a[name] - b[name]).abs().max()) for name in a)


def assert_each_step_once(output: Path) -> None:
    """Checks that the log of an autoencoder run has every step once, and every validation."""
    steps = Counter(line["step"] for line in log(output) if "loss" in line)
    assert steps == Counter(range(1, STEPS + 1))
    validations = [line["step"] for line in log(output) if "validation_psnr" in line]
    assert validations == [5, 10, STEPS]


def unmoving(values: dict[str, Any]) -> dict[str, Any]:
    """Returns settings for one step with a tiny learning rate, so that the weights hardly change."""
    return {**values, "loop": {**values["loop"], "steps": 1, "learning_rate": 1e-9, "weight_decay": 0.0}}
