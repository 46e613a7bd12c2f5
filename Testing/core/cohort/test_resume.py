"""`--resume` keeps whole results that it would make again, says what differs, and makes incomplete ones again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from command_cases import BOX_RAS

from TumorGenCore.cli import main
from TumorGenCore.volumes.geometry import Grid

LINE = f'P2_image.nii.gz,B,"{BOX_RAS}",,,,,,1,,'


def files(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(out.iterdir())}


def result(out: Path) -> dict[str, bytes]:
    """Returns the files of the results without the creation time."""
    return {name: content for name, content in files(out).items() if not name.endswith(".json")}


def replace_scan(path: Path, change) -> None:
    """Writes a changed copy of the scan that the link ``path`` names."""
    image = change(sitk.ReadImage(str(path)))
    path.unlink()
    sitk.WriteImage(image, str(path))


def one_voxel(image: sitk.Image) -> sitk.Image:
    image[0, 0, 0] = image[0, 0, 0] + 1
    return image


def moved(image: sitk.Image) -> sitk.Image:
    image.SetOrigin([value + 4 for value in image.GetOrigin()])
    return image


@pytest.mark.parametrize("change", [one_voxel, moved, lambda image: image * 2])
def test_another_scan_under_the_same_name_is_refused(manifest, run, tmp_path, capsys, change):
    path = manifest(LINE, "P4_image.nii.gz,C,,,,,,,1,,")
    assert run(path) == 0
    before = files(tmp_path / "out")
    replace_scan(path.parent / "P2_image.nii.gz", change)
    assert run(path, "--resume") == 1
    error = capsys.readouterr().err
    assert "B_0 was made with another scan" in error and "delete the results of B" in error
    assert files(tmp_path / "out") == before


def test_a_scan_that_cannot_be_read_any_more_is_refused(manifest, run, tmp_path, capsys):
    path = manifest(LINE)
    assert run(path) == 0
    scan = path.parent / "P2_image.nii.gz"
    content = scan.read_bytes()
    scan.unlink()
    scan.write_bytes(content[:2000])
    assert run(path, "--resume") == 1
    assert "cannot be compared" in capsys.readouterr().err


def test_another_region_under_the_same_name_is_refused(manifest, run, tmp_path, capsys):
    path = manifest("P4_image.nii.gz,A,,,region.nii.gz,,,,1,,")
    grid = Grid.from_image(sitk.ReadImage(str(path.parent / "P4_image.nii.gz")))
    for low, high, status in ((10, 30, 0), (10, 30, 0), (10, 29, 1)):
        region = np.zeros(grid.size_ijk[::-1], np.uint8)
        region[low:high, 15:25, 15:25] = 1
        sitk.WriteImage(grid.image_from_array(region), str(path.parent / "region.nii.gz"))
        assert run(path, "--resume") == status
    assert "another region" in capsys.readouterr().err


def test_other_units_of_the_same_voxels_are_refused(manifest, run, capsys):
    assert run(manifest(LINE)) == 0
    assert run(manifest(LINE.replace(",1,,", ",2,,")), "--resume") == 1
    assert "suv_factor 1.0; this run has 2.0" in capsys.readouterr().err


def test_another_version_of_the_software_is_refused(manifest, run, tmp_path, capsys):
    path = manifest(LINE)
    assert run(path) == 0
    beside = tmp_path / "out" / "B_0.provenance.json"
    made = json.loads(beside.read_text())
    beside.write_text(json.dumps({**made, "software_version": "0.5.9"}))
    assert run(path, "--resume") == 1
    assert "another version of TumorGen (software_version 0.5.9)" in capsys.readouterr().err


def test_another_kind_of_device_is_said(manifest, run, tmp_path, capsys):
    path = manifest(LINE)
    assert run(path) == 0
    beside = tmp_path / "out" / "B_0.provenance.json"
    beside.write_text(json.dumps({**json.loads(beside.read_text()), "device": "cuda:0"}))
    assert run(path, "--resume") == 0
    assert "made on cuda; this run uses cpu" in capsys.readouterr().err


def test_changed_metadata_of_the_bundle_with_the_same_weights_is_refused(
    manifest, tiny_bundle_folder, tmp_path, capsys
):
    bundle = shutil.copytree(tiny_bundle_folder, tmp_path / "bundle")
    command = ["synthesize", str(manifest(LINE)), "--output", str(tmp_path / "out"), "--model", str(bundle)]
    assert main([*command, "--device", "cpu", "--steps", "2"]) == 0
    metadata = bundle / "configs" / "metadata.json"
    content = json.loads(metadata.read_text())
    content["tumorgen"]["notes"]["description"] = "in other words"  # decides no tumor
    metadata.write_text(json.dumps(content))
    assert main([*command, "--device", "cpu", "--steps", "2", "--resume"]) == 0
    content["tumorgen"]["latent_mean"][0] += 0.01
    metadata.write_text(json.dumps(content))
    capsys.readouterr()
    assert main([*command, "--device", "cpu", "--steps", "2", "--resume"]) == 1
    assert "B_0 was made with bundle_hash" in capsys.readouterr().err


def test_a_result_whose_files_are_missing_or_short_is_made_again(manifest, run, tmp_path, capsys):
    path, out = manifest(LINE), tmp_path / "out"
    assert run(path) == 0
    before = result(out)
    for name, left in (
        ("B_0_image.nii.gz", 0.5),
        ("B_0_mask.nii.gz", 0),
        ("B_0_mask.nii.gz", None),
        ("B_0.provenance.json", 0.5),
        ("B_0.provenance.json", None),
    ):
        content = (out / name).read_bytes()
        (out / name).unlink()
        if left is not None:
            (out / name).write_bytes(content[: int(left * len(content))])
        capsys.readouterr()
        assert run(path, "--resume") == 0
        said = capsys.readouterr()
        assert "1 made, 0 kept" in said.out and "B_0: Made again" in said.err
        assert result(out) == before
        assert json.loads((out / "B_0.provenance.json").read_text())["synthetic"] is True
    assert run(path, "--resume") == 0
    assert "0 made, 1 kept" in capsys.readouterr().out


def test_a_short_table_is_refused_and_says_what_to_do(manifest, run, tmp_path, capsys):
    path = manifest(LINE)
    assert run(path) == 0
    before = result(tmp_path / "out")
    table = tmp_path / "out" / "cases.csv"
    content = table.read_bytes()
    for damaged in (b"", content[:40], content[:-140] + b"\n", b"\xff" + content):
        table.write_bytes(damaged)
        capsys.readouterr()
        assert run(path, "--resume") == 1
        assert "delete this table to make all results again" in capsys.readouterr().err
    table.unlink()
    assert run(path, "--resume") == 0
    assert result(tmp_path / "out") == before
