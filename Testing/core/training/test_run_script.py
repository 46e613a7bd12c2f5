"""The script from data to bundle: each training has its configuration, its steps, and goes on from the one before."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

TRAINING = Path(__file__).parents[3] / "Resources/Training"


@pytest.fixture(scope="module")
def lines() -> dict[str, list[list[str]]]:
    """Arguments of `tumorgen` by mode; `echo` stands for the command, because the real trainings take hours."""
    found = {}
    for mode in ("cpu", "gpu"):
        script = ["sh", str(TRAINING / "run.sh"), "DATA", "RUNS", mode]
        said = subprocess.run(
            script, env={**os.environ, "TUMORGEN": "echo"}, check=True, capture_output=True, text=True
        )
        found[mode] = [line.split() for line in said.stdout.splitlines() if line.startswith("train ")]
    return found


def test_every_training_has_its_configuration_and_resumes(lines: dict[str, list[list[str]]]) -> None:
    assert [line[1] for line in lines["cpu"]] == ["autoencoder"] * 2 + ["generator"] * 3
    for line in lines["cpu"]:
        assert Path(line[line.index("--config") + 1]).is_file() and "--resume" in line and "--steps" not in line


def test_what_a_training_starts_from_was_made_before(lines: dict[str, list[list[str]]]) -> None:
    made: set[str] = set()
    for line in lines["cpu"]:
        taken = [line[n + 1] for n, word in enumerate(line) if word in ("--start-from", "--autoencoder")]
        assert set(taken) <= made
        output = line[line.index("--output") + 1]
        made |= {output, f"{output}/{line[line.index('--name') + 1]}"} if "--name" in line else {output}


def test_on_a_gpu_each_training_takes_a_fifth_of_the_steps(lines: dict[str, list[list[str]]]) -> None:
    for line in lines["gpu"]:
        steps = json.loads(Path(line[line.index("--config") + 1]).read_text())["loop"].get("steps")
        if steps is not None:
            assert int(line[line.index("--steps") + 1]) == steps // 5
