"""Measures on real lesions how much patch and VAE blur a tumor, and which recovery restores its uptake."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch
from numpy.typing import NDArray

from TumorGenCore.bundle.model_bundle import ModelBundle, bundle_folder, load_bundle, set_resolution
from TumorGenCore.bundle.resolution import ResolutionRecovery
from TumorGenCore.errors import InvalidBoxError, TrainingDataError
from TumorGenCore.lesions.measures import measure_lesion
from TumorGenCore.method.devices import autocast
from TumorGenCore.method.pseudo_mask import BoxOffsets, tight_box
from TumorGenCore.training.data.cases import Case, case_files, load_cases
from TumorGenCore.training.data.examples import Example, ExampleMaker, ExampleSettings
from TumorGenCore.training.data.tumor_masks import tumor_mask
from TumorGenCore.volumes.geometry import Box, Grid
from TumorGenCore.volumes.patch import WorkingPatch

__all__ = ["MEASURES", "Blur", "RoundTrip", "add_recovery_to_bundle", "measure_blur"]

#: Measures of uptake that a blur lowers; see ``LesionMeasures``.
MEASURES = ("suv_max", "suv_mean", "suv_peak")
#: Margin of a lesion's box, mm per face.
MARGIN_MM = 10.0
#: Amounts to try.
AMOUNTS = tuple(round(0.05 * n, 2) for n in range(31))
#: Number of small lesions; they are transplanted as in training, because scans have few of them.
SMALL_LESIONS = 32
#: Least number of lesions of a kind; fewer are ignored.
LEAST_LESIONS = 5


@dataclass(frozen=True)
class RoundTrip:
    """A lesion before and after it passes through the VAE as an inserted tumor does; SUV, (k, j, i).

    Args:
        before: the lesion with its neighborhood.
        after: the same after the VAE; a lesion of a scan also passes through the working patch.
        detail: change that the recovery adds with an amount of 1.
        mask: the lesion.
        spacing_mm: voxel edges along i, j, k.
    """

    before: NDArray[np.float32]
    after: NDArray[np.float32]
    detail: NDArray[np.float32]
    mask: NDArray[np.bool_]
    spacing_mm: tuple[float, float, float]

    def ratios(self, amount: float) -> NDArray[np.float64]:
        """Returns the ratio after / before of each of ``MEASURES``.

        Args:
            amount: share of ``detail`` to add.

        Returns:
            Ratios, (3,), in the order of ``MEASURES``.
        """
        after = np.maximum(self.after + amount * self.detail, 0)
        before, now = (
            np.array([getattr(measure_lesion(suv, self.mask, self.spacing_mm), name) for name in MEASURES])
            for suv in (self.before, after)
        )
        ratio: NDArray[np.float64] = now / before
        return ratio


@dataclass(frozen=True)
class Blur:
    """Loss of uptake in lesions, and the recovery that restores it best.

    Args:
        recovery: recovery with the smallest error.
        before: for each kind of lesion, medians of the ratios of ``MEASURES`` without the recovery.
        after: the same with the recovery.
    """

    recovery: ResolutionRecovery
    before: dict[str, list[float]]
    after: dict[str, list[float]]

    def as_dict(self) -> dict:
        """Returns the values as a JSON-ready dictionary."""
        return {**self.recovery.as_dict(), "measures": list(MEASURES), "before": self.before, "after": self.after}

    def lines(self) -> list[str]:
        """Returns the results as lines of text."""
        found = [f"Restored: {self.recovery.amount:.2f} of what a Gaussian of {self.recovery.sigma} voxels removes."]
        for kind in self.before:
            for name, before, after in zip(MEASURES, self.before[kind], self.after[kind], strict=True):
                found.append(f"{kind}, {name}: {before:.3f} of the scan's value, restored to {after:.3f} (medians)")
        return found


def measure_blur(bundle: ModelBundle, cases: Sequence[Case]) -> Blur:
    """Passes lesions through patch and VAE, and finds the recovery that restores their uptake.

    Two kinds count alike: the largest lesion of every case, on the voxels of its scan, and small lesions in healthy
    tissue, on the working patch. The chosen amount has the least mean |ln ratio| of ``MEASURES``. A kind with fewer
    than ``LEAST_LESIONS`` lesions is ignored.

    Args:
        bundle: bundle with the VAE to measure. The width of its recovery stays.
        cases: training cases, not cases of an evaluation.
    """
    width = bundle.resolution
    kinds = {"largest lesions": _of_scans(bundle, cases, width), "small lesions": _of_examples(bundle, cases, width)}
    kinds = {kind: trips for kind, trips in kinds.items() if len(trips) >= LEAST_LESIONS}
    errors = [
        sum(float(np.mean([np.abs(np.log(trip.ratios(amount))) for trip in trips])) for trips in kinds.values())
        for amount in AMOUNTS
    ]
    recovery = ResolutionRecovery(AMOUNTS[int(np.argmin(errors))], width.sigma)
    before, after = (
        {kind: np.median([trip.ratios(amount) for trip in trips], axis=0).tolist() for kind, trips in kinds.items()}
        for amount in (0.0, recovery.amount)
    )
    return Blur(recovery, before, after)


def add_recovery_to_bundle(model: str | Path, data: Path) -> Blur:
    """Measures the blur of a bundle on its training cases, and stores the recovery in the bundle.

    Args:
        model: bundle name or folder.
        data: folder with the training cases that the bundle's metadata names; missing cases are ignored.

    Raises:
        ModelBundleError: the bundle is missing or damaged.
        TrainingDataError: ``data`` has none of its training cases.
    """
    bundle = load_bundle(model)
    here = sorted(case_files(data, bundle.notes.get("cases", {}).get("training", ())))
    if not here:
        raise TrainingDataError(
            f"No training case of {bundle.name} was found below {data}; give the folder of its training data."
        )
    blur = measure_blur(bundle, load_cases(data, here))
    set_resolution(bundle_folder(model), blur.recovery)
    return blur


def _of_scans(bundle: ModelBundle, cases: Sequence[Case], width: ResolutionRecovery) -> list[RoundTrip]:
    trips = []
    for case in cases:
        if not case.lesions:
            continue
        lesion = max(case.lesions, key=lambda item: item.volume_ml)
        grid = Grid.from_image(case.image)
        tight = tight_box(lesion.points_lps, np.eye(3), float(np.mean(grid.spacing_mm)))
        i, j, k = (edge + 2 * MARGIN_MM for edge in tight.size_mm)
        try:
            patch = WorkingPatch.around(Box(tight.center_lps, (i, j, k)), bundle.patch)
        except InvalidBoxError:  # Too large to work on.
            continue
        suv = _through_vae(bundle, patch.sample(case.image))
        after, region = patch.to_native(suv, grid)
        detail, _ = patch.to_native(width.detail(suv), grid)
        before = sitk.GetArrayViewFromImage(case.image)[region].astype(np.float32)
        trips.append(RoundTrip(before, after, detail, tumor_mask(case, lesion)[region], grid.spacing_mm))
    return trips


def _of_examples(bundle: ModelBundle, cases: Sequence[Case], width: ResolutionRecovery) -> list[RoundTrip]:
    maker = ExampleMaker(cases, bundle.patch, BoxOffsets(), ExampleSettings(transplant_share=1.0), seed=0)
    examples = (maker.example(index, 2 * bundle.patch.multiple) for index in range(SMALL_LESIONS))
    return [_of_example(bundle, example, width) for example in examples if example.transplanted]


def _of_example(bundle: ModelBundle, example: Example, width: ResolutionRecovery) -> RoundTrip:
    after = _through_vae(bundle, example.suv)
    spacing = (bundle.patch.spacing_mm,) * 3
    return RoundTrip(example.suv, after, width.detail(after), example.mask > 0.5, spacing)


@torch.inference_mode()
def _through_vae(bundle: ModelBundle, suv: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns D(E(x)) in SUV, (k, j, i)."""
    device = next(bundle.vae.parameters()).device
    x = bundle.scale.to_network(torch.from_numpy(suv)[None, None].to(device))
    with autocast(device):
        decoded = bundle.vae.decode(bundle.vae.encode(x)).float()
    shown: NDArray[np.float32] = bundle.scale.to_suv(decoded)[0, 0].cpu().numpy()
    return shown
