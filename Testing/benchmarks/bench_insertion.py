"""Measures time, work and memory of an insertion, and the time of MAISI beside it: `make bench`.

The report gives medians and spreads, and GFLOP as PyTorch counts them. It compares the throughput with the best
convolution of this machine in the same run and precision, so that figures of different machines can be compared; times
of one machine say little about another. Writes bench.md and bench.png.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import torch
from bench_report import markdown, plot
from cold_process import in_a_process
from insertions import (
    PATCHES,
    file_rows,
    patch_rows,
    precision_rows,
    step_rows,
    variant_rows,
    whole_body,
    whole_body_rows,
)
from measuring import Row, best_convolution, row_of
from peers import peer_rows, remark
from targets import targets

from TumorGenCore import TumorGenerator
from TumorGenCore.bundle.model_bundle import DEFAULT_BUNDLE
from TumorGenCore.method.devices import autocast, low_precision, pick_device

QUICK_PATCHES = ("32x32x32", "64x64x64")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=DEFAULT_BUNDLE)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", type=Path, default=Path("bench-output"))
    parser.add_argument("--quick", action="store_true", help="measure only small patches, twice")
    options = parser.parse_args()
    options.repeats = 2 if options.quick else options.repeats
    options.output.mkdir(parents=True, exist_ok=True)
    device = pick_device(options.device)
    best, best_float32 = best_convolution(device, autocast(device)), best_convolution(device, nullcontext())
    rows: list[Row] = []
    peaks_gb: dict[str, float] = {}
    for row in _all_rows(options, best, best_float32, peaks_gb):
        rows.append(row)
        print(f"{row.section}: {row.name} {1000 * row.seconds:.0f} ms", flush=True)
    head = [
        f"{torch.get_num_threads()} threads, {device}, PyTorch {torch.__version__}, model {Path(options.model).name}",
        f"own precision: {str(low_precision(device) or 'float32').removeprefix('torch.')}",
        f"best convolution: {best:.0f} GFLOP/s in this precision, {best_float32:.0f} in float32",
        *(f"peak memory of a process inserting in a {size} patch: {peak:.2f} GB" for size, peak in peaks_gb.items()),
        *remark(rows),
    ]
    text = markdown(head, rows, list(targets(rows, peaks_gb)))
    (options.output / "bench.md").write_text(text)
    plot(rows, options.output / "bench.png")
    print(f"\n{text}\n{options.output / 'bench.md'}, {options.output / 'bench.png'}")


def _all_rows(
    options: argparse.Namespace, best: float, best_float32: float, peaks_gb: dict[str, float]
) -> Iterator[Row]:
    quick, repeats, few = options.quick, options.repeats, min(options.repeats, 2)
    patches = {name: size for name, size in PATCHES.items() if not quick or name in QUICK_PATCHES}
    yield from _cold_rows(options, list(patches)[1:], peaks_gb)
    generator = TumorGenerator.from_pretrained(options.model, options.device)
    volume = whole_body()
    for name, size in patches.items():
        yield from patch_rows(generator, volume, name, size, best, repeats)
    yield from step_rows(generator, volume, repeats)
    for name in QUICK_PATCHES:
        yield from variant_rows(generator, volume, name, (2,) if quick else (3, 8), few)
    for name in ["64x64x64"] if quick else ["64x64x64", "96x96x96"]:
        yield from precision_rows(generator, volume, name, repeats)
    for name in QUICK_PATCHES:
        yield from whole_body_rows(generator, volume, name, 2 * repeats)
    yield from file_rows(generator, volume, 1)
    # MAISI's authors run it in another way on a graphics card.
    if generator.device.type == "cpu":
        yield from peer_rows(generator, volume, few, best_float32)


def _cold_rows(options: argparse.Namespace, patches: list[str], peaks_gb: dict[str, float]) -> Iterator[Row]:
    """Lines of new processes; writes the most memory of any of them into ``peaks_gb``."""
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
