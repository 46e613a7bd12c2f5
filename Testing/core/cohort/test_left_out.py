"""A scan that cannot be used is left out, whatever it raises, and the reason names no folder and no person."""

from __future__ import annotations

import csv
from dataclasses import replace

import pytest
from command_cases import BOX_RAS

from TumorGenCore.cohort.left_out import reason_of
from TumorGenCore.cohort.manifest import read_manifest
from TumorGenCore.cohort.runner import synthesize
from TumorGenCore.errors import UnknownUnitsError, UnsupportedVolumeError
from TumorGenCore.insertion.request import TumorRequest

LINE = f'P2_image.nii.gz,{{}},"{BOX_RAS}",,,2,,,1,,'


def test_an_unexpected_error_leaves_out_its_row_alone(manifest, generator, tmp_path):
    first, second = read_manifest(manifest(LINE.format("A"), LINE.format("B")))
    odd = replace(first, suv_factor="DOE^JOHN")  # a mistake of a caller, which no check expects
    outcomes = synthesize(generator, [odd, second], tmp_path / "out", usual=TumorRequest(steps=1))
    assert [(o.name, o.seeds, o.record is None) for o in outcomes] == [
        ("A", (0, 1), True), ("B", (0,), False), ("B", (1,), False),
    ]  # fmt: skip
    with (tmp_path / "out" / "failures.csv").open(newline="") as file:
        failures = list(csv.DictReader(file))
    assert [(row["name"], row["seed"], row["source"]) for row in failures] == [
        ("A", "0", "P2_image.nii.gz"), ("A", "1", "P2_image.nii.gz"),
    ]  # fmt: skip
    assert "unexpected" in failures[0]["reason"] and "DOE" not in failures[0]["reason"]


def test_an_interrupt_is_no_bad_scan(manifest, generator, tmp_path):
    class Stopping(type(generator)):
        def prepare(self, *_: object, **__: object) -> None:
            raise KeyboardInterrupt

    rows = read_manifest(manifest(LINE.format("A")))
    with pytest.raises(KeyboardInterrupt):
        synthesize(Stopping(generator.bundle, "cpu"), rows, tmp_path / "out", usual=TumorRequest(steps=1))
    assert not list((tmp_path / "out").iterdir())


def test_reasons_name_files_without_their_folders(manifest):
    (row,) = read_manifest(manifest(LINE.format("A")))
    error = UnsupportedVolumeError(f"There is no file {row.image}.\nCheck the path.")
    assert reason_of(error, row) == "There is no file P2_image.nii.gz. Check the path."
    assert "column suv_factor" in reason_of(UnknownUnitsError("No units."), row)
    assert str(row.image.parent) not in reason_of(FileNotFoundError(2, "No such file", str(row.image)), row)
