"""What PET voxels are measured in, and the factor from their native values to SUV (body weight).

From DICOM tags the factor follows the vendor-neutral pseudo-code of QIBA (the FDG-PET/CT profile's SUV annex)::

    SUV = voxel value * weight [g] / (injected dose [Bq] * 2 ** (-decay time / half life))

No tag that identifies a person is read here, and messages never quote dates.
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

#: The tags (keywords, or group and element) that ``units_from_dicom`` needs, for a reader that wants no others.
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

#: More half-lives than any clinical scan waits; beyond it a time or the half-life itself is wrong (minutes, say).
_MAX_HALF_LIVES = 6.0
#: Less than any injection for imaging; below it the dose was written in MBq.
_MIN_DOSE_BQ = 1e5
#: More than any patient; above it the weight was written in grams.
_MAX_WEIGHT_KG = 700.0
#: SUV no whole volume reaches: even a full bladder stays below the first, and tissue lies above the second.
_IMPLAUSIBLE_HIGH_SUV = 200.0
_IMPLAUSIBLE_LOW_SUV = 0.1


@dataclass(frozen=True)
class PetUnits:
    """Units of a PET volume: SUV = native voxel value * ``suv_factor``.

    Args:
        name: what the native values are, as far as known ("CNTS": counts with a vendor's SUV factor).
        suv_factor: SUV (body weight, g/mL) per native unit.
        source: where the factor came from; "voxel units" are those that a volume itself states.

    Raises:
        UnsupportedVolumeError: the factor is not a positive finite number.
    """

    name: UnitName
    suv_factor: float
    source: Literal["dicom tags", "voxel units", "given", "taken as SUV"]

    def __post_init__(self) -> None:
        if not (math.isfinite(self.suv_factor) and self.suv_factor > 0):
            raise UnsupportedVolumeError(
                f"The SUV factor {self.suv_factor} must be a positive number: SUV per unit of voxel value."
            )


def units_of_image(image: sitk.Image, suv_factor: float | None = None) -> PetUnits:
    """Units of an image that does not state them: NIfTI, NRRD, MHA or from memory.

    Args:
        image: 3D scalar PET volume without NaN or Inf.
        suv_factor: SUV per unit of voxel value; None takes the values as SUV.

    Warns:
        UnknownUnitsWarning: there is no factor, or the values do not look like SUV.

    Raises:
        UnsupportedVolumeError: ``suv_factor`` is not a positive finite number.
    """
    if suv_factor is None:
        units = PetUnits("SUV", 1.0, "taken as SUV")
        warnings.warn(
            "The volume does not say its units; its values are taken as SUV (body weight). "
            "If they are not, give the factor from voxel values to SUV; if they are, 1.",
            UnknownUnitsWarning,
            stacklevel=2,
        )
    else:
        units = PetUnits("unknown", float(suv_factor), "given")
    warn_if_implausible(image, units)
    return units


def warn_if_implausible(image: sitk.Image, units: PetUnits) -> None:
    """Warn when the values times the factor cannot be a PET volume in SUV.

    Args:
        image: 3D scalar.
        units: with the factor from its values to SUV.

    Warns:
        UnknownUnitsWarning: the maximum lies below SUV 0.1, or the 99.9th percentile above SUV 200.
    """
    highest = max(float(slab.max()) for _, slab in read_slabs(image)) * units.suv_factor
    high = highest
    if highest > _IMPLAUSIBLE_HIGH_SUV:
        values = sitk.GetArrayViewFromImage(image)
        # A few hundred thousand voxels settle a percentile, and keep it quick on whole-body volumes.
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
    """Units and SUV factor from the tags of all slices of one DICOM PET series, in any order.

    Args:
        slices: headers with at least ``SUV_TAGS``.
        suv_factor: used instead of that of the tags. Both apply to rescaled values
            (stored value * RescaleSlope + RescaleIntercept).

    Raises:
        UnsupportedVolumeError: a tag is missing or makes no sense; the message names it.
    """
    first = slices[0]
    if suv_factor is not None:
        return PetUnits(_DICOM_UNITS.get(str(first.get("Units")).upper(), "unknown"), float(suv_factor), "given")
    units = str(_required(first, "Units")).upper()
    if "ATTN" not in _corrections(first):
        raise UnknownUnitsError(
            f"CorrectedImage of the PET series does not list ATTN, so it is not known to be quantitative. {_HINT}"
        )
    if units == "GML":
        suv_type = str(first.get("SUVType") or "BW").upper()  # an absent SUVType means body weight (PS3.3 C.8.9.1)
        if suv_type != "BW":
            raise UnknownUnitsError(f"SUVType of the PET series is {suv_type}; only BW is known. {_HINT}")
        return PetUnits("SUV", 1.0, "dicom tags")
    if units == "BQML":
        return PetUnits("BQML", _suv_per_bqml(slices), "dicom tags")
    if units == "CNTS":
        return PetUnits("CNTS", _suv_per_count(slices), "dicom tags")
    raise UnknownUnitsError(f"Units of the PET series is {units}; BQML, GML and CNTS are known. {_HINT}")


def _suv_per_count(slices: Sequence[Dataset]) -> float:
    """SUV per count, from the Philips private factors: to SUV directly, or to Bq/mL."""
    direct = _private_number(slices[0], _PHILIPS_SUV_PER_COUNT)
    if direct > 0:
        return direct
    activity = _private_number(slices[0], _PHILIPS_BQML_PER_COUNT)
    if activity > 0:
        return activity * _suv_per_bqml(slices)
    raise UnknownUnitsError(
        f"Units of the PET series is CNTS, but it has neither of the factors (7053,1000) and (7053,1009). {_HINT}"
    )


def _suv_per_bqml(slices: Sequence[Dataset]) -> float:
    first = slices[0]
    weight_kg = _positive(first, "PatientWeight")
    if weight_kg > _MAX_WEIGHT_KG:
        raise UnknownUnitsError(f"PatientWeight {weight_kg:g} cannot be in kg. {_HINT}")
    items = _required(first, "RadiopharmaceuticalInformationSequence")
    if len(items) != 1:
        raise UnknownUnitsError(
            f"RadiopharmaceuticalInformationSequence has {len(items)} items; one injection is needed. {_HINT}"
        )
    dose_bq = _positive(items[0], "RadionuclideTotalDose")
    if dose_bq < _MIN_DOSE_BQ:
        raise UnknownUnitsError(f"RadionuclideTotalDose {dose_bq:g} is too small to be in Bq (MBq?). {_HINT}")
    half_life_s = _positive(items[0], "RadionuclideHalfLife")

    correction = str(_required(first, "DecayCorrection")).upper()
    if (correction != "NONE") != ("DECY" in _corrections(first)):
        raise UnknownUnitsError(
            f"DecayCorrection is {correction}, but CorrectedImage says otherwise about DECY. {_HINT}"
        )
    if correction == "ADMIN":
        decay_s = 0.0
    elif correction == "START":
        decay_s = _seconds_since_injection(_scan_start(slices), items[0], half_life_s)
    elif correction == "NONE":
        starts = {_moment(dataset, "Acquisition") for dataset in slices}
        if len(starts) > 1:
            raise UnsupportedVolumeError(
                f"DecayCorrection is NONE and the slices have {len(starts)} values of AcquisitionTime, so no single "
                "factor fits them all. Correct the series for decay first."
            )
        decay_s = _seconds_since_injection(starts.pop(), items[0], half_life_s)
    else:
        raise UnknownUnitsError(f"DecayCorrection is {correction}; START, ADMIN and NONE are known. {_HINT}")
    return weight_kg * 1000.0 / (dose_bq * 2.0 ** (-decay_s / half_life_s))


def _scan_start(slices: Sequence[Dataset]) -> datetime:
    """The time to which the values are corrected when DecayCorrection is START."""
    series = _moment(slices[0], "Series")
    acquisition = min(_moment(dataset, "Acquisition") for dataset in slices)
    if series <= acquisition:
        return series
    # A later series time is that of post-processing: GE keeps the true one, elsewhere the first bed position began it.
    if _text(slices[0].get(_GE_CREATOR)) == "GEMS_PETD_01" and (scan := _text(slices[0].get(_GE_SCAN_DATETIME))):
        return _parse_date(scan[:8], "(0009,100d)") + _parse_time(scan[8:], "(0009,100d)")
    return acquisition


def _seconds_since_injection(scan: datetime, radiopharmaceutical: Dataset, half_life_s: float) -> float:
    longest = _MAX_HALF_LIVES * half_life_s
    midnight = scan.replace(hour=0, minute=0, second=0, microsecond=0)
    text = str(radiopharmaceutical.get("RadiopharmaceuticalStartDateTime") or "")
    if re.fullmatch(r"\d{10,14}(\.\d+)?", text):  # with an offset from UTC it would not compare with the series time
        keyword = "RadiopharmaceuticalStartDateTime"
        time_of_day = _parse_time(text[8:], keyword)
        elapsed = (scan - _parse_date(text[:8], keyword) - time_of_day).total_seconds()
        if 0 <= elapsed <= longest:
            return elapsed
    else:
        keyword = "RadiopharmaceuticalStartTime"
        time_of_day = _parse_time(str(_required(radiopharmaceutical, keyword)), keyword)
    # The date is absent, or de-identification shifted it apart from the series date: the time of day decides,
    # on the day before when the scan ran past midnight.
    elapsed = (scan - midnight - time_of_day).total_seconds() % 86400.0
    if elapsed > longest:
        raise UnknownUnitsError(
            f"{keyword} is {elapsed / 60:.0f} min before the scan, more than {_MAX_HALF_LIVES:g} times the "
            f"RadionuclideHalfLife of {half_life_s:g} s; one of the two is wrong. {_HINT}"
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
        raise UnknownUnitsError(f"{keyword} of the PET series is {value}; it must be a positive number. {_HINT}")
    return number


def _corrections(dataset: Dataset) -> list[str]:
    value = dataset.get("CorrectedImage") or []
    return [value] if isinstance(value, str) else list(value)


def _text(element: Any) -> str:
    """Value of a private element; its bytes where pydicom does not know the type."""
    value = None if element is None else element.value
    return value.decode("ascii", "replace").strip("\0 ") if isinstance(value, bytes) else str(value or "").strip()


def _private_number(dataset: Dataset, tag: tuple[int, int]) -> float:
    try:
        return float(_text(dataset.get(tag)) or 0.0)
    except ValueError:
        return 0.0


def _moment(dataset: Dataset, prefix: str) -> datetime:
    """SeriesDate + SeriesTime, or AcquisitionDate + AcquisitionTime."""
    day = _parse_date(str(_required(dataset, f"{prefix}Date")), f"{prefix}Date")
    return day + _parse_time(str(_required(dataset, f"{prefix}Time")), f"{prefix}Time")


def _parse_date(text: str, keyword: str) -> datetime:
    try:
        return datetime.strptime(text.replace(".", ""), "%Y%m%d")
    except ValueError:
        raise UnknownUnitsError(f"{keyword} of the PET series is not a DICOM date. {_HINT}") from None


def _parse_time(text: str, keyword: str) -> timedelta:
    """HH[MM[SS[.F]]], with the colons of old files tolerated."""
    match = re.fullmatch(r"([01]\d|2[0-3])([0-5]\d)?([0-5]\d(?:\.\d*)?)?", text.strip().replace(":", ""))
    if match is None:
        raise UnknownUnitsError(f"{keyword} of the PET series is not a DICOM time. {_HINT}")
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)
