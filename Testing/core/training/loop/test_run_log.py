"""The log of a run: it has every line once, also after a run was killed and resumed."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from full_disk import file_size_limit

from TumorGenCore.training.loop.log import RunLog


def steps_of(path: Path) -> list[int]:
    return [json.loads(line)["step"] for line in path.read_text().splitlines()]


def test_lines_wait_in_memory_until_a_validation_or_a_flush(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "log.jsonl", 0, active=True)
    assert math.isnan(log.mean_loss)
    log.add(1, {"loss": 2.0})
    log.add(2, {"loss": 1.0})
    assert log.mean_loss == pytest.approx(0.98 * 2 + 0.02)
    assert steps_of(log.path) == []
    log.add(2, {"validation_dice": 0.5})
    assert steps_of(log.path) == [1, 2, 2]
    log.add(3, {"loss": 1.0})
    log.flush()
    assert steps_of(log.path) == [1, 2, 2, 3]


def test_a_resumed_run_drops_what_lies_past_its_checkpoint_and_half_a_line(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n{"step": 1, "lo')
    log = RunLog(path, 2, active=True)
    log.add(3, {"loss": 1.0})
    log.flush()
    assert steps_of(path) == [1, 2, 3]
    RunLog(path, 0, active=True)
    assert steps_of(path) == []


def test_all_processes_but_the_main_one_write_nothing(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "run" / "log.jsonl", 0, active=False)
    log.add(1, {"validation_dice": 0.5})
    log.flush()
    assert not (tmp_path / "run").exists()


def test_a_log_that_finds_no_space_when_it_is_resumed_keeps_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text("".join(f'{{"step": {step}}}\n' for step in range(1, 100)))
    with file_size_limit(50), pytest.raises(OSError, match=r"log\.jsonl cannot be written"):
        RunLog(path, 98, active=True)
    assert steps_of(path) == list(range(1, 100))
