"""Finished runs of tiny networks, trained once for all tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from training_runs import AUTOENCODER, GENERATOR, command, config, one_thread, without_curves

from TumorGenCore.cli import main


@pytest.fixture(scope="module", autouse=True)
def same_threads() -> Iterator[None]:
    """Keeps the number of threads fixed, because tests compare weights bit for bit; draws no curves."""
    with one_thread(), without_curves():
        yield


@pytest.fixture(scope="session")
def autoencoder_run(tiny_cases: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted run of the first stage."""
    output = tmp_path_factory.mktemp("autoencoder")
    with one_thread(), without_curves():
        assert main(command(tiny_cases, output, "--config", str(config(output, AUTOENCODER)))) == 0
    return output


@pytest.fixture(scope="session")
def generator_run(tiny_cases: Path, autoencoder_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the second stage on the latents of the first; its bundle is ``tiny``."""
    output = tmp_path_factory.mktemp("generator")
    options = ["--data", str(tiny_cases), "--autoencoder", str(autoencoder_run), "--output", str(output)]
    settings = config(output, GENERATOR)
    with one_thread(), without_curves():
        assert main(["train", "generator", "--quiet", *options, "--config", str(settings), "--name", "tiny"]) == 0
    return output
