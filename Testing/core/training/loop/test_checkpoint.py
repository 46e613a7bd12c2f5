"""Checkpoints: only the newest stay, none is half on a full disk, and loading runs no code."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from full_disk import file_size_limit

from TumorGenCore.errors import TrainingDataError
from TumorGenCore.training.loop.checkpoint import latest_checkpoint, load_checkpoint, save_checkpoint


def test_only_the_newest_checkpoints_are_kept(tmp_path):
    for step in (1, 2, 10):
        save_checkpoint(tmp_path, step, {"step": step, "weight": torch.ones(2)})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-0000002", "step-0000010"]
    assert load_checkpoint(latest_checkpoint(tmp_path))["step"] == 10


def test_code_in_a_checkpoint_is_not_run(tmp_path):
    folder = save_checkpoint(tmp_path, 1, {"step": 1})
    torch.save({"step": {}.get, "path": Path()}, folder / "state.pt")
    with pytest.raises(TrainingDataError, match="step-0000001 is damaged"):
        load_checkpoint(folder)


def test_a_checkpoint_that_finds_no_space_is_named_and_leaves_those_before_it(tmp_path):
    save_checkpoint(tmp_path, 1, {"step": 1})
    for limit in (100, 4000):
        with file_size_limit(limit), pytest.raises(OSError, match=r"step-0000002 cannot be written.*disk is full"):
            save_checkpoint(tmp_path, 2, {"step": 2, "weight": torch.rand(4000)})
        assert [path.name for path in tmp_path.iterdir()] == ["step-0000001"]


def test_half_a_checkpoint_of_a_killed_run_is_removed_by_the_next_one(tmp_path):
    (tmp_path / ".part-0000007").mkdir()
    save_checkpoint(tmp_path, 8, {"step": 8})
    assert [path.name for path in tmp_path.iterdir()] == ["step-0000008"]
