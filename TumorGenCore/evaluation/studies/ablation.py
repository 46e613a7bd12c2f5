"""`tumorgen ablate`: compares variants that each change one thing, on the same patients, boxes and seeds (Table 2)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from TumorGenCore.bundle.folders import METADATA
from TumorGenCore.bundle.laws import FillLaw, NoiseLaw, UptakeLaw
from TumorGenCore.errors import TrainingDataError
from TumorGenCore.evaluation.features.method_distances import every_distance
from TumorGenCore.evaluation.features.resampling import mean_of_patients
from TumorGenCore.evaluation.patients import check_unseen
from TumorGenCore.evaluation.report_files import write_report
from TumorGenCore.evaluation.samples import LesionSample, largest_lesions, small_lesions, synthetic_lesion
from TumorGenCore.evaluation.sites import Site, evaluate_site, sites_of
from TumorGenCore.evaluation.statistics import mean_of_known, patient_means
from TumorGenCore.evaluation.studies.ablation_text import ablation_text, save_ablation
from TumorGenCore.evaluation.studies.switches import (
    BLIND_FIELD,
    MASKED_AFTER,
    REPLACING,
    UNFITTED,
    UNIFORM_TIMES,
    UNREFINED,
    Switch,
)
from TumorGenCore.evaluation.themes.alignment import alignment
from TumorGenCore.evaluation.themes.equality import Judged, differences, judged, real_tumors, small_sites
from TumorGenCore.insertion.generator import TumorGenerator
from TumorGenCore.method.pseudo_mask import BoxOffsets
from TumorGenCore.training.config import GeneratorRun
from TumorGenCore.training.data.cases import Case
from TumorGenCore.training.data.chosen_cases import load_chosen, split_chosen
from TumorGenCore.training.loop.job import TrainingJob
from TumorGenCore.training.loop.run_folder import open_run_folder
from TumorGenCore.training.stages.autoencoder import load_autoencoder
from TumorGenCore.training.stages.generator import train_generator
from TumorGenCore.training.stages.generator_stage import GeneratorStage
from TumorGenCore.training.stages.rival import hash_vae
from TumorGenCore.training.stages.segmenter import Segmenter

__all__ = ["CONFIG", "FIGURES", "VARIANTS", "AblationPlan", "Variant", "ablate"]

CONFIG = "ablation.json"
FULL = "full"
#: Values of a site, means over its seeds.
FIGURES = ("dice", "nsd", "uptake_dice")
_BUNDLE = "bundle"
_GROUPS = ("all", "tumor", "healthy")


@dataclass(frozen=True)
class Variant:
    """A variant that differs from ``full`` in one thing.

    Args:
        label: name in the report.
        changes: changes of the training settings.
        switch: classes to replace inside the product. Without own training, the variant uses the networks of ``full``.
        bundle: changes of the bundle's metadata.
        sampling: changes of the bundle's sampling.
    """

    label: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    switch: Switch = field(default_factory=Switch)
    bundle: Mapping[str, Any] = field(default_factory=dict)
    sampling: Mapping[str, Any] = field(default_factory=dict)

    @property
    def has_own_networks(self) -> bool:
        """Whether the variant is trained."""
        return bool(self.changes) or self.switch.stage is not GeneratorStage


#: Variants by their name on the command line. ``no-refiner`` needs no training: the refiner passes no gradient to the
#: vector field, so a vector field trained without it would be the same.
VARIANTS: dict[str, Variant] = {
    FULL: Variant("TumorGen"),
    "tight-box": Variant("without BA-PMG: tight box", {"offsets": BoxOffsets(alpha=0.0, least_mm=0.0)}),
    "no-coarse": Variant("without coarse", {"lambda_1": 0.0}),
    "no-fine": Variant("without fine", {"lambda_2": 0.0}),
    "no-refiner": Variant("without VMR: the latent mask, upsampled", switch=UNREFINED),
    "no-fit": Variant("M' not fitted to the uptake", switch=UNFITTED),
    "not-drawn": Variant("uptake and size left to the model", bundle={"uptake": UptakeLaw(), "fill": FillLaw()}),
    "no-noise": Variant("without noise and resolution of the scan", bundle={"noise": NoiseLaw()}),
    "mask-noise": Variant("masks start from the noise of training", sampling={"mask_noise": 1.0}),
    "mask-after": Variant("condition masked after encoding", switch=MASKED_AFTER),
    "no-box-channel": Variant("without the box channel", switch=BLIND_FIELD),
    "uniform-time": Variant("time drawn uniformly", switch=UNIFORM_TIMES),
    "replace": Variant("paste by replacement", switch=REPLACING),
}


@dataclass(frozen=True)
class AblationPlan:
    """What to train and compare, and where to write the report.

    Args:
        data: folder of cases.
        autoencoder: output folder of the VAE's run.
        output: folder of the run, with one folder per variant and the cached latents. Variants with the same examples
            share latents.
        run: settings of ``full``.
        only: keys of ``VARIANTS``; all by default.
        seeds: number of seeds per site: 0, 1, ...
    """

    data: Path
    autoencoder: Path
    output: Path
    run: GeneratorRun
    only: Sequence[str] | None = None
    seeds: int = 3


def ablate(
    plan: AblationPlan,
    segmenter: Segmenter,
    resume: bool = False,
    device: str = "auto",
    on_progress: Callable[[str], None] | None = None,
    quiet: bool = True,
) -> dict:
    """Trains missing variants, evaluates all, and writes ``report.json``, ``report.md`` and ``ablation.png``.

    All variants train with the same examples, noise and seed, as far as their difference allows. They make tumors with
    the same seeds in the same boxes: rough boxes on the held-out patients' largest tumors, and boxes at healthy sites.

    Args:
        plan: what to train and compare.
        segmenter: finds real and synthetic tumors.
        resume: continue the run in the plan's output folder; finished variants are not trained again.
        device: device of the evaluation.
        on_progress: called with a line per variant.
        quiet: show no progress bars.

    Returns:
        The content of ``report.json``.

    Raises:
        TrainingDataError: a name is unknown, the segmenter knows a held-out patient, no held-out patient has a tumor,
            or the output folder contains another run.
    """
    data, autoencoder, output, run = plan.data, plan.autoencoder, plan.output, plan.run
    names = _checked(plan.only)
    tell = on_progress or (lambda line: None)
    vae, vae_run = load_autoencoder(autoencoder)
    cases = load_chosen(data, run.data)
    training, held_out = split_chosen(cases, run.data)
    sites = _sites(held_out)
    patterns = run.data.patient_pattern, segmenter.run.data.patient_pattern
    check_unseen("segmenter", segmenter.training_cases, [c.name for c in held_out], patterns)
    open_run_folder(output, run, CONFIG, resume, autoencoder=hash_vae(vae))
    shown = {}
    for name in names:
        variant = VARIANTS[name]
        folder = output / (name if variant.has_own_networks else FULL)
        if not (folder / _BUNDLE / METADATA).is_file():
            varied = _varied(run, variant, vae_run.patch.spacing_mm)
            cache = output / "cache" / _examples_of(varied, variant.switch)
            job = TrainingJob(data, folder, resume=True, quiet=quiet, cache=cache, cases=cases)
            train_generator(job, autoencoder, varied, _BUNDLE, variant.switch.stage)
            tell(f"{name}: trained")
        bundle = replace(variant.switch.load(folder / _BUNDLE), **variant.bundle)
        bundle.sampling = replace(bundle.sampling, **variant.sampling)
        generator = variant.switch.generator(bundle, device)
        shown[name] = _evaluated(generator, sites, range(plan.seeds), segmenter)
        tell(f"{name}: evaluated")
    small = [lesion for case in held_out for lesion in small_lesions(case, vae_run.patch)]
    real = real_tumors(segmenter, sites), real_tumors(segmenter, small_sites(small))
    report = _report(run, shown, sites, *real, largest_lesions(held_out), largest_lesions(training))
    write_report(output, report, ablation_text(report), {"ablation.png": partial(save_ablation, report)})
    return report


def _checked(only: Sequence[str] | None) -> list[str]:
    unknown = sorted(set(only or ()) - set(VARIANTS))
    if unknown:
        raise TrainingDataError(f"The variants {unknown} do not exist; choose from {', '.join(VARIANTS)}.")
    return [name for name in VARIANTS if only is None or name in only]


def _sites(held_out: Sequence[Case]) -> list[Site]:
    sites = [site for case in held_out for site in sites_of(case)]
    if not any(site.real for site in sites):
        raise TrainingDataError(
            "The configuration holds out no patient with a tumor; raise data.validation_share or add cases."
        )
    return sites


def _varied(run: GeneratorRun, variant: Variant, voxel_mm: float) -> GeneratorRun:
    varied = replace(run, **variant.changes)
    if "offsets" in variant.changes:  # A tight box still contains all voxels of the tumor.
        varied = replace(varied, offsets=replace(varied.offsets, least_mm=voxel_mm))
    return varied


def _examples_of(run: GeneratorRun, switch: Switch) -> str:
    """Returns a name for the latents of a run; equal names mean equal latents. Reading checks their fingerprint."""
    condition = switch.stage.encoder_kind.condition_name
    decides = (run.data, run.offsets, run.examples, run.buckets, run.validation_examples, condition, run.loop.seed)
    return hashlib.sha256(repr(decides).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class _Shown:
    """Results of a variant: one row per site; the lesions at sites over real tumors; all tumors, by group of site."""

    rows: list[dict]
    lesions: list[LesionSample]
    judged: list[tuple[str, Judged]]


def _evaluated(generator: TumorGenerator, sites: Sequence[Site], seeds: range, segmenter: Segmenter) -> _Shown:
    shown = _Shown([], [], [])
    for site in sites:
        figures, results = evaluate_site(generator, site, seeds)
        found = [alignment(segmenter, result.image, result.mask, site.box) for result in results]
        shown.judged.extend(
            (site.group, judged(site, result.image, result.mask, some))
            for result, some in zip(results, found, strict=True)
        )
        row: dict = {"site": site.name, "group": site.group, "patient": site.patient}
        row |= {name: mean_of_known(some[name] for some in found) for name in ("dice", "nsd")}
        empty = sum(some["dice"] is None for some in found)
        shown.rows.append({**row, "uptake_dice": figures["uptake_dice"], "empty": empty})
        if site.group == "tumor":
            shown.lesions.extend(
                synthetic_lesion(site.name, site.patient, seed, result.image, result.mask)
                for seed, result in zip(seeds, results, strict=True)
            )
    return shown


def _report(
    run: GeneratorRun,
    shown: Mapping[str, _Shown],
    sites: Sequence[Site],
    own_size: Sequence[Judged],
    made_small: Sequence[Judged],
    held_out: Sequence[LesionSample],
    training: Sequence[LesionSample],
) -> dict:
    lesions = {name: some.lesions for name, some in shown.items()}
    real = [{"patient": one.patient, **one.figures} for one in own_size]
    variants = {
        name: {
            "label": VARIANTS[name].label,
            "equality": {
                group: differences([one for of, one in some.judged if group in ("all", of)], [*own_size, *made_small])
                for group in _GROUPS
            },
            **{group: _means(_of_group(some.rows, group)) for group in _GROUPS},
            "over_full": _differences(some.rows, shown[FULL].rows) if FULL in shown and name != FULL else None,
            "empty": sum(row["empty"] for row in some.rows),
            "sites": some.rows,
        }
        for name, some in shown.items()
    }
    return {
        "steps": run.loop.steps,
        "patients": sorted({site.patient for site in sites}),
        "real": {name: mean_of_patients(patient_means(real, name)) for name in ("dice", "nsd")},
        "variants": variants,
        "frechet": every_distance(lesions, held_out, training),
    }


def _of_group(rows: Sequence[dict], group: str) -> list[dict]:
    return [row for row in rows if group in ("all", row["group"])]


def _means(rows: Sequence[dict]) -> dict:
    return {name: mean_of_patients(patient_means(rows, name)) for name in FIGURES}


def _differences(rows: Sequence[dict], full: Sequence[dict]) -> dict:
    """Means of each patient's own difference to ``full``, which removes the differences between patients."""
    found = {}
    for name in FIGURES:
        here, there = patient_means(rows, name), patient_means(full, name)
        found[name] = mean_of_patients({p: here[p] - there[p] for p in here if p in there})
    return found
