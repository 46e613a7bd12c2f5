"""Who may be evaluated: patients that no network has learned from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from TumorGenCore.bundle.model_bundle import ModelBundle
from TumorGenCore.errors import TrainingDataError
from TumorGenCore.training.data.cases import Case, case_files, load_cases

__all__ = ["check_unseen", "held_out_names", "load_training_cases"]


def held_out_names(bundle: ModelBundle, names: Sequence[str] | None) -> list[str]:
    """The cases to evaluate.

    Args:
        bundle: its metadata name the cases that it was trained on and those that it held out.
        names: cases; None takes those that the bundle held out.

    Raises:
        TrainingDataError: the bundle was trained on one of them, or names none.
    """
    cases_of = bundle.notes.get("cases", {})
    chosen = list(names if names is not None else cases_of.get("validation", ()))
    if not chosen:
        raise TrainingDataError("The bundle names no held-out cases; say which with --cases.")
    seen = sorted(set(chosen) & set(cases_of.get("training", ())))
    if seen:
        raise TrainingDataError(f"The bundle was trained on {', '.join(seen)}; figures on them would mean nothing.")
    return chosen


def load_training_cases(bundle: ModelBundle, data: Path, patient_pattern: str = r"^(.+)$") -> list[Case]:
    """The cases that the bundle was trained on, as far as they lie below ``data``; there may be none.

    Args:
        bundle: its metadata name them.
        data: folder, searched with its subfolders.
        patient_pattern: regular expression whose first group, matched on a case's name, is the patient.

    Raises:
        TrainingDataError: a case cannot be read.
    """
    here = sorted(case_files(data, bundle.notes.get("cases", {}).get("training", ())))
    return load_cases(data, here, patient_pattern=patient_pattern) if here else []


def check_unseen(network: str, learned_from: Iterable[str], names: Iterable[str], patient_pattern: str) -> None:
    """Refuse a network that learned from a patient who is evaluated.

    Args:
        network: what it is, for the message.
        learned_from: names of its training cases.
        names: of the cases that are evaluated.
        patient_pattern: of its own settings; says whom a case belongs to.

    Raises:
        TrainingDataError: the network learned from one of them.
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
