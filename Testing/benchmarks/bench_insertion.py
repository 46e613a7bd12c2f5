"""Time, work and memory of an insertion, beside stand-ins for published systems: `make bench`, or with --quick.

Medians and spreads; GFLOP as PyTorch counts them; and the share of the best convolution throughput that this machine
reaches in the same run and precision, so that figures of different machines can be compared. Times of one machine say
little about another. Writes bench.md and bench.png.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
import SimpleITK as sitk
import torch
from bench_report import markdown, plot
from measuring import Row, best_convolution, count_gflop, measure, row_of
from peers import peer_rows

from TumorGenCore import Box, TumorGenerator
from TumorGenCore.devices import computes_bfloat16, pick_device
from TumorGenCore.generator import InsertionResult, PreparedBox
from TumorGenCore.geometry import Grid
from TumorGenCore.model_bundle import DEFAULT_BUNDLE
from TumorGenCore.suv import PetUnits
from TumorGenCore.volume_io import PetVolume, read_volume, write_segmentation, write_volume

WHOLE_BODY = Grid((168, 168, 545), (3.39, 3.39, 2.03))
PATCHES = {"32x32x32": (32,) * 3, "64x64x64": (64,) * 3, "96x96x96": (96,) * 3, "128x128x64": (128, 128, 64)}
PARTS = ("check", "sample", "encode", "decode original", "steps", "decode", "refine", "paste")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=DEFAULT_BUNDLE)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", type=Path, default=Path("bench-output"))
    parser.add_argument("--quick", action="store_true", help="small patches and the cheapest peer only, two repeats")
    parser.add_argument("--one-process", choices=("cold", "memory"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one_process:
        _one_process(options)
        return
    options.repeats = 2 if options.quick else options.repeats
    options.output.mkdir(parents=True, exist_ok=True)
    device = pick_device(options.device)
    best = {precision: best_convolution(device, precision) for precision in ("own", "float32")}
    head = [
        f"{torch.get_num_threads()} threads, {device}, PyTorch {torch.__version__}",
        f"own precision: {'bfloat16' if computes_bfloat16(device) else 'float32'}",
        f"best convolution: {best['own']:.0f} GFLOP/s in it, {best['float32']:.0f} in float32",
    ]
    rows: list[Row] = []
    for row in _all_rows(options, device, best):
        rows.append(row)
        print(f"{row.section}: {row.name} {1000 * row.seconds:.0f} ms", flush=True)
    times = {row.name: row.seconds for row in rows if row.section == "whole body"}
    whole, crop = times["whole body, image and mask"], times["crop, image and mask"]
    tail = [
        f"Whole body over crop: {whole / crop:.2f}",
        f"Peak memory of a process that inserts in a 96x96x96 patch: {_in_a_process(options, 'memory')[0]:.2f} GB",
    ]
    (options.output / "bench.md").write_text(markdown(head, rows, tail))
    plot(rows, options.output / "bench.png")
    print("\n".join([*tail, f"{options.output / 'bench.md'}, {options.output / 'bench.png'}"]))


def _all_rows(options: argparse.Namespace, device: torch.device, best: dict[str, float]) -> Iterator[Row]:
    repeats, quick = options.repeats, options.quick
    generator = TumorGenerator.from_pretrained(options.model, options.device)
    volume = PetVolume(_volume(), PetUnits("SUV", 1.0, "given"))
    cold = [_in_a_process(options, "cold") for _ in range(1 if quick else 3)]
    yield row_of("cold process", "import and load the model", [times[0] for times in cold])
    yield row_of("cold process", "first insertion, 64x64x64", [times[1] for times in cold])
    for name, size in list(PATCHES.items())[: 2 if quick else None]:
        yield from _patch_rows(generator, volume, name, _box_for(generator, size), best["own"], repeats)
    box = _box_for(generator, PATCHES["64x64x64"])
    prepared = generator.prepare(volume, box)
    for steps in (1, 4, 10, 50):
        variant = partial(generator.generate, prepared, steps=steps)
        yield measure("64x64x64, further variant", f"{steps} steps", lambda make=variant: _made(make()), repeats)
    for count in (2,) if quick else (2, 8):
        yield measure(
            "64x64x64, variants", f"{count}", lambda n=count: _variants(generator, volume, box, n), max(1, repeats // 2)
        )
    for threads in (1, 2):
        with _threads(threads):
            for precision in ("own", "float32"):
                with _precision(precision):
                    yield measure(
                        "64x64x64, threads and precision",
                        f"{threads} threads, {precision}",
                        lambda: _made(generator.insert(volume, box)),
                        repeats,
                    )
    yield from _whole_body_rows(generator, volume, repeats)
    yield from _file_rows(volume, generator, repeats)
    yield from peer_rows(device, 1 if quick else min(repeats, 2), best, quick)


def _made(result: InsertionResult) -> InsertionResult:
    """Image and mask are what every caller takes; the mask is made when it is asked for."""
    assert result.image is not None and result.mask is not None
    return result


def _variants(generator: TumorGenerator, volume: PetVolume, box: Box, count: int) -> None:
    prepared = generator.prepare(volume, box)
    for seed in range(count):
        _made(generator.generate(prepared, seed=seed))


def _patch_rows(
    generator: TumorGenerator, volume: PetVolume, name: str, box: Box, best: float, repeats: int
) -> Iterator[Row]:
    work = _gflop(generator, generator.prepare(volume, box))
    parts: list[dict[str, float]] = []

    def insert() -> None:
        parts.append(_made(generator.insert(volume, box)).seconds)

    yield measure("whole insertion, 10 steps", name, insert, repeats, sum(work.values()), best)
    for part in PARTS:
        yield row_of(f"parts of {name}", part, [seconds[part] for seconds in parts[1:]], work.get(part), best)


def _whole_body_rows(generator: TumorGenerator, volume: PetVolume, repeats: int) -> Iterator[Row]:
    """Alternating, so that both see the same machine."""
    box = Box(_center(), (40.0, 40.0, 40.0))
    start, stop = box.index_bounds(Grid.from_image(volume.image), margin_voxels=20)
    crop = PetVolume(sitk.RegionOfInterest(volume.image, (stop - start).tolist(), start.tolist()), volume.units)
    volumes = {"whole body": volume, "crop": crop}
    times: dict[str, list[float]] = {}
    for turn in range(repeats + 1):
        for name, image in volumes.items():
            begin = time.perf_counter()
            result = _made(generator.insert(image, box, seed=turn))
            seen = time.perf_counter()
            result.provenance, result.mask_probability  # noqa: B018
            all_seen = time.perf_counter()
            if turn:
                times.setdefault(f"{name}, image and mask", []).append(seen - begin)
                times.setdefault(f"{name}, with soft mask and hash", []).append(all_seen - begin)
    for name, measured in times.items():
        yield row_of("whole body", name, measured)


def _file_rows(volume: PetVolume, generator: TumorGenerator, repeats: int) -> Iterator[Row]:
    result = generator.insert(volume, Box(_center(), (40.0, 40.0, 40.0)))
    with tempfile.TemporaryDirectory() as folder:
        for suffix in (".nrrd", ".nii.gz", ".mha"):
            path = Path(folder) / f"image{suffix}"
            yield measure(
                "files",
                f"write whole body {suffix}",
                lambda p=path: write_volume(result.image, p, result.provenance),
                1,
            )
            yield measure("files", f"read whole body {suffix}", lambda p=path: read_volume(p, 1.0), min(repeats, 2))
        mask = Path(folder) / "mask.seg.nrrd"
        yield measure("files", "write mask .seg.nrrd", lambda: write_segmentation(result.mask, mask), 1)


def _gflop(generator: TumorGenerator, prepared: PreparedBox) -> dict[str, float]:
    """Counted work of each part that computes with networks."""
    bundle, z = generator.bundle, prepared.z_1
    patch_voxels = torch.zeros(1, 1, *(bundle.vae.factor * n for n in z.shape[2:]), device=z.device)
    x = torch.cat([z, z[:, :1]], dim=1)
    t = torch.zeros(1, device=z.device)
    with torch.inference_mode():
        features = bundle.vae.decode_with_features(z)[1]
        decode = count_gflop(lambda: bundle.vae.decode(z))
        return {
            "encode": 2 * count_gflop(lambda: bundle.vae.encode(patch_voxels)),
            "decode original": decode,
            "steps": 10 * count_gflop(lambda: bundle.vector_field(x, z, prepared.box_latent, t)),
            "decode": decode,
            "refine": count_gflop(lambda: bundle.mask_refiner(z[:, :1], features)),
        }


def _in_a_process(options: argparse.Namespace, what: str) -> list[float]:
    arguments = ["--one-process", what, "--model", str(options.model), "--device", options.device]
    run = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True, check=True)
    return [float(number) for number in run.stdout.split()]


def _one_process(options: argparse.Namespace) -> None:
    start = time.perf_counter() - time.process_time()  # Importing, all of it on the processor, came before.
    generator = TumorGenerator.from_pretrained(options.model, options.device)
    loaded = time.perf_counter()
    size = PATCHES["96x96x96" if options.one_process == "memory" else "64x64x64"]
    volume = _volume()
    begin = time.perf_counter()
    _made(generator.insert(volume, _box_for(generator, size), suv_factor=1))
    if options.one_process == "memory":
        print(_peak_gb())
    else:
        print(loaded - start, time.perf_counter() - begin)


def _peak_gb() -> float:
    """Most memory this process held, GB. ``getrusage`` alone would count what its parent held when it was started."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return float(lines["VmHWM"].split()[0]) / 1024**2
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


def _precision(name: str) -> AbstractContextManager:
    """The generator takes the best precision by itself and has no switch for it."""
    if name == "own":
        return nullcontext()
    return patch("TumorGenCore.generator.autocast", lambda _: nullcontext())


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _box_for(generator: TumorGenerator, size: tuple[int, ...]) -> Box:
    """The largest box whose working patch has the given size."""
    settings = generator.bundle.patch
    i, j, k = (n * settings.spacing_mm - 2 * settings.context_mm for n in size)
    return Box(_center(), (i, j, k))


def _center() -> tuple[float, float, float]:
    x, y, z = WHOLE_BODY.index_to_lps(np.asarray(WHOLE_BODY.size_ijk) / 2)
    return (float(x), float(y), float(z))


def _volume() -> sitk.Image:
    noise = np.random.default_rng(0).gamma(4.0, 0.25, WHOLE_BODY.size_ijk[::-1])
    return WHOLE_BODY.image_from_array(noise.astype(np.float32))


if __name__ == "__main__":
    main()
