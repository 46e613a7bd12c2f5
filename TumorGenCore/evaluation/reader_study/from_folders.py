"""Lesions of a reader study from two folders of labeled scans, real and synthetic."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from TumorGenCore.errors import TrainingDataError
from TumorGenCore.evaluation.patients import load_patients
from TumorGenCore.evaluation.reader_study.lesions import StudyLesion, Truth, lesion_as_drawn
from TumorGenCore.training.data.cases import case_files

__all__ = ["folder_pool"]


def folder_pool(
    folder: Path, truth: Truth, count: int, pattern: str, seed: int, tell: Callable[[str], None]
) -> list[StudyLesion]:
    """Reads scans in a random order until there are lesions enough to choose from.

    Args:
        folder: folder with ``*_image.nii.gz`` and ``*_mask.nii.gz`` in SUV, with its subfolders.
        truth: what the lesions of its masks are.
        count: least number of lesions; there are fewer if the folder has fewer.
        pattern: regular expression with one group, which gives the patient of a case; a case that it does not match is
            a patient of its own.
        seed: decides the order and the views.
        tell: called with a line for each scan.

    Raises:
        TrainingDataError: a scan cannot be read, or a scan that shall be real has the provenance of a synthetic one.
    """
    files = case_files(folder)
    if not files:
        raise TrainingDataError(f"No *_image.nii.gz was found below {folder}; name the files CASE_image.nii.gz.")
    rng = np.random.default_rng([seed, 3, truth == "real"])
    found: list[StudyLesion] = []
    for name in rng.permutation(sorted(files)).tolist():
        if truth == "real" and files[name].with_name(f"{name}.provenance.json").exists():
            raise TrainingDataError(
                f"{files[name].name} has a provenance, so it is synthetic. Give a folder of real scans."
            )
        (case,) = load_patients(folder, [name], [pattern])
        for lesion in case.lesions:
            drawn = lesion_as_drawn(truth, f"{truth}, from a folder", case, lesion, rng)
            if drawn is not None:
                found.append(drawn)
        tell(f"{truth} scan {len(found)} of {count} lesions")
        if len(found) >= count:
            break
    return found
