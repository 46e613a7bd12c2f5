"""Values that the model is told for one tumor: from the user's request, or drawn from the laws of the bundle."""

from __future__ import annotations

import numpy as np

from TumorGenCore.bundle.model_bundle import ModelBundle
from TumorGenCore.insertion.request import TumorRequest, UptakeTarget
from TumorGenCore.method.controls import TumorControls
from TumorGenCore.volumes.geometry import Box
from TumorGenCore.volumes.site_cell import site_cell

__all__ = ["box_seed", "noise_seed", "reached_for", "told"]


def told(bundle: ModelBundle, request: TumorRequest, noise: int, tissue_suv: float, box: Box) -> TumorControls:
    """Returns what the model is told first; if a tumor is grown again, ``redraw`` changes the fill.

    Args:
        bundle: bundle with the laws.
        request: the user's request.
        noise: seed of the tumor's noise; drawn values depend on it.
        tissue_suv: median SUV of the tissue around the box.
        box: the box.
    """
    fill = bundle.fill.draw(noise) if request.fill is None else request.fill
    if request.target is not None:
        return TumorControls(fill, bundle.tuning.p95_suv(request.target.measure, request.target.suv))
    drawn = bundle.uptake.draw(noise, tissue_suv, (fill or 0) * float(np.prod(box.size_mm)) / 1000)
    return TumorControls(fill, None if drawn is None else bundle.tuning.p95_suv("max", drawn))


def reached_for(bundle: ModelBundle, request: TumorRequest, told: TumorControls) -> UptakeTarget | None:
    """Returns the uptake to reach: that of the request, or the drawn one; None leaves it to the model.

    Args:
        bundle: bundle with the laws.
        request: the user's request.
        told: what the model was told.
    """
    if request.target is not None or told.suv is None or bundle.uptake.median_suv_max == 0:
        return request.target
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
