"""The files of a finished run: they load unchanged, and errors name the damage and the command that repairs it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from full_disk import file_size_limit
from torch import nn

from TumorGenCore.errors import TrainingDataError
from TumorGenCore.training.loop.run_files import RunFiles

FILES = RunFiles("segmenter")


def network(channels: int = 3) -> nn.Module:
    """A network with a layer under two names, like MONAI's ``DynUNet``."""
    layer = nn.Conv3d(1, channels, 3)
    return nn.ModuleDict({"first": layer, "again": layer}).to(memory_format=torch.channels_last_3d)


def test_weights_come_back_with_what_is_said_of_them(tmp_path: Path) -> None:
    written, read = network(), network()
    assert not FILES.are_in(tmp_path)
    assert FILES.write_weights(tmp_path, written, {"training": "[]"}) == tmp_path / "segmenter.safetensors"
    assert FILES.are_in(tmp_path)
    FILES.read_weights(tmp_path, read)
    assert all(torch.equal(a, b) for a, b in zip(written.parameters(), read.parameters(), strict=True))
    assert FILES.read_about(tmp_path)["training"] == "[]"
    assert [path.name for path in tmp_path.iterdir()] == ["segmenter.safetensors"]


def test_an_unfinished_run_is_named_with_its_command(tmp_path: Path) -> None:
    error = FILES.unfinished(tmp_path)
    assert isinstance(error, TrainingDataError)
    assert f"{tmp_path} contains no segmenter.safetensors; run `tumorgen train segmenter` to its end" in str(error)


def test_damage_and_other_networks_are_named(tmp_path: Path) -> None:
    file = FILES.write_weights(tmp_path, network())
    message = r"segmenter\.safetensors in .* is damaged or does not fit the network in segmenter\.json; train the seg"
    with pytest.raises(TrainingDataError, match=message), FILES.named_damage(tmp_path):
        FILES.read_weights(tmp_path, network(channels=4))
    with pytest.raises(TrainingDataError, match=message), FILES.named_damage(tmp_path):
        assert FILES.read_about(tmp_path)["training"]
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(TrainingDataError, match=message), FILES.named_damage(tmp_path):
        FILES.read_weights(tmp_path, network())


def test_weights_that_find_no_space_are_named_and_leave_nothing(tmp_path: Path) -> None:
    with file_size_limit(100), pytest.raises(OSError, match=r"segmenter\.safetensors cannot be written.*disk is full"):
        FILES.write_weights(tmp_path, network())
    assert not list(tmp_path.iterdir())
