"""Fixtures for the tests of the core."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from small_cases import write_case


@pytest.fixture(scope="session")
def tiny_cases(tmp_path_factory) -> Path:
    """Four patients in five scans: P1 has two, P4 has no tumor."""
    folder = tmp_path_factory.mktemp("cases")
    (folder / "more").mkdir()
    write_case(folder, "P1-a", (-30.0, 10.0, 40.0), 1)
    write_case(folder, "P1-b", (-28.0, 12.0, 30.0), 2)
    write_case(folder, "P2", (25.0, -20.0, -40.0), 3)
    write_case(folder / "more", "P3", (0.0, 30.0, 0.0), 4)
    write_case(folder / "more", "P4", None, 5)
    return folder


@pytest.fixture(scope="session")
def tiny_autoencoder(tiny_bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The VAE of the tiny bundle, in the files that a run of the first stage writes."""
    from safetensors.torch import save_file

    from TumorGenCore.bundle.model_bundle import load_bundle
    from TumorGenCore.training.config import AutoencoderRun, write_config
    from TumorGenCore.volumes.patch import PatchSettings

    folder = tmp_path_factory.mktemp("autoencoder")
    patch = PatchSettings(spacing_mm=5.0, context_mm=5.0, multiple=8)
    run = AutoencoderRun(channels=[8, 16], num_res_blocks=[1, 1], norm_num_groups=4, patch=patch)
    write_config(run, folder / "autoencoder.json")
    save_file(load_bundle(tiny_bundle_folder).vae.state_dict(), folder / "autoencoder.safetensors")
    return folder


@pytest.fixture(scope="module")
def without_curves() -> Iterator[None]:
    """See ``training_runs.without_curves``."""
    from training_runs import without_curves

    with without_curves():
        yield


@pytest.fixture
def interrupted_preparation(lose_interrupt: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Presses Ctrl+C whenever the generator prepares a box; Python loses the exception."""
    from TumorGenCore.insertion.generator import TumorGenerator

    prepare = TumorGenerator.prepare

    def interrupted(*arguments: Any, **options: Any) -> Any:
        lose_interrupt()
        return prepare(*arguments, **options)

    monkeypatch.setattr(TumorGenerator, "prepare", interrupted)
