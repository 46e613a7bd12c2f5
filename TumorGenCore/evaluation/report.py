"""`tumorgen evaluate`: writes a folder with a report, its values and its pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from TumorGenCore.evaluation.features.field_statistics import read_field_statistics
from TumorGenCore.evaluation.features.left_out import or_reason
from TumorGenCore.evaluation.features.slice_features import load_inception_features
from TumorGenCore.evaluation.markdown import number, table_lines
from TumorGenCore.evaluation.patients import (
    check_unseen,
    held_out_names,
    load_patients,
    load_training_cases,
    patient_patterns,
)
from TumorGenCore.evaluation.report_files import Picture, write_report
from TumorGenCore.evaluation.sites import GROUPS, Shown, Site, evaluate_site, phantom_sites, sites_of
from TumorGenCore.evaluation.statistics import mean_of_known, patient_means
from TumorGenCore.evaluation.themes.control import control_lines, measure_control
from TumorGenCore.evaluation.themes.equality_text import equality_lines
from TumorGenCore.evaluation.themes.organs import measure_organs, organ_lines
from TumorGenCore.evaluation.themes.quality_gate import gate_lines, quality_gate
from TumorGenCore.evaluation.themes.realism import measure_realism
from TumorGenCore.evaluation.themes.realism_pictures import save_memorization, save_statistics
from TumorGenCore.evaluation.themes.realism_text import realism_lines
from TumorGenCore.evaluation.themes.reconstruction import evaluate_reconstruction
from TumorGenCore.evaluation.themes.told_apart import told_apart
from TumorGenCore.evaluation.two_sample.text import two_sample_lines
from TumorGenCore.insertion.generator import TumorGenerator
from TumorGenCore.insertion.pictures import PreviewCase, save_contact_sheet
from TumorGenCore.insertion.tumor import Tumor
from TumorGenCore.training.data.cases import Case

if TYPE_CHECKING:
    from TumorGenCore.training.stages.segmenter import Segmenter

__all__ = ["FIGURES", "EvaluationPlan", "evaluate"]

#: Values of a site, means over its seeds; see ``evaluate_site``.
FIGURES = ("uptake_dice", "contrast", "seed_dice", "volume_ml", "volume_variation", "suv_max")


@dataclass(frozen=True)
class EvaluationPlan:
    """What to evaluate, and where to write the report.

    Args:
        data: folder with ``*_image.nii.gz`` / ``*_mask.nii.gz``.
        output: folder of the report.
        names: names of the cases; by default the held-out cases in the bundle's metadata.
        seeds: number of seeds per site: 0, 1, ...
        steps: steps of the sampler; None takes the number of the bundle.
        field_statistics: file with quantiles of large data sets for comparison; see ``read_field_statistics``.
        inception: file with the weights of FID's network; see ``load_inception_features``.
        anatomy: folder with label maps of bodies, for tumors in known organs; see ``measure_organs``.
    """

    data: Path
    output: Path
    names: Sequence[str] | None = None
    seeds: int = 3
    steps: int | None = None
    field_statistics: Path | None = None
    inception: Path | None = None
    anatomy: Path | None = None


def evaluate(
    generator: TumorGenerator,
    plan: EvaluationPlan,
    segmenter: Segmenter | None = None,
    on_progress: Callable[[str], None] | None = None,
) -> dict:
    """Evaluates a bundle on held-out patients, and writes ``report.json``, ``report.md`` and pictures.

    Args:
        generator: the bundle on its device.
        plan: what to evaluate.
        segmenter: finds real and synthetic tumors; without one, the report has neither equality nor alignment.
        on_progress: called with a line per case, site and theme.

    Returns:
        The content of ``report.json``.

    Raises:
        TrainingDataError: the bundle lists no held-out cases, bundle or segmenter was trained on a patient, or
            ``field_statistics`` or ``inception`` is not a valid file.
    """
    features = None if plan.inception is None else load_inception_features(plan.inception)
    field = read_field_statistics(plan.field_statistics) if plan.field_statistics else {}
    patterns = patient_patterns(generator.bundle, *([] if segmenter is None else [segmenter.run.data]))
    names = held_out_names(generator.bundle, plan.names, patterns)
    if segmenter is not None:
        check_unseen("segmenter", segmenter.training_cases, names, patterns)
    plan.output.mkdir(parents=True, exist_ok=True)
    tell = on_progress or (lambda line: None)
    cases = load_patients(plan.data, names, patterns)
    reconstruction = {}
    for case in cases:
        reconstruction[case.name] = {"patient": case.patient, **evaluate_reconstruction(generator.bundle, case)}
        tell(f"{case.name}: {reconstruction[case.name]['psnr_db']:.1f} dB")
    sites, shown = _at_sites(generator, cases, plan, tell)
    training = load_training_cases(generator.bundle, plan.data, patterns)
    realism, samples = measure_realism(cases, training, shown, generator.bundle.patch, tell, segmenter, features)
    gate = quality_gate(cases, training, shown, generator.bundle.training_lesions)
    tell("quality gate: done")
    two_sample = or_reason(lambda: told_apart(shown, training, generator.bundle.patch, tell))
    control = measure_control(generator, [site for site, _ in shown if site.group != "tumor"])
    tell("control: done")
    organs, organ_panels = measure_organs(generator, plan.anatomy, tell=tell) if plan.anatomy else (None, [])
    report = {
        "bundle": generator.bundle.name,
        "weights_sha256": generator.bundle.weights_hash,
        "cases": sorted(reconstruction),
        "patients": sorted({case.patient for case in cases}),
        "seeds": list(range(plan.seeds)),
        **generator.bundle.sampling.asked(plan.steps).as_dict(),
        "two_sample": two_sample,
        "reconstruction": reconstruction,
        "sites": sites,
        "means": _means(reconstruction, sites),
        "realism": realism,
        "quality": gate,
        "control": control,
        "organs": organs,
    }
    pictures: dict[str, Picture] = {
        "lesion_statistics.png": partial(save_statistics, realism, field),
        "memorization.png": partial(save_memorization, realism["memorization"], samples),
        "contact_sheet.png": partial(save_contact_sheet, _panels(shown), columns=(plan.seeds + 1) * 2),
    }
    if organ_panels:
        pictures["organs.png"] = partial(save_contact_sheet, organ_panels, columns=6)
    write_report(plan.output, report, _markdown(report), pictures)
    return report


def _at_sites(
    generator: TumorGenerator, cases: Sequence[Case], plan: EvaluationPlan, tell: Callable[[str], None]
) -> tuple[dict, list[tuple[Site, list[Tumor]]]]:
    """Returns the values of every site by its name, and the tumors inserted there, in the order of the groups."""
    sites, shown = {}, []
    places = phantom_sites() + [site for case in cases for site in sites_of(case)]
    for site in sorted(places, key=lambda place: GROUPS.index(place.group)):
        figures, results = evaluate_site(generator, site, range(plan.seeds), plan.steps)
        sites[site.name] = {"group": site.group, "patient": site.patient, **figures}
        shown.append((site, results))
        tell(f"{site.name}: done")
    return sites, shown


def _panels(shown: Shown) -> list[PreviewCase]:
    panels = []
    for site, results in shown:
        panels.append(PreviewCase(f"{site.name}: scan", site.image, site.real, site.box))
        for result in results:
            panels.append(PreviewCase(f"seed {result.seed}", result.image, result.mask, site.box))
    return panels


def _means(reconstruction: dict, sites: dict) -> dict:
    """Returns means in which each patient counts once, with the mean over the patient's scans."""

    def mean(rows: Sequence[dict], key: str) -> float | None:
        return mean_of_known(patient_means(rows, key).values())

    means: dict = {key: mean(list(reconstruction.values()), key) for key in ("psnr_db", "tumor_error")}
    for group in GROUPS:
        rows = [figures for figures in sites.values() if figures["group"] == group]
        means[group] = {key: mean(rows, key) for key in FIGURES}
    return means


def _markdown(report: dict) -> str:
    means = report["means"]
    lines = [
        f"# Evaluation of {report['bundle']}",
        "",
        f"Held-out cases: {', '.join(report['cases'])}, of {len(report['patients'])} patients. "
        f"Seeds {report['seeds']}, {report['steps']} steps.",
        "",
        *two_sample_lines(report["two_sample"]),
        *equality_lines(report["realism"]["equality"]),
        "## Tumors at the sites",
        "",
        f"Reconstruction by the VAE: {number(means['psnr_db'], 1)} dB (network scale, peak to peak 2); "
        f"mean error inside tumors {number(100 * (means['tumor_error'] or 0), 1)} %.",
        "",
    ]
    rows = {**report["sites"], **{f"**mean, {group} sites**": means[group] for group in GROUPS}}
    lines += table_lines(
        ["site", *FIGURES], [[name, *(number(row[key]) for key in FIGURES)] for name, row in rows.items()]
    )
    lines += [
        "`uptake_dice`: overlap of the mask with the uptake above a threshold, which lies 41 % of the way from the "
        "surroundings to the tumor's 95th percentile. `contrast`: chance that a voxel in the mask is hotter than a "
        "voxel in the rest of the box. `seed_dice`: overlap of the masks of different seeds (1 means no variety). "
        "In the means each patient counts once.",
        "",
        "![contact sheet](contact_sheet.png)",
        "",
        *realism_lines(report["realism"]),
        *gate_lines(report["quality"]),
        *control_lines(report["control"]),
        *(organ_lines(report["organs"]) if report["organs"] else []),
    ]
    return "\n".join(lines)
