"""`synthesize --plan` says what a run takes and draws what the run draws, and leaves nothing but its picture."""

from __future__ import annotations

import csv
import json
import math

import pytest

from TumorGenCore.cohort.manifest import read_manifest
from TumorGenCore.cohort.plan import make_plan
from TumorGenCore.errors import ManifestError
from TumorGenCore.insertion.request import TumorRequest

ASKED = TumorRequest(steps=1)


def test_the_lesions_of_a_plan_lie_where_the_run_puts_them_and_have_its_targets(manifest, run, generator, tmp_path):
    path = manifest("P4_image.nii.gz,A,,,,3,2,,1,,", "P2_image.nii.gz,B,,,,2,1,,1,8,")
    rows = read_manifest(path)
    plan = make_plan(generator, rows, ASKED, workers=2)
    assert (plan.results, plan.measured, plan.drawn_results, len(plan.lesions)) == (5, 2, 5, 8)
    assert plan.places == {"anywhere in the body": 8} and not plan.unusable
    # Row B asks for SUVmax 8 in each of its lesions.
    assert [lesion.suv_max for lesion in plan.lesions[-2:]] == [8, 8]
    assert run(path) == 0
    with (tmp_path / "out" / "truth.csv").open(newline="") as file:
        made = list(csv.DictReader(file))
    assert len(made) == len(plan.lesions)
    size = sum(file.stat().st_size for file in (tmp_path / "out").glob("*_?.*")) + sum(
        file.stat().st_size for file in (tmp_path / "out").glob("*_?_*")
    )
    assert plan.gigabytes * 1e9 == pytest.approx(size, rel=0.3)
    assert 0 < plan.hours < 0.1


def test_fewer_workers_take_longer_and_rows_that_cannot_be_used_are_named(manifest, generator):
    path = manifest("P4_image.nii.gz,A,,,,3,1,,1,,", "text.nii.gz,bad,,,,2,,,1,,")
    (path.parent / "text.nii.gz").write_text("no scan")
    rows = read_manifest(path)
    plan = make_plan(generator, rows, ASKED, workers=1)
    assert list(plan.unusable) == ["bad"] and "damaged" in plan.unusable["bad"]
    assert str(path.parent) not in plan.unusable["bad"]
    with pytest.raises(ManifestError, match=r"None of the 1 rows tried can be used. bad"):
        make_plan(generator, rows[1:], ASKED, workers=1)


def test_the_command_leaves_nothing_but_its_picture(manifest, run, tmp_path, capsys):
    path = manifest("P4_image.nii.gz,A,,,,3,,,1,,")
    before = set(tmp_path.rglob("*"))
    picture = tmp_path / "plan.png"
    assert run(path, "--plan", str(picture)) == 0
    assert "3 results: about" in capsys.readouterr().out
    assert set(tmp_path.rglob("*")) - before == {picture} and picture.read_bytes()[:4] == b"\x89PNG"
    assert run(path, "--plan", "--json") == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["results"] == 3 and figures["hours"] > 0 and figures["places"] == {"anywhere in the body": 3}
    assert all(math.isfinite(value) for value in figures["suv_max"])
    assert run(path, "--plan", str(tmp_path / "no" / "p.png")) == 1
    assert "no folder" in capsys.readouterr().err
