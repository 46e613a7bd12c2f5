"""A few kills of the real command line, and proof that the checks find what is planted."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from checks import cohort_faults, insertion_faults, training_faults
from commands import Inputs
from kills import Job
from soak import all_kills, kills_found

from TumorGenCore.cohort.tables import CASES_COLUMNS, Table
from TumorGenCore.training.loop.checkpoint import save_checkpoint


def row(seed: int) -> dict[str, str]:
    return {**dict.fromkeys(CASES_COLUMNS, "x"), "name": "a", "seed": str(seed)}


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """Results of an undisturbed run of three cases, as short texts."""
    folder = tmp_path / "whole"
    folder.mkdir()
    for seed in range(3):
        for end in ("_image.nii.gz", "_mask.nii.gz"):
            (folder / f"a_{seed}{end}").write_text(f"{seed}{end}")
        (folder / f"a_{seed}.provenance.json").write_text('{"seed": %d, "created_utc": "now"}' % seed)  # noqa: UP031
    Table(folder / "cases.csv", CASES_COLUMNS, [row(seed) for seed in range(3)])
    return folder


@pytest.fixture
def made(whole: Path) -> Path:
    return Path(shutil.copytree(whole, whole.with_name("made")))


def plant_stump(made: Path) -> None:
    (made / "a_1_image.nii.gz").write_text("1_ima")


def plant_half_json(made: Path) -> None:
    (made / "a_1.provenance.json").write_text('{"seed": 1, "crea')


def plant_twice(made: Path) -> None:
    Table(made / "cases.csv", CASES_COLUMNS, [row(0), row(1), row(1), row(2)])


def plant_lost(made: Path) -> None:
    for path in made.glob("a_2*"):
        path.unlink()
    Table(made / "cases.csv", CASES_COLUMNS, [row(0), row(1)])


def plant_temporary(made: Path) -> None:
    (made / ".0123-new.nii.gz").write_text("")


def plant_image_without_mask(made: Path) -> None:
    (made / "a_0_mask.nii.gz").unlink()


def plant_other_result(made: Path) -> None:
    (made / "a_0_mask.nii.gz").write_text("other")


def plant_unlisted(made: Path) -> None:
    Table(made / "cases.csv", CASES_COLUMNS, [row(0), row(2)])


def plant_other_order(made: Path) -> None:
    Table(made / "cases.csv", CASES_COLUMNS, [row(1), row(0), row(2)])


PLANTED = {
    plant_stump: "a_1_image.nii.gz is half",
    plant_half_json: "a_1.provenance.json is half",
    plant_twice: "2 times",
    plant_lost: "a_2_image.nii.gz is lost",
    plant_temporary: ".0123-new.nii.gz was left",
    plant_image_without_mask: "a_0 has an image but no _mask.nii.gz",
    plant_other_result: "a_0_mask.nii.gz is half or differs",
    plant_unlisted: "['a_1'] are not in the table",
    plant_other_order: "another order",
}


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_what_is_planted_in_the_results_of_a_cohort_is_found(made: Path, whole: Path, plant) -> None:
    assert cohort_faults(made, whole, ended=True) == []
    plant(made)
    assert any(PLANTED[plant] in fault for fault in cohort_faults(made, whole, ended=True))


def test_what_a_kill_may_leave_is_no_fault_until_the_resumed_run_has_ended(made: Path, whole: Path) -> None:
    plant_temporary(made)
    plant_lost(made)
    for name in ("a_2_mask.nii.gz", "a_2.provenance.json", "a_2_image.nii.gz"):  # moved, but not in the table yet
        shutil.copy(whole / name, made)
    with (made / "cases.csv").open("a") as file:
        file.write("a,2,x")
    assert cohort_faults(made, whole, killed=True) == []
    assert cohort_faults(made, whole) != []
    plant_unlisted(made)
    assert any("are not in the table" in fault for fault in cohort_faults(made, whole)), "after Ctrl+C"


def test_outputs_of_two_runs_or_a_part_of_one_are_found(tmp_path: Path) -> None:
    empty, old, new, made = (tmp_path / name for name in ("empty", "old", "new", "made"))
    empty.mkdir()
    for folder in (old, new, made):
        folder.mkdir()
        for name in ("mask.nii.gz", "image.nii.gz"):
            (folder / name).write_text(f"{folder.name} {name}")
    assert len(insertion_faults(made, [old, new])) == 3  # two files of neither, and no outputs of one run
    shutil.copytree(new, made, dirs_exist_ok=True)
    assert insertion_faults(made, [old, new]) == insertion_faults(made, [old, new], ended=True) == []
    shutil.copy(old / "mask.nii.gz", made)
    for killed in (False, True):
        assert any("not the outputs of one run" in fault for fault in insertion_faults(made, [old, new], killed=killed))
    (made / "mask.nii.gz").unlink()
    assert insertion_faults(made, [empty, new], killed=True), "an image without its mask"
    (made / "image.nii.gz").unlink()
    assert insertion_faults(made, [empty, new]) == []
    assert insertion_faults(made, [empty, new], ended=True), "nothing at the end"


def test_half_a_checkpoint_and_half_a_picture_are_found(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "checkpoints", 1, {"step": 1})
    assert training_faults(tmp_path, "a.safetensors", tmp_path) == []
    state = tmp_path / "checkpoints" / "step-0000001" / "state.pt"
    state.write_bytes(state.read_bytes()[:-100])
    (tmp_path / "curves.png").write_bytes(b"\x89PNG")
    (tmp_path / "a.safetensors").write_bytes(b"half")
    faults = training_faults(tmp_path, "a.safetensors", tmp_path)
    assert sorted(fault.split()[0] for fault in faults) == ["a.safetensors", "curves.png", "step-0000001"]


@pytest.mark.slow
def test_a_few_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    jobs = [Job("synthesize", 3, False), Job("insert", 2, False)]
    found = all_kills(jobs, Inputs(tmp_path / "inputs"), tmp_path, workers=1, seed=7)
    assert [job["faults"] for job in found.values()] == [[], []]
    assert kills_found(found)["kills"] == 5 and found["synthesize"]["resumed"] >= 1
