"""An export is there completely or not at all, and only of a whole run."""

from __future__ import annotations

import os
import shutil

import pytest
import SimpleITK as sitk
from filelock import FileLock

from TumorGenCore.cohort.exports.export import export_cohort
from TumorGenCore.cohort.exports.request import ExportRequest
from TumorGenCore.errors import ExportError


def change(path):
    path.write_bytes(path.read_bytes()[:-1] + b"!")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda made: (made / "p2_0_mask.nii.gz").unlink(), "p2_0_mask.nii.gz is missing"),
        (lambda made: (made / "p2_ct.mha").unlink(), "CT p2_ct"),
        (lambda made: change(made / "p1-b_0_image.nii.gz"), "p1-b_0_image.nii.gz in .* is not the file"),
        (lambda made: change(made / "p1-a_ct.nii.gz"), "p1-a_ct.nii.gz in .* is not the file"),
        (lambda made: (made / "truth.csv").unlink(), "no line for p1-a_0"),
        (lambda made: (made / "cases.csv").unlink(), "has no cases.csv"),
        (lambda made: (made / ".tumorgen-run").mkdir(), "works or was killed"),
    ],
)
def test_a_run_that_is_not_whole_is_refused(made, tmp_path, damage, words):
    damage(made)
    with pytest.raises(ExportError, match=words):
        export_cohort(made, tmp_path / "out", "bids")
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


@pytest.mark.parametrize("form", ["bids", "nnunet"])
def test_an_export_that_is_stopped_leaves_nothing(made, tmp_path, form):
    def stop(done, _total, doing):
        if (doing, done) == ("export", 2):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_cohort(made, tmp_path / "out", form, on_progress=stop)
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_the_rest_of_a_killed_export_is_replaced_but_not_that_of_a_running_one(made, tmp_path):
    rest = tmp_path / ".out-export"
    (rest / "new").mkdir(parents=True)
    (rest / "new" / "half.txt").write_text("half")
    with FileLock(rest / "lock"), pytest.raises(ExportError, match="Another export"):
        export_cohort(made, tmp_path / "out", "bids")
    export_cohort(made, tmp_path / "out", "bids")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made", "out"]
    assert not (tmp_path / "out" / "half.txt").exists()


def test_nothing_is_written_over(made, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(ExportError, match="not empty"):
        export_cohort(made, tmp_path / "out", "croissant")
    with pytest.raises(ExportError, match="in the folder of the run"):
        export_cohort(made, made / "out", "croissant")
    export_cohort(made, tmp_path / "out", "nnunet")  # a new data set beside other things
    with pytest.raises(ExportError, match=r"Dataset501_TumorGen in .* has the number 501"):
        export_cohort(made, tmp_path / "out", "nnunet", ExportRequest(name="Other"))
    assert (tmp_path / "out" / "mine.txt").read_text() == "mine"


def test_copies_where_links_do_not_work(made, tmp_path, monkeypatch):
    def no_links(*_):
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", no_links)
    found = export_cohort(made, tmp_path / "out", "monai")
    assert not found.linked
    shutil.rmtree(made)
    for path in (tmp_path / "out").rglob("*.nii.gz"):
        assert sitk.ReadImage(str(path)).GetSize() == (40, 40, 40)


def test_a_ct_that_only_some_scans_have_is_left_out_with_a_warning(made, tmp_path):
    record = made / "p2_0.provenance.json"
    record.write_text(record.read_text().replace('"ct": {', '"other": {'))
    found = export_cohort(made, tmp_path / "out", "nnunet")
    assert not found.has_ct and "Only 3 of 4 results have a CT" in " ".join(found.warnings)
    assert not list(found.folder.glob("imagesTr/*_0001.nii.gz"))
