"""`tumorgen train`: required options."""

from __future__ import annotations

import sys

from command_cases import assert_one_line

from TumorGenCore.cli import main


def test_missing_training_package_is_named(tiny_cases, tmp_path, monkeypatch, capsys):
    for name in [name for name in sys.modules if name.startswith("TumorGenCore.training.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "accelerate", None)
    assert main(["train", "autoencoder", "--data", str(tiny_cases), "--output", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert_one_line(error)
    assert "needs accelerate" in error and "tumorgen[train]" in error
