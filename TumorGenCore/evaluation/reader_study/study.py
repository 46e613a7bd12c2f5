"""`tumorgen reader-study make`: writes the page for the readers and the key for the scorer."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from TumorGenCore.errors import InvalidRequestError, ReaderStudyWarning
from TumorGenCore.evaluation.patients import held_out_names, load_patients, patient_patterns
from TumorGenCore.evaluation.reader_study.answers import KEY_FORMAT, VERSION
from TumorGenCore.evaluation.reader_study.choice import choose_lesions
from TumorGenCore.evaluation.reader_study.from_data import real_pool, synthetic_pool
from TumorGenCore.evaluation.reader_study.from_folders import folder_pool
from TumorGenCore.evaluation.reader_study.lesions import StudyLesion
from TumorGenCore.evaluation.reader_study.page import page_of
from TumorGenCore.evaluation.report_files import write_text
from TumorGenCore.insertion.generator import TumorGenerator
from TumorGenCore.volumes.safe_write import all_or_none

__all__ = ["KEY_NAME", "PAGE_NAME", "check_output", "lesions_of_folders", "lesions_of_patients", "write_study"]

#: Files of a study.
PAGE_NAME, KEY_NAME = "reader-study.html", "key.json"
#: Lesions of a folder to choose from, for each one shown.
_CHOICES = 3

Tell = Callable[[str], None]


def lesions_of_patients(
    generator: TumorGenerator, data: Path, names: Sequence[str] | None, counts: tuple[int, int], seed: int, tell: Tell
) -> tuple[list[StudyLesion], dict[str, Any]]:
    """Takes real lesions of held-out patients, and makes synthetic ones in the same scans.

    Args:
        generator: the bundle on its device.
        data: folder with ``*_image.nii.gz`` and ``*_mask.nii.gz`` in SUV.
        names: names of the cases; None takes the bundle's held-out cases.
        counts: wanted numbers of real and synthetic lesions.
        seed: decides lesions, places and views.
        tell: called with lines about the progress.

    Returns:
        The lesions, and what the key says about their source.

    Raises:
        TrainingDataError: the bundle was trained on a patient of these cases, lists no held-out cases, or a case cannot
            be used.
    """
    bundle = generator.bundle
    patterns = patient_patterns(bundle)
    cases = load_patients(data, held_out_names(bundle, names, patterns), patterns)
    real = real_pool(cases, bundle.patch, counts[0], seed, tell)
    synthetic = synthetic_pool(generator, cases, counts[1], seed, tell)
    about = {"bundle": bundle.name, "weights_sha256": bundle.weights_hash, "cases": [case.name for case in cases]}
    return choose_lesions(real, synthetic, counts, np.random.default_rng([seed, 4])), about


def lesions_of_folders(
    real: Path, synthetic: Path, pattern: str, counts: tuple[int, int], seed: int, tell: Tell
) -> tuple[list[StudyLesion], dict[str, Any]]:
    """Takes the lesions of two folders; see ``folder_pool`` and ``lesions_of_patients``."""
    real_lesions = folder_pool(real, "real", _CHOICES * counts[0], pattern, seed, tell)
    synthetic_lesions = folder_pool(synthetic, "synthetic", _CHOICES * counts[1], pattern, seed, tell)
    chosen = choose_lesions(real_lesions, synthetic_lesions, counts, np.random.default_rng([seed, 4]))
    return chosen, {"patient_pattern": pattern}


def check_output(folder: Path) -> None:
    """Refuses a folder that has a study: without its key, the answers of its readers would be worthless.

    Raises:
        InvalidRequestError: there is a study in the folder.
    """
    for name in (PAGE_NAME, KEY_NAME):
        if (folder / name).exists():
            raise InvalidRequestError(f"{folder} has a {name} already. Give another folder for the new study.")


def write_study(lesions: Sequence[StudyLesion], folder: Path, seed: int, about: Mapping[str, Any]) -> dict[str, Any]:
    """Shuffles the lesions and writes ``reader-study.html`` and ``key.json``, both or none.

    Args:
        lesions: lesions to show.
        folder: folder of the study, which is made if needed.
        seed: decides order and names.
        about: what the key says about the source of the lesions.

    Returns:
        The content of the key.

    Warns:
        ReaderStudyWarning: something may give the synthetic lesions away.

    Raises:
        InvalidRequestError: the folder has a study.
        OSError: a file cannot be written.
    """
    check_output(folder)
    rng = np.random.default_rng([seed, 5])
    order = _order(lesions, rng)
    ids = [f"{number:06x}" for number in rng.choice(16**6, len(order), replace=False)]
    page, study = page_of(dict(zip(ids, order, strict=True)))
    key = {
        "format": KEY_FORMAT,
        "version": VERSION,
        "study": study,
        "seed": seed,
        **about,
        "lesions": {
            name: {
                "truth": lesion.truth,
                "made": lesion.made,
                "case": lesion.case,
                "patient": lesion.patient,
                "size": lesion.size,
                "volume_ml": round(lesion.volume_ml, 2),
                "suv_max": round(lesion.suv_max, 2),
                "quality": None if lesion.quality is None else round(lesion.quality, 3),
            }
            for name, lesion in zip(ids, order, strict=True)
        },
    }
    folder.mkdir(parents=True, exist_ok=True)
    with all_or_none():
        write_text(folder / KEY_NAME, json.dumps(key, indent=2) + "\n")
        write_text(folder / PAGE_NAME, page)
    for line in _giveaways(lesions):
        warnings.warn(line, ReaderStudyWarning, stacklevel=2)
    return key


def _order(lesions: Sequence[StudyLesion], rng: np.random.Generator) -> list[StudyLesion]:
    """Shuffles the lesions, without two of one patient in a row as long as there are others."""
    left = list(lesions)
    order: list[StudyLesion] = []
    while left:
        others = [n for n, lesion in enumerate(left) if not order or lesion.patient != order[-1].patient]
        order.append(left.pop(int(rng.choice(others or len(left)))))
    return order


def _giveaways(lesions: Sequence[StudyLesion]) -> list[str]:
    """Says where real and synthetic lesions differ in size, which readers can see."""
    said = []
    for size in ("small", "large"):
        real, synthetic = (
            [lesion.volume_ml for lesion in lesions if (lesion.truth, lesion.size) == (truth, size)]
            for truth in ("real", "synthetic")
        )
        if not real or not synthetic:
            if real or synthetic:
                missing = "real" if not real else "synthetic"
                said.append(f"No {size} lesion of the study is {missing}, so size gives the others away.")
        elif not 0.5 <= np.median(real) / np.median(synthetic) <= 2:
            said.append(
                f"Real {size} lesions have a median of {np.median(real):.1f} ml, synthetic ones of "
                f"{np.median(synthetic):.1f} ml; readers may tell them by size."
            )
    return said
