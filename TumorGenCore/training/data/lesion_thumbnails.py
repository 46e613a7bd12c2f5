"""Thumbnails and traits of the training lesions; by them a bundle judges copies, shape and texture of its tumors."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, zip_longest
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from TumorGenCore.bundle.model_bundle import add_training_lesions, bundle_folder, load_bundle
from TumorGenCore.errors import TrainingDataError
from TumorGenCore.lesions.extent import around
from TumorGenCore.lesions.thumbnails import LEAST_PATIENTS, MOST_LESIONS, TrainingLesions, thumbnail
from TumorGenCore.lesions.traits import lesion_traits
from TumorGenCore.training.data.cases import Case, Lesion, case_files, load_cases
from TumorGenCore.training.data.tumor_masks import tumor_mask

__all__ = ["add_lesions_to_bundle", "describe_training_lesions"]

#: Margin around a lesion, voxels: its texture is compared with that of the tissue around it.
_MARGIN_VOXELS = 4


def describe_training_lesions(cases: Sequence[Case]) -> TrainingLesions | None:
    """Makes thumbnail and traits of the PET-avid part of every lesion.

    At most ``MOST_LESIONS`` are taken: first the largest lesion of each patient, then the second largest, and so on.

    Args:
        cases: training cases.

    Returns:
        Thumbnails and traits; None if fewer than ``LEAST_PATIENTS`` patients have a lesion.
    """
    lesions_of: dict[str, list[tuple[Case, Lesion]]] = {}
    for case in cases:
        lesions_of.setdefault(case.patient, []).extend((case, lesion) for lesion in case.lesions)
    ranked = [sorted(found, key=lambda item: -item[1].volume_ml) for found in lesions_of.values() if found]
    if len(ranked) < LEAST_PATIENTS:
        return None
    in_turn = [item for item in chain.from_iterable(zip_longest(*ranked)) if item is not None][:MOST_LESIONS]
    number = {case.patient: n for n, (case, _) in enumerate(item[0] for item in ranked)}
    frames, traits = zip(*(_described(case, lesion) for case, lesion in in_turn), strict=True)
    return TrainingLesions(
        frames=np.stack(frames),
        patients=np.array([number[case.patient] for case, _ in in_turn], dtype=np.int32),
        traits=np.stack(traits),
    )


def add_lesions_to_bundle(model: str | Path, data: Path) -> int:
    """Adds thumbnails and traits to a bundle, or makes them again.

    Args:
        model: bundle name or folder.
        data: folder with the training cases that the bundle's metadata names; missing cases are ignored.

    Returns:
        Number of lesions.

    Raises:
        ModelBundleError: the bundle is missing or damaged.
        TrainingDataError: fewer than ``LEAST_PATIENTS`` of its training patients have a lesion in ``data``.
    """
    names = load_bundle(model).notes.get("cases", {}).get("training", ())
    here = sorted(case_files(data, names))
    lesions = describe_training_lesions(load_cases(data, here)) if here else None
    if lesions is None:
        raise TrainingDataError(
            f"Fewer than {LEAST_PATIENTS} training patients of {bundle_folder(model).name} have a tumor below "
            f"{data}; give the folder of its training data."
        )
    add_training_lesions(bundle_folder(model), lesions)
    return len(lesions.frames)


def _described(case: Case, lesion: Lesion) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    mask = tumor_mask(case, lesion)
    block = around(mask, _MARGIN_VOXELS)
    suv, spacing_mm = sitk.GetArrayViewFromImage(case.image)[block], case.image.GetSpacing()
    return thumbnail(suv, mask[block], spacing_mm), lesion_traits(suv, mask[block], suv, spacing_mm)
