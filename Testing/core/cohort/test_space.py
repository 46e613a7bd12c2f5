"""A run that cannot fit on the disk is refused before any work; the estimate needs no scan to be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from small_cases import write_case

from TumorGenCore.cohort.manifest import MOST_RESULTS, ManifestRow, read_manifest
from TumorGenCore.cohort.space import check_results_space, compressed_size


def row(image: Path, count: int) -> ManifestRow:
    return ManifestRow("A", image, None, None, range(count), 1, None)


def test_a_run_that_does_not_fit_is_refused_before_any_network_or_output(manifest, run, tmp_path, capsys):
    scan = tmp_path / "noise.nii.gz"  # no scan at all: it would be refused if somebody read it
    scan.write_bytes(np.random.default_rng(0).bytes(40_000_000))  # times a million: 40 TB
    assert run(manifest(f"{scan},A,,,,{MOST_RESULTS},,,1,,")) == 1
    error = capsys.readouterr().err
    assert error.startswith("tumorgen: The outputs need about 320") and "Free some space" in error  # 80 % of it
    assert not (tmp_path / "out").exists()


def test_only_results_that_are_missing_need_space(tmp_path):
    scan, out = tmp_path / "noise.nii.gz", tmp_path / "out"
    with scan.open("wb") as file:  # 9 TB with holes, which take no space
        for n in range(8):
            file.seek(n * 2**40)
            file.write(np.random.default_rng(n).bytes(32 * 1024))
        file.truncate(2**43)
    with pytest.raises(OSError, match="Free some space"):
        check_results_space(out, [row(scan, 1)])
    out.mkdir()
    with pytest.raises(OSError, match="Free some space"):
        check_results_space(out, [row(scan, 1)])
    (out / "A_0_image.nii.gz").touch()
    check_results_space(out, [row(scan, 1)])
    with pytest.raises(OSError, match="Free some space"):
        check_results_space(out, [row(scan, 2)])


@pytest.mark.parametrize("ending", [".nii.gz", ".nii", ".nrrd", ".mha"])
def test_the_size_of_a_result_is_estimated_from_the_file_of_its_scan(manifest, run, tmp_path, ending):
    write_case(tmp_path, "A", (25.0, -20.0, -40.0))
    scan = tmp_path / f"scan{ending}"
    sitk.WriteImage(sitk.ReadImage(str(tmp_path / "A_image.nii.gz")), str(scan))
    path = manifest(f"{scan},A,,,,1,,,1,,")
    assert run(path) == 0
    made = (tmp_path / "out" / "A_0_image.nii.gz").stat().st_size
    assert compressed_size(read_manifest(path)[0].image) == pytest.approx(made, rel=0.25)


def test_the_size_of_a_series_counts_all_its_files(tmp_path):
    for n in range(100):
        (tmp_path / f"{n}.dcm").write_bytes(np.random.default_rng(n).bytes(1000))
    (tmp_path / "folder").mkdir()
    assert compressed_size(tmp_path) == pytest.approx(100_000, rel=0.01)


def test_the_size_of_a_real_series_is_that_of_its_result(shared_data):
    assert compressed_size(shared_data / "dicom" / "CCTH-A01") == pytest.approx(4_223_820, rel=0.1)  # measured
