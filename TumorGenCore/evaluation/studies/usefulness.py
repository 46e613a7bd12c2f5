"""`tumorgen usefulness`: does a segmenter with few real patients improve with additional synthetic tumors?

All arms train one network with equal numbers of steps and patches. In all arms the same six in ten patches show a
tumor, and the tissue in the other patches comes from the same scans. In an arm with synthetic tumors, half of the
tumors shown are synthetic. The test uses patients that neither segmenters nor generator have seen.

The generator of TumorGen's arm was trained on *all* real training patients, not on the few alone. So this arm stands
for a user with few patients and a finished bundle, which adds what it has learned from other patients. It does not show
the value of a generator trained on the few alone. Copy-paste and rules know the few patients only. The arm with all
real training patients is the ceiling: the value of the bundle's training patients if they could be shared.

The held-out tumors are large. Small tumors are made from them like the generator's training examples: shrunk, blurred
and placed into healthy tissue of the same patient. Arms with tumors made in a similar way (TumorGen's training
examples, copy-paste) may find these more easily than real small tumors.

If the data folder has a library ``shapes``, its judging shapes are placed into this tissue too, and their recovery is
compared with that of spheres.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from TumorGenCore.bundle.model_bundle import ModelBundle
from TumorGenCore.errors import TrainingDataError
from TumorGenCore.evaluation.patients import held_out_names, load_patients, patient_patterns
from TumorGenCore.evaluation.report_files import write_report, write_text
from TumorGenCore.evaluation.rivals.copy_paste import CopyPaste
from TumorGenCore.evaluation.rivals.donors import Donors
from TumorGenCore.evaluation.rivals.host import Rival
from TumorGenCore.evaluation.rivals.own import Own
from TumorGenCore.evaluation.rivals.rule_based import RuleBased
from TumorGenCore.evaluation.statistics import quantiles
from TumorGenCore.evaluation.studies.shape_sites import field_shapes
from TumorGenCore.evaluation.studies.synthetic_scans import SyntheticSite, healthy_sites, with_tumors
from TumorGenCore.evaluation.studies.usefulness_recovery import recovery_curve, save_recovery
from TumorGenCore.evaluation.studies.usefulness_results import ARMS, results
from TumorGenCore.evaluation.studies.usefulness_scans import scan_figures, searched_scans
from TumorGenCore.evaluation.studies.usefulness_text import save_usefulness, usefulness_text
from TumorGenCore.evaluation.themes.detection import SearchedScan, find_tumors
from TumorGenCore.insertion.generator import TumorGenerator
from TumorGenCore.insertion.pictures import PreviewCase, save_contact_sheet
from TumorGenCore.insertion.request import TumorRequest
from TumorGenCore.lesions.quality import GOOD_QUALITY
from TumorGenCore.training.config import SegmenterRun
from TumorGenCore.training.data.cases import Case, case_files
from TumorGenCore.training.data.labeled_scans import LabeledScan, PatchPicker, labeled, tissue_only
from TumorGenCore.training.data.shape_library import Shape
from TumorGenCore.training.loop.run_folder import open_run_folder
from TumorGenCore.training.loop.settings import LoopSettings
from TumorGenCore.training.loop.trainer import train
from TumorGenCore.training.stages.segmenter import SegmenterStage

__all__ = ["CONFIG", "UsefulnessRun", "usefulness"]

CONFIG = "usefulness.json"
#: Number of sites in the contact sheet.
_SHOWN = 8


@dataclass(frozen=True)
class UsefulnessRun:
    """Settings that decide the result.

    Args:
        segmenter: network, loop and patches. Of its data settings, only pattern and excluded boxes are used.
        healthy_only: cases that provide healthy tissue to all arms and sites for synthetic tumors, but no real tumors.
        patients: number of the few training patients.
        patient_seed: decides which patients they are.
        seeds: number of segmenters per arm.
        synthetic_scans: number of synthetic scans, made once for each method.
        small_lesions: number of small lesions made from each held-out patient.
        shaped_lesions: number of lesions of a library's shapes in the tissue of each held-out patient.
    """

    segmenter: SegmenterRun = field(default_factory=lambda: SegmenterRun(loop=LoopSettings(steps=500)))
    healthy_only: list[str] = field(default_factory=list)
    patients: int = 5
    patient_seed: int = 0
    seeds: int = 3
    synthetic_scans: int = 40
    small_lesions: int = 9
    shaped_lesions: int = 9


@dataclass(frozen=True)
class _Patients:
    """Cases by their purpose."""

    few: list[Case]
    every: list[Case]
    tissue: list[Case]
    held_out: list[Case]


@dataclass(frozen=True)
class _Lessons:
    """Training scans of the arms: real ones of few and of all patients, tissue for all, and those of each method."""

    few: list[LabeledScan]
    every: list[LabeledScan]
    tissue: list[LabeledScan]
    synthetic: dict[str, list[LabeledScan]]

    def picker(self, arm: str, spacing_mm: float, seed: int) -> PatchPicker:
        """Returns the patches of an arm."""
        real = self.every if arm == "all-real" else self.few
        return PatchPicker(real, self.synthetic.get(arm, []), [*real, *self.tissue], spacing_mm, seed)


def usefulness(
    generator: TumorGenerator,
    data: Path,
    output: Path,
    run: UsefulnessRun,
    resume: bool = False,
    on_progress: Callable[[str], None] | None = None,
    quiet: bool = True,
) -> dict:
    """Trains and tests every arm with every seed, and writes ``report.json``, ``report.md`` and pictures.

    Args:
        generator: the bundle on its device; its metadata lists training and held-out cases.
        data: folder with both, and with the library ``shapes`` (see ``shape_library``), if it shall be used.
        output: folder of the run.
        run: settings of the run.
        resume: continue the run in ``output``; tested segmenters are not trained again.
        on_progress: called with a line per step of the work.
        quiet: show no progress bars.

    Returns:
        The content of ``report.json``.

    Raises:
        TrainingDataError: there are too few patients or healthy places, there is no held-out tumor, the shapes
            cannot be read, or the output folder contains another run.
    """
    tell = on_progress or (lambda line: None)
    patients = _patients(generator, data, run)
    tell(f"few patients: {', '.join(case.name for case in patients.few)}")
    excluded = run.segmenter.data.exclude_lps_mm
    tissue = [(case, tissue_only(case, excluded.get(case.name, ()))) for case in patients.tissue]
    few = [(case, labeled(case)) for case in patients.few]
    sites = healthy_sites(_in_turns(few, tissue), run.synthetic_scans, run.patient_seed)
    methods = _methods(generator, patients.few)
    shapes = _judging_shapes(data / "shapes")
    open_run_folder(output, run, CONFIG, resume, bundle=generator.bundle.weights_hash)
    synthetic, empty = {}, {}
    for name, method in methods.items():
        synthetic[name], empty[name] = with_tumors(method, sites)
        tell(f"{name}: {len(synthetic[name])} synthetic tumors")
    _save_examples(synthetic, sites, output / "synthetic.png")
    searched = searched_scans(patients.held_out, run.segmenter, run.small_lesions, run.shaped_lesions, shapes)
    tell(f"{len(searched)} scans to search")
    every = [labeled(case) for case in patients.every]
    lessons = _Lessons([scan for _, scan in few], every, [scan for _, scan in tissue], synthetic)
    rows: dict[str, dict[int, list[dict]]] = {arm: {} for arm in ARMS}
    for seed in range(run.seeds):
        for arm in ARMS:
            picker = lessons.picker(arm, run.segmenter.patch.spacing_mm, seed)
            folder = output / "runs" / f"{arm}-{seed}"
            rows[arm][seed] = _tested(folder, replace(run.segmenter, loop=_of_seed(run, seed)), picker, searched, quiet)
            tell(f"{arm}, seed {seed}: done")
    made = {name: _about(scans, empty[name]) for name, scans in synthetic.items()}
    curve = recovery_curve(shapes) if shapes else None
    report = {**_setting(generator.bundle, patients, run), "synthetic": made, **results(rows), "recovery": curve}
    pictures = {"usefulness.png": partial(save_usefulness, report)}
    pictures |= {} if curve is None else {"recovery.png": partial(save_recovery, curve)}
    write_report(output, report, usefulness_text(report), pictures)
    return report


def _judging_shapes(folder: Path) -> list[Shape]:
    return [shape for some in field_shapes(folder, "judging").values() for shape in some] if folder.is_dir() else []


def _patients(generator: TumorGenerator, data: Path, run: UsefulnessRun) -> _Patients:
    settings = run.segmenter.data
    patterns = patient_patterns(generator.bundle, settings)
    unseen = held_out_names(generator.bundle, None, patterns)
    training_names = sorted(case_files(data, generator.bundle.notes["cases"].get("training", ())))
    strange = sorted(set(run.healthy_only) - set(training_names))
    if strange:
        raise TrainingDataError(
            f"healthy_only names {', '.join(strange)}; name only training cases of the bundle in the data folder."
        )
    names = [*training_names, *unseen]
    cases = load_patients(data, names, patterns, _known(settings.exclude_lps_mm, names))
    held_out = [case for case in cases if case.name in unseen and case.lesions]
    tissue = [case for case in cases if case.name in run.healthy_only]
    every = [case for case in cases if case.name in training_names and case not in tissue and case.lesions]
    ranked = sorted({case.patient for case in every}, key=lambda patient: _rank(run.patient_seed, patient))
    if not 0 < run.patients <= len(ranked) or not held_out:
        raise TrainingDataError(
            f"The settings ask for {run.patients} training patients with a tumor; the data folder has {len(ranked)}, "
            f"and {len(held_out)} held-out cases with a tumor. Lower the number of patients, or give the data folder "
            "of the bundle."
        )
    few = [case for case in every if case.patient in ranked[: run.patients]]
    return _Patients(few, every, tissue, held_out)


def _known(excluded: Mapping[str, list], names: Sequence[str]) -> dict[str, list]:
    return {name: boxes for name, boxes in excluded.items() if name in names}


def _rank(seed: int, patient: str) -> str:
    """Rank of a patient, by a hash as in the split, so that an added patient does not reorder the others."""
    return hashlib.sha256(f"few {seed}/{patient}".encode()).hexdigest()


def _in_turns(
    few: Sequence[tuple[Case, LabeledScan]], tissue: Sequence[tuple[Case, LabeledScan]]
) -> list[tuple[Case, LabeledScan]]:
    """Returns scans in turn, so that every second site lies in a healthy-tissue scan, if there are any."""
    if not tissue:
        return list(few)
    longest = max(len(few), len(tissue))
    return [some[n % len(some)] for n in range(longest) for some in (tissue, few)]


def _methods(generator: TumorGenerator, few: Sequence[Case]) -> dict[str, Rival]:
    donors, settings = Donors(few), generator.bundle.patch
    return {
        "copy-paste": CopyPaste(donors, settings),
        "rule-based": RuleBased(donors.uptake(), settings),
        "tumorgen": Own(generator, TumorRequest(least_quality=GOOD_QUALITY)),
    }


def _of_seed(run: UsefulnessRun, seed: int) -> LoopSettings:
    loop = run.segmenter.loop
    # Held-out patients are the test, so there is no validation on them.
    return replace(loop, seed=seed, validate_steps=loop.steps)


def _setting(bundle: ModelBundle, patients: _Patients, run: UsefulnessRun) -> dict:
    """Returns the use of each case and the length of the training, for the report."""
    return {
        "bundle": bundle.name,
        "weights_sha256": bundle.weights_hash,
        "few": [case.name for case in patients.few],
        "all": [case.name for case in patients.every],
        "healthy_only": [case.name for case in patients.tissue],
        "held_out": [case.name for case in patients.held_out],
        "seeds": list(range(run.seeds)),
        "steps": run.segmenter.loop.steps,
        "patches": run.segmenter.loop.steps * run.segmenter.batch_size,
    }


def _tested(
    folder: Path, run: SegmenterRun, picker: PatchPicker, searched: Sequence[SearchedScan], quiet: bool
) -> list[dict]:
    """Trains and tests a segmenter; returns one row per scan, from the folder if it has them already."""
    done = folder / "rows.json"
    if done.exists():
        rows: list[dict] = json.loads(done.read_text())
        return rows
    folder.mkdir(parents=True, exist_ok=True)
    network = train(SegmenterStage(run, picker), run.loop, folder, True, quiet)
    rows = []
    for scan in searched:
        figures = scan_figures(find_tumors(network, run, scan.suv), scan)
        rows.append(
            {"name": scan.name, "patient": scan.patient, "kind": scan.kind, "volume_ml": scan.volume_ml, **figures}
        )
    write_text(done, json.dumps(rows) + "\n")
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return rows


def _about(scans: Sequence[LabeledScan], empty: int) -> dict:
    volumes = [len(scan.tumor_lps) * float(np.prod(scan.image.GetSpacing())) / 1000 for scan in scans]
    return {"tumors": len(scans), "empty": empty, "volume_ml": quantiles(volumes)}


def _save_examples(synthetic: Mapping[str, Sequence[LabeledScan]], sites: Sequence[SyntheticSite], path: Path) -> None:
    panels = []
    for place in sites[:_SHOWN]:
        panels.append(PreviewCase(f"{place.site.name}: scan", place.site.image, None, place.site.box))
        for name, scans in synthetic.items():
            made = next((scan for scan in scans if scan.name == place.scan.name), place.scan)
            panels.append(PreviewCase(name, made.image, made.tumors, place.site.box))
    save_contact_sheet(panels, path, columns=1 + len(synthetic))
