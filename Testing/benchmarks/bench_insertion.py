"""Time, work and memory of an insertion: `python Testing/benchmarks/bench_insertion.py [--model DIR] [--repeats N]`.

Prints medians; GFLOP as counted by PyTorch; and each part's share of the best convolution throughput that this machine
reaches in the same run, so that figures from different machines can be compared. Times of one machine say little about
another.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import SimpleITK as sitk
import torch
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

from TumorGenCore import Box, TumorGenerator
from TumorGenCore.devices import autocast, computes_bfloat16, pick_device
from TumorGenCore.generator import PreparedBox
from TumorGenCore.geometry import Grid
from TumorGenCore.model_bundle import DEFAULT_BUNDLE

WHOLE_BODY = Grid((168, 168, 545), (3.39, 3.39, 2.03))
PATCHES = {"64x64x64": (64, 64, 64), "96x96x96": (96, 96, 96), "128x128x64": (128, 128, 64)}
PARTS = ("check", "sample", "encode", "decode original", "steps", "decode", "refine", "paste")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=DEFAULT_BUNDLE)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--memory-only", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    generator = TumorGenerator.from_pretrained(options.model, options.device)
    volume = _volume()
    if options.memory_only:
        generator.insert(volume, _box_for(generator, PATCHES["96x96x96"]), suv_factor=1)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2)
        return
    device = pick_device(options.device)
    precision = "bfloat16" if computes_bfloat16(device) else "float32"
    print(f"{torch.get_num_threads()} threads, {device}, {precision}, PyTorch {torch.__version__}")
    best = best_convolution(device)
    print(f"Best convolution throughput: {best:.0f} GFLOP/s\n")
    for name, size in PATCHES.items():
        _report_patch(generator, volume, name, size, best, options.repeats)
    _report_whole_body(generator, volume, options.repeats)
    peak = subprocess.run(
        [sys.executable, __file__, "--memory-only", "--model", str(options.model), "--device", options.device],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    print(f"Peak memory of a process that inserts in a 96x96x96 patch: {float(peak.stdout.split()[-1]):.2f} GB")


def best_convolution(device: torch.device) -> float:
    """The highest GFLOP/s among 3x3x3 convolutions of this family's sizes."""
    found = 0.0
    with torch.inference_mode(), autocast(device):
        for channels, edge in ((32, 48), (64, 24), (64, 32), (128, 24)):
            layer = torch.nn.Conv3d(channels, channels, 3, padding=1).to(device, memory_format=torch.channels_last_3d)
            x = torch.randn(1, channels, edge, edge, edge, device=device)
            x = x.to(memory_format=torch.channels_last_3d)
            seconds = _median(lambda layer=layer, x=x: layer(x), 5)
            found = max(found, 2 * 27 * channels**2 * edge**3 / seconds / 1e9)
    return found


def _report_patch(
    generator: TumorGenerator, volume: sitk.Image, name: str, size: tuple[int, int, int], best: float, repeats: int
) -> None:
    box = _box_for(generator, size)
    generator.insert(volume, box, suv_factor=1)
    results, whole = [], []
    for seed in range(repeats):
        start = time.perf_counter()
        results.append(generator.insert(volume, box, seed=seed, suv_factor=1).seconds)
        whole.append(time.perf_counter() - start)
    prepared = generator.prepare(volume, box, suv_factor=1)
    prepared_only = _median(lambda: generator.generate(prepared, seed=1), repeats)
    work = _gflop(generator, prepared)
    total = statistics.median(whole)
    print(f"Working patch {name}: {1000 * total:.0f} ms end to end, spread {1000 * (max(whole) - min(whole)):.0f} ms")
    print(f"  each further variant of the same box: {1000 * prepared_only:.0f} ms")
    print(f"  {'part':<16}{'ms':>8}{'share':>8}{'GFLOP':>8}{'of best':>9}")
    for part in PARTS:
        seconds = statistics.median(r[part] for r in results)
        gflop = work.get(part)
        efficiency = f"{gflop:8.1f}{100 * gflop / seconds / best:8.0f}%" if gflop else ""
        print(f"  {part:<16}{1000 * seconds:8.0f}{100 * seconds / total:7.0f}%{efficiency}")
    all_work = sum(work.values())
    print(f"  {'all':<16}{1000 * total:8.0f}{100:7.0f}%{all_work:8.1f}{100 * all_work / total / best:8.0f}%\n")


def _report_whole_body(generator: TumorGenerator, volume: sitk.Image, repeats: int) -> None:
    box = Box(_center(), (40.0, 40.0, 40.0))
    start, stop = box.index_bounds(Grid.from_image(volume), margin_voxels=20)
    crop = sitk.RegionOfInterest(volume, (stop - start).tolist(), start.tolist())
    times: dict[str, list[float]] = {"whole": [], "crop": []}
    for image in (volume, crop):
        generator.insert(image, box, suv_factor=1)
    for seed in range(repeats):
        for name, image in (("whole", volume), ("crop", crop)):
            begin = time.perf_counter()
            generator.insert(image, box, seed=seed, suv_factor=1)
            times[name].append(time.perf_counter() - begin)
    whole, part = statistics.median(times["whole"]), statistics.median(times["crop"])
    print(
        f"40 mm box: whole body {'x'.join(map(str, WHOLE_BODY.size_ijk))} {1000 * whole:.0f} ms, "
        f"crop {1000 * part:.0f} ms, ratio {whole / part:.2f}"
    )


def _gflop(generator: TumorGenerator, prepared: PreparedBox) -> dict[str, float]:
    """Counted work of each part that computes with networks."""
    bundle, z = generator.bundle, prepared.z_1
    edge = bundle.vae.factor
    patch = torch.zeros(1, 1, *(edge * n for n in z.shape[2:]), device=z.device)
    x = torch.cat([z, z[:, :1]], dim=1)
    t = torch.zeros(1, device=z.device)
    with torch.inference_mode():
        features = bundle.vae.decode_with_features(z)[1]
        decode = _count(lambda: bundle.vae.decode(z))
        return {
            "encode": 2 * _count(lambda: bundle.vae.encode(patch)),
            "decode original": decode,
            "steps": 10 * _count(lambda: bundle.vector_field(x, z, prepared.box_latent, t)),
            "decode": decode,
            "refine": _count(lambda: bundle.mask_refiner(z[:, :1], features)),
        }


def _onednn_flop(x: list, weight: list, *_settings: object, out_shape: list, **_: object) -> int:
    """PyTorch's counter does not know this operator by itself."""
    return conv_flop_count(x, weight, out_shape)


_ONEDNN = {torch.ops.aten.mkldnn_convolution: _onednn_flop}


def _count(work: Callable[[], object]) -> float:
    with FlopCounterMode(display=False, custom_mapping=_ONEDNN) as counter:
        work()
    return counter.get_total_flops() / 1e9


def _median(work: Callable[[], object], repeats: int) -> float:
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def _box_for(generator: TumorGenerator, size: tuple[int, int, int]) -> Box:
    """The largest box whose working patch has the given size."""
    patch = generator.bundle.patch
    i, j, k = (n * patch.spacing_mm - 2 * patch.context_mm for n in size)
    return Box(_center(), (i, j, k))


def _center() -> tuple[float, float, float]:
    x, y, z = WHOLE_BODY.index_to_lps(np.asarray(WHOLE_BODY.size_ijk) / 2)
    return (float(x), float(y), float(z))


def _volume() -> sitk.Image:
    noise = np.random.default_rng(0).gamma(4.0, 0.25, WHOLE_BODY.size_ijk[::-1])
    return WHOLE_BODY.image_from_array(noise.astype(np.float32))


if __name__ == "__main__":
    main()
