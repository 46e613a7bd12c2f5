"""Worker processes make the same files as one process, and a stop or a kill loses nothing and leaves none behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from cohort_folders import content, table

from TumorGenCore.cohort.manifest import read_manifest
from TumorGenCore.cohort.runner import synthesize
from TumorGenCore.cohort.workers import local_workers, processors, usual_workers
from TumorGenCore.insertion.request import TumorRequest
from TumorGenCore.interrupts import remembered_interrupts

ASKED = TumorRequest(steps=1)
LINES = ("P4_image.nii.gz,A,,,,3,2,,1,,", "text.nii.gz,bad,,,,2,,,1,,", "P2_image.nii.gz,B,,,,3,,,1,8,")


@pytest.fixture
def rows(manifest):
    path = manifest(*LINES[::2])
    (path.parent / "text.nii.gz").write_text("no scan")
    return read_manifest(manifest(*LINES))


@pytest.fixture
def workers(tiny_bundle_folder, tmp_path):
    return lambda out: local_workers(2, str(tiny_bundle_folder), "cpu", tmp_path / out)


def test_two_workers_one_of_which_is_killed_write_the_files_and_tables_of_one_process(
    rows, generator, workers, tmp_path
):
    team, seen, killed = workers("two"), [], []

    def kill_one(outcome) -> None:
        seen.append(outcome)
        if not killed:
            worker = next(worker for worker in team if worker._process is not None)
            worker._process.kill()
            killed.append(worker)

    synthesize(generator, rows, tmp_path / "one", usual=ASKED)
    outcomes = synthesize(generator, rows, tmp_path / "two", usual=ASKED, workers=team, on_outcome=kill_one)
    assert killed and content(tmp_path / "two") == content(tmp_path / "one")
    assert len(table(tmp_path / "two")) == 6 and len(table(tmp_path / "two", "failures.csv")) == 2
    assert [(o.name, o.seeds[0]) for o in outcomes if o.record] == [(n, s) for n in "AB" for s in range(3)]
    assert sorted(map(repr, seen)) == sorted(map(repr, outcomes))
    assert not any("spawn_main" in " ".join(child.cmdline()) for child in psutil.Process().children())


def test_a_stop_ends_the_workers_and_resume_makes_the_rest(rows, generator, workers, interrupts_raise, tmp_path):
    out = tmp_path / "two"

    def stop(outcome) -> None:
        if outcome.record is not None:
            os.kill(os.getpid(), signal.SIGINT)

    with remembered_interrupts(), pytest.raises(KeyboardInterrupt):
        synthesize(generator, rows, out, usual=ASKED, workers=workers("two"), on_outcome=stop)
    made = table(out)
    assert 1 <= len(made) < 6
    # Every file belongs to a line of the table; no temporary file and no lock is left.
    named = {record[column] for record in made for column in ("image", "mask", "provenance")}
    assert {p.name for p in out.iterdir()} - {"cases.csv", "truth.csv", "failures.csv"} == named
    synthesize(generator, rows, tmp_path / "one", usual=ASKED)
    synthesize(generator, rows, out, usual=ASKED, resume=True)
    assert content(out) == content(tmp_path / "one")


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_workers_end_with_a_killed_run(rows, tiny_bundle_folder, tmp_path):
    out = tmp_path / "out"
    manifest = rows[0].image.parent / "manifest.csv"
    command = [sys.executable, "-m", "TumorGenCore.cli", "synthesize", str(manifest), "--output", str(out)]
    options = ["--workers", "2", "--steps", "1", "--model", str(tiny_bundle_folder)]
    run = subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: (out / "cases.csv").exists())
    children = psutil.Process(run.pid).children(recursive=True)
    assert len(children) >= 2
    run.kill()
    run.wait()
    gone, alive = psutil.wait_procs(children, timeout=30)
    assert not alive and len(gone) == len(children)


def until(there, seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_the_usual_number_of_workers_fits_the_processors_the_memory_and_the_work(rows, monkeypatch, tmp_path):
    assert usual_workers(rows, "cuda") == 1
    assert 1 <= usual_workers(rows, "cpu") <= processors()
    assert usual_workers(rows[:1], "cpu") == 1  # three results
    huge = tmp_path / "huge.nii"
    with huge.open("wb") as file:
        file.truncate(2**40)  # takes no space
    (row,) = read_manifest(write(tmp_path, f"{huge.name},h,,,,99,,,1,,"))
    assert usual_workers([row], "cpu") == 1
    assert local_workers(1, "any", "cpu", Path()) == []


def write(folder: Path, line: str) -> Path:
    path = folder / "huge.csv"
    path.write_text(f"image,name,box,roi,region,count,tumors,seed,suv_factor,suv_max,suv_mean\n{line}\n")
    return path
