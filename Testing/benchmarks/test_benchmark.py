"""Tests that the benchmark has a line for each part, counts work exactly and judges targets correctly."""

from __future__ import annotations

import copy
import json
from contextlib import nullcontext
from pathlib import Path

import compare_reports
import insertions
import measuring
import peers
import pytest
import SimpleITK as sitk
import torch
from bench_report import markdown, plot
from cold_process import in_a_process
from measuring import Row, count_gflop, in_turn, row_of
from targets import Target, targets
from torch import nn

from TumorGenCore import TumorGenerator
from TumorGenCore.evaluation.sites import GROUPS
from TumorGenCore.insertion import engine
from TumorGenCore.method.cpu.onednn import use_onednn
from TumorGenCore.volumes.geometry import Grid


@pytest.fixture(scope="module")
def generator(tiny_bundle_folder: Path) -> TumorGenerator:
    return TumorGenerator.from_pretrained(tiny_bundle_folder, device="cpu")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(insertions, "WHOLE_BODY", Grid((48, 40, 56), (4.0, 4.0, 3.0)))
    monkeypatch.setattr(insertions, "PATCHES", {"32x32x32": (24,) * 3, "64x64x64": (32, 24, 24)})


def names(rows: list[Row]) -> list[str]:
    assert all(row.seconds > 0 and row.spread >= 0 for row in rows)
    return [row.name for row in rows]


def test_a_patch_has_a_line_for_the_whole_and_each_part(generator: TumorGenerator) -> None:
    volume = insertions.whole_body()
    rows = list(insertions.patch_rows(generator, volume, "32x32x32", (32,) * 3, 100.0, 2))
    assert names(rows) == ["32x32x32", *insertions.PARTS, *insertions.ON_WHOLE_GRID, "32x32x32"]
    assert rows[-1].section == insertions.WHOLE_ADAMS
    by_name = {row.name: row for row in rows[:-1]}
    networks = ("encode", "decode original", "steps", "decode", "refine")
    assert by_name["32x32x32"].gflop == pytest.approx(sum(by_name[part].gflop or 0 for part in networks))
    assert by_name["each step"].gflop == pytest.approx((by_name["steps"].gflop or 0) / 10)
    assert by_name["steps"].share == pytest.approx((by_name["steps"].gflop or 0) / by_name["steps"].seconds / 100)
    assert by_name["paste"].gflop is None and by_name["paste"].share is None


@pytest.mark.filterwarnings("ignore:The values do not look like SUV")  # Values of untrained networks are arbitrary.
@pytest.mark.slow
def test_every_other_kind_of_request_has_its_lines(generator: TumorGenerator) -> None:
    volume = insertions.whole_body()
    steps = [*(f"{n} steps" for n in (1, 4, 10, 50)), "4 steps, Adams"]
    assert names(list(insertions.step_rows(generator, volume, 1))) == steps
    variants = names(list(insertions.variant_rows(generator, volume, "32x32x32", (2,), 1)))
    assert variants == ["2 at once", "2 one by one", "2 each from the start"]
    files = names(list(insertions.file_rows(generator, volume, 1)))
    assert {"write image .nii.gz", "read .nii.gz", "write mask .seg.nrrd"} <= set(files)
    both = list(insertions.whole_body_rows(generator, volume, "32x32x32", 1))
    assert names(both)[::2] == ["whole body, image and mask", "crop, image and mask"]
    (ratio,) = targets(both, {})
    assert ratio.value == both[0].seconds / both[2].seconds and ratio.must == 1.3


@pytest.mark.usefixtures("onednn_bfloat16")
def test_lines_name_their_threads_and_precision(generator: TumorGenerator, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, bool]] = []
    vae = generator.bundle.vae
    monkeypatch.setattr(insertions, "low_precision", lambda _: torch.bfloat16)
    monkeypatch.setattr("TumorGenCore.insertion.engine.autocast", lambda _: torch.autocast("cpu", torch.bfloat16))
    before = torch.get_num_threads()
    encode = vae.encode
    monkeypatch.setattr(
        vae,
        "encode",
        lambda x: seen.append((torch.get_num_threads(), torch.is_autocast_enabled("cpu"))) or encode(x),
        raising=False,
    )
    torch.set_num_threads(2)
    try:
        rows = list(insertions.precision_rows(generator, insertions.whole_body(), "32x32x32", 1))
    finally:
        torch.set_num_threads(before)
    assert names(rows) == [f"{n} threads, {p}" for n in (1, 2) for p in ("bfloat16", "float32")]
    assert list(dict.fromkeys(seen)) == [(1, True), (1, False), (2, True), (2, False)]


def test_work_is_counted_exactly_and_without_computing() -> None:
    layer = nn.Sequential(nn.Conv3d(3, 5, 3, padding=1), nn.Conv3d(5, 2, 1))
    x = torch.zeros(1, 3, 4, 6, 8, device="meta")
    exact = 2 * 4 * 6 * 8 * (27 * 3 * 5 + 5 * 2) / 1e9
    for network in (layer, use_onednn(copy.deepcopy(layer))):
        on_meta = network.to("meta")
        assert count_gflop(lambda n=on_meta: n(x)) == pytest.approx(exact)


def test_works_take_turns_and_the_first_round_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    works = {name: lambda n=name: done.append(n) for name in ("a", "b")}
    times = in_turn(works, 2)
    assert done == ["a", "b"] * 3 and [len(t) for t in times.values()] == [2, 2]
    done.clear()
    monkeypatch.setattr(measuring, "LONG_SECONDS", 1e-9)
    times = in_turn(works, 2)
    assert done == ["a", "b"] and [len(t) for t in times.values()] == [1, 1]


def test_a_line_is_the_median_with_its_spread() -> None:
    row = row_of("s", "n", [3.0, 1.0, 2.0], gflop=10.0, best=20.0)
    assert (row.seconds, row.spread, row.share) == (2.0, 2.0, 0.25)


@pytest.mark.parametrize(
    ("value", "at_most", "verdict"),
    [(0.4, True, "aim"), (0.5, True, "aim"), (0.9, True, "must"), (1.1, True, "missed"), (0.4, False, "missed")],
)
def test_a_target_names_the_limit_that_the_figure_reaches(value: float, at_most: bool, verdict: str) -> None:
    assert Target("what", value, 1.0, 0.5, at_most).verdict == verdict


def test_only_measured_figures_have_a_target() -> None:
    rows = [Row("whole insertion, 10 steps", "96x96x96", 0.8, 0.1, 300.0, 0.5), Row("other", "96x96x96", 1.0, 0.0)]
    found = {target.what: (target.value, target.verdict) for target in targets(rows, {"96x96x96": 1.2})}
    assert found == {
        "whole insertion, 96x96x96": (0.8, "must"),
        "share of the machine's best convolution, 96x96x96": (0.5, "must"),
        "peak memory of a process, 96x96x96": (1.2, "must"),
    }


@pytest.mark.slow
def test_maisi_makes_a_volume_of_the_size_of_the_patch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "SIZE", (32, 32, 64))
    monkeypatch.setattr(peers, "MAISI_STEPS", 2)
    assert peers.maisi(torch.device("meta"))().shape == (1, 1, *peers.SIZE)


def test_maisi_takes_turns_with_both_precisions_of_tumorgen(
    generator: TumorGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def maisi(device: torch.device) -> measuring.Work:
        network, x = nn.Conv3d(1, 4, 3).to(device), torch.zeros(1, 1, 8, 8, 8, device=device)
        return lambda: done.append(device.type) or network(x)

    monkeypatch.setattr(insertions, "low_precision", lambda _: torch.bfloat16)
    monkeypatch.setattr("TumorGenCore.insertion.engine.autocast", lambda _: done.append("own") or nullcontext())
    monkeypatch.setattr(peers, "inserted", lambda *_: engine.autocast(generator.device) and done.append("inserted"))
    monkeypatch.setattr(peers, "SIZE", (32,) * 3)
    monkeypatch.setattr(peers, "maisi", maisi)
    rows = list(peers.peer_rows(generator, insertions.whole_body(), 1, 100.0))
    assert names(rows) == ["TumorGen, 10 steps, bfloat16", "TumorGen, 10 steps, float32", peers.MAISI]
    assert done == ["meta", *["own", "inserted", "inserted", "cpu"] * 2]
    assert rows[2].gflop == pytest.approx(2 * 27 * 4 * 6**3 / 1e9) and rows[2].share and not rows[0].gflop


def test_the_remark_has_the_ratios_to_maisi_and_says_that_it_does_another_job() -> None:
    seconds = {"TumorGen, a": 1.0, "TumorGen, b": 2.0, peers.MAISI: 8.0}
    rows = [Row(peers.SECTION, name, median, 0.0) for name, median in seconds.items()]
    (remark,) = peers.remark([*rows, Row("other", "TumorGen, c", 1.0, 0.0)])
    assert "takes 8.0 times as long as TumorGen, a and 4.0 times as long as TumorGen, b." in remark
    assert "whole volume" in remark and list(peers.remark(rows[:2])) == []


def test_the_report_has_targets_and_every_line_and_the_plot_is_a_picture(tmp_path: Path) -> None:
    rows = [Row("whole", "64x64x64", 0.2, 0.01, 88.0, 0.4), Row("parts of 64x64x64", "paste", 0.0123, 0.001)]
    text = markdown(["2 threads"], rows, [Target("whole", 0.2, 0.4, 0.2, shown="{:.2f} s")])
    assert "| whole | 0.20 s | <= 0.40 s | 0.20 s | aim |" in text
    assert "| 64x64x64 | 200 | 10 | 88.0 | 40 % |" in text
    assert "| paste | 12.3 | 1.0 |  |  |" in text
    plot(rows, tmp_path / "bench.png")
    assert (tmp_path / "bench.png").read_bytes().startswith(b"\x89PNG")


def test_the_whole_body_has_a_body_and_air() -> None:
    volume = insertions.whole_body()
    assert volume.units.suv_factor == 1
    suv = sitk.GetArrayViewFromImage(volume.image)
    assert suv[:, 20, 24].mean() == pytest.approx(1, abs=0.3) and not suv[:, 0, 0].any()


@pytest.mark.slow
def test_a_new_process_reports_its_times_and_its_memory(tiny_bundle_folder: Path) -> None:
    figures = in_a_process(str(tiny_bundle_folder), "cpu", "32x32x32")
    assert min(figures[name] for name in ("load", "first", "second")) > 0
    assert 0.1 < figures["peak_gb"] < 4


def test_the_second_report_is_compared_with_the_intervals_of_the_first(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def report(uptake: float) -> str:
        row = dict.fromkeys(compare_reports.FIGURES, None)
        sites = {
            f"P{n} {g}": {**row, "patient": f"P{n}", "group": g, "uptake_dice": uptake + 0.01 * n}
            for n in range(6)
            for g in GROUPS
        }
        frechet = {"radiomics": {"value": 0.4, "value_interval": [0.3, 0.5]}, "efflite0": {"left_out": "no weights"}}
        realism = {"frechet": frechet, "alignment": {"left_out": "no segmenter"}}
        return json.dumps({"sites": sites, "seeds": [0], "realism": realism})

    paths = [str(tmp_path / name) for name in ("a.json", "b.json", "c.json")]
    for path, uptake in zip(paths, (0.7, 0.705, 0.8), strict=True):
        Path(path).write_text(report(uptake))
    for other, verdict in ((paths[1], "yes"), (paths[2], "no")):
        monkeypatch.setattr("sys.argv", ["compare_reports.py", paths[0], other])
        compare_reports.main()
        lines = capsys.readouterr().out.splitlines()[2:]
        assert [line.split(" | ")[0].strip("| ") for line in lines] == [
            *(f"uptake_dice, {group} sites" for group in GROUPS),
            "Frechet distance, radiomics",
        ]
        assert all(line.endswith(f"{verdict} |") for line in lines[:3])
        assert lines[0].startswith("| uptake_dice, tumor sites | 0.725 | 0.71")
        assert lines[3].endswith("yes |")
