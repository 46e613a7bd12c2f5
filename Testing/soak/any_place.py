"""Inserts a tumor in a random volume and box, and says what did not hold. Uses no formula of the code under test."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from oracles import depth_inside, random_box, random_image, voxel_centers

from TumorGenCore import Box, TumorGenerator, TumorRequest
from TumorGenCore.insertion.tumor import Tumor

__all__ = ["random_place", "try_places", "what_failed"]

#: Pixel type of the volume, and a factor that makes its values about SUV 0 to 5.
_TYPES: list[tuple[type, float]] = [
    (np.float32, 1.0),
    (np.float64, 1.0),
    (np.float32, 2.5e-4),
    (np.int16, 1e-3),
    (np.uint16, 1e-3),
    (np.int32, 1e-3),
]
_PARTS = ("image", "mask", "mask_probability")

_generator: TumorGenerator | None = None


def random_place(case: int) -> tuple[sitk.Image, Box, TumorRequest, float]:
    """Returns volume, box, request and SUV factor of a case. Near the edges, the box reaches past the volume."""
    rng = np.random.default_rng([9, case])
    dtype, factor = _TYPES[int(rng.integers(len(_TYPES)))]
    i, j, k = (int(n) for n in rng.integers(3, 14, 3))
    image = random_image(rng, (i, j, k), dtype)
    image.SetSpacing(rng.uniform(0.8, 8.0, 3).tolist())
    if factor == 2.5e-4:
        image = image * 4000.0  # Bq/mL
    if dtype is np.int16:
        image = image - 200  # some reconstructions have negative voxels
    voxel = voxel_centers(image)[tuple(rng.integers(0, (k, j, i)))]
    box = random_box(rng, voxel, least_mm=11, most_mm=70)
    request = TumorRequest(steps=1, suv_max=float(rng.uniform(2, 20)) if rng.random() < 0.3 else None)
    return image, box, request, factor


def what_failed(generator: TumorGenerator, case: int) -> tuple[list[str], bool]:
    """Returns what did not hold in a case, and whether the tumor changed a voxel.

    Every fourth volume is also given with its axes in another order and sense.
    """
    image, box, request, factor = random_place(case)
    before = _bits(image)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tumor = generator.insert(image, box, request, seed=case, suv_factor=factor)
            wrong = _wrong_values(image, box, tumor)
            if case % 4 == 0:
                rng = np.random.default_rng([10, case])
                turn = (rng.permutation(3).tolist(), rng.integers(0, 2, 3).astype(bool).tolist())
                other = generator.insert(_turned(image, *turn), box, request, seed=case, suv_factor=factor)
                wrong += [
                    f"{part} differs if the axes have another order"
                    for part in _PARTS
                    if not np.array_equal(_bits(_turned(getattr(tumor, part), *turn)), _bits(getattr(other, part)))
                ]
        except Exception as error:  # named errors are faults too, and the next case must go on
            return [f"{type(error).__name__}: {error}"], False
    if not np.array_equal(_bits(image), before):
        wrong.append("the input was changed")
    return wrong, not np.array_equal(_bits(tumor.image), before)


def try_places(bundle: Path, cases: Sequence[int], workers: int = 2) -> dict:
    """Tries cases in several processes; returns the counts and each fault by its case."""
    faults: dict[str, list[str]] = {}
    count: Counter[str] = Counter()
    with ProcessPoolExecutor(workers, get_context("spawn"), _start, (bundle,)) as pool:
        for case, (wrong, changed) in zip(cases, pool.map(_try, cases, chunksize=8), strict=True):
            count["changed"] += changed
            if wrong:
                faults[str(case)] = wrong
    return {"cases": len(cases), "with a change": count["changed"], "faults": faults}


def _start(bundle: Path) -> None:
    import torch

    global _generator
    torch.set_num_threads(1)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    _generator = TumorGenerator.from_pretrained(bundle, device="cpu")


def _try(case: int) -> tuple[list[str], bool]:
    assert _generator is not None
    return what_failed(_generator, case)


def _wrong_values(image: sitk.Image, box: Box, tumor: Tumor) -> list[str]:
    outside = depth_inside(voxel_centers(image), box) < -1e-6
    wrong = []
    if not np.array_equal(_bits(tumor.image)[outside], _bits(image)[outside]):
        wrong.append("a voxel outside the box changed")
    for part in _PARTS:
        made = getattr(tumor, part)
        if not np.isfinite(sitk.GetArrayViewFromImage(made)).all():
            wrong.append(f"{part} is not finite")
        if any(
            getattr(made, get)() != getattr(image, get)()
            for get in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection")
        ):
            wrong.append(f"{part} has another grid")
        if part != "image" and sitk.GetArrayViewFromImage(made)[outside].any():
            wrong.append(f"{part} marks a voxel outside the box")
    if tumor.image.GetPixelID() != image.GetPixelID():
        wrong.append("the pixel type changed")
    return wrong


def _turned(image: sitk.Image, order: list[int], flips: list[bool]) -> sitk.Image:
    """The same voxels in the same places, with other axes."""
    return sitk.Flip(sitk.PermuteAxes(image, order), flips)


def _bits(image: sitk.Image) -> NDArray:
    values = sitk.GetArrayFromImage(image)
    return values.view(f"u{values.dtype.itemsize}")
