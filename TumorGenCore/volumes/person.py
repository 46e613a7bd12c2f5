"""Facts about the scanned person that a physicist needs: age, sex, height, weight and injected activity.

They may help to find out who the person is. Only the truth table takes them, and only when a user asks for one: they
are in no provenance, no log and no report. No name, date or number of the person is read.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from TumorGenCore.errors import UnsupportedVolumeError
from TumorGenCore.volumes.dicom_files import find_pet_files
from TumorGenCore.volumes.dicom_values import header_items, header_number, header_value

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["PERSON_TAGS", "Person", "person_of", "read_person"]

#: Tags that ``person_of`` needs.
PERSON_TAGS = ("PatientAge", "PatientSex", "PatientSize", "PatientWeight", "RadiopharmaceuticalInformationSequence")

#: Years of each unit of a DICOM age (PS3.5, value representation AS).
_YEARS = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}
#: Older people are few, so their age tells who they are (HIPAA Safe Harbor, 45 CFR 164.514(b)(2)(i)(C)).
_MOST_YEARS = 89
#: Heights in m and weights in kg of people, and activities in Bq of injections; others have another unit.
_HEIGHTS_M, _WEIGHTS_KG, _DOSES_BQ = (0.2, 2.7), (0.2, 700.0), (1e5, 1e11)


@dataclass(frozen=True)
class Person:
    """Facts about a person; None is not known.

    Args:
        age_years: age, years; not known above 89.
        sex: ``F``, ``M`` or ``O``.
        height_m: height, m.
        weight_kg: body weight, kg.
        injected_activity_mbq: activity at the time of injection, MBq.
    """

    age_years: float | None = None
    sex: str | None = None
    height_m: float | None = None
    weight_kg: float | None = None
    injected_activity_mbq: float | None = None


def read_person(scan: str | os.PathLike[str]) -> Person:
    """Reads the facts about the person of a scan.

    Args:
        scan: folder of a DICOM PET series; nothing is known of the person of another file.

    Raises:
        UnsupportedVolumeError: the folder holds no single PET series.
    """
    scan = Path(scan)
    if not scan.is_dir():
        return Person()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of pydicom may quote a person's tags
        return person_of([header for _, header in find_pet_files(scan, PERSON_TAGS)])


def person_of(headers: Sequence[Dataset]) -> Person:
    """Returns the facts that the headers of a DICOM PET series state; a damaged or contradictory value is not known.

    Args:
        headers: headers of the slices, with ``PERSON_TAGS``.
    """
    dose_bq = _agreed(headers, lambda header: _within(_DOSES_BQ, _dose_bq(header)))
    return Person(
        age_years=_agreed(headers, _age_years),
        sex=_agreed(headers, _sex),
        height_m=_agreed(headers, lambda header: _within(_HEIGHTS_M, header_number(header, "PatientSize"))),
        weight_kg=_agreed(headers, lambda header: _within(_WEIGHTS_KG, header_number(header, "PatientWeight"))),
        injected_activity_mbq=None if dose_bq is None else dose_bq / 1e6,
    )


def _agreed(headers: Sequence[Dataset], read: Callable[[Dataset], Any]) -> Any:
    """Returns the value that all headers have; None if they differ, or if one is damaged."""
    try:
        values = {read(header) for header in headers}
    except UnsupportedVolumeError:
        return None
    return values.pop() if len(values) == 1 else None


def _age_years(header: Dataset) -> float | None:
    found = re.fullmatch(r"(\d{3})([YMWD])", str(header_value(header, "PatientAge") or "").strip().upper())
    if found is None:
        return None
    years = int(found[1]) * _YEARS[found[2]]
    return years if years <= _MOST_YEARS else None


def _sex(header: Dataset) -> str | None:
    sex = str(header_value(header, "PatientSex") or "").strip().upper()
    return sex if sex in ("F", "M", "O") else None


def _dose_bq(header: Dataset) -> float | None:
    injections = header_items(header, "RadiopharmaceuticalInformationSequence")
    return header_number(injections[0], "RadionuclideTotalDose") if len(injections) == 1 else None


def _within(limits: tuple[float, float], value: float | None) -> float | None:
    return value if value is not None and limits[0] <= value <= limits[1] else None
