"""Fewer steps: how far a result is from the one that fifty steps make of the same noise, by solver and time grid.

    python Testing/benchmarks/bench_steps.py --data DATA

On patients that the bundle was trained on, so that a time grid may be chosen by it; `tumorgen evaluate --steps N` then
says on unseen ones what the choice costs. Medians over sites and seeds: Dice of the mask with the fine one's, relative
deviations of volume and SUVmax from the fine one's, and the mask's contrast.
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
#: Steps and solvers; Heun evaluates twice a step but the last.
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
    print("| steps | solver | shift | mask's Dice | volume | SUVmax | contrast |")
    print("| ---: | --- | ---: | --- | --- | --- | --- |")
    for steps, solver in WAYS:
        for shift in options.shifts if steps < 10 else [1.0]:
            coarse = _made(generator, boxes, options.seeds, Sampling(steps, solver, shift))
            figures = np.array([_beside(*both) for both in zip(coarse, fine, strict=True)])
            overlap, volume, hottest, contrasts = np.nanmedian(figures, axis=0)
            cells = f"{overlap:.3f} | {volume:+.1%} | {hottest:+.1%} | {contrasts:.3f}"
            print(f"| {steps} | {solver} | {shift} | {cells} |", flush=True)


def _prepared(generator: TumorGenerator, site: Site) -> tuple[PreparedBox, NDArray[np.bool_]]:
    """The encoded box, and which voxels lie inside."""
    return generator.prepare(site.image, site.box, suv_factor=1), site.box.mask(Grid.from_image(site.image))


def _made(generator: TumorGenerator, boxes: list, seeds: int, sampling: Sampling) -> Iterator[tuple]:
    """Uptake in the box, and the mask there, of each box and seed."""
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
