"""`tumorgen synthesize` makes a training set from a manifest, even if rows fail or the run stops."""

from __future__ import annotations

import gzip
import json
import os
import signal
import struct
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from cohort_folders import content, table
from dicom_slices import write_slice
from full_disk import file_size_limit

from TumorGenCore.cli import main
from TumorGenCore.cohort.manifest import read_manifest
from TumorGenCore.cohort.runner import synthesize
from TumorGenCore.cohort.tables import Table
from TumorGenCore.errors import ManifestError, VolumeWarning
from TumorGenCore.insertion.request import TumorRequest
from TumorGenCore.lesions.measures import measure_images
from TumorGenCore.lesions.placement import find_body
from TumorGenCore.training.data.cases import load_cases
from TumorGenCore.volumes.geometry import Box
from TumorGenCore.volumes.markups import write_box
from TumorGenCore.volumes.read import read_volume

BOX = '"-25,20,-40,40,44,48"'  # RAS, around the hot ball of P2


def but_quality(lines: list[str]) -> list[str]:
    """Returns the lines of a report except those about the quality, which untrained networks never reach."""
    return [line for line in lines if "quality" not in line]


def voxels(path: Path) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def boxes_of(record: dict[str, str]) -> list[Box]:
    numbers = [[float(n) for n in text.split(",")] for text in record["boxes_ras_mm"].split(";")]
    return [Box.from_ras(box[:3], box[3:]) for box in numbers]


def inside(box: Box, image: sitk.Image, margin_mm: float = 0.02) -> np.ndarray:
    grown = Box(box.center_lps, tuple(edge + margin_mm for edge in box.size_mm))
    k, j, i = np.indices(image.GetSize()[::-1])
    along = np.asarray(image.GetOrigin()) + np.stack([i, j, k], -1) * np.asarray(image.GetSpacing())
    return grown.contains(along)


# Results


def test_every_row_and_seed_becomes_a_case_that_training_reads(manifest, run, tmp_path, capsys):
    path = manifest(
        f"P2_image.nii.gz,,{BOX},,,2,,7,1,,",
        "P1-a_image.nii.gz,auto,,,,3,,,1,,",
    )
    assert run(path) == 0
    said = capsys.readouterr()
    assert "5/5 auto_2: " in said.out and "not for diagnosis" in said.out
    out = tmp_path / "out"
    assert [(r["name"], r["seed"]) for r in table(out)] == [
        ("P2", "7"), ("P2", "8"), ("auto", "0"), ("auto", "1"), ("auto", "2"),
    ]  # fmt: skip
    stems = [f"{r['name']}_{r['seed']}" for r in table(out)]
    expected = {f"{stem}{end}" for stem in stems for end in ("_image.nii.gz", "_mask.nii.gz", ".provenance.json")}
    assert {p.name for p in out.iterdir()} == expected | {"cases.csv", "truth.csv"}
    cases = load_cases(out, least_ml=0)
    assert [case.name for case in cases] == sorted(stems)
    for case, record in zip(cases, sorted(table(out), key=lambda r: f"{r['name']}_{r['seed']}"), strict=True):
        marked = sitk.GetArrayFromImage(case.mask) > 0
        assert marked.any() and case.lesions
        measures = measure_images(case.image, case.mask)
        assert float(record["volume_ml"]) == pytest.approx(measures.volume_ml, abs=1e-3)
        assert float(record["suv_max"]) == pytest.approx(measures.suv_max, abs=1e-3)
        assert float(record["suv_mean"]) == pytest.approx(measures.suv_mean, abs=1e-3)
        (box,) = boxes_of(record)
        source = voxels(path.parent / record["source"])
        changed = sitk.GetArrayFromImage(case.image) != source
        assert changed.any()
        assert not ((changed | marked) & ~inside(box, case.image)).any()
    made = json.loads((out / "P2_8.provenance.json").read_text())
    assert made["synthetic"] is True and "not for diagnosis" in made["statement"]
    assert made["tumors"][0]["seed"] == 8
    assert made["tumors"][0]["box_center_lps"] == [25.0, -20.0, -40.0]


def test_a_given_box_gives_what_insert_gives(manifest, run, tiny_bundle_folder, tmp_path):
    path = manifest(f"P2_image.nii.gz,,{BOX},,,1,,5,1,,")
    assert run(path) == 0
    image, mask = tmp_path / "image.nii.gz", tmp_path / "mask.nii.gz"
    options = ["--seed", "5", "--steps", "2", "--suv-factor", "1", "--model", str(tiny_bundle_folder)]
    outputs = ["--output-image", str(image), "--output-mask", str(mask)]
    scan = str(path.parent / "P2_image.nii.gz")
    assert main(["insert", scan, "--box", BOX.strip('"'), "--device", "cpu", *options, *outputs]) == 0
    assert np.array_equal(voxels(image), voxels(tmp_path / "out" / "P2_5_image.nii.gz"))
    assert np.array_equal(voxels(mask), voxels(tmp_path / "out" / "P2_5_mask.nii.gz"))


def test_roi_files_place_too(manifest, generator, tmp_path):
    path = manifest("P2_image.nii.gz,,,rois/R.mrk.json,,,,,1,,")
    (path.parent / "rois").mkdir()
    write_box(Box((25, -20, -40), (40, 44, 48)), path.parent / "rois" / "R.mrk.json")
    (row,) = read_manifest(path)
    assert row.box == Box((25, -20, -40), (40, 44, 48))
    (outcome,) = synthesize(generator, [row], tmp_path / "out", usual=TumorRequest(steps=1))
    assert outcome.record is not None
    assert outcome.record["boxes_ras_mm"] == "-25.00,20.00,-40.00,40.00,44.00,48.00"


def test_automatic_places_differ_between_seeds_and_rows_and_lie_in_the_body(manifest, run, tmp_path):
    path = manifest("P4_image.nii.gz,A,,,,4,,,1,,", "P4_image.nii.gz,B,,,,4,,,1,,")
    assert run(path, "--quiet") == 0
    boxes = [boxes_of(record)[0] for record in table(tmp_path / "out")]
    assert len({box.center_lps for box in boxes}) == len({box.size_mm for box in boxes}) == 8
    scan = sitk.ReadImage(str(path.parent / "P4_image.nii.gz"))
    body = find_body(sitk.GetArrayFromImage(scan), scan.GetSpacing())
    assert all(body[inside(box, scan)].mean() > 0.7 for box in boxes)


def test_regions_are_resampled_to_the_image_and_hold_the_centers(manifest, run, tmp_path):
    path = manifest("P4_image.nii.gz,A,,,region.nrrd,6,,,1,,")
    region = sitk.Image(30, 30, 30, sitk.sitkUInt8)
    region.SetSpacing([7.0] * 3)
    region.SetOrigin([-100.0] * 3)
    region[13:16, 13:16, 18:21] = 3  # -9 to 5 mm in L and P, 26 to 40 in S
    sitk.WriteImage(region, str(path.parent / "region.nrrd"))
    assert run(path) == 0
    for record in table(tmp_path / "out"):
        x, y, z = boxes_of(record)[0].center_lps
        # Half a voxel of the mask plus half a voxel of the image.
        assert -15 < x < 11 and -15 < y < 11 and 20 < z < 46


def test_several_tumors_are_apart_and_all_marked(manifest, run, tmp_path):
    path = manifest("P4_image.nii.gz,A,,,,2,3,,1,,")
    assert run(path) == 0
    for record in table(tmp_path / "out"):
        image, mask = (sitk.ReadImage(str(tmp_path / "out" / record[kind])) for kind in ("image", "mask"))
        boxes = boxes_of(record)
        covered = np.stack([inside(box, image, 0) for box in boxes])
        assert len(boxes) == 3 and covered.sum(axis=0).max() == 1
        marked = sitk.GetArrayFromImage(mask) > 0
        assert all(marked[box].any() for box in covered)
        changed = sitk.GetArrayFromImage(image) != voxels(path.parent / "P4_image.nii.gz")
        assert all(changed[box].any() for box in covered)
        provenance = json.loads((tmp_path / "out" / record["provenance"]).read_text())
        first, second, third = provenance["tumors"]
        assert len({tumor["sha256"] for tumor in (first, second, third)}) == 3


def test_poor_results_are_drawn_again_in_their_box_under_their_name(manifest, run, tmp_path, capsys):
    path = manifest(f"P2_image.nii.gz,,{BOX},,,2,,7,1,,", "P4_image.nii.gz,A,,,,1,2,,1,,")
    assert run(path, "--least-quality", "1") == 0
    records = table(tmp_path / "out")
    assert [(r["name"], r["seed"]) for r in records] == [("P2", "7"), ("P2", "8"), ("A", "0")]
    assert [r["redrawn"] for r in records] == ["2", "2", "4"]  # the untrained networks never reach a quality of 1
    assert all(0 <= float(r["quality"]) < 1 for r in records)
    assert all("no better tumor was found" in r["warnings"] for r in records)
    assert "poor tumors were replaced" in capsys.readouterr().err
    made = [json.loads((tmp_path / "out" / r["provenance"]).read_text()) for r in records]
    assert made[0]["quality"]["total"] == pytest.approx(float(records[0]["quality"]), abs=1e-3)
    # The first result never keeps the tumor of the next one.
    assert {made[0]["tumors"][0]["seed"]} & {made[1]["tumors"][0]["seed"], 8} == set()
    assert boxes_of(records[0]) == boxes_of(records[1])


def test_a_run_with_another_least_quality_is_not_gone_on_with(manifest, run, capsys):
    path = manifest(f"P2_image.nii.gz,,{BOX},,,1,,7,1,,")
    assert run(path) == 0
    assert run(path, "--resume", "--least-quality", "0.5") == 1
    assert "least_quality" in capsys.readouterr().err
    assert run(path, "--resume") == 0


def test_uptake_targets_reach_the_generator(manifest, run, tmp_path):
    path = manifest(f"P2_image.nii.gz,hot,{BOX},,,,,,1,14,", f"P2_image.nii.gz,mean,{BOX},,,,,,1,,6.5")
    assert run(path) == 0
    asked = [json.loads((tmp_path / "out" / f"{name}_0.provenance.json").read_text()) for name in ("hot", "mean")]
    assert asked[0]["request"]["suv_max"] == 14
    assert asked[1]["request"]["suv_mean"] == 6.5


def test_a_row_asks_for_what_the_command_line_asks_for_and_counts_before_it(run, manifest, tmp_path):
    path = manifest(f"P2_image.nii.gz,A,{BOX},,,,,,1,,", f"P2_image.nii.gz,B,{BOX},,,,,,1,,")
    header, *rows = path.read_text().splitlines()
    more = ["3,heun,0.0", ",,"]
    lines = [header + ",steps,solver,least_quality", *(f"{a},{b}" for a, b in zip(rows, more, strict=True))]
    path.write_text("\n".join(lines) + "\n")
    assert run(path, "--least-quality", "1") == 0
    made = [json.loads((tmp_path / "out" / f"{name}_0.provenance.json").read_text()) for name in "AB"]
    assert [(one["request"]["steps"], one["request"]["solver"]) for one in made] == [(3, "heun"), (2, "euler")]
    assert [one["request"]["least_quality"] for one in made] == [0.0, 1.0]
    assert [record["redrawn"] for record in table(tmp_path / "out")] == ["0", "2"]


def test_a_manifest_of_0_4_1_is_read(run, manifest, tmp_path):
    path = manifest("P4_image.nii.gz,A,,,,,2,,1,,")
    path.write_text(path.read_text().replace("tumors", "tumours"))
    assert run(path) == 0
    assert len(boxes_of(table(tmp_path / "out")[0])) == 2


def test_results_of_0_4_1_are_not_gone_on_with(run, manifest, tmp_path, capsys):
    path = manifest(f"P2_image.nii.gz,A,{BOX},,,,,,1,,")
    assert run(path) == 0
    beside = tmp_path / "out" / "A_0.provenance.json"
    beside.write_text('{"synthetic": true, "request": {}, "tumours": []}')
    assert run(path, "--resume") == 1
    assert "0.4.1 or earlier" in capsys.readouterr().err
    (tmp_path / "out" / "cases.csv").write_bytes(b"\xff\xfe")
    assert run(path, "--resume") == 1
    assert "damaged" in capsys.readouterr().err


def test_dicom_series_become_suv_and_no_tag_that_names_a_person_is_kept(manifest, run, tmp_path, capsys):
    path = manifest('series,D,"-36,-66,38,40,40,40",,,,,,0.5,,')
    (path.parent / "series").mkdir()
    for n in range(20):
        pixels = np.full((24, 24), 100 + n, dtype=np.int16)
        write_slice(path.parent / "series" / f"{n}.dcm", 4.0 * n, 0, 0.02, "1.2.3", Rows=24, Columns=24,
                    PixelSpacing=[4.0, 4.0], PixelData=pixels.tobytes())  # fmt: skip
    assert run(path) == 0
    assert voxels(tmp_path / "out" / "D_0_image.nii.gz")[3, 0, 0] == pytest.approx(0.5 * 0.02 * 103)
    (record,) = table(tmp_path / "out")
    assert record["source"] == "series"
    texts = [p.read_text() for p in (tmp_path / "out").iterdir() if p.suffix in (".csv", ".json")]
    said = capsys.readouterr()
    for text in (*texts, said.out, said.err):
        assert "DOE" not in text
    assert not any(str(tmp_path) in text for text in texts)


def test_warnings_are_in_the_table_of_each_case_and_said_once(manifest, run, tmp_path, capsys):
    path = manifest("P4_image.nii.gz,A,,,,2,,,,,", "P4_image.nii.gz,B,,,,,,,,,")
    assert run(path) == 0
    assert all("taken as SUV" in record["warnings"] for record in table(tmp_path / "out"))
    assert capsys.readouterr().err.count("taken as SUV") == 1


def test_warnings_of_reading_reach_the_table_the_provenance_and_the_user(manifest, run, tmp_path, capsys):
    path = manifest("odd.nii.gz,A,,,,,,,1,,")
    content = bytearray(gzip.decompress((path.parent / "P4_image.nii.gz").read_bytes()))
    struct.pack_into("<h", content, 46, 39)  # the header names one slice of 40 less
    (path.parent / "odd.nii.gz").write_bytes(gzip.compress(bytes(content)))
    with pytest.warns(VolumeWarning) as caught:
        read_volume(path.parent / "odd.nii.gz", 1.0)
    text = str(caught[0].message).replace("odd.nii.gz", "The file")  # a name may be that of a person
    assert text.startswith("The file holds")
    assert run(path) == 0
    assert f"Warning: A_0: {text}" in capsys.readouterr().err
    (record,) = table(tmp_path / "out")
    assert record["warnings"].count(text) == 1
    said = json.loads((tmp_path / "out" / record["provenance"]).read_text())["warnings"]
    assert said.count(text) == 1 and "odd.nii" not in json.dumps(said)


def test_warnings_of_reading_a_region_reach_the_provenance_without_its_name(manifest, run, tmp_path):
    path = manifest("P4_image.nii.gz,A,,,place.nii,,,,1,,")
    region = sitk.Cast(sitk.ReadImage(str(path.parent / "P4_image.nii.gz")) > 0.5, sitk.sitkUInt8)
    sitk.WriteImage(region, str(path.parent / "place.nii"))
    content = bytearray((path.parent / "place.nii").read_bytes())
    struct.pack_into("<f", content, 108, 0.0)  # vox_offset
    (path.parent / "place.nii").write_bytes(content)
    assert run(path) == 0
    said = json.loads((tmp_path / "out" / "A_0.provenance.json").read_text())["warnings"]
    assert any(line.startswith("The region says that its voxels start at byte 0") for line in said)
    assert "place.nii" not in json.dumps(said)


def test_what_a_place_cannot_take_is_said_before_its_tumor_grows_and_is_in_the_table(manifest, generator, tmp_path):
    rows = read_manifest(manifest(f"P2_image.nii.gz,A,{BOX},,,2,,,1,0.5,"))
    events: list[tuple[str, str, tuple[str, ...]]] = []
    growing = generator.engine.sample
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(generator.engine, "sample", lambda *a: events.append(("grows", "", ())) or growing(*a))
        outcomes = synthesize(
            generator, rows, tmp_path / "out", on_forewarnings=lambda name, lines: events.append(("told", name, lines))
        )
    (_, first, lines), *_ = events
    assert [kind for kind, *_ in events] == ["told", "grows", "told", "grows"]
    assert first == "A_0" and events[2][1] == "A_1"
    words = (
        "The target SUVmax 0.5 is not above the tissue around the box (median SUV 1.0), so the tumor cannot stand out"
    )
    assert [words in line for line in lines] == [True]
    for outcome, record in zip(outcomes, table(tmp_path / "out"), strict=True):
        assert words in record["warnings"] and any(words in line for line in outcome.warnings)


def test_a_target_above_the_voxel_type_leaves_the_row_out_before_any_work(manifest, run, tmp_path, capsys):
    path = manifest(f"small.nii.gz,A,{BOX},,,,,,0.05,20,")
    image = sitk.ReadImage(str(path.parent / "P2_image.nii.gz")) * 20
    sitk.WriteImage(sitk.Cast(image, sitk.sitkUInt8), str(path.parent / "small.nii.gz"))
    assert run(path) == 3
    words = "The target SUVmax is 20, but the voxel type uint8 of this scan ends at SUV 12.8. Convert the scan"
    assert words in capsys.readouterr().err
    (failure,) = table(tmp_path / "out", "failures.csv")
    assert words in failure["reason"]


def test_a_poor_tumor_gives_one_line_and_the_end_counts_them(manifest, run, tmp_path, capsys):
    # The tiny bundle is untrained, so no tumor is good. No tumor has less uptake than the tissue, which is SUV 1.
    path = manifest(f"P2_image.nii.gz,A,{BOX},,,3,,,1,0.5,")
    assert run(path, "--quiet") == 0
    lines = capsys.readouterr().err.splitlines()
    records = table(tmp_path / "out")
    assert lines[0].startswith("Warning: A_0: The target SUVmax 0.5 is not above the tissue")
    short = "The wanted uptake or fill is missed."
    assert lines[1:-1] == [
        f"Warning: A_{n}: Poor quality, {float(record['quality']):.2f}. {short}" for n, record in enumerate(records)
    ]
    counts = "Of 3 results, 3 have a poor quality, and 3 miss a wanted uptake or fill."
    assert lines[-1].startswith(f"Warning: {counts} The column warnings of {tmp_path / 'out' / 'cases.csv'}")
    for record in records:
        assert "below 0.6: it is not good" in record["warnings"]
        assert "instead of the requested 0.5" in record["warnings"]


def test_without_a_wanted_uptake_or_fill_none_is_missed(manifest, run, capsys):
    path = manifest(f"P2_image.nii.gz,A,{BOX},,,,,,1,,")
    assert run(path, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["made"], report["poor"], report["missed"]) == (1, 1, 0)  # untrained networks are always poor
    assert run(path, "--json", "--resume") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["kept"], report["poor"], report["missed"]) == (1, 0, 0) and report["warnings"] == []


def test_json_and_quiet(manifest, run, capsys):
    path = manifest(f"P2_image.nii.gz,,{BOX},,,2,,,1,,", f"P2_image.nii.gz,off,{BOX.replace('-40', '900')},,,2,,,1,,")
    assert run(path, "--json") == 3
    said = capsys.readouterr()
    report = json.loads(said.out)
    assert (report["made"], report["kept"], report["failed"]) == (2, 0, ["off_0", "off_1"])
    left_out, all_in_all = but_quality(report["warnings"])
    assert "error" not in report and "no voxel" in left_out and "2 of 4" in all_in_all
    assert said.err == ""
    assert run(path, "--quiet", out="other") == 3
    assert capsys.readouterr().out == ""


# Failures, stopping and resuming


def test_rows_that_fail_are_left_out_and_told_and_the_others_are_made(manifest, run, tmp_path, capsys):
    path = manifest(
        "broken.nii.gz,broken,,,,2,,,1,,",
        f"P2_image.nii.gz,outside,{BOX.replace('-40', '900')},,,,,,1,,",
        "P2_image.nii.gz,nowhere,,,empty.nii.gz,,,,1,,",
        f"P2_image.nii.gz,good,{BOX},,,,,,1,,",
    )
    (path.parent / "broken.nii.gz").write_bytes((path.parent / "P2_image.nii.gz").read_bytes()[:3000])
    empty = sitk.ReadImage(str(path.parent / "P2_image.nii.gz")) * 0
    sitk.WriteImage(sitk.Cast(empty, sitk.sitkUInt8), str(path.parent / "empty.nii.gz"))
    assert run(path) == 3
    said = but_quality(capsys.readouterr().err.splitlines())
    assert said[0].startswith("Warning: broken_0 to broken_1: left out. ")
    assert "no voxel of the volume" in said[1] and "region for the box" in said[2]
    assert said[3].startswith("Warning: 4 of 5 results were left out") and len(said) == 4
    assert [record["name"] for record in table(tmp_path / "out")] == ["good"]
    failures = table(tmp_path / "out", "failures.csv")
    assert [(row["name"], row["seed"], row["source"]) for row in failures] == [
        ("broken", "0", "broken.nii.gz"), ("broken", "1", "broken.nii.gz"),
        ("outside", "0", "P2_image.nii.gz"), ("nowhere", "0", "P2_image.nii.gz"),
    ]  # fmt: skip
    assert "truncated" in failures[0]["reason"] and "no voxel of the volume" in failures[2]["reason"]
    # The next run has a scan that is whole; the table names only what is still missing.
    (path.parent / "broken.nii.gz").write_bytes((path.parent / "P4_image.nii.gz").read_bytes())
    assert run(path, "--resume") == 3
    assert {row["name"] for row in table(tmp_path / "out", "failures.csv")} == {"outside", "nowhere"}
    path.write_text("\n".join(path.read_text().splitlines()[i] for i in (0, 1, 4)))
    assert run(path, "--resume") == 0
    assert not (tmp_path / "out" / "failures.csv").exists()
    assert not [p for p in (tmp_path / "out").iterdir() if not p.name.startswith(("good", "broken", "cases", "truth"))]


def test_the_same_manifest_gives_the_same_set_and_resume_after_a_stop_does_too(manifest, generator, tmp_path):
    rows = read_manifest(manifest("P4_image.nii.gz,A,,,,3,2,,1,,", f"P2_image.nii.gz,B,{BOX},,,2,,,1,8,"))
    whole, again, stopped = (tmp_path / name for name in ("whole", "again", "stopped"))
    synthesize(generator, rows, whole, usual=TumorRequest(steps=2))
    synthesize(generator, rows, again, usual=TumorRequest(steps=2))
    assert content(again) == content(whole)

    made = []

    def stop_after_two(outcome) -> None:
        made.append(outcome)
        if len(made) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synthesize(generator, rows, stopped, usual=TumorRequest(steps=2), on_outcome=stop_after_two)
    assert [record["seed"] for record in table(stopped)] == ["0", "1"]
    # A case that lost its mask is made again, at the same place in the table.
    (stopped / "A_0_mask.nii.gz").unlink()
    outcomes = synthesize(generator, rows, stopped, usual=TumorRequest(steps=2), resume=True)
    assert [(o.name, o.seeds[0], o.kept) for o in outcomes] == [
        ("A", 0, False), ("A", 1, True), ("A", 2, False), ("B", 0, False), ("B", 1, False),
    ]  # fmt: skip
    assert content(stopped) == content(whole)


def test_a_stop_between_the_files_of_a_case_leaves_none_of_them(manifest, generator, tmp_path, monkeypatch):
    rows = read_manifest(manifest(f"P2_image.nii.gz,B,{BOX},,,,,,1,,"))
    write = sitk.WriteImage
    for calls in (1, 2):
        left = [calls]

        def stop(image, name, *arguments, left=left, **options):
            left[0] -= 1
            if left[0] == 0:
                Path(name).write_bytes(b"half")
                raise KeyboardInterrupt
            write(image, name, *arguments, **options)

        monkeypatch.setattr(sitk, "WriteImage", stop)
        with pytest.raises(KeyboardInterrupt):
            synthesize(generator, rows, tmp_path / f"out{calls}", usual=TumorRequest(steps=1))
        monkeypatch.undo()
        assert not list((tmp_path / f"out{calls}").iterdir())
        (outcome,) = synthesize(generator, rows, tmp_path / f"out{calls}", usual=TumorRequest(steps=1), resume=True)
        assert not outcome.kept and outcome.record is not None


def test_interrupt_is_status_130_with_whole_files_and_resume_ends_the_same(manifest, run, tiny_bundle_folder, tmp_path):
    path = manifest("P4_image.nii.gz,A,,,,400,,,1,,")
    command = [sys.executable, "-m", "TumorGenCore.cli", "synthesize", str(path), "--output", str(tmp_path / "out")]
    options = ["--model", str(tiny_bundle_folder), "--device", "cpu", "--steps", "2", "--least-quality", "0"]
    options += ["--workers", "1"]
    with subprocess.Popen(
        [*command, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A process started in the background ignores interrupts; this one must not.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        for _ in range(2):
            process.stdout.readline()
        os.kill(process.pid, signal.SIGINT)
        error = process.stderr.read()
    assert process.returncode == 130
    assert but_quality(error.splitlines()) == ["tumorgen: Interrupted."]
    out = tmp_path / "out"
    records = table(out)
    assert 2 <= len(records) < 400
    assert not [p.name for p in out.iterdir() if p.name.startswith(".")]
    for image in out.glob("*_image.nii.gz"):
        assert voxels(image).shape == voxels(out / image.name.replace("_image", "_mask")).shape
    last = len(records) + 1
    path.write_text(path.read_text().replace("400", str(last)))
    assert run(path, "--resume") == 0
    assert run(path, out="whole") == 0
    assert content(out) == content(tmp_path / "whole")


def test_interrupt_that_python_loses_stops_the_run_after_the_case(
    manifest, run, interrupted_preparation, tmp_path, capsys
):
    assert run(manifest(f"P2_image.nii.gz,A,{BOX},,,3,,,1,,")) == 130
    assert but_quality(capsys.readouterr().err.splitlines()) == ["tumorgen: Interrupted."]
    assert [record["name"] for record in table(tmp_path / "out")] == ["A"]


def test_a_result_whose_line_finds_no_space_is_not_there(manifest, run, tmp_path, capsys, monkeypatch):
    path, out = manifest(f"P2_image.nii.gz,A,{BOX},,,3,,,1,,"), tmp_path / "out"
    add = Table.add

    def second_fails(self: Table, *rows: dict[str, str]) -> None:
        limit = self.path.stat().st_size + 10 if self.path.exists() else None
        with file_size_limit(limit) if limit else nullcontext():
            add(self, *rows)

    with monkeypatch.context() as patch:
        patch.setattr(Table, "add", second_fails)
        assert run(path) == 1
    error = capsys.readouterr().err
    assert "cases.csv cannot be written" in error and "--resume" in error
    assert [record["seed"] for record in table(out)] == ["0"]
    assert [p.name for p in sorted(out.iterdir())] == [
        "A_0.provenance.json",
        "A_0_image.nii.gz",
        "A_0_mask.nii.gz",
        "cases.csv",
        "truth.csv",
    ]
    assert run(path, "--resume") == 0
    assert run(path, out="whole") == 0
    assert content(out) == content(tmp_path / "whole")


@pytest.mark.usefixtures("interrupts_raise")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moves_before", range(3))
def test_an_interrupt_while_a_result_is_moved_leaves_it_in_folder_and_table_or_in_neither(
    manifest, run, tmp_path, at_rename, number, moves_before
):
    """A result has three moves, in the order of mask, provenance and image; the table comes after them."""
    out = tmp_path / "out"
    at_rename += [lambda: None] * moves_before + [lambda: signal.raise_signal(number)]
    assert run(manifest(f"P2_image.nii.gz,A,{BOX},,,3,,,1,,")) == 128 + number
    records = table(out) if (out / "cases.csv").exists() else []
    assert len(records) == len(list(out.glob("*_image.nii.gz"))) == (1 if moves_before == 2 else 0)
    assert {p.name for p in out.iterdir()} <= {
        "A_0.provenance.json",
        "A_0_image.nii.gz",
        "A_0_mask.nii.gz",
        "cases.csv",
        "truth.csv",
    }


def test_resume_refuses_results_that_were_made_otherwise(manifest, run, tmp_path, capsys):
    line = f"P2_image.nii.gz,B,{BOX},,,,,,1,,"
    assert run(manifest(line), "--resume") == 0  # a run may start in an empty or missing folder
    before = content(tmp_path / "out")
    capsys.readouterr()
    for changed, options, word in (
        (line, ("--steps", "3"), "steps 2"),
        (line.replace("44", "46"), (), "box"),
        (line.replace(",1,,", ",1,9,"), (), "suv_max"),
        (line.replace(",B,", ",C,"), (), "B_0 that is not in the manifest"),
    ):
        assert run(manifest(changed), "--resume", *options) == 1
        error = capsys.readouterr().err
        assert error.startswith("tumorgen: ") and error.count("\n") == 1 and word in error
        assert content(tmp_path / "out") == before
    assert run(manifest(line, "P4_image.nii.gz,C,,,,,,,1,,"), "--resume") == 0  # rows may be added
    assert {name for name in content(tmp_path / "out") if name.startswith("C")}


def test_a_folder_with_files_is_refused_without_resume(manifest, run, tmp_path, capsys):
    path = manifest(f"P2_image.nii.gz,B,{BOX},,,,,,1,,")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    assert run(path) == 1
    error = capsys.readouterr().err
    assert "not empty" in error and "--resume" in error
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["notes.txt"]


# Manifests that cannot be used


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([], ["no row"]),
        (["P2_image.nii.gz", "missing.nii.gz"], ["line 3", "column image", "missing.nii.gz"]),
        ([",name"], ["line 2", "column image", "empty"]),
        (["manifest.csv"], ["line 2", "column image", ".nrrd"]),
        (["P2_image.nii.gz", "P2_image.nii.gz"], ["line 3", "column name", "line 2"]),
        (["P2_image.nii.gz,a", "P2_image.nii.gz,A"], ["line 3", "column name", "line 2"]),
        (["P2_image.nii.gz,../a"], ["line 2", "column name", "plain"]),
        (["P2_image.nii.gz,.a"], ["line 2", "column name", "plain"]),
        (['P2_image.nii.gz,a,"1,2,3"'], ["line 2", "column box", "six numbers"]),
        (['P2_image.nii.gz,a,"1,2,3,4,0,6"'], ["line 2", "column box", "positive"]),
        (["P2_image.nii.gz,a,1,2,3,4,5,6,1,,,,,"], ["line 2", "quotes"]),
        ([f"P2_image.nii.gz,a,{BOX},,P2_mask.nii.gz"], ["line 2", "column region", "box"]),
        (["P2_image.nii.gz,a,,none.mrk.json"], ["line 2", "column roi", "none.mrk.json"]),
        (["P2_image.nii.gz,a,,P2_mask.nii.gz"], ["line 2", "column roi"]),
        (["P2_image.nii.gz,a,,,none.nii.gz"], ["line 2", "column region", "none.nii.gz"]),
        (["P2_image.nii.gz,a,,,."], ["line 2", "column region", "folder"]),
        (["P2_image.nii.gz,a,,,,0"], ["line 2", "column count", "at least 1"]),
        (["P2_image.nii.gz,a,,,,1.5"], ["line 2", "column count", "whole"]),
        (["P2_image.nii.gz,a,,,,,0"], ["line 2", "column tumors", "at least 1"]),
        ([f"P2_image.nii.gz,a,{BOX},,,,2"], ["line 2", "column tumors", "box"]),
        (["P2_image.nii.gz,a,,,,,,-1"], ["line 2", "column seed", "at least 0"]),
        ([f"P2_image.nii.gz,a,,,,2,,{2**63 - 1}"], ["line 2", "column seed", "2^63"]),
        (["P2_image.nii.gz,a,,,,,,,0"], ["line 2", "column suv_factor", "positive"]),
        (["P2_image.nii.gz,a,,,,,,,1,nan"], ["line 2", "column suv_max", "positive"]),
        (["P2_image.nii.gz,a,,,,,,,1,,-3"], ["line 2", "column suv_mean", "positive"]),
        (["P2_image.nii.gz,a,,,,,,,1,5,3"], ["line 2", "column suv_mean", "suv_max"]),
        (['P2_image.nii.gz,"a'], ["CSV"]),
    ],
)
def test_one_clear_error_names_line_and_column_before_any_network_or_output(manifest, tmp_path, capsys, lines, words):
    # The bundle does not exist either; the error is about the manifest, so the manifest is checked first.
    options = ["--output", str(tmp_path / "out"), "--model", "no-such-bundle"]
    assert main(["synthesize", str(manifest(*lines)), *options]) == 1
    said = capsys.readouterr()
    assert said.err.startswith("tumorgen: ") and said.err.count("\n") == 1 and said.out == ""
    for word in words:
        assert word in said.err
    assert "no-such-bundle" not in said.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("image,color", ["line 1", "column color"]),
        ("image;name", ["line 1", "commas"]),
        ("image,name,image", ["line 1", "column image", "twice"]),
        ("name,box", ["line 1", "column image", "missing"]),
    ],
)
def test_headers_that_cannot_be_used_are_refused(manifest, header, words):
    with pytest.raises(ManifestError) as caught:
        read_manifest(manifest("P2_image.nii.gz", header=header))
    for word in words:
        assert word in str(caught.value)


def test_empty_binary_and_missing_manifests_are_refused(tmp_path):
    for name, data, word in (("e.csv", b"", "empty"), ("b.csv", b"\xff\xfe\x00", "UTF-8"), ("m.csv", None, "path")):
        if data is not None:
            (tmp_path / name).write_bytes(data)
        with pytest.raises(ManifestError, match=word):
            read_manifest(tmp_path / name)


def test_manifests_of_spreadsheet_programs_are_read(manifest):
    path = manifest("")
    path.write_bytes(f"\ufeffimage,name,count,box\r\nP2_image.nii.gz,,2,{BOX}\r\n\r\n,,,\r\n".encode())
    (row,) = read_manifest(path)
    assert (row.name, list(row.seeds), row.region) == ("P2", [0, 1], None)
    assert row.box is not None and row.box.canonical() == Box((25, -20, -40), (40, 44, 48))


def test_wrong_usage_is_status_2(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["synthesize", "manifest.csv"])
    assert stop.value.code == 2


def test_real_scans_with_the_shipped_bundle(shared_data, tmp_path):
    (tmp_path / "m.csv").write_text(
        "image,name,count,suv_factor,suv_max\n"
        f"{shared_data / 'dicom' / 'CCTH-A01'},series,1,,\n"
        f"{shared_data / 'sts' / 'STS_005_image.nii.gz'},,2,1,8\n"
    )
    out = tmp_path / "out"
    assert main(["synthesize", str(tmp_path / "m.csv"), "--output", str(out), "--steps", "2", "--device", "cpu"]) == 0
    assert [record["name"] for record in table(out)] == ["series", "STS_005", "STS_005"]
    hot = table(out)[2]  # a large tumor; the gain of the small tumor is limited, with a warning
    assert float(hot["suv_max"]) == pytest.approx(8, rel=0.05) or "SUVmax" in hot["warnings"]
    assert [case.name for case in load_cases(out)] == ["STS_005_0", "STS_005_1", "series_0"]
    # The series is in Bq/mL; the other file has the same scan in SUV.
    suv = voxels(shared_data / "whole_body" / "CCTH-A01_image.nii.gz")
    image = sitk.ReadImage(str(out / "series_0_image.nii.gz"))
    (box,) = boxes_of(table(out)[0])
    outside = ~inside(box, image)
    np.testing.assert_allclose(sitk.GetArrayFromImage(image)[outside], suv[outside], rtol=1e-3, atol=1e-3)
