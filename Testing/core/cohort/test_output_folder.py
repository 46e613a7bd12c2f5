"""The folder of the results belongs to one run at a time, and a run never writes over its own input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_cases import BOX_RAS

from TumorGenCore.cohort.manifest import ManifestRow, read_manifest
from TumorGenCore.cohort.output_folder import only_run
from TumorGenCore.cohort.requests import Requests
from TumorGenCore.cohort.runner import synthesize
from TumorGenCore.errors import ManifestError, ResumeWarning
from TumorGenCore.insertion.request import TumorRequest

LINE = f'P2_image.nii.gz,B,"{BOX_RAS}",,,,,,1,,'


def killed(code: str, folder: Path) -> None:
    """Runs Python code with ``folder``, which then kills its own process as SIGKILL does."""
    start = f"import os\nfrom pathlib import Path\nfolder = Path({str(folder)!r})\n"
    done = subprocess.run([sys.executable, "-c", start + code + "\n    os.kill(os.getpid(), 9)"], check=False)
    assert done.returncode == -9


def test_a_second_run_in_the_folder_is_refused_and_told_who_works_there(manifest, run, tmp_path, capsys):
    path, out = manifest(LINE), tmp_path / "out"
    out.mkdir()
    with only_run(out):
        assert run(path) == 1
        assert f"process {os.getpid()}" in capsys.readouterr().err
        assert run(path, "--resume") == 1
        assert "Another run" in capsys.readouterr().err
    assert not list(out.iterdir())
    assert run(path) == 0
    assert not list(out.glob(".*"))


def test_a_killed_run_leaves_no_lock_and_resume_clears_its_temporary_files(manifest, generator, tmp_path):
    rows, out = read_manifest(manifest(LINE)), tmp_path / "out"
    out.mkdir()
    killed(
        "from TumorGenCore.cohort.output_folder import only_run\n"
        "from TumorGenCore.volumes.safe_write import all_or_none, replacing\n"
        "with only_run(folder), all_or_none(), replacing(folder / 'B_0_image.nii.gz') as temporary:\n"
        "    temporary.write_bytes(b'half')",
        out,
    )
    (out / ".DS_Store").write_text("of the system")
    assert list(out.glob(".*.nii.gz"))
    with pytest.warns(ResumeWarning, match=r"process \d+ on .+, started \d{4}-.*ended without cleaning up"):
        (outcome,) = synthesize(generator, rows, out, usual=TumorRequest(steps=1), resume=True)
    assert outcome.record is not None
    assert {p.name for p in out.iterdir() if p.name.startswith(".")} == {".DS_Store"}


def test_a_run_killed_before_its_first_result_leaves_an_empty_folder_for_the_next(manifest, generator, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    killed("from TumorGenCore.cohort.output_folder import only_run\nwith only_run(folder):", out)
    (out / ".tumorgen-run" / "run.json").write_text('{"proc')  # killed while writing it
    with pytest.warns(ResumeWarning, match="An earlier run ended"):
        synthesize(generator, read_manifest(manifest(LINE)), out, usual=TumorRequest(steps=1))


@pytest.mark.parametrize("link", [False, True])
def test_a_run_never_writes_over_the_scan_that_it_reads(manifest, run, tiny_cases, tmp_path, capsys, link):
    out = tmp_path / "out"
    out.mkdir()
    scan = out / "a_0_image.nii.gz"
    if link:
        scan.symlink_to(tiny_cases / "P2_image.nii.gz")
    else:
        scan.write_bytes((tiny_cases / "P2_image.nii.gz").read_bytes())
    before = scan.read_bytes()
    path = manifest(LINE.replace("P2_image.nii.gz,B", f"{scan},a"))
    assert run(path, "--resume") == 1
    error = capsys.readouterr().err
    assert "own input" in error and "a_0_image.nii.gz" in error
    assert scan.read_bytes() == before and list(out.iterdir()) == [scan]
    # Under another name, or for another seed, no file is in the way.
    assert run(manifest(LINE.replace("P2_image.nii.gz,B", f"{scan},b")), "--resume") == 0
    assert scan.read_bytes() == before


def test_a_run_never_writes_over_its_region_or_manifest(manifest, run, tiny_cases, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    region = out / "R_1_mask.nii.gz"
    region.write_bytes((tiny_cases / "P2_mask.nii.gz").read_bytes())
    assert run(manifest(f"P2_image.nii.gz,R,,,{region},2,,,1,,"), "--resume") == 1
    assert "R_1_mask.nii.gz over its own input" in capsys.readouterr().err
    own = manifest(LINE.replace("P2", str(tiny_cases / "P2"))).rename(out / "cases.csv")
    assert run(own, "--resume") == 1
    assert "cases.csv over its own input" in capsys.readouterr().err


def test_the_lock_is_free_after_an_error(tmp_path):
    with pytest.raises(KeyError), only_run(tmp_path):
        note = json.loads((tmp_path / ".tumorgen-run" / "run.json").read_text())
        assert note["process"] == os.getpid()
        with pytest.raises(ManifestError, match=str(os.getpid())), only_run(tmp_path):
            pass
        raise KeyError
    assert not list(tmp_path.iterdir())
    with only_run(tmp_path):
        pass


@pytest.mark.parametrize("there", [False, True])
def test_a_name_that_is_too_long_for_the_disk_is_found_before_the_work(manifest, run, tmp_path, capsys, there):
    if there:
        (tmp_path / "out").mkdir()
    assert run(manifest(LINE.replace(",B,", f",{'n' * 245},"))) == 1
    assert "cannot be used" in capsys.readouterr().err
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())
    assert run(manifest(LINE.replace(",B,", f",{'n' * 230},"))) == 0


def test_a_million_results_are_asked_for_at_once(generator):
    rows = [ManifestRow("A", Path("a.nii.gz"), None, None, range(5, 10**6 + 5), 1, None)]
    requests = Requests(generator, rows)
    assert len(requests) == 10**6 and ("A", 4) not in requests and ("B", 5) not in requests
    assert requests["A", 10**6 + 4]["seed"] == 10**6 + 4
