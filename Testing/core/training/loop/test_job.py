"""Start of a run: it reads cases and writes settings; a refused run writes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from training_runs import command

from TumorGenCore.cli import main
from TumorGenCore.errors import TrainingDataError
from TumorGenCore.training.config import AutoencoderRun, DataSettings, read_config
from TumorGenCore.training.data.cases import load_cases
from TumorGenCore.training.loop.checkpoint import save_checkpoint
from TumorGenCore.training.loop.job import TrainingJob
from TumorGenCore.training.loop.run_files import RunFiles

FILES = RunFiles("autoencoder")
RUN = AutoencoderRun(data=DataSettings(patient_pattern=r"^(P\d)", validation_share=0.34, always_train=["P4"]))


def test_a_run_begins_with_its_cases_split_and_its_settings_written(tiny_cases: Path, tmp_path: Path) -> None:
    job = TrainingJob(tiny_cases, tmp_path / "run")
    training, validation = job.begin(RUN, FILES)
    assert sorted(case.name for case in (*training, *validation)) == ["P1-a", "P1-b", "P2", "P3", "P4"]
    assert not {case.patient for case in training} & {case.patient for case in validation}
    assert read_config(AutoencoderRun, tmp_path / "run" / "autoencoder.json") == RUN
    assert job.latents == tmp_path / "run" / "cache"


def test_cases_that_were_read_already_are_not_read_again(tiny_cases: Path, tmp_path: Path) -> None:
    cases = load_cases(tiny_cases, ["P2", "P3"], patient_pattern=r"^(P\d)")
    job = TrainingJob(tmp_path / "nothing", tmp_path / "run", cache=tmp_path / "shared", cases=cases)
    training, validation = job.begin(RUN, FILES)
    assert all(any(case is one for one in cases) for case in (*training, *validation))
    assert job.latents == tmp_path / "shared"


def test_a_folder_without_cases_is_refused_and_nothing_is_written(tmp_path: Path, capsys) -> None:
    assert main(command(tmp_path, tmp_path / "out")) == 1
    assert "No image of a case" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_new_run_is_kept_out_of_a_folder_with_another_runs_checkpoints(tiny_cases: Path, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "checkpoints", 3, {"step": 3})
    with pytest.raises(TrainingDataError, match=r"step-0000003 of an earlier run; continue it with --resume"):
        TrainingJob(tiny_cases, tmp_path).begin(RUN, FILES)
    assert not (tmp_path / "autoencoder.json").exists()
    TrainingJob(tiny_cases, tmp_path, resume=True).begin(RUN, FILES)
    assert (tmp_path / "autoencoder.json").exists()
