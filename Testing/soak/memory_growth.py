"""Inserts hundreds of tumors in one process and measures how its memory grows."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

__all__ = ["MOST_GROWTH_MIB", "growth", "memory_of_insertions"]

#: Most growth from the 51st insertion to the last one, MiB. A leaked volume would be 1 MiB at each insertion.
MOST_GROWTH_MIB = 30.0
#: Insertions at the start, in which libraries fill their caches.
WARM_UP = 50


def resident_mib() -> float:
    """Memory of this process, MiB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def memory_of_insertions(bundle: str | Path, count: int) -> list[float]:
    """Returns the memory of this process after each of ``count`` insertions in one volume, MiB."""
    from TumorGenCore import Box, TumorGenerator, TumorRequest

    generator = TumorGenerator.from_pretrained(bundle, device="cpu")
    rng = np.random.default_rng(0)
    image = sitk.GetImageFromArray(rng.gamma(4.0, 0.25, (64, 64, 64)).astype(np.float32))
    image.SetSpacing((4.0, 4.0, 4.0))
    memory = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for seed in range(count):
            box = Box(tuple(rng.uniform(60, 190, 3)), tuple(rng.uniform(20, 35, 3)))
            tumor = generator.insert(image, box, TumorRequest(), seed=seed, suv_factor=1.0)
            assert tumor.image and tumor.mask and tumor.provenance and tumor.quality
            memory.append(resident_mib())
    return memory


def growth(memory: Sequence[float]) -> float:
    """Returns the growth from the end of the warm-up to the end, MiB, by a line through all values."""
    late = np.asarray(memory[WARM_UP:])
    slope = np.polyfit(np.arange(len(late)), late, 1)[0]
    return float(slope * (len(late) - 1))


if __name__ == "__main__":
    for mib in memory_of_insertions(sys.argv[1], int(sys.argv[2])):
        print(mib)
