"""Does the tumor obey? What is asked of fill and uptake against what comes, at sites the training did not see."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

from TumorGenCore.evaluation.markdown import number, percent, table_lines
from TumorGenCore.evaluation.sites import Site
from TumorGenCore.insertion.generator import TumorGenerator
from TumorGenCore.insertion.request import TumorRequest
from TumorGenCore.insertion.targets import TARGET_TOLERANCE
from TumorGenCore.insertion.tumor import Tumor
from TumorGenCore.volumes.geometry import Grid

__all__ = ["FILLS", "SUVS", "control_lines", "measure_control"]

#: Shares of the box's volume that are asked for.
FILLS = (0.04, 0.08, 0.16)
#: SUVmax that are asked for.
SUVS = (5.0, 10.0, 20.0)


def measure_control(generator: TumorGenerator, sites: Sequence[Site], seed: int = 0) -> dict:
    """Ask for each of ``FILLS`` and ``SUVS`` at each site.

    Args:
        generator: the bundle on its device.
        sites: that the training did not see.
        seed: of every tumor.

    Returns:
        ``fill`` and ``suv_max``, each a list of rows: what was ``asked``, the median that was ``reached``, the share of
        sites ``within`` 5 %, and, for SUVmax, the median ``gain`` by which the tumor had to be scaled: 1 is a tumor
        that grew as hot as asked. ``fill`` is empty for a bundle that cannot be asked for it.
    """
    prepared = [generator.prepare(site.image, site.box, suv_factor=1) for site in sites]
    found: dict = {"sites": len(sites), "fill": [], "suv_max": []}
    if generator.bundle.vector_field.control_channels:
        for asked in FILLS:
            made = [generator.generate(box, TumorRequest(fill=asked), seed=seed) for box in prepared]
            reached = [_fill(result, site) for result, site in zip(made, sites, strict=True)]
            found["fill"].append(_row(asked, reached))
    for asked in SUVS:
        made = [generator.generate(box, TumorRequest(suv_max=asked), seed=seed) for box in prepared]
        reached = [_suv_max(result) for result in made]
        gains = [result.pasted.gain for result in made]
        found["suv_max"].append({**_row(asked, reached), "gain": float(np.median(gains))})
    return found


def control_lines(found: dict) -> list[str]:
    """The section of the report, Markdown; ``found`` as ``measure_control`` gives it."""
    names = {"fill": "fill of the box", "suv_max": "SUVmax"}
    rows = [
        [
            names[key],
            number(row["asked"]),
            number(row["reached"]),
            percent(row["within"]),
            number(row.get("gain")),
        ]
        for key in names
        for row in found[key]
    ]
    return [
        "## Control",
        "",
        f"What was asked of one tumor at each of {found['sites']} healthy and phantom sites, the median that was "
        "reached, and at how many sites it was reached within 5 %. `gain`: by how much the uptake that the tumor adds "
        "had to be scaled; 1 is a tumor that grew as hot as asked.",
        "",
        *table_lines(["", "asked", "reached", "within 5 %", "gain"], rows),
    ]


def _row(asked: float, reached: Sequence[float]) -> dict:
    within = np.abs(np.asarray(reached) / asked - 1) <= TARGET_TOLERANCE + 1e-6
    return {"asked": asked, "reached": float(np.median(reached)), "within": float(within.mean())}


def _fill(result: Tumor, site: Site) -> float:
    voxel_mm3 = np.prod(Grid.from_image(site.image).spacing_mm)
    return float(sitk.GetArrayViewFromImage(result.mask).sum() * voxel_mm3 / np.prod(site.box.size_mm))


def _suv_max(result: Tumor) -> float:
    inside = sitk.GetArrayViewFromImage(result.mask) > 0
    return float(sitk.GetArrayViewFromImage(result.image)[inside].max()) if inside.any() else 0.0
