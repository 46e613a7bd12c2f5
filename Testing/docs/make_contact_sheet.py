"""Draws the picture at the top of the README: ``python Testing/docs/make_contact_sheet.py DATA OUT.png``.

The first two patients that the training never saw, at a tumor and at a healthy site, and two sites of the phantom; the
scan, then seeds 0 to 2. Nothing is picked by its look.
"""

from __future__ import annotations

import sys
from pathlib import Path

from TumorGenCore import TumorGenerator
from TumorGenCore.evaluation.sites import evaluate_site, phantom_sites, sites_of
from TumorGenCore.insertion.pictures import PreviewCase, save_contact_sheet
from TumorGenCore.training.data.cases import load_cases

PATIENTS = ["STS_005", "STS_012"]


def main(data: Path, output: Path) -> None:
    """Draws the sheet from a folder of cases."""
    generator = TumorGenerator.from_pretrained()
    sites = [site for case in load_cases(data, PATIENTS) for site in sites_of(case)]
    sites = sorted(sites, key=lambda site: site.group, reverse=True) + phantom_sites()[:2]
    panels = []
    for site in sites:
        panels.append(PreviewCase(site.name, site.image, site.real, site.box))
        _, tumors = evaluate_site(generator, site, range(3), None)
        panels += [PreviewCase(f"seed {tumor.seed}", tumor.image, tumor.mask, site.box) for tumor in tumors]
    save_contact_sheet(panels, output, columns=8)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
