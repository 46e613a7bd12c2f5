"""`tumorgen evaluate` can be stopped."""

from __future__ import annotations

from command_cases import assert_one_line

from TumorGenCore.cli import main


def test_interrupt_that_python_loses_stops_an_evaluation_after_the_case(
    tiny_cases, tiny_bundle_folder, interrupted_preparation, tmp_path, capsys
):
    command = ["evaluate", "--data", str(tiny_cases), "--output", str(tmp_path / "out"), "--cases", "P2"]
    quick = ["--seeds", "1", "--steps", "1", "--model", str(tiny_bundle_folder), "--device", "cpu"]
    assert main([*command, *quick]) == 130
    assert_one_line(capsys.readouterr().err)
    assert not (tmp_path / "out" / "report.json").exists()
