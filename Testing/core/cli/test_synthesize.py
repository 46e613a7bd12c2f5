"""`tumorgen synthesize`: its options apply to every result."""

from __future__ import annotations

import json

import pytest
from command_cases import BOX_RAS, assert_one_line

from TumorGenCore.cli import main


@pytest.fixture
def synthesize(pet, tiny_bundle_folder, tmp_path):
    """Runs `tumorgen synthesize` on a manifest of one scan."""
    manifest = tmp_path / "manifest.csv"
    manifest.write_text(f'image,box,suv_factor\n{pet},"{BOX_RAS}",1\n')

    def run(*options: str) -> int:
        needed = ["--output", str(tmp_path / "made"), "--model", str(tiny_bundle_folder), "--device", "cpu"]
        return main(["synthesize", str(manifest), *needed, *options])

    return run


def test_steps_and_solver_are_asked_for(synthesize, tmp_path, capsys):
    assert synthesize("--steps", "2", "--solver", "heun", "--json") == 0
    assert json.loads(capsys.readouterr().out)["made"] == 1
    made = json.loads((tmp_path / "made" / "P2_0.provenance.json").read_text())
    assert (made["request"]["steps"], made["request"]["solver"]) == (2, "heun")
    assert (made["request"]["steps"], made["request"]["solver"]) == (2, "heun")


def test_a_device_that_is_not_here_is_the_user_s_error(synthesize, capsys):
    assert synthesize("--device", "abacus") == 1
    error = capsys.readouterr().err
    assert_one_line(error)
    assert "abacus" in error and "bug" not in error
