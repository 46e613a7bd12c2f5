"""`tumorgen compare`: compares TumorGen with its rivals on the same patients, boxes and seeds, in one run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from TumorGenCore.errors import TrainingDataError
from TumorGenCore.evaluation.crops import crop_around
from TumorGenCore.evaluation.features.method_distances import every_distance
from TumorGenCore.evaluation.patients import (
    check_unseen,
    held_out_names,
    load_patients,
    load_training_cases,
    patient_patterns,
)
from TumorGenCore.evaluation.report_files import write_report
from TumorGenCore.evaluation.rivals.host import Rival
from TumorGenCore.evaluation.rivals.lineup import rivals_of
from TumorGenCore.evaluation.samples import LesionSample, largest_lesions, small_lesions, synthetic_lesion
from TumorGenCore.evaluation.sites import Site, sites_of
from TumorGenCore.evaluation.statistics import median_of_known, quantiles
from TumorGenCore.evaluation.studies.comparison_text import comparison_text
from TumorGenCore.evaluation.themes.alignment import TAKEN, alignment, mean_alignment
from TumorGenCore.evaluation.themes.equality import Judged, differences, judged, real_tumors, small_sites
from TumorGenCore.insertion.generator import TumorGenerator
from TumorGenCore.insertion.pictures import PreviewCase, save_contact_sheet
from TumorGenCore.training.stages.rival import TrainedRival
from TumorGenCore.training.stages.segmenter import Segmenter

__all__ = ["Made", "compare", "insert_all"]

#: Tissue around a box in the contact sheet, mm.
_SHOWN_MM = 60.0


@dataclass(frozen=True)
class Made:
    """One insertion and its measures.

    Args:
        site: the site.
        lesion: the tumor.
        judged: what the segmenter makes of it.
        seconds: time from scan and box to image and mask.
    """

    site: Site
    lesion: LesionSample
    judged: Judged
    seconds: float


def compare(
    generator: TumorGenerator,
    data: Path,
    output: Path,
    segmenter: Segmenter,
    trained: Sequence[TrainedRival] = (),
    seeds: int = 3,
    on_progress: Callable[[str], None] | None = None,
) -> dict:
    """Inserts with every method, measures, and writes ``report.json``, ``report.md`` and ``contact_sheet.png``.

    Args:
        generator: the bundle on its device. Its held-out patients provide the sites, its training patients the donors.
        data: folder with ``*_image.nii.gz`` / ``*_mask.nii.gz`` of both.
        output: folder of the report.
        segmenter: finds real and synthetic tumors.
        trained: trained rivals of any kind.
        seeds: number of seeds per site: 0, 1, ...
        on_progress: called with a line per site.

    Returns:
        The content of ``report.json``.

    Raises:
        TrainingDataError: a network learned from a patient of the evaluation, a rival has another VAE than the bundle,
            no training case has a tumor, or there is no site for an insertion.
    """
    tell = on_progress or (lambda line: None)
    patterns = patient_patterns(generator.bundle, segmenter.run.data, *(rival.run.data for rival in trained))
    names = held_out_names(generator.bundle, None, patterns)
    check_unseen("segmenter", segmenter.training_cases, names, patterns)
    for rival in trained:
        check_unseen(f"{rival.run.kind} rival", rival.training_cases, names, patterns)
        rival.check_bundle(generator.bundle)
    held_out = load_patients(data, names, patterns)
    training = load_training_cases(generator.bundle, data, patterns)
    methods = rivals_of(generator, training, trained)
    sites = [site for case in held_out for site in sites_of(case)]
    if not sites:
        raise TrainingDataError(f"{', '.join(names)} have neither a tumor nor healthy tissue; use other cases.")
    output.mkdir(parents=True, exist_ok=True)
    made, panels = insert_all(methods, sites, range(seeds), segmenter, tell)
    real = largest_lesions(held_out), largest_lesions(training)
    small = [lesion for case in held_out for lesion in small_lesions(case, generator.bundle.patch)]
    own_size, made_small = real_tumors(segmenter, sites), real_tumors(segmenter, small_sites(small))
    tumor = {method: [m.lesion for m in some if m.site.group == "tumor"] for method, some in made.items()}
    report = {
        "bundle": generator.bundle.name,
        "weights_sha256": generator.bundle.weights_hash,
        "cases": sorted(names),
        "patients": sorted({case.patient for case in held_out}),
        "seeds": list(range(seeds)),
        "frechet": every_distance(tumor, *real),
        "equality": {method: _equality(some, [*own_size, *made_small]) for method, some in made.items()},
        "alignment": {
            "real": {**_mean_alignment(own_size), "volume_ml": _median_ml(real[0])},
            "methods": {method: _alignment(some) for method, some in made.items()},
        },
        "seconds": {method: _seconds([m.seconds for m in some]) for method, some in made.items()},
    }
    contact_sheet = partial(save_contact_sheet, panels, columns=1 + len(methods))
    write_report(output, report, comparison_text(report), {"contact_sheet.png": contact_sheet})
    return report


def insert_all(
    methods: Mapping[str, Rival],
    sites: Sequence[Site],
    seeds: range,
    segmenter: Segmenter,
    tell: Callable[[str], None],
) -> tuple[dict[str, list[Made]], list[PreviewCase]]:
    """Inserts with every method at every site with every seed.

    The first insertion of a method runs twice and is timed the second time, when the networks are warm. The methods
    take turns at each site, so that other load of the machine affects all of them alike.

    Args:
        methods: methods by name.
        sites: the sites.
        seeds: seeds, one tumor each.
        segmenter: finds real and synthetic tumors.
        tell: called with a line per site.

    Returns:
        Insertions by method, and panels of the contact sheet, one row per site with the first seed.
    """
    made: dict[str, list[Made]] = {method: [] for method in methods}
    panels = []
    for site in sites:
        panels.append(_panel(f"{site.name}: scan", site, site.image, site.real))
        for method, rival in methods.items():
            if not made[method]:
                rival(site, seeds[0])
            for seed in seeds:
                start = time.perf_counter()
                image, mask = rival(site, seed)
                seconds = time.perf_counter() - start
                lesion = synthetic_lesion(f"{method}: {site.name}", site.patient, seed, image, mask)
                figures = alignment(segmenter, image, mask, site.box)
                made[method].append(Made(site, lesion, judged(site, image, mask, figures), seconds))
                if seed == seeds[0]:
                    panels.append(_panel(method, site, image, mask))
        tell(f"{site.name}: done")
    return made, panels


def _equality(made: Sequence[Made], real: Sequence[Judged]) -> dict:
    return {
        group: differences([m.judged for m in made if m.site.group in TAKEN[group]], real)
        for group in ("patients", "tumor", "healthy")
    }


def _alignment(made: Sequence[Made]) -> dict:
    groups = {}
    for group in ("tumor", "healthy"):
        some = [m for m in made if m.site.group == group]
        groups[group] = {**_mean_alignment([m.judged for m in some]), "volume_ml": _median_ml([m.lesion for m in some])}
    return groups


def _median_ml(lesions: Sequence[LesionSample]) -> float | None:
    """Median volume of the non-empty masks, None without any. Larger tumors have a higher DSC."""
    return median_of_known(
        lesion.mask.sum() * np.prod(lesion.spacing_mm) / 1000 for lesion in lesions if lesion.mask.any()
    )


def _mean_alignment(some: Sequence[Judged]) -> dict:
    return mean_alignment([one.patient for one in some], [one.figures for one in some])


def _seconds(values: Sequence[float]) -> dict:
    found = quantiles(values)
    return {"median": found["q50"], "quartiles": [found["q25"], found["q75"]], "n": found["n"]}


def _panel(title: str, site: Site, image: sitk.Image, mask: sitk.Image | None) -> PreviewCase:
    # Cropped, because a whole body for every panel would not fit into memory.
    marked = None if mask is None else crop_around(mask, site.box, _SHOWN_MM)
    return PreviewCase(title, crop_around(image, site.box, _SHOWN_MM), marked, site.box)
