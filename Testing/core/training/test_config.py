"""Settings of a run: written to a file and read back, and refused input."""

from __future__ import annotations

import dataclasses

import pytest
from full_disk import file_size_limit
from training_runs import config

from TumorGenCore.errors import TrainingDataError
from TumorGenCore.method.intensity import NetworkScale
from TumorGenCore.training.config import (
    AutoencoderRun,
    DataSettings,
    GeneratorRun,
    RivalRun,
    read_config,
    write_config,
)
from TumorGenCore.training.data.example_settings import ExampleSettings
from TumorGenCore.training.loop.settings import LoopSettings


@pytest.mark.parametrize(
    "run",
    [
        AutoencoderRun(channels=[8, 16], scale=NetworkScale(2.0, 40.0), data=DataSettings(["a"], always_train=["b"])),
        GeneratorRun(
            loop=LoopSettings(steps=7, learning_rate=0.5),
            examples=ExampleSettings(resolution_mm=(4.0, 5.0)),
            buckets={"32": [1, 2, 0.5]},
        ),
    ],
)
def test_settings_survive_the_way_to_the_file_and_back(tmp_path, run):
    write_config(run, tmp_path / "run.json")
    assert read_config(type(run), tmp_path / "run.json") == run


def test_settings_that_find_no_space_leave_those_that_were_there(tmp_path):
    write_config(GeneratorRun(), tmp_path / "run.json")
    with file_size_limit(100), pytest.raises(OSError, match=r"run\.json cannot be written"):
        write_config(AutoencoderRun(), tmp_path / "run.json")
    assert read_config(GeneratorRun, tmp_path / "run.json") == GeneratorRun()


def test_settings_that_a_file_leaves_out_keep_their_defaults(tmp_path):
    run = read_config(GeneratorRun, config(tmp_path, {"channels": [8, 16], "loop": {"steps": 9}}))
    assert run == dataclasses.replace(GeneratorRun(), channels=[8, 16], loop=LoopSettings(steps=9))


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"chanels": [8]}, r"\['chanels'\] in its top level"),
        ({"loop": {"stepps": 3}}, r"\['stepps'\] in loop"),
        ({"loop": 3}, "loop is 3"),
        ({"loop": {"steps": "many"}}, "steps is 'many'"),
        ({"scale": {"knee_suv": -1}}, "invalid scale: knee_suv -1"),
        ([1, 2], "must be a JSON object"),
    ],
)
def test_settings_that_do_not_exist_or_fit_are_refused(tmp_path, values, named):
    with pytest.raises(TrainingDataError, match=named):
        read_config(AutoencoderRun, config(tmp_path, values))


@pytest.mark.parametrize(
    ("name", "only", "other"),
    [("box_channel", True, False), ("condition", "before", "after"), ("time_sampling", "logit-normal", "uniform")],
)
def test_former_switches_of_a_generator_are_read_where_they_say_what_is_trained_anyway(tmp_path, name, only, other):
    assert read_config(GeneratorRun, config(tmp_path, {name: only})) == GeneratorRun()
    assert read_config(RivalRun, config(tmp_path, {name: only})) == RivalRun()
    with pytest.raises(TrainingDataError, match=f"{name} is {other!r}; this version trains with {only!r} only"):
        read_config(GeneratorRun, config(tmp_path, {name: other}))
    with pytest.raises(TrainingDataError, match="unknown settings"):
        read_config(AutoencoderRun, config(tmp_path, {name: only}))


@pytest.mark.parametrize("content", [b"{steps: 3", b"\xff\xfe"])
def test_file_that_is_no_json_is_refused(tmp_path, content):
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(TrainingDataError, match=r"run\.json cannot be read"):
        read_config(AutoencoderRun, tmp_path / "run.json")
