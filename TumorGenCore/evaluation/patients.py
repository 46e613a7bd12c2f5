"""Choice of the patients to evaluate: those that no network has learned from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from TumorGenCore.bundle.model_bundle import ModelBundle
from TumorGenCore.errors import TrainingDataError
from TumorGenCore.training.data.cases import Case, case_files, load_cases

__all__ = ["check_unseen", "held_out_names", "load_training_cases"]


def held_out_names(bundle: ModelBundle, names: Sequence[str] | None) -> list[str]:
    """Returns the names of the cases to evaluate.

    Args:
        bundle: bundle whose metadata lists its training cases and its held-out cases.
        names: names of cases; None takes the bundle's held-out cases.

    Raises:
        TrainingDataError: the bundle was trained on one of the cases, or lists no held-out cases.
    """
    cases_of = bundle.notes.get("cases", {})
    chosen = list(names if names is not None else cases_of.get("validation", ()))
    if not chosen:
        raise TrainingDataError("The bundle names no held-out cases; list the cases with --cases.")
    seen = sorted(set(chosen) & set(cases_of.get("training", ())))
    if seen:
        raise TrainingDataError(f"The bundle was trained on {', '.join(seen)}; choose cases that it has not seen.")
    return chosen


def load_training_cases(bundle: ModelBundle, data: Path, patient_pattern: str = r"^(.+)$") -> list[Case]:
    """Reads the training cases of a bundle that are in ``data``; there may be none.

    Args:
        bundle: bundle whose metadata lists its training cases.
        data: folder to search, with its subfolders.
        patient_pattern: regular expression matched on the case name; its first group is the patient.

    Raises:
        TrainingDataError: a case cannot be read.
    """
    here = sorted(case_files(data, bundle.notes.get("cases", {}).get("training", ())))
    return load_cases(data, here, patient_pattern=patient_pattern) if here else []


def check_unseen(network: str, learned_from: Iterable[str], names: Iterable[str], patient_pattern: str) -> None:
    """Refuses a network that learned from a patient of the evaluation.

    Args:
        network: name of the network for the message.
        learned_from: names of its training cases.
        names: names of the cases to evaluate.
        patient_pattern: pattern from the settings of the network, which gives the patient of a case.

    Raises:
        TrainingDataError: the network learned from one of these patients.
    """
    learned = {_patient(name, patient_pattern) for name in learned_from}
    seen = sorted(name for name in names if _patient(name, patient_pattern) in learned)
    if seen:
        raise TrainingDataError(
            f"The {network} was trained on the patients of {', '.join(seen)}; train it with the generator's split."
        )


def _patient(name: str, pattern: str) -> str:
    match = re.match(pattern, name)
    return match[1] if match else name
