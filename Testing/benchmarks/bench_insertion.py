"""Time, work and memory of an insertion, beside stand-ins for published systems: `make bench`, or with --quick.

Medians and spreads; GFLOP as PyTorch counts them; and the share of the best convolution throughput that this machine
reaches in the same run and precision, so that figures of different machines can be compared. Times of one machine say
little about another. Writes bench.md and bench.png.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from bench_report import markdown, plot
from cold_process import in_a_process
from insertions import (
    PATCHES,
    box_for,
    file_rows,
    inserted,
    patch_rows,
    precision_rows,
    step_rows,
    variant_rows,
    whole_body,
    whole_body_rows,
)
from measuring import Row, best_convolution, row_of
from peers import OUR_WAYS, PEERS, QUICK_PEERS, peer_rows
from targets import targets

from TumorGenCore import TumorGenerator
from TumorGenCore.bundle.model_bundle import DEFAULT_BUNDLE
from TumorGenCore.method.devices import low_precision, pick_device

QUICK_PATCHES = ("32x32x32", "64x64x64")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=DEFAULT_BUNDLE)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", type=Path, default=Path("bench-output"))
    parser.add_argument("--quick", action="store_true", help="small patches and the cheapest peer only, two repeats")
    options = parser.parse_args()
    options.repeats = 2 if options.quick else options.repeats
    options.output.mkdir(parents=True, exist_ok=True)
    device = pick_device(options.device)
    best = {precision: best_convolution(device, precision) for precision in ("own", "float32")}
    rows: list[Row] = []
    peaks_gb: dict[str, float] = {}
    for row in _all_rows(options, device, best, peaks_gb):
        rows.append(row)
        print(f"{row.section}: {row.name} {1000 * row.seconds:.0f} ms", flush=True)
    head = [
        f"{torch.get_num_threads()} threads, {device}, PyTorch {torch.__version__}, model {Path(options.model).name}",
        f"own precision: {str(low_precision(device) or 'float32').removeprefix('torch.')}",
        f"best convolution: {best['own']:.0f} GFLOP/s in it, {best['float32']:.0f} in float32",
        *(f"peak memory of a process that inserts in a {size} patch: {peak:.2f} GB" for size, peak in peaks_gb.items()),
    ]
    text = markdown(head, rows, list(targets(rows, peaks_gb)))
    (options.output / "bench.md").write_text(text)
    plot(rows, options.output / "bench.png")
    print(f"\n{text}\n{options.output / 'bench.md'}, {options.output / 'bench.png'}")


def _all_rows(
    options: argparse.Namespace, device: torch.device, best: dict[str, float], peaks_gb: dict[str, float]
) -> Iterator[Row]:
    quick, repeats, few = options.quick, options.repeats, min(options.repeats, 2)
    patches = {name: size for name, size in PATCHES.items() if not quick or name in QUICK_PATCHES}
    yield from _cold_rows(options, list(patches)[1:], peaks_gb)
    generator = TumorGenerator.from_pretrained(options.model, options.device)
    volume = whole_body()
    for name, size in patches.items():
        yield from patch_rows(generator, volume, name, size, best["own"], repeats)
    yield from step_rows(generator, volume, repeats)
    for name in QUICK_PATCHES:
        yield from variant_rows(generator, volume, name, (2,) if quick else (3, 8), few)
    for name in ["64x64x64"] if quick else ["64x64x64", "96x96x96"]:
        yield from precision_rows(generator, volume, name, repeats)
    for name in QUICK_PATCHES:
        yield from whole_body_rows(generator, volume, name, 2 * repeats)
    yield from file_rows(generator, volume, 1)
    ours = {
        (name, way): partial(inserted, generator, volume, box_for(generator, size), *way)
        for name, size in PATCHES.items()
        for way in OUR_WAYS
    }
    yield from peer_rows(QUICK_PEERS if quick else list(PEERS), ours, device, few, best)


def _cold_rows(options: argparse.Namespace, patches: list[str], peaks_gb: dict[str, float]) -> Iterator[Row]:
    """Of new processes; the most memory of any of them goes into ``peaks_gb``."""
    loads: list[float] = []
    for name in patches:
        runs = [in_a_process(str(options.model), options.device, name) for _ in range(1 if options.quick else 2)]
        peaks_gb[name] = max(run["peak_gb"] for run in runs)
        loads += [run["load"] for run in runs]
        yield row_of("new process", f"first insertion, {name}", [run["first"] for run in runs])
        yield row_of("new process", f"second insertion, {name}", [run["second"] for run in runs])
    yield row_of("new process", "start, import, load the model", loads)


if __name__ == "__main__":
    main()
