"""Checkpoints: only the newest stay, and loading runs no code."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

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
