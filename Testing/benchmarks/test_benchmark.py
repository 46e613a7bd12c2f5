"""The benchmark measures what it says: each part has its line, work is counted exactly, targets are judged rightly."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import compare_reports
import insertions
import measuring
import pytest
import SimpleITK as sitk
import torch
from bench_report import markdown, plot
from cold_process import in_a_process
from measuring import Row, count_gflop, in_turn, row_of
from peers import OUR_WAYS, PEERS, QUICK_PEERS, Peer, beside, peer_rows
from targets import Target, targets
from torch import nn

from TumorGenCore import TumorGenerator
from TumorGenCore.evaluation.sites import GROUPS
from TumorGenCore.method.cpu.onednn import use_onednn
from TumorGenCore.volumes.geometry import Grid


@pytest.fixture(scope="module")
def generator(tiny_bundle_folder: Path) -> TumorGenerator:
    return TumorGenerator.from_pretrained(tiny_bundle_folder, device="cpu")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(insertions, "WHOLE_BODY", Grid((48, 40, 56), (4.0, 4.0, 3.0)))
    monkeypatch.setattr(insertions, "PATCHES", {"32x32x32": (32,) * 3, "64x64x64": (48, 32, 32)})


def names(rows: list[Row]) -> list[str]:
    assert all(row.seconds > 0 and row.spread >= 0 for row in rows)
    return [row.name for row in rows]


def test_a_patch_has_a_line_for_the_whole_and_each_part(generator: TumorGenerator) -> None:
    volume = insertions.whole_body()
    rows = list(insertions.patch_rows(generator, volume, "32x32x32", (32,) * 3, 100.0, 2))
    assert names(rows) == ["32x32x32", *insertions.PARTS, *insertions.ON_WHOLE_GRID]
    by_name = {row.name: row for row in rows}
    networks = ("encode", "decode original", "steps", "decode", "refine")
    assert by_name["32x32x32"].gflop == pytest.approx(sum(by_name[part].gflop or 0 for part in networks))
    assert by_name["each step"].gflop == pytest.approx((by_name["steps"].gflop or 0) / 10)
    assert by_name["steps"].share == pytest.approx((by_name["steps"].gflop or 0) / by_name["steps"].seconds / 100)
    assert by_name["paste"].gflop is None and by_name["paste"].share is None


@pytest.mark.filterwarnings("ignore:The values do not look like SUV")  # Untrained networks make what they will.
@pytest.mark.slow
def test_every_other_way_to_ask_has_its_lines(generator: TumorGenerator) -> None:
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
def test_precisions_and_threads_are_what_their_lines_say(
    generator: TumorGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, bool]] = []
    vae = generator.bundle.vae
    monkeypatch.setattr("insertions.low_precision", lambda _: torch.bfloat16)
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


def test_works_are_timed_in_turn_and_the_first_round_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_a_target_says_what_was_reached(value: float, at_most: bool, verdict: str) -> None:
    assert Target("what", value, 1.0, 0.5, at_most).verdict == verdict


def test_peers_are_held_against_the_insertion_timed_beside_them() -> None:
    name = QUICK_PEERS[0]
    ten, four = (beside(name, way) for way in OUR_WAYS)
    rows = [Row("peers, float32", line, seconds, 0.0) for line, seconds in ((ten, 1.0), (four, 0.5), (name, 5.0))]
    rows += [Row("whole insertion, 10 steps", "96x96x96", 0.8, 0.1, 300.0, 0.5), Row("other", name, 1.0, 0.0)]
    found = {target.what: (target.value, target.verdict) for target in targets(rows, {"96x96x96": 1.2})}
    assert found == {
        "whole insertion, 96x96x96": (0.8, "must"),
        "share of the machine's best convolution, 96x96x96": (0.5, "must"),
        "peak memory of a process, 96x96x96": (1.2, "must"),
        f"peers, float32: {name}, over our 10 steps": (5.0, "missed"),
        f"peers, float32: {name}, over our 4 steps": (10.0, "must"),
    }


@pytest.mark.slow
def test_stand_ins_cost_what_the_published_systems_cost() -> None:
    with torch.inference_mode():
        counted = {name: count_gflop(peer.make(torch.device("meta"))[1]) for name, peer in PEERS.items()}
    published = dict(zip(PEERS, (424.0, 1042.0, 1649.0), strict=False))
    for name, gflop in published.items():
        assert counted[name] == pytest.approx(gflop, rel=0.06), name
    assert [peer.must for peer in PEERS.values()] == [8, 30, 12, 40]


def test_a_peer_runs_in_turn_with_ours_and_is_counted_beforehand(monkeypatch: pytest.MonkeyPatch) -> None:
    network = nn.Conv3d(1, 4, 3)
    x = torch.zeros(1, 1, 8, 8, 8)
    done: list[str] = []

    def make(device: torch.device):
        here = copy.deepcopy(network).to(device)
        return [here], lambda: done.append(device.type) or here(x.to(device))

    monkeypatch.setitem(PEERS, QUICK_PEERS[0], Peer(make, "96x96x96", must=8))
    ours = {("96x96x96", way): lambda steps=way[0]: done.append(str(steps)) for way in OUR_WAYS}
    rows = list(peer_rows(QUICK_PEERS, ours, torch.device("cpu"), 1, {"own": 1.0, "float32": 1.0}))
    assert names(rows) == [*(beside(QUICK_PEERS[0], way) for way in OUR_WAYS), QUICK_PEERS[0]] * 2
    assert done == ["meta", *["10", "4", "cpu"] * 4]
    assert rows[2].gflop == pytest.approx(2 * 27 * 4 * 6**3 / 1e9)


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
def test_a_new_process_tells_its_times_and_its_memory(tiny_bundle_folder: Path) -> None:
    figures = in_a_process(str(tiny_bundle_folder), "cpu", "32x32x32")
    assert figures["load"] > figures["first"] > 0 and figures["second"] > 0
    assert 0.1 < figures["peak_gb"] < 4


def test_two_reports_are_held_against_the_first_ones_interval(
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
