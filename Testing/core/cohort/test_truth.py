"""``truth.csv`` has each lesion of each result once, after stops and full disks too; a CT goes with its row."""

from __future__ import annotations

import csv
import hashlib
import json
import signal
from pathlib import Path

import pytest
import SimpleITK as sitk
from command_cases import BOX_RAS
from full_disk import file_size_limit

from TumorGenCore.cohort.manifest import read_manifest
from TumorGenCore.cohort.runner import synthesize
from TumorGenCore.cohort.tables import TruthTable, read_truth, truth_lines
from TumorGenCore.errors import ManifestError
from TumorGenCore.insertion.request import TumorRequest
from TumorGenCore.insertion.truth_columns import COLUMNS

ROWS = ("P4_image.nii.gz,A,,,,2,2,,1,,", f'P2_image.nii.gz,B,"{BOX_RAS}",,,2,,,1,8,')
STEMS = ["A_0", "A_0", "A_1", "A_1", "B_0", "B_1"]


def rows(out: Path, name: str = "truth.csv") -> list[dict[str, str]]:
    with (out / name).open(newline="") as file:
        return list(csv.DictReader(file))


def stems(out: Path) -> list[str]:
    return [row["simulation"] for row in rows(out)]


@pytest.fixture
def made(manifest, run, tmp_path) -> Path:
    assert run(manifest(*ROWS)) == 0
    return tmp_path / "out"


def test_each_lesion_has_a_row_that_fits_its_case_and_its_image(made):
    assert stems(made) == STEMS and [row["lesion"] for row in rows(made)] == ["1", "2", "1", "2", "1", "1"]
    assert [row["patient"] for row in rows(made)] == ["A"] * 4 + ["B"] * 2
    assert list(rows(made)[0]) == list(COLUMNS)
    case = {row["image"]: row for row in rows(made, "cases.csv")}["B_1_image.nii.gz"]
    lesion = rows(made)[-1]
    assert lesion["image"] == case["image"] and lesion["intensity_mode"] == "suv_max"
    assert float(lesion["suv_mean"]) == pytest.approx(float(case["suv_mean"]), abs=1e-3)
    image, mask = (
        sitk.GetArrayFromImage(sitk.ReadImage(str(made / f"A_0_{kind}.nii.gz"))) for kind in ("image", "mask")
    )
    volume = sum(float(row["voxels"]) for row in rows(made)[:2])
    assert volume == (mask > 0).sum()
    assert max(float(row["suv_max"]) for row in rows(made)[:2]) == pytest.approx(image[mask > 0].max(), rel=1e-5)


def test_a_stopped_run_and_its_resumption_give_the_table_of_an_undisturbed_run(manifest, generator, made, tmp_path):
    out, count = tmp_path / "stopped", []

    def stop(outcome) -> None:
        count.append(outcome)
        if len(count) == 3:
            raise KeyboardInterrupt

    manifest_rows = read_manifest(manifest(*ROWS))
    with pytest.raises(KeyboardInterrupt):
        synthesize(generator, manifest_rows, out, usual=TumorRequest(steps=2, least_quality=0.0), on_outcome=stop)
    assert stems(out) == STEMS[:5]
    (out / "A_0_mask.nii.gz").unlink()  # it is made again, and its lines come back to their place
    synthesize(generator, manifest_rows, out, usual=TumorRequest(steps=2, least_quality=0.0), resume=True)
    assert (out / "truth.csv").read_bytes() == (made / "truth.csv").read_bytes()


def test_what_a_kill_can_leave_is_neither_lost_nor_doubled(manifest, run, made, capsys):
    """Lines of lesions come before the line of their result, so either may be the last one, or half."""
    path, whole = made / "truth.csv", (made / "truth.csv").read_bytes()
    cases = (made / "cases.csv").read_bytes()
    lines = whole.splitlines(keepends=True)
    without_last_case = b"".join(cases.splitlines(keepends=True)[:-1])
    for truth, table, again in (
        (whole, without_last_case, 1),  # killed between the tables
        (whole, without_last_case + b"B,1,P2", 1),  # within the line of the result
        (b"".join(lines[:-1]) + lines[-1][:50], without_last_case, 1),  # within the line of a lesion
        (b"".join(lines[:-2]), cases, 2),  # lost by hand
        (None, cases, 4),
        (whole, cases, 0),
    ):
        if truth is None:
            path.unlink()
        else:
            path.write_bytes(truth)
        (made / "cases.csv").write_bytes(table)
        capsys.readouterr()
        assert run(manifest(*ROWS), "--resume") == 0
        assert f"{again} made, {4 - again} kept" in capsys.readouterr().out
        assert path.read_bytes() == whole


@pytest.mark.parametrize(
    "damage", [lambda c: c.replace(b"statement,", b"statements,", 1), lambda c: c[40:], bytes.upper]
)
def test_a_damaged_table_is_refused_and_says_what_to_do(manifest, run, made, capsys, damage):
    path = made / "truth.csv"
    path.write_bytes(damage(path.read_bytes()))
    assert run(manifest(*ROWS), "--resume") == 1
    assert "truth.csv is damaged" in capsys.readouterr().err


def test_no_space_for_a_line_leaves_table_and_folder_without_the_result(manifest, run, tmp_path, capsys, monkeypatch):
    add, out = TruthTable.add, tmp_path / "out"

    def second_fails(self: TruthTable, stem: str, rows) -> None:
        if stem != "B_1":
            return add(self, stem, rows)
        with file_size_limit(self.path.stat().st_size + 50):
            return add(self, stem, rows)

    with monkeypatch.context() as patch:
        patch.setattr(TruthTable, "add", second_fails)
        assert run(manifest(ROWS[1])) == 1
    assert "truth.csv cannot be written" in capsys.readouterr().err
    assert stems(out) == ["B_0"] and not list(out.glob("B_1*"))
    assert run(manifest(ROWS[1]), "--resume") == 0 and stems(out) == ["B_0", "B_1"]


def test_no_space_for_the_line_of_the_result_takes_its_lesions_back(tmp_path):
    table = TruthTable(tmp_path / "truth.csv", {})
    table.add("A_0", truth_lines([{**dict.fromkeys(COLUMNS), "simulation": "A_0"}]))
    whole = table.path.read_bytes()
    lines = truth_lines([{**dict.fromkeys(COLUMNS), "simulation": "A_1", "warnings": "two\nlines"}] * 2)
    table.add("A_1", lines)
    assert {stem: len(lines) for stem, lines in read_truth(table.path).items()} == {"A_0": 1, "A_1": 2}
    table.take_back("A_1")
    assert table.path.read_bytes() == whole
    table.take_back("A_0")
    assert not table.path.exists() and read_truth(table.path) == {}


@pytest.mark.usefixtures("interrupts_raise")
@pytest.mark.parametrize("moves_before", range(4))
def test_an_interrupt_while_a_result_is_written_leaves_both_tables_alike(
    manifest, run, tmp_path, at_rename, moves_before
):
    at_rename += [lambda: None] * moves_before + [lambda: signal.raise_signal(signal.SIGTERM)]
    assert run(manifest(ROWS[0])) == 143
    out = tmp_path / "out"
    cases = [f"{row['name']}_{row['seed']}" for row in rows(out, "cases.csv")] if (out / "cases.csv").exists() else []
    assert sorted({*(stems(out) if (out / "truth.csv").exists() else [])}) == cases


def test_a_ct_goes_with_its_row_and_decides_whether_results_are_kept(manifest, run, tmp_path, capsys):
    path = manifest(
        f'P2_image.nii.gz,B,"{BOX_RAS}",2,1,ct.nii.gz',
        "P4_image.nii.gz,C,,1,1,",
        header="image,name,box,count,suv_factor,ct",
    )
    ct, out = path.parent / "ct.nii.gz", tmp_path / "out"
    sitk.WriteImage(sitk.ReadImage(str(path.parent / "P2_image.nii.gz")) * 100, str(ct))
    assert run(path) == 0
    assert [file.name for file in out.glob("*_ct*")] == ["B_ct.nii.gz"]
    assert (out / "B_ct.nii.gz").read_bytes() == ct.read_bytes()
    record = {"sha256": hashlib.sha256(ct.read_bytes()).hexdigest(), "unchanged": True}
    assert json.loads((out / "B_1.provenance.json").read_text())["ct"] == record
    assert "ct" not in json.loads((out / "C_0.provenance.json").read_text())
    (out / "B_ct.nii.gz").unlink()
    assert run(path, "--resume") == 0 and (out / "B_ct.nii.gz").read_bytes() == ct.read_bytes()
    assert "0 made, 3 kept" in capsys.readouterr().out
    sitk.WriteImage(sitk.ReadImage(str(path.parent / "P4_image.nii.gz")), str(ct))
    assert run(path, "--resume") == 1
    assert "B_0 was made with another CT" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("cell", "words"), [("none.nii.gz", "no file"), (".", "--output-dicom"), ("manifest.csv", "must be one file")]
)
def test_a_ct_that_cannot_pass_through_is_named_with_its_line(manifest, cell, words):
    with pytest.raises(ManifestError, match="line 2, column ct") as caught:
        read_manifest(manifest(f"P2_image.nii.gz,{cell}", header="image,ct"))
    assert words in str(caught.value)


def test_a_damaged_ct_leaves_its_row_out(manifest, run, tmp_path):
    path = manifest("P2_image.nii.gz,B,1,ct.nii.gz", "P4_image.nii.gz,C,1,", header="image,name,suv_factor,ct")
    (path.parent / "ct.nii.gz").write_bytes((path.parent / "P2_image.nii.gz").read_bytes()[:3000])
    assert run(path) == 3
    (failure,) = rows(tmp_path / "out", "failures.csv")
    assert failure["name"] == "B" and "ct.nii.gz is truncated" in failure["reason"]
    assert stems(tmp_path / "out") == ["C_0"] and not (tmp_path / "out" / "B_ct.nii.gz").exists()
