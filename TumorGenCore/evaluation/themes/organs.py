"""Tumors in known organs of bodies that are made from label maps: does each mask lie on a tumor, does it pass?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from TumorGenCore.errors import TrainingDataError
from TumorGenCore.evaluation.markdown import number, percent, table_lines
from TumorGenCore.evaluation.sites import Site
from TumorGenCore.evaluation.statistics import mean_of_known
from TumorGenCore.insertion.generator import TumorGenerator
from TumorGenCore.insertion.pictures import PreviewCase
from TumorGenCore.insertion.tumor import Tumor
from TumorGenCore.phantom.anatomy import read_anatomy
from TumorGenCore.phantom.anatomy_phantom import scan_anatomy
from TumorGenCore.phantom.organ_sites import SITE_ORGANS, organ_boxes

__all__ = ["measure_organs", "organ_lines", "organ_sites"]

#: Boxes in an organ of a body; one in each of the others. With three bodies these are 30 sites.
_BOXES = {"lung": 2}


def organ_sites(folder: Path, seed: int = 0) -> Iterator[tuple[str, Site]]:
    """Yields organs and healthy sites in them, in one body for each label map.

    Args:
        folder: folder with label maps (``*.npz``, see ``read_anatomy``).
        seed: decides bodies and boxes.

    Raises:
        TrainingDataError: the folder holds no label map.
    """
    maps = sorted(folder.glob("*.npz"))
    if not maps:
        raise TrainingDataError(f"{folder} holds no label map (.npz) of a body; give the folder of the maps.")
    for path in maps:
        scan = scan_anatomy(read_anatomy(path), seed)
        for organ in SITE_ORGANS:
            for n, box in enumerate(organ_boxes(scan, organ, _BOXES.get(organ, 1), seed)):
                name = f"{path.stem} {organ}" + (f" {n + 1}" if n else "")
                yield organ, Site(name, "phantom", scan.image, box, None, path.stem)


def measure_organs(
    generator: TumorGenerator, folder: Path, seed: int = 0, tell: Callable[[str], None] = lambda line: None
) -> tuple[dict, list[PreviewCase]]:
    """Inserts one tumor at each of ``organ_sites``, with the bundle's own laws.

    Args:
        generator: the bundle on its device.
        folder: folder with label maps.
        seed: seed of bodies, boxes and tumors.
        tell: called with a line per site.

    Returns:
        ``sites``: for each site ``organ``, ``quality`` (total), ``passes``, ``nothing`` (the mask marks no tumor: its
        part of the quality is 0, or no tumor grew) and ``weakness``; and panels of a contact sheet.
    """
    sites, panels = {}, []
    for organ, site in organ_sites(folder, seed):
        tumor = generator.insert(site.image, site.box, seed=seed, suv_factor=1)
        sites[site.name] = {"organ": organ, **_judged(tumor)}
        panels.append(PreviewCase(f"{site.name}: scan", site.image, None, site.box))
        panels.append(PreviewCase(f"quality {tumor.quality.percent} %", tumor.image, tumor.mask, site.box))
        tell(f"{site.name}: {tumor.quality.percent} %")
    return {"sites": sites}, panels


def organ_lines(found: dict) -> list[str]:
    """Returns the section of the report as Markdown; ``found`` is the result of ``measure_organs``."""
    sites = list(found["sites"].values())
    rows = []
    for organ in [*SITE_ORGANS, "all"]:
        here = [site for site in sites if organ in (site["organ"], "all")]
        rows.append(
            [
                organ,
                str(len(here)),
                number(float(np.median([site["quality"] for site in here])) if here else None),
                percent(mean_of_known([float(site["passes"]) for site in here]) or 0),
                str(sum(site["nothing"] for site in here)),
            ]
        )
    poor = [f"- {name}: {site['weakness']}." for name, site in found["sites"].items() if not site["passes"]]
    return [
        "## Known organs",
        "",
        "One tumor in each organ of bodies made from label maps.",
        "",
        *table_lines(["organ", "sites", "median quality", "pass the gate", "masks around nothing"], rows),
        *poor,
        "",
        "![organs](organs.png)",
        "",
    ]


def _judged(tumor: Tumor) -> dict:
    quality = tumor.quality
    return {
        "quality": quality.total,
        "passes": quality.passes,
        "nothing": not quality.parts["uptake"],
        "weakness": quality.weakness,
    }
