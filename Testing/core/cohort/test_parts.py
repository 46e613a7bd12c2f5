"""Parts of a manifest, each with tables of its own, and `tumorgen gather`, which joins them."""

from __future__ import annotations

import pytest
from cohort_folders import content, table

from TumorGenCore.cli import main
from TumorGenCore.cohort.gather import gather
from TumorGenCore.cohort.manifest import read_manifest
from TumorGenCore.cohort.output_folder import only_run
from TumorGenCore.cohort.parts import Part, parts_in
from TumorGenCore.cohort.runner import synthesize
from TumorGenCore.errors import ManifestError
from TumorGenCore.insertion.request import TumorRequest

ASKED = TumorRequest(steps=1)


@pytest.fixture
def rows(manifest):
    path = manifest("P4_image.nii.gz,A,,,,3,,,1,,", "text.nii.gz,bad,,,,2,,,1,,", "P2_image.nii.gz,B,,,,2,,4,1,8,")
    (path.parent / "text.nii.gz").write_text("no scan")
    return read_manifest(path)


@pytest.fixture
def part(rows, generator, tmp_path):
    def make(number: int, of: int = 3, **options) -> None:
        options = {"usual": ASKED, **options}
        synthesize(generator, rows, tmp_path / "parts", part=Part(number, of), **options)

    (tmp_path / "text.nii.gz").unlink(missing_ok=True)
    return make


@pytest.mark.parametrize("of", [1, 2, 3, 5, 7, 8, 20])
def test_the_parts_are_the_whole_in_its_order_and_of_one_size(manifest, of):
    lines = [f"P4_image.nii.gz,r{n},,,,{count},,{n},1,," for n, count in enumerate((4, 1, 1, 9, 2))]
    rows = read_manifest(manifest(*lines))
    parts = [[(r.name, s) for r in Part(n, of).rows(rows) for s in r.seeds] for n in range(of)]
    assert [key for keys in parts for key in keys] == [(r.name, s) for r in rows for s in r.seeds]
    sizes = {len(keys) for keys in parts}
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("text", ["3/3", "-1/3", "1", "1/0", "a/b", "1/2/3", "", "0/99999999999"])
def test_what_is_no_part_is_refused(text, capsys, tmp_path):
    with pytest.raises(SystemExit) as stop:
        main(["synthesize", "m.csv", "--output", str(tmp_path / "out"), f"--part={text}"])
    assert stop.value.code == 2 and "no part" in capsys.readouterr().err


def test_parts_made_in_any_order_and_gathered_are_a_whole_run(rows, part, generator, tmp_path):
    out = tmp_path / "parts"
    synthesize(generator, rows, tmp_path / "whole", usual=ASKED)
    for number in (2, 0, 1):
        part(number)
    assert not (out / "cases.csv").exists()
    assert gather(out) == (5, 2)
    assert content(out) == content(tmp_path / "whole")
    with pytest.raises(ManifestError, match="no parts"):
        gather(out)
    # From now on it is a whole run: it can be continued as one, and not as parts.
    outcomes = synthesize(generator, rows, out, usual=ASKED, resume=True)
    assert sum(o.kept for o in outcomes) == 5
    with pytest.raises(ManifestError, match="whole run"):
        part(0, resume=True)


def test_a_part_that_is_missing_stopped_or_of_other_options_is_not_gathered(rows, part, tmp_path):
    out = tmp_path / "parts"

    def stop(outcome) -> None:
        raise KeyboardInterrupt

    part(0)
    part(2)
    with pytest.raises(ManifestError, match=r"1 of 3 parts.*1/3"):
        gather(out)
    with pytest.raises(KeyboardInterrupt):
        part(1, on_outcome=stop)
    with pytest.raises(ManifestError, match="1/3"):
        gather(out)
    with pytest.raises(ManifestError, match="--resume"):
        part(1)
    with pytest.raises(ManifestError, match="not out of 4"):
        part(1, 4)
    part(1, resume=True)
    (out / "A_1_mask.nii.gz").unlink()
    with pytest.raises(ManifestError, match="A_1_mask"):
        gather(out)
    part(0, resume=True)
    assert gather(out) == (5, 2)


def test_parts_of_different_options_are_not_joined(part, tmp_path):
    part(0, 2)
    part(1, 2, usual=TumorRequest(steps=2))
    with pytest.raises(ManifestError, match="different manifests"):
        gather(tmp_path / "parts")


def test_two_parts_work_side_by_side_and_two_runs_of_one_part_do_not(part, tmp_path):
    out = tmp_path / "parts"
    out.mkdir()
    with only_run(out, Part(0, 3)):
        with pytest.raises(ManifestError, match="Another run"):
            part(0)
        part(1)
    assert (out / "part-1-of-3.json").exists() and not (out / "part-0-of-3.json").exists()


def test_a_file_that_only_looks_like_a_part_is_no_part(tmp_path):
    for name in (
        "part-3-of-3.json",
        "part-0-of-0.csv",
        "cases.part-1-of-3.csv",
        "part-1-of-3.txt",
        "my-part-0-of-3.csv",
    ):
        (tmp_path / name).touch()
    assert parts_in(tmp_path) == {Part(1, 3)}


def test_a_run_of_all_refuses_a_folder_with_parts(rows, part, generator, tmp_path):
    part(0)
    with pytest.raises(ManifestError, match="tumorgen gather"):
        synthesize(generator, rows, tmp_path / "parts", usual=ASKED, resume=True)


def test_the_commands_make_and_join_parts(manifest, run, tmp_path, capsys):
    path = manifest("P4_image.nii.gz,A,,,,3,,,1,,")
    assert [run(path, "--part", f"{n}/2", "--workers", "1") for n in range(2)] == [0, 0]
    assert main(["gather", str(tmp_path / "out")]) == 0
    assert "3 results" in capsys.readouterr().out
    assert [record["seed"] for record in table(tmp_path / "out")] == ["0", "1", "2"]
    assert main(["gather", str(tmp_path / "out")]) == 1
    assert "--part" in capsys.readouterr().err
