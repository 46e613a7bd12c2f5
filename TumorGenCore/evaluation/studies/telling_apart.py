"""`tumorgen tell-apart`: the two-sample test on training patients, by which settings are chosen.

What a setting is chosen by does not score it. So other settings are tried on training patients only; the held-out
patients score a release, once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from TumorGenCore.errors import InvalidRequestError, TrainingDataError
from TumorGenCore.evaluation.features.left_out import or_reason
from TumorGenCore.evaluation.markdown import number, table_lines
from TumorGenCore.evaluation.patients import load_patients, patient_patterns
from TumorGenCore.evaluation.report_files import write_report
from TumorGenCore.evaluation.rivals.as_sampled import limits
from TumorGenCore.evaluation.rivals.from_folder import FromFolder
from TumorGenCore.evaluation.rivals.host import Rival
from TumorGenCore.evaluation.rivals.own import Own
from TumorGenCore.evaluation.sites import Site, sites_of
from TumorGenCore.evaluation.statistics import mean_of_known
from TumorGenCore.evaluation.studies.settings import with_settings
from TumorGenCore.evaluation.themes.told_apart import reference_methods, slices_if_installed
from TumorGenCore.evaluation.two_sample.boxed import BoxedLesion, boxed
from TumorGenCore.evaluation.two_sample.comparison import two_sample_test
from TumorGenCore.evaluation.two_sample.text import two_sample_lines
from TumorGenCore.insertion.generator import TumorGenerator
from TumorGenCore.lesions.agreement import dice, uptake_dice
from TumorGenCore.training.data.cases import case_files

__all__ = ["Patients", "tell_apart"]

Patients = Literal["training", "held-out", "all"]


def tell_apart(
    generator: TumorGenerator,
    data: Path,
    output: Path,
    patients: Patients = "training",
    settings: Sequence[str] = (),
    tumors: Mapping[str, Path] | None = None,
    seeds: int = 2,
    references: bool = True,
    with_limits: bool = False,
    on_progress: Callable[[str], None] | None = None,
) -> dict:
    """Tells synthetic tumors from the real ones in the same boxes, and writes ``report.json`` and ``report.md``.

    Args:
        generator: the bundle on its device.
        data: folder with ``*_image.nii.gz`` / ``*_mask.nii.gz``.
        output: folder of the report.
        patients: patients of the bundle whose largest tumors provide the boxes.
        settings: settings to try beside those of the bundle, see ``with_settings``; each is a method of its own.
        tumors: folders with tumors of other programs at the same sites, by the name of the method; see ``FromFolder``.
        seeds: number of seeds for each box.
        references: whether copy-paste and rule-based tumors are tested too. They are made from training patients.
        with_limits: whether real tumors after the steps around the vector field are tested too; see ``limits``.
        on_progress: called with a line for each patient and part.

    Returns:
        The content of ``report.json``.

    Raises:
        InvalidRequestError: settings shall be tried on other than training patients, or cannot be used.
        TrainingDataError: there are no such patients in the folder.
    """
    tell = on_progress or (lambda line: None)
    if settings and patients != "training":
        raise InvalidRequestError(
            "Settings are chosen on training patients, so that held-out patients stay a fair test. Leave out "
            "--patients."
        )
    methods: dict[str, Rival] = {"as in the bundle": Own(generator)}
    for text in settings:
        methods[text] = Own(TumorGenerator(with_settings(generator.bundle, text), str(generator.device)))
    methods |= {name: FromFolder(folder) for name, folder in (tumors or {}).items()}
    if with_limits:
        methods |= limits(generator)
    cases_of = generator.bundle.notes.get("cases", {})
    learned, held_out = list(cases_of.get("training", ())), list(cases_of.get("validation", ()))
    names = {"training": learned, "held-out": held_out, "all": learned + held_out}[patients]
    here = sorted(case_files(data, names))
    cases = load_patients(data, here, patient_patterns(generator.bundle)) if here else []
    sites = [site for case in cases for site in sites_of(case, healthy=0)]
    if not sites:
        raise TrainingDataError(f"{data} has no {patients} case of the bundle with a tumor; give their folder.")
    if references:
        methods |= reference_methods([case for case in cases if case.name in learned], generator.bundle.patch)
    output.mkdir(parents=True, exist_ok=True)
    real, made = _inserted(methods, sites, range(seeds), tell)
    report = {
        "bundle": generator.bundle.name,
        "bundle_sha256": generator.bundle.bundle_hash,
        "patients": patients,
        "cases": sorted(case.name for case in cases),
        "seeds": list(range(seeds)),
        "two_sample": or_reason(lambda: two_sample_test(real, made, slices_if_installed(), tell)),
        "masks": {"real": _masks(real), **{name: _masks(some) for name, some in made.items()}},
    }
    write_report(output, report, _text(report), {})
    return report


def _inserted(
    methods: dict[str, Rival], sites: Sequence[Site], seeds: range, tell: Callable[[str], None]
) -> tuple[list[BoxedLesion], dict[str, list[BoxedLesion]]]:
    real, made = [], {name: [] for name in methods}  # type: ignore[var-annotated]
    for site in sites:
        assert site.real is not None
        real.append(boxed(site, site.image, site.real))
        for name, method in methods.items():
            made[name] += [boxed(site, *method(site, seed), seed) for seed in seeds]
        tell(f"{site.name}: done")
    return real, made


def _masks(lesions: Sequence[BoxedLesion]) -> dict:
    """Agreement of masks with their uptake, median volume, and overlap of the masks of different seeds in one box."""
    by_patient: dict[str, list[BoxedLesion]] = {}
    for lesion in lesions:
        by_patient.setdefault(lesion.patient, []).append(lesion)
    pairs = [
        dice(a.mask, b.mask)
        for some in by_patient.values()
        for n, a in enumerate(some)
        for b in some[n + 1 :]
        if a.seed != b.seed
    ]
    return {
        "uptake_dice": mean_of_known([uptake_dice(one.suv, one.mask, one.box) for one in lesions]),
        "fill": mean_of_known([float(one.mask.sum() / one.box.sum()) for one in lesions]),
        "volume_ml": float(np.median([one.mask.sum() * np.prod(one.spacing_mm) / 1000 for one in lesions])),
        "suv_max": mean_of_known([float(one.suv[one.mask].max()) for one in lesions if one.mask.any()]),
        "seed_dice": mean_of_known(pairs),
    }


def _text(report: dict) -> str:
    rows = [
        [name, *(number(row[key]) for key in ("uptake_dice", "fill", "volume_ml", "suv_max", "seed_dice"))]
        for name, row in report["masks"].items()
    ]
    lines = [
        f"# {report['bundle']}: told apart",
        "",
        f"{len(report['cases'])} {report['patients']} cases, seeds {report['seeds']}; one box over the largest tumor "
        "of each.",
        "",
        *two_sample_lines(report["two_sample"]),
        "## Masks",
        "",
        *table_lines(["", "`uptake_dice`", "fill", "median ml", "SUVmax", "`seed_dice`"], rows),
    ]
    return "\n".join(lines)
