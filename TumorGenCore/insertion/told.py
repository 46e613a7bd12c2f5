"""Values that the model is told for one tumor: from the targets of the user, or drawn from the laws of the bundle."""

from __future__ import annotations

import numpy as np

from TumorGenCore.bundle.model_bundle import ModelBundle
from TumorGenCore.insertion.resolved import Targets, UptakeTarget
from TumorGenCore.method.controls import TumorControls
from TumorGenCore.volumes.geometry import Box
from TumorGenCore.volumes.site_cell import site_cell

__all__ = ["box_seed", "noise_seed", "reached_for", "told"]


def told(bundle: ModelBundle, targets: Targets, noise: int, tissue_suv: float, box: Box) -> TumorControls:
    """Returns what the model is told first; if a tumor is grown again, ``redraw`` changes the fill.

    Args:
        bundle: bundle with the laws.
        targets: what the user wants in this box.
        noise: seed of the tumor's noise; drawn values depend on it.
        tissue_suv: median SUV of the tissue around the box.
        box: the box.
    """
    fill = bundle.fill.draw(noise) if targets.fill is None else targets.fill
    if targets.uptake is not None:
        return TumorControls(fill, bundle.tuning.p95_suv(targets.uptake.measure, targets.uptake.suv))
    drawn = bundle.uptake.draw(noise, tissue_suv, (fill or 0) * float(np.prod(box.size_mm)) / 1000)
    return TumorControls(fill, None if drawn is None else bundle.tuning.p95_suv("max", drawn))


def reached_for(bundle: ModelBundle, targets: Targets, told: TumorControls) -> UptakeTarget | None:
    """Returns the uptake to reach: that of the user, or the drawn one; None leaves it to the model.

    Args:
        bundle: bundle with the laws.
        targets: what the user wants in this box.
        told: what the model was told.
    """
    if targets.uptake is not None or told.suv is None or bundle.uptake.median_suv_max == 0:
        return targets.uptake
    return UptakeTarget("max", told.suv / bundle.tuning.p95_suv("max", 1.0))


def noise_seed(seed: int, box: Box) -> int:
    """Returns the seed of the noise at a site.

    So one seed gives different tumors at different sites, but the same tumor if the user moves a box by a millimeter.
    """
    return int(np.random.SeedSequence([seed, *site_cell(box.center_lps)]).generate_state(1, np.uint64)[0]) >> 1


def box_seed(seed: int, box: int) -> int:
    """Returns the seed of the tumor in box number ``box``, from 0; the first box uses the seed of the variant.

    With the same seed, boxes of one size at one site would get the same tumor.
    """
    return seed if box == 0 else int(np.random.SeedSequence([seed, box]).generate_state(1)[0])
