"""Compares results of few steps with those of 50 steps from the same noise, for each solver and time grid.

    python Testing/benchmarks/bench_steps.py --data DATA

Uses the patients in the bundle's training data, so that you may choose a time grid by these figures. Then measure the
cost of your choice on unseen patients with `tumorgen evaluate --steps N`. The figures are medians over sites and seeds:
Dice of the mask with the mask of 50 steps, relative differences of volume and SUVmax, and contrast of the mask.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from TumorGenCore import TumorGenerator
from TumorGenCore.bundle.model_bundle import DEFAULT_BUNDLE
from TumorGenCore.evaluation.patients import load_training_cases
from TumorGenCore.evaluation.sites import Site, sites_of
from TumorGenCore.insertion.prepared import PreparedBox
from TumorGenCore.lesions.agreement import contrast, dice
from TumorGenCore.method.schedule import Sampling
from TumorGenCore.method.solver_names import Solver
from TumorGenCore.volumes.geometry import Grid

FINE = 50
#: Steps and solvers; Heun calls the network twice in each step except the last.
WAYS: tuple[tuple[int, Solver], ...] = (
    *((10, "euler"), (10, "adams"), (4, "euler"), (4, "adams"), (3, "heun")),
    *((3, "euler"), (3, "adams"), (2, "euler"), (2, "adams")),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default=DEFAULT_BUNDLE)
    parser.add_argument("--patients", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--shifts", type=float, nargs="+", default=[0.5, 0.7, 1.0, 1.5, 2.0, 3.0])
    options = parser.parse_args()
    generator = TumorGenerator.from_pretrained(options.model)
    cases = load_training_cases(generator.bundle, options.data)[: options.patients]
    boxes = [_prepared(generator, site) for case in cases for site in sites_of(case)]
    fine = list(_made(generator, boxes, options.seeds, Sampling(FINE)))
    print(f"{len(cases)} training patients, {len(boxes)} sites, {options.seeds} seeds; beside {FINE} Euler steps")
    print("| steps | solver | shift | Dice of the mask | volume | SUVmax | contrast |")
    print("| ---: | --- | ---: | --- | --- | --- | --- |")
    for steps, solver in WAYS:
        for shift in options.shifts if steps < 10 else [1.0]:
            coarse = _made(generator, boxes, options.seeds, Sampling(steps, solver, shift))
            figures = np.array([_beside(*both) for both in zip(coarse, fine, strict=True)])
            overlap, volume, hottest, contrasts = np.nanmedian(figures, axis=0)
            cells = f"{overlap:.3f} | {volume:+.1%} | {hottest:+.1%} | {contrasts:.3f}"
            print(f"| {steps} | {solver} | {shift} | {cells} |", flush=True)


def _prepared(generator: TumorGenerator, site: Site) -> tuple[PreparedBox, NDArray[np.bool_]]:
    """Returns the encoded box, and the mask of the voxels inside it."""
    return generator.prepare(site.image, site.box, suv_factor=1), site.box.mask(Grid.from_image(site.image))


def _made(generator: TumorGenerator, boxes: list, seeds: int, sampling: Sampling) -> Iterator[tuple]:
    """Yields uptake and mask inside the box, for each box and seed."""
    generator.bundle.sampling = sampling
    for prepared, inside in boxes:
        for result in generator.generate_many(prepared, seeds=range(seeds)):
            suv, mask = (sitk.GetArrayFromImage(image)[inside] for image in (result.image, result.mask))
            yield suv, mask > 0


def _beside(coarse: tuple, fine: tuple) -> tuple[float, float, float, float]:
    (suv, mask), (fine_suv, fine_mask) = coarse, fine
    if not (mask.any() and fine_mask.any()):
        return (float(mask.any() == fine_mask.any()), np.nan, np.nan, np.nan)
    volume = mask.sum() / fine_mask.sum() - 1
    hottest = suv[mask].max() / fine_suv[fine_mask].max() - 1
    return dice(mask, fine_mask), volume, hottest, contrast(suv, mask, np.ones_like(mask)) or np.nan


if __name__ == "__main__":
    main()
