"""Units of PET voxels, and the factor from their native values to SUV (body weight).

The factor from DICOM tags follows the vendor-neutral pseudo-code of QIBA (SUV annex of the FDG-PET/CT profile)::

    SUV = voxel value * weight [g] / (injected dose [Bq] * 2 ** (-decay time / half life))

This module reads no tag that identifies a person, and its messages never quote dates.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import SimpleITK as sitk

from TumorGenCore.errors import UnknownUnitsError, UnknownUnitsWarning, UnsupportedVolumeError
from TumorGenCore.volumes.voxels import read_slabs

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["SUV_TAGS", "PetUnits", "UnknownUnitsWarning", "units_from_dicom", "units_of_image", "warn_if_implausible"]

UnitName = Literal["SUV", "BQML", "CNTS", "unknown"]

_DICOM_UNITS: dict[str, UnitName] = {"GML": "SUV", "BQML": "BQML", "CNTS": "CNTS"}

_HINT = "Give the factor from voxel values to SUV yourself."

_PHILIPS_SUV_PER_COUNT = (0x7053, 0x1000)
_PHILIPS_BQML_PER_COUNT = (0x7053, 0x1009)
_GE_CREATOR = (0x0009, 0x0010)
_GE_SCAN_DATETIME = (0x0009, 0x100D)

#: Tags (keywords, or group and element) that ``units_from_dicom`` needs; readers can skip all others.
SUV_TAGS: list[Any] = [
    "Units",
    "SUVType",
    "CorrectedImage",
    "DecayCorrection",
    "PatientWeight",
    "RadiopharmaceuticalInformationSequence",
    "SeriesDate",
    "SeriesTime",
    "AcquisitionDate",
    "AcquisitionTime",
    (0x7053, 0x0010),
    _PHILIPS_SUV_PER_COUNT,
    _PHILIPS_BQML_PER_COUNT,
    _GE_CREATOR,
    _GE_SCAN_DATETIME,
]

#: No clinical scan starts later than this many half-lives after injection. Above it, a time or the half-life is wrong
#: (in minutes, for example).
_MAX_HALF_LIVES = 6.0
#: Every injection for imaging is larger. Below it, the dose is probably in MBq.
_MIN_DOSE_BQ = 1e5
#: Every patient weighs less. Above it, the weight is probably in grams.
_MAX_WEIGHT_KG = 700.0
#: Limits for a whole volume in SUV: even a full bladder stays below the first, and tissue lies above the second.
_IMPLAUSIBLE_HIGH_SUV = 200.0
_IMPLAUSIBLE_LOW_SUV = 0.1


@dataclass(frozen=True)
class PetUnits:
    """Units of a PET volume: SUV = native voxel value * ``suv_factor``.

    Args:
        name: unit of the native values, if known ("CNTS": counts with an SUV factor of the vendor).
        suv_factor: SUV (body weight, g/mL) per native unit.
        source: origin of the factor; "voxel units" means that the volume itself states its units.

    Raises:
        UnsupportedVolumeError: the factor is not a positive finite number.
    """

    name: UnitName
    suv_factor: float
    source: Literal["dicom tags", "voxel units", "given", "taken as SUV"]

    def __post_init__(self) -> None:
        if not (math.isfinite(self.suv_factor) and self.suv_factor > 0):
            raise UnsupportedVolumeError(
                f"The SUV factor {self.suv_factor} must be a positive number. It is the SUV per unit of voxel value."
            )


def units_of_image(image: sitk.Image, suv_factor: float | None = None) -> PetUnits:
    """Returns the units of an image that does not state them: NIfTI, NRRD, MHA, or an image in memory.

    Args:
        image: 3D scalar PET volume without NaN or Inf.
        suv_factor: SUV per unit of voxel value; None takes the values as SUV.

    Warns:
        UnknownUnitsWarning: ``suv_factor`` is None, or the values do not look like SUV.

    Raises:
        UnsupportedVolumeError: ``suv_factor`` is not a positive finite number.
    """
    if suv_factor is None:
        units = PetUnits("SUV", 1.0, "taken as SUV")
        warnings.warn(
            "The volume does not say its units; its values are taken as SUV (body weight). "
            "If this is wrong, give the factor from voxel values to SUV; if it is right, give 1.",
            UnknownUnitsWarning,
            stacklevel=2,
        )
    else:
        units = PetUnits("unknown", float(suv_factor), "given")
    warn_if_implausible(image, units)
    return units


def warn_if_implausible(image: sitk.Image, units: PetUnits) -> None:
    """Warns if the values times the factor cannot be a PET volume in SUV.

    Args:
        image: 3D scalar image.
        units: units of the image, with the factor to SUV.

    Warns:
        UnknownUnitsWarning: the maximum lies below SUV 0.1, or the 99.9th percentile above SUV 200.
    """
    highest = max(float(slab.max()) for _, slab in read_slabs(image)) * units.suv_factor
    high = highest
    if highest > _IMPLAUSIBLE_HIGH_SUV:
        values = sitk.GetArrayViewFromImage(image)
        # A few hundred thousand voxels are enough for a percentile, and keep it quick on whole-body volumes.
        sample = values.ravel()[:: max(1, values.size // 500_000)]
        high = float(np.percentile(sample, 99.9)) * units.suv_factor
    if high > _IMPLAUSIBLE_HIGH_SUV:
        odd = f"the 99.9th percentile would be SUV {high:.4g}, above {_IMPLAUSIBLE_HIGH_SUV:g}; is it in Bq/mL?"
    elif highest < _IMPLAUSIBLE_LOW_SUV:
        odd = f"the maximum would be SUV {highest:.4g}, below {_IMPLAUSIBLE_LOW_SUV:g}."
    else:
        return
    warnings.warn(
        f"The values do not look like SUV (factor {units.suv_factor:.6g}, {units.source}): {odd} "
        "Check the factor from voxel values to SUV.",
        UnknownUnitsWarning,
        stacklevel=3,
    )


def units_from_dicom(slices: Sequence[Dataset], suv_factor: float | None = None) -> PetUnits:
    """Returns units and SUV factor from the tags of all slices of one DICOM PET series, in any order.

    Args:
        slices: headers with at least ``SUV_TAGS``.
        suv_factor: replaces the factor from the tags. Both factors apply to rescaled values
            (stored value * RescaleSlope + RescaleIntercept).

    Raises:
        UnsupportedVolumeError: a tag is missing or wrong; the message names it.
    """
    first = slices[0]
    if suv_factor is not None:
        return PetUnits(_DICOM_UNITS.get(str(first.get("Units")).upper(), "unknown"), float(suv_factor), "given")
    units = str(_required(first, "Units")).upper()
    if "ATTN" not in _corrections(first):
        raise UnknownUnitsError(
            f"CorrectedImage of the PET series does not list ATTN, so the values may not be quantitative. {_HINT}"
        )
    if units == "GML":
        suv_type = str(first.get("SUVType") or "BW").upper()  # a missing SUVType means body weight (PS3.3 C.8.9.1)
        if suv_type != "BW":
            raise UnknownUnitsError(f"SUVType of the PET series is {suv_type}, but TumorGen knows only BW. {_HINT}")
        return PetUnits("SUV", 1.0, "dicom tags")
    if units == "BQML":
        return PetUnits("BQML", _suv_per_bqml(slices), "dicom tags")
    if units == "CNTS":
        return PetUnits("CNTS", _suv_per_count(slices), "dicom tags")
    raise UnknownUnitsError(f"Units of the PET series is {units}, but TumorGen knows only BQML, GML and CNTS. {_HINT}")


def _suv_per_count(slices: Sequence[Dataset]) -> float:
    """Returns the SUV per count, from the private Philips factor to SUV or to Bq/mL."""
    direct = _private_number(slices[0], _PHILIPS_SUV_PER_COUNT)
    if direct > 0:
        return direct
    activity = _private_number(slices[0], _PHILIPS_BQML_PER_COUNT)
    if activity > 0:
        return activity * _suv_per_bqml(slices)
    raise UnknownUnitsError(
        f"Units of the PET series is CNTS, but both factors (7053,1000) and (7053,1009) are missing. {_HINT}"
    )


def _suv_per_bqml(slices: Sequence[Dataset]) -> float:
    first = slices[0]
    weight_kg = _positive(first, "PatientWeight")
    if weight_kg > _MAX_WEIGHT_KG:
        raise UnknownUnitsError(f"PatientWeight {weight_kg:g} cannot be in kg. {_HINT}")
    items = _required(first, "RadiopharmaceuticalInformationSequence")
    if len(items) != 1:
        raise UnknownUnitsError(
            f"RadiopharmaceuticalInformationSequence has {len(items)} items, but there must be one injection. {_HINT}"
        )
    dose_bq = _positive(items[0], "RadionuclideTotalDose")
    if dose_bq < _MIN_DOSE_BQ:
        raise UnknownUnitsError(f"RadionuclideTotalDose {dose_bq:g} is too small to be in Bq (MBq?). {_HINT}")
    half_life_s = _positive(items[0], "RadionuclideHalfLife")

    correction = str(_required(first, "DecayCorrection")).upper()
    if (correction != "NONE") != ("DECY" in _corrections(first)):
        raise UnknownUnitsError(
            f"DecayCorrection is {correction}, but CorrectedImage contradicts it about DECY. {_HINT}"
        )
    if correction == "ADMIN":
        decay_s = 0.0
    elif correction == "START":
        decay_s = _seconds_since_injection(_scan_start(slices), items[0], half_life_s)
    elif correction == "NONE":
        starts = {_moment(dataset, "Acquisition") for dataset in slices}
        if len(starts) > 1:
            raise UnsupportedVolumeError(
                f"DecayCorrection is NONE, but the slices have {len(starts)} values of AcquisitionTime, so one "
                "factor does not fit all slices. Correct the series for decay first."
            )
        decay_s = _seconds_since_injection(starts.pop(), items[0], half_life_s)
    else:
        raise UnknownUnitsError(
            f"DecayCorrection is {correction}, but TumorGen knows only START, ADMIN and NONE. {_HINT}"
        )
    return weight_kg * 1000.0 / (dose_bq * 2.0 ** (-decay_s / half_life_s))


def _scan_start(slices: Sequence[Dataset]) -> datetime:
    """Returns the time that the values are decay-corrected to if DecayCorrection is START."""
    series = _moment(slices[0], "Series")
    acquisition = min(_moment(dataset, "Acquisition") for dataset in slices)
    if series <= acquisition:
        return series
    # A later series time is the time of post-processing. GE keeps the true time in a private tag. For other vendors,
    # the scan began with the first bed position.
    if _text(slices[0].get(_GE_CREATOR)) == "GEMS_PETD_01" and (scan := _text(slices[0].get(_GE_SCAN_DATETIME))):
        return _parse_date(scan[:8], "(0009,100d)") + _parse_time(scan[8:], "(0009,100d)")
    return acquisition


def _seconds_since_injection(scan: datetime, radiopharmaceutical: Dataset, half_life_s: float) -> float:
    longest = _MAX_HALF_LIVES * half_life_s
    midnight = scan.replace(hour=0, minute=0, second=0, microsecond=0)
    text = str(radiopharmaceutical.get("RadiopharmaceuticalStartDateTime") or "")
    if re.fullmatch(r"\d{10,14}(\.\d+)?", text):  # an offset from UTC does not fit the series time
        keyword = "RadiopharmaceuticalStartDateTime"
        time_of_day = _parse_time(text[8:], keyword)
        elapsed = (scan - _parse_date(text[:8], keyword) - time_of_day).total_seconds()
        if 0 <= elapsed <= longest:
            return elapsed
    else:
        keyword = "RadiopharmaceuticalStartTime"
        time_of_day = _parse_time(str(_required(radiopharmaceutical, keyword)), keyword)
    # The date is missing, or de-identification shifted it relative to the series date. Therefore the time of day
    # counts, on the day before if the scan ran past midnight.
    elapsed = (scan - midnight - time_of_day).total_seconds() % 86400.0
    if elapsed > longest:
        raise UnknownUnitsError(
            f"{keyword} is {elapsed / 60:.0f} min before the scan, more than {_MAX_HALF_LIVES:g} times the "
            f"RadionuclideHalfLife of {half_life_s:g} s. One of the two is wrong. {_HINT}"
        )
    return elapsed


def _required(dataset: Dataset, keyword: str) -> Any:
    value = dataset.get(keyword)
    if value is None or value == "" or (isinstance(value, Sequence) and len(value) == 0):
        raise UnknownUnitsError(f"{keyword} is missing from the PET series. {_HINT}")
    return value


def _positive(dataset: Dataset, keyword: str) -> float:
    value = _required(dataset, keyword)
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise UnknownUnitsError(f"{keyword} of the PET series is {value}, but must be a positive number. {_HINT}")
    return number


def _corrections(dataset: Dataset) -> list[str]:
    value = dataset.get("CorrectedImage") or []
    return [value] if isinstance(value, str) else list(value)


def _text(element: Any) -> str:
    """Returns the value of a private element as text; it is bytes if pydicom does not know the type."""
    value = None if element is None else element.value
    return value.decode("ascii", "replace").strip("\0 ") if isinstance(value, bytes) else str(value or "").strip()


def _private_number(dataset: Dataset, tag: tuple[int, int]) -> float:
    try:
        return float(_text(dataset.get(tag)) or 0.0)
    except ValueError:
        return 0.0


def _moment(dataset: Dataset, prefix: str) -> datetime:
    """Returns SeriesDate + SeriesTime, or AcquisitionDate + AcquisitionTime."""
    day = _parse_date(str(_required(dataset, f"{prefix}Date")), f"{prefix}Date")
    return day + _parse_time(str(_required(dataset, f"{prefix}Time")), f"{prefix}Time")


def _parse_date(text: str, keyword: str) -> datetime:
    try:
        return datetime.strptime(text.replace(".", ""), "%Y%m%d")
    except ValueError:
        raise UnknownUnitsError(f"{keyword} of the PET series is not a DICOM date. {_HINT}") from None


def _parse_time(text: str, keyword: str) -> timedelta:
    """Parses HH[MM[SS[.F]]]; old files may have colons."""
    match = re.fullmatch(r"([01]\d|2[0-3])([0-5]\d)?([0-5]\d(?:\.\d*)?)?", text.strip().replace(":", ""))
    if match is None:
        raise UnknownUnitsError(f"{keyword} of the PET series is not a DICOM time. {_HINT}")
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)
