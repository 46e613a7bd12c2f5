"""The cases that the settings of a run choose, and their split by patient."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from TumorGenCore.training.config import DataSettings
from TumorGenCore.training.data.cases import Case, load_cases, split_patients

__all__ = ["load_chosen", "split_chosen"]


def load_chosen(folder: Path, settings: DataSettings) -> list[Case]:
    """Reads the cases below ``folder`` that the settings choose; see ``load_cases``, also for its errors."""
    return load_cases(folder, settings.names, settings.exclude_lps_mm, settings.patient_pattern)


def split_chosen(cases: Sequence[Case], settings: DataSettings) -> tuple[list[Case], list[Case]]:
    """Splits cases into training and validation by the settings; see ``split_patients``."""
    return split_patients(cases, settings.validation_share, settings.split_seed, settings.always_train)
