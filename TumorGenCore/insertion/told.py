"""What the model is told of one tumor: what the user asks for, and where nobody asks, what the bundle's laws draw."""

from __future__ import annotations

import numpy as np

from TumorGenCore.bundle.model_bundle import ModelBundle
from TumorGenCore.insertion.request import TumorRequest
from TumorGenCore.method.controls import TumorControls
from TumorGenCore.volumes.geometry import Box

__all__ = ["SITE_MM", "box_seed", "noise_seed", "told"]

#: Boxes whose centers lie in one cell of this edge (mm, LPS) share their noise.
SITE_MM = 20.0


def told(bundle: ModelBundle, request: TumorRequest, noise: int, tissue_suv: float) -> TumorControls:
    """What the model is told at first; growing a tumor again (``redraw``) changes the fill.

    Args:
        bundle: whose laws draw.
        request: what the user asks for.
        noise: seed of the tumor's noise, which what is drawn depends on.
        tissue_suv: of the tissue around the box.
    """
    target = request.target
    return TumorControls(
        fill=bundle.fill.draw(noise) if request.fill is None else request.fill,
        suv=bundle.uptake.draw(noise, tissue_suv)
        if target is None
        else bundle.tuning.p95_suv(target.measure, target.suv),
    )


def noise_seed(seed: int, box: Box) -> int:
    """The seed of the noise at a site: one seed shall not give the same tumor at every site, nor another one with every
    millimeter a box is moved.
    """
    # A third off, so that round coordinates, which most boxes have, do not lie on a cell's face.
    cell = np.floor(np.asarray(box.center_lps) / SITE_MM + 1 / 3).astype(np.int64) % 2**32
    return int(np.random.SeedSequence([seed, *cell.tolist()]).generate_state(1, np.uint64)[0] >> 1)


def box_seed(seed: int, box: int) -> int:
    """Seed of the tumor in box number ``box`` (from 0) of several: the variant's own in the first.

    In boxes of one size at one site the same seed would grow the same tumor again.
    """
    return seed if box == 0 else int(np.random.SeedSequence([seed, box]).generate_state(1)[0])
