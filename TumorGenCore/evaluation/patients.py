"""Choice of the patients to evaluate: those that no network has learned from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from TumorGenCore.bundle.model_bundle import ModelBundle
from TumorGenCore.errors import TrainingDataError
from TumorGenCore.training.config import DataSettings
from TumorGenCore.training.data.cases import Case, case_files, load_cases

__all__ = ["check_unseen", "held_out_names", "load_patients", "load_training_cases", "patient_patterns"]


def patient_patterns(bundle: ModelBundle, *settings: DataSettings) -> tuple[str, ...]:
    """Returns the patterns that are known to give the patient of a case, as regular expressions with one group.

    Args:
        bundle: bundle; its metadata has the pattern of its training, unless an earlier version trained it.
        settings: data settings of other networks.

    Raises:
        TrainingDataError: the bundle's pattern is not a regular expression with a group.
    """
    cases = bundle.notes.get("cases", {})
    if "patient_pattern" not in cases:
        return tuple(other.patient_pattern for other in settings)
    try:
        usable = re.compile(cases["patient_pattern"]).groups > 0
    except (re.error, TypeError):
        usable = False
    if not usable:
        raise TrainingDataError(
            f"The bundle has the patient_pattern {cases['patient_pattern']!r}, which is not a regular expression with "
            "a group. Correct cases.patient_pattern in its metadata."
        )
    return cases["patient_pattern"], *(other.patient_pattern for other in settings)


def held_out_names(bundle: ModelBundle, names: Sequence[str] | None, patterns: Sequence[str]) -> list[str]:
    """Returns the names of the cases to evaluate.

    Args:
        bundle: bundle whose metadata lists its training cases and its held-out cases.
        names: names of cases; None takes the bundle's held-out cases.
        patterns: patterns that give the patient of a case.

    Raises:
        TrainingDataError: the bundle was trained on a patient of these cases, or lists no held-out cases.
    """
    cases_of = bundle.notes.get("cases", {})
    chosen = list(names if names is not None else cases_of.get("validation", ()))
    if not chosen:
        raise TrainingDataError("The bundle names no held-out cases; list the cases with --cases.")
    check_unseen("bundle", cases_of.get("training", ()), chosen, patterns)
    return chosen


def load_patients(
    data: Path,
    names: Sequence[str],
    patterns: Sequence[str],
    exclude_lps_mm: Mapping[str, Sequence[Sequence[float]]] | None = None,
) -> list[Case]:
    """Reads cases, each with its patient: that of the pattern which finds the fewest patients.

    Args:
        data: folder to search, with its subfolders.
        names: names of the cases.
        patterns: patterns that give the patient of a case; a case that a pattern does not match is a patient of its
            own. Without patterns, all cases are.
        exclude_lps_mm: as in ``load_cases``.

    Raises:
        TrainingDataError: a case is missing or cannot be read.
    """
    cases = load_cases(data, names, exclude_lps_mm)
    by_pattern = [{case.name: _patient(case.name, pattern) for case in cases} for pattern in patterns]
    fewest = min(by_pattern, key=lambda patients: len(set(patients.values())), default={})
    return [replace(case, patient=fewest.get(case.name, case.name)) for case in cases]


def load_training_cases(bundle: ModelBundle, data: Path, patterns: Sequence[str] = ()) -> list[Case]:
    """Reads the training cases of a bundle that are in ``data``; there may be none.

    Args:
        bundle: bundle whose metadata lists its training cases.
        data: folder to search, with its subfolders.
        patterns: as in ``load_patients``.

    Raises:
        TrainingDataError: a case cannot be read.
    """
    here = sorted(case_files(data, bundle.notes.get("cases", {}).get("training", ())))
    return load_patients(data, here, patterns) if here else []


def check_unseen(network: str, learned_from: Iterable[str], names: Iterable[str], patterns: Sequence[str]) -> None:
    """Refuses a network that learned from a patient of the evaluation.

    Args:
        network: name of the network for the message.
        learned_from: names of its training cases.
        names: names of the cases to evaluate.
        patterns: patterns that give the patient of a case; one that finds a common patient is enough. Equal names are
            always one patient.

    Raises:
        TrainingDataError: the network learned from one of these patients.
    """
    names, learned_from = list(names), list(learned_from)
    seen = set(names) & set(learned_from)
    for pattern in patterns:
        learned = {_patient(name, pattern) for name in learned_from}
        seen |= {name for name in names if _patient(name, pattern) in learned}
    if seen:
        raise TrainingDataError(
            f"The {network} was trained on the patients of {', '.join(sorted(seen))}; choose cases of other patients, "
            "or train it with the generator's split."
        )


def _patient(name: str, pattern: str) -> str:
    match = re.match(pattern, name)
    return match[1] if match else name
