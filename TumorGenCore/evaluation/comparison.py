"""`tumorgen compare`: TumorGen and its rivals on the same patients, boxes and seeds, in one run."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from TumorGenCore.evaluation.alignment import Figures, alignment, mean_alignment
from TumorGenCore.evaluation.comparison_text import comparison_text
from TumorGenCore.evaluation.frechet import frechet_of_features, most_components
from TumorGenCore.evaluation.insertion import Site, sites_of
from TumorGenCore.evaluation.patients import check_unseen, held_out_names, load_training_cases
from TumorGenCore.evaluation.radiomics import load_radiomics
from TumorGenCore.evaluation.resampling import LeftOutError, Rows
from TumorGenCore.evaluation.rivals.blended_latents import BlendedLatents
from TumorGenCore.evaluation.rivals.copy_paste import CopyPaste
from TumorGenCore.evaluation.rivals.donors import Donors
from TumorGenCore.evaluation.rivals.host import Rival
from TumorGenCore.evaluation.rivals.latent_diffusion import LatentDiffusion
from TumorGenCore.evaluation.rivals.own import Own
from TumorGenCore.evaluation.rivals.rule_based import RuleBased
from TumorGenCore.evaluation.samples import LesionSample, feature_rows, real_lesions, synthetic_lesion
from TumorGenCore.evaluation.slice_features import PLANES, load_slice_features
from TumorGenCore.generator import TumorGenerator
from TumorGenCore.geometry import Box, Grid
from TumorGenCore.preview import PreviewCase, save_contact_sheet
from TumorGenCore.safe_write import replacing
from TumorGenCore.training.data import Case, load_cases
from TumorGenCore.training.rival import TrainedRival
from TumorGenCore.training.segmenter import Segmenter

__all__ = ["Made", "compare", "distances", "insert_all", "rivals_of"]

#: Tissue that is kept around a box for the contact sheet, mm.
_SHOWN_MM = 60.0


@dataclass(frozen=True)
class Made:
    """What is measured of one insertion."""

    site: Site
    lesion: LesionSample
    figures: Figures
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
    """Insert with every method, measure, and write ``report.json``, ``report.md`` and ``contact_sheet.png``.

    Args:
        generator: the bundle on its device. Its held-out patients are the places, its training patients the donors.
        data: folder with ``*_image.nii.gz`` / ``*_mask.nii.gz`` of both.
        output: folder of the report.
        segmenter: the judge of masks.
        trained: rivals that were trained, of any kind.
        seeds: 0, 1, ... per site.
        on_progress: called with a line per site.

    Raises:
        TrainingDataError: a network learnt from an evaluated patient, a rival has another VAE than the bundle, or no
            training case has a tumour.
    """
    tell = on_progress or (lambda line: None)
    names, pattern = held_out_names(generator.bundle, None), segmenter.run.data.patient_pattern
    check_unseen("segmenter", segmenter.training_cases, names, pattern)
    check_unseen("bundle", generator.bundle.notes["cases"].get("training", ()), names, pattern)
    for rival in trained:
        check_unseen(f"{rival.run.kind} rival", rival.training_cases, names, rival.run.data.patient_pattern)
        rival.check_bundle(generator.bundle)
    held_out = load_cases(data, names, patient_pattern=pattern)
    training = load_training_cases(generator.bundle, data, pattern)
    methods = rivals_of(generator, training, trained)
    output.mkdir(parents=True, exist_ok=True)
    made, panels = insert_all(methods, [s for case in held_out for s in sites_of(case)], range(seeds), segmenter, tell)
    real = {"held_out": _largest(held_out), "training": _largest(training)}
    tumour = {method: [m.lesion for m in some if m.site.group == "tumour"] for method, some in made.items()}
    report = {
        "bundle": generator.bundle.name,
        "weights_sha256": generator.bundle.weights_hash,
        "cases": sorted(names),
        "seeds": list(range(seeds)),
        "frechet": {
            "radiomics": distances(tumour, real, load_radiomics, ("all",)),
            "efflite0": distances(tumour, real, load_slice_features, PLANES),
        },
        "alignment": {
            "ceiling": _ceiling(next(iter(made.values())), segmenter),
            "methods": {method: _alignment(some) for method, some in made.items()},
        },
        "seconds": {method: _seconds([m.seconds for m in some]) for method, some in made.items()},
    }
    for name, text in (("report.json", json.dumps(report, indent=2) + "\n"), ("report.md", comparison_text(report))):
        with replacing(output / name) as temporary:
            temporary.write_text(text)
    save_contact_sheet(panels, output / "contact_sheet.png", columns=1 + len(methods))
    return report


def rivals_of(generator: TumorGenerator, training: Sequence[Case], trained: Sequence[TrainedRival]) -> dict[str, Rival]:
    """Every method by the name that the report gives it, in its order.

    Raises:
        TrainingDataError: no training case has a tumour.
    """
    donors, settings = Donors(training), generator.bundle.patch
    methods: dict[str, Rival] = {
        "Copy-paste": CopyPaste(donors, settings),
        "Rules (SynTumor's manner)": RuleBased(donors.uptake(), settings),
    }
    for rival in trained:
        if rival.run.kind == "unconditional":
            methods["Blended latents (BLD's manner), 50"] = BlendedLatents(generator, rival)
            continue

        def shape(rng: np.random.Generator, patch, donors: Donors = donors):
            return donors.fitted(rng, patch)[1]

        methods["Mask first (DiffTumor's manner), DDPM-50"] = LatentDiffusion(generator, rival, shape, "ddpm")
        methods["Mask first (DiffTumor's manner), DDIM-50"] = LatentDiffusion(generator, rival, shape, "ddim")
    for steps in (50, 10, 4):
        methods[f"TumorGen, Euler-{steps}"] = Own(generator, steps)
    for steps in (10, 4):
        methods[f"TumorGen, Heun-{steps}"] = Own(generator, steps, "heun")
    return methods


def insert_all(
    methods: Mapping[str, Rival],
    sites: Sequence[Site],
    seeds: range,
    segmenter: Segmenter,
    tell: Callable[[str], None],
) -> tuple[dict[str, list[Made]], list[PreviewCase]]:
    """Every method at every site with every seed, and a row a site for the contact sheet, of the first seed.

    A method's first insertion is made twice, and timed the second time, when its networks are warm. Methods take turns
    at each site, so that what else the machine does disturbs all of them alike.
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
                made[method].append(Made(site, lesion, alignment(segmenter, image, mask, site.box), seconds))
                if seed == seeds[0]:
                    panels.append(_panel(method, site, image, mask))
        tell(f"{site.name}: done")
    return made, panels


def distances(
    synthetic: Mapping[str, Sequence[LesionSample]],
    real: Mapping[str, Sequence[LesionSample]],
    load: Callable[[], Callable[[LesionSample], np.ndarray]],
    blocks: Sequence[str],
) -> dict:
    """Frechet distances of every method to the training lesions, on the same principal components.

    Args:
        synthetic: lesions of each method.
        real: ``held_out`` and ``training`` lesions.
        load: makes the function from a lesion to its features.
        blocks: names of the equal parts that the features consist of.

    Returns:
        ``methods``: per method what ``frechet_of_features`` gives, averaged over the blocks, and in ``blocks`` for
        each alone; or ``left_out`` with the reason. ``left_out`` alone where the features cannot be had.
    """
    try:
        features = load()
    except LeftOutError as reason:
        return {"left_out": str(reason)}
    held_out, training = (feature_rows(real[kind], features) for kind in ("held_out", "training"))
    rows = {method: feature_rows(lesions, features) for method, lesions in synthetic.items()}
    found: dict[str, dict] = {}
    most: dict[str, int] = {}
    for method, some in rows.items():
        try:
            most[method] = most_components(some, held_out, training, len(blocks))
        except LeftOutError as reason:
            found[method] = {"left_out": str(reason)}
    # Distances on more components are longer: the poorest method sets the number for all.
    components = min(most.values(), default=0)
    for method in most:
        groups = (rows[method], held_out, training)
        found[method] = {
            **frechet_of_features(*groups, parts=len(blocks), components=components),
            "blocks": {
                name: frechet_of_features(*(_block(some, n, len(blocks)) for some in groups), components=components)
                for n, name in enumerate(blocks)
            },
        }
    return {"methods": {method: found[method] for method in synthetic}}


def _block(rows: Rows, number: int, count: int) -> Rows:
    return Rows(rows.patients, rows.seeds, np.split(rows.values, count, axis=1)[number])


def _largest(cases: Sequence[Case]) -> list[LesionSample]:
    """The largest lesion of every case, which the boxes are drawn over."""
    return [real_lesions(case)[0] for case in cases if case.lesions]


def _alignment(made: Sequence[Made]) -> dict:
    groups = {}
    for group in ("tumour", "healthy"):
        some = [m for m in made if m.site.group == group]
        groups[group] = mean_alignment([m.site.patient for m in some], [m.figures for m in some])
    return groups


def _ceiling(made: Sequence[Made], segmenter: Segmenter) -> dict:
    """The segmenter on the real tumours that the boxes are drawn over."""
    sites = {m.site.name: m.site for m in made if m.site.real is not None}.values()
    figures = [alignment(segmenter, s.image, s.real, s.box) for s in sites if s.real is not None]
    return mean_alignment([s.patient for s in sites], figures)


def _seconds(values: Sequence[float]) -> dict:
    low, median, high = (float(q) for q in np.quantile(values, [0.25, 0.5, 0.75]))
    return {"median": median, "quartiles": [low, high], "n": len(values)}


def _panel(title: str, site: Site, image: sitk.Image, mask: sitk.Image | None) -> PreviewCase:
    return PreviewCase(title, _around(image, site.box), None if mask is None else _around(mask, site.box), site.box)


def _around(image: sitk.Image, box: Box) -> sitk.Image:
    """What the contact sheet shows of an image: a whole body for every panel would not fit the memory."""
    grid = Grid.from_image(image)
    start, stop = box.index_bounds(grid, int(np.ceil(_SHOWN_MM / min(grid.spacing_mm))))
    return sitk.RegionOfInterest(image, (stop - start).tolist(), start.tolist())
