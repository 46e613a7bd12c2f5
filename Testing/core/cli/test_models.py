"""`tumorgen models` lists the installed bundles."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from TumorGenCore.cli import main


def test_models_are_listed_with_hash_and_card_and_a_damaged_one_is_told(
    tiny_bundle_folder, tmp_path, monkeypatch, capsys
):
    root = tmp_path / "Models"
    shutil.copytree(tiny_bundle_folder, root / "good")
    shutil.copytree(tiny_bundle_folder, root / "bad")
    (root / "bad" / "models" / "vae.safetensors").write_bytes(b"damaged")
    monkeypatch.setattr("TumorGenCore.bundle.folders.models_root", lambda: root)
    assert main(["models", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [entry["name"] for entry in report["models"]] == ["good"]
    assert len(report["models"][0]["sha256"]) == 64
    assert report["models"][0]["sampling"] == {"steps": 10, "solver": "euler", "time_grid": "uniform"}
    assert Path(report["models"][0]["card"]).read_text().startswith("# ")
    assert "bad" in report["warnings"][0]
    assert main(["models"]) == 0
    assert report["models"][0]["sha256"][:16] in capsys.readouterr().out


def test_without_models_it_says_how_to_get_one(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("TumorGenCore.bundle.folders.models_root", lambda: tmp_path)
    assert main(["models"]) == 0
    assert "tumorgen train" in capsys.readouterr().out
