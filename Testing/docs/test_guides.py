"""The guides do what they say: every command and every Python block runs, from top to bottom, in an empty folder."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from guides import REPOSITORY, Block, blocks
from warm_commands import warm_commands

#: Pages to run, each group in a folder of its own.
GUIDES = [
    ["README.md"],
    ["docs/command-line.md"],
    ["docs/organs.md"],
    ["docs/python.md"],
    ["docs/cohorts.md", "docs/training.md"],
    ["docs/exports.md"],
    ["docs/training-loop.md"],
    ["docs/reader-study.md"],
    ["docs/truth.md"],
    ["docs/dicom-study.md"],
]
#: Commands in ``console`` blocks, which other tests run or which need what no test has: a long training, Slicer, git.
SHOWN = re.compile(
    r"(make|pip install|git clone|cd|Slicer|accelerate|python Testing"
    r"|tumorgen (prepare|train|evaluate|compare|reader-study))\b"
)

#: Stands for the application on the PATH.
_SLICER = f'#!/bin/sh\nexec python "{REPOSITORY}/Testing/slicer/slicer_application.py" "$@"\n'


def run_bash(block: Block, folder: Path) -> None:
    """Runs a block in bash, with the commands of this Python; stops at its first error."""
    path = f"{folder / 'bin'}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.text],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"line {block.line}: {done.stdout}\n{done.stderr}"


@pytest.mark.slow
@pytest.mark.parametrize("guides", GUIDES, ids=lambda names: Path(names[0]).stem)
def test_the_guide_runs(guides: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bin").mkdir()
    with warm_commands(tmp_path / "bin"):
        run_guides(guides, tmp_path)


def run_guides(guides: list[str], folder: Path) -> None:
    names: dict[str, object] = {"__name__": "guide"}
    for guide in guides:
        found = [block for block in blocks(REPOSITORY / guide) if block.language in ("bash", "python")]
        assert found
        for block in found:
            if block.language == "bash":
                run_bash(block, folder)
            else:
                exec(compile(block.text, f"{guide}:{block.line}", "exec"), names)


@pytest.mark.slow
def test_the_commands_of_the_slicer_guide_run(tmp_path: Path) -> None:
    """With a stand-in for the application, which runs the script on Slicer's own scene."""
    pytest.importorskip("slicer", reason="needs slicer-core")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "Slicer").write_text(_SLICER)
    (tmp_path / "bin" / "Slicer").chmod(0o755)
    (tmp_path / "TumorGenSlicer").symlink_to(REPOSITORY / "TumorGenSlicer")
    run_bash(Block("bash", "tumorgen phantom scan.nii.gz --roi box.mrk.json --quiet", 0), tmp_path)
    found = [block for block in blocks(REPOSITORY / "docs" / "slicer.md") if block.language == "bash"]
    for block in found:
        run_bash(block, tmp_path)
    assert len(list((tmp_path / "results").glob("*.nrrd"))) >= 6
    assert len(json.loads((tmp_path / "report.json").read_text())["variants"]) == 3
    shown = next(b.text for b in blocks(REPOSITORY / "docs" / "slicer.md") if "python TumorGenSlicer" in b.text)
    shutil.rmtree(tmp_path / "results")
    run_bash(Block("bash", shown.partition("\n")[2], 0), tmp_path)
    assert list((tmp_path / "results").glob("*.nrrd"))


def test_blocks_that_are_not_run_hold_only_what_no_test_can_run() -> None:
    for page in (REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md")):
        for block in blocks(page):
            assert block.language in ("bash", "python", "console", "text"), f"{page.name}:{block.line}"
            if block.language == "console":
                commands = [line for line in block.text.splitlines() if line and line[0] not in " #"]
                unknown = [
                    line for line in commands if not SHOWN.match(line) and not line.startswith("python TumorGenSlicer")
                ]
                assert not unknown, f"{page.name}:{block.line}: run it in a bash block"


def test_a_block_that_fails_fails_the_guide(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="line 7"):
        run_bash(Block("bash", "false\ntrue", 7), tmp_path)
