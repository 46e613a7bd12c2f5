"""What the way through patch and VAE costs a tumor of its resolution, on real lesions, and what gives it back."""

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
#: Amounts that are tried.
AMOUNTS = tuple(round(0.05 * n, 2) for n in range(31))
#: Small lesions, transplanted as training transplants them: the scans have few.
SMALL_LESIONS = 32
#: Fewer lesions of a kind say nothing.
LEAST_LESIONS = 5


@dataclass(frozen=True)
class RoundTrip:
    """A lesion before and after the way of a tumor that is inserted; SUV, (k, j, i).

    Args:
        before: its neighborhood.
        after: the same through the VAE, and through the working patch where it is a scan's.
        detail: what an amount of 1 adds.
        mask: the lesion.
        spacing_mm: voxel edges along i, j, k.
    """

    before: NDArray[np.float32]
    after: NDArray[np.float32]
    detail: NDArray[np.float32]
    mask: NDArray[np.bool_]
    spacing_mm: tuple[float, float, float]

    def ratios(self, amount: float) -> NDArray[np.float64]:
        """Each of ``MEASURES`` after the way, over what it was before.

        Args:
            amount: of ``detail`` that is added.

        Returns:
            (3,), in the order of ``MEASURES``.
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
    """What is left of lesions' uptake, and what gives it back.

    Args:
        recovery: with which lesions come out nearest to what they were.
        before: for each kind of lesion, the medians of the ratios of ``MEASURES`` without it.
        after: the same with it.
    """

    recovery: ResolutionRecovery
    before: dict[str, list[float]]
    after: dict[str, list[float]]

    def as_dict(self) -> dict:
        """JSON-ready."""
        return {**self.recovery.as_dict(), "measures": list(MEASURES), "before": self.before, "after": self.after}

    def lines(self) -> list[str]:
        """What was found, as lines to read."""
        found = [f"Restored: {self.recovery.amount:.2f} of what a Gaussian of {self.recovery.sigma} voxels takes away."]
        for kind in self.before:
            for name, before, after in zip(MEASURES, self.before[kind], self.after[kind], strict=True):
                found.append(f"{kind}, {name}: {before:.3f} of the scan's, restored {after:.3f} (medians)")
        return found


def measure_blur(bundle: ModelBundle, cases: Sequence[Case]) -> Blur:
    """Send lesions through patch and VAE, and find the recovery that brings back their uptake.

    Two kinds count alike: the largest lesion of every case, on its scan's voxels, and small ones in healthy tissue, on
    the working patch. The amount is that of the least mean |ln ratio| of ``MEASURES``.

    Args:
        bundle: whose VAE is measured. The width of its recovery is kept.
        cases: of the training; evaluated ones do not belong here. A kind with fewer than ``LEAST_LESIONS`` lesions is
            left out.
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
    """Measure a bundle's blur on its training cases, and let it restore what they lose.

    Args:
        model: bundle name or folder.
        data: folder with the cases that its metadata names as its training's; those that are not there are left out.

    Raises:
        ModelBundleError: the bundle is missing or damaged.
        TrainingDataError: there are none of its training cases.
    """
    bundle = load_bundle(model)
    here = sorted(case_files(data, bundle.notes.get("cases", {}).get("training", ())))
    if not here:
        raise TrainingDataError(
            f"None of the cases that {bundle.name} was trained on lies below {data}; give the folder of its training "
            "data."
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
    """D(E(x)) in SUV, (k, j, i)."""
    device = next(bundle.vae.parameters()).device
    x = bundle.scale.to_network(torch.from_numpy(suv)[None, None].to(device))
    with autocast(device):
        decoded = bundle.vae.decode(bundle.vae.encode(x)).float()
    shown: NDArray[np.float32] = bundle.scale.to_suv(decoded)[0, 0].cpu().numpy()
    return shown
