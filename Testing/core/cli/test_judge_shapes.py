"""`tumorgen judge-shapes` refuses a folder without shapes."""

from __future__ import annotations

from command_cases import assert_one_line

from TumorGenCore.cli import main


def test_a_folder_without_shapes_is_refused(tiny_cases, tiny_bundle_folder, tmp_path, capsys):
    command = ["judge-shapes", "--data", str(tiny_cases), "--output", str(tmp_path / "out")]
    assert main([*command, "--model", str(tiny_bundle_folder), "--device", "cpu"]) == 1
    said = capsys.readouterr().err
    assert_one_line(said)
    assert "No shapes were found" in said
    assert not (tmp_path / "out").exists()
